//! The scripts that isolates load when something asks for them, ready for V8.
//!
//! The snapshot holds what nearly every function needs; the rest of the platform, and all of Node's
//! modules, stays outside as text until it is first touched. V8 uses these texts where they are, so that
//! no isolate has a copy. Some of Node's are TypeScript: they are transpiled once, when the snapshot is
//! written, and kept beside it in one file.

use std::borrow::Cow;

use deno_ast::{
    EmitOptions, ImportsNotUsedAsValues, MediaType, ParseParams, SourceMapOption, TranspileModuleOptions,
    TranspileOptions,
};
use deno_core::{ExtensionFileSource, ExtensionFileSourceCode, ModuleSpecifier};

use crate::{extensions, sources};

/// What is changed in Node's modules and in the platform's: in which, what, and to what.
const CHANGES: [(&str, &str, &str); 20] = [
    ("_process/process.ts", "__NODE_VERSION__", deno_node::NODE_VERSION),
    // Files have no modes; one that a file is written with is no reason to fail.
    ("fs.ts", "await Deno.chmod(pathOrRid as string, mode);", ""),
    ("fs.ts", "Deno.chmodSync(pathOrRid as string, mode);", ""),
    // A function has a bound on its connections.
    (
        "net.ts",
        "self[kReinitializeHandle](new TCP(TCPConstants.SOCKET));",
        "__bootstrap.internals.mayConnect();\n    self[kReinitializeHandle](new TCP(TCPConstants.SOCKET));",
    ),
    (
        "net.ts",
        "      : new TCP(TCPConstants.SOCKET);",
        "      : (__bootstrap.internals.mayConnect(), new TCP(TCPConstants.SOCKET));",
    ),
    // To the function's log; the host's standard error is not the function's.
    (
        "process.ts",
        "core.print(`${format(...new SafeArrayIterator(args))}\\n`, true)",
        "internals.log(3, format(...new SafeArrayIterator(args)))",
    ),
    // V8 believes what it is given as its own compiled code.
    ("vm.js", "      cachedData,\n      produceCachedData,", "      undefined,\n      false,"),
    (
        "vm.js",
        "    cachedData,\n    produceCachedData,\n    parsingContext,\n    contextExtensions",
        "    undefined,\n    false,\n    parsingContext,\n    contextExtensions",
    ),
    // What cannot be ended is judged before it begins (`js/native.js`).
    ("internal/crypto/cipher.ts", "} = core.ops;", JUDGED_OPERATIONS),
    ("internal/crypto/diffiehellman.ts", "} = core.ops;", JUDGED_OPERATIONS),
    ("internal/crypto/keygen.ts", "} = core.ops;", JUDGED_OPERATIONS),
    ("internal/crypto/keys.ts", "} = core.ops;", JUDGED_OPERATIONS),
    ("internal/crypto/pbkdf2.ts", "} = core.ops;", JUDGED_OPERATIONS),
    ("internal/crypto/random.ts", "} = core.ops;", JUDGED_OPERATIONS),
    (
        "internal/crypto/scrypt.ts",
        "const { op_node_scrypt_async, op_node_scrypt_sync } = core.ops;",
        "const { op_node_scrypt_async, op_node_scrypt_sync } = __bootstrap.internals.judged(core.ops);",
    ),
    (
        "internal/crypto/_randomFill.mjs",
        "const { op_node_fill_random, op_node_fill_random_async } = core.ops;",
        "const { op_node_fill_random, op_node_fill_random_async } = __bootstrap.internals.judged(core.ops);",
    ),
    ("internal/crypto/sig.ts", "} = core.ops;", JUDGED_OPERATIONS),
    // What a stream held is free again.
    (
        "zlib.js",
        "  engine._handle?.close();\n",
        "  engine._handle?.close();\n  __bootstrap.internals.closed(engine._handle);\n",
    ),
    // The last 256 messages stay outside of the heap, whatever becomes of them.
    (
        "ext:deno_web/01_broadcast_channel.js",
        "    op_broadcast_send(rid, this[_name], data, sabId);",
        "    if (data.byteLength <= 262144) op_broadcast_send(rid, this[_name], data, sabId);",
    ),
    (
        "ext:deno_websocket/01_websocket.js",
        "    const cancelRid = op_ws_check_permission_and_cancel_handle(",
        "    internals.mayConnect();\n    const cancelRid = op_ws_check_permission_and_cancel_handle(",
    ),
];

const JUDGED_OPERATIONS: &str = "} = __bootstrap.internals.judged(core.ops);";

/// A table that is searched by specifier, sorted.
pub(crate) type Table = &'static [(&'static str, &'static str)];

/// All of them, or none. They live as long as the process, since isolates refer to them.
#[derive(Clone, Copy, Default)]
pub(crate) struct Scripts {
    /// Scripts: functions of the runtime's internals that return what they provide.
    pub(crate) classic: Table,
    /// ES modules.
    pub(crate) modules: Table,
}

/// Transpiles what has to be: about a second.
pub(crate) fn make() -> Result<Vec<u8>, String> {
    let mut packed = Packed::default();
    for extension in extensions::for_listing() {
        for file in &*extension.lazy_loaded_js_files {
            let text = deno_core::wrap_lazy_ext_script(&text_of(file)?);
            packed.add(Kind::Classic, file.specifier, &text)?;
        }
        for file in &*extension.lazy_loaded_esm_files {
            packed.add(Kind::Module, file.specifier, &text_of(file)?)?;
        }
    }
    Ok(packed.0)
}

/// The text of a classic script of the table before it was wrapped, as a snapshot is made of it.
pub(crate) fn unwrapped(text: &'static str) -> &'static str {
    text.strip_prefix("\"use strict\"; return (").and_then(|text| text.strip_suffix(");")).unwrap_or(text)
}

/// The text of `file` in JavaScript.
pub(crate) fn text_of(file: &ExtensionFileSource) -> Result<Cow<'static, str>, String> {
    if let Some(text) = sources::text(file.specifier) {
        return changed(file.specifier, text);
    }
    let path =
        path_among_polyfills(file).ok_or_else(|| format!("the script {} is not embedded", file.specifier))?;
    let text = sources::node(path).ok_or_else(|| format!("the polyfill {path} is not embedded"))?;
    let text = changed(path, text)?;
    if path.ends_with(".ts") { transpile(file.specifier, &text).map(Cow::Owned) } else { Ok(text) }
}

/// `text` with the [`CHANGES`] of `name`.
fn changed(name: &str, text: &'static str) -> Result<Cow<'static, str>, String> {
    let mut text = Cow::Borrowed(text);
    for (_, from, to) in CHANGES.iter().filter(|(of, ..)| *of == name) {
        if !text.contains(from) {
            return Err(format!("{name} is not as it was when it was read: {from}"));
        }
        text = text.replace(from, to).into();
    }
    Ok(text)
}

/// The extension names its files as they lay when it was compiled.
fn path_among_polyfills(file: &ExtensionFileSource) -> Option<&'static str> {
    let ExtensionFileSourceCode::LoadedFromFsDuringSnapshot(path) = &file.code else { return None };
    path.split_once("/polyfills/").map(|(_, below)| below)
}

fn transpile(specifier: &str, text: &str) -> Result<String, String> {
    let failed = |error: &dyn std::fmt::Display| format!("{specifier}: {error}");
    let parsed = deno_ast::parse_module(ParseParams {
        specifier: ModuleSpecifier::parse(specifier).map_err(|error| failed(&error))?,
        text: text.into(),
        media_type: MediaType::TypeScript,
        capture_tokens: false,
        scope_analysis: false,
        maybe_syntax: None,
    })
    .map_err(|error| failed(&error))?;
    let options = TranspileOptions {
        imports_not_used_as_values: ImportsNotUsedAsValues::Remove,
        ..TranspileOptions::default()
    };
    let emit = EmitOptions { source_map: SourceMapOption::None, ..EmitOptions::default() };
    let transpiled = parsed
        .transpile(&options, &TranspileModuleOptions::default(), &emit)
        .map_err(|error| failed(&error))?;
    Ok(transpiled.into_source().text)
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Classic,
    Module,
}

/// One after another: the kind, the lengths of specifier and text in four bytes each, and both.
#[derive(Default)]
struct Packed(Vec<u8>);

impl Packed {
    fn add(&mut self, kind: Kind, specifier: &str, text: &str) -> Result<(), String> {
        if !text.is_ascii() {
            return Err(format!("{specifier} must be 7-bit ASCII to be an external string"));
        }
        self.0.push(kind as u8);
        for part in [specifier, text] {
            let length = u32::try_from(part.len()).map_err(|error| format!("{specifier}: {error}"))?;
            self.0.extend(length.to_le_bytes());
        }
        self.0.extend(specifier.as_bytes());
        self.0.extend(text.as_bytes());
        Ok(())
    }
}

/// `None` if `packed` was not made by [`make`].
pub(crate) fn unpack(packed: Box<[u8]>) -> Option<Scripts> {
    let packed: &'static [u8] = Box::leak(packed);
    let mut classic = Vec::new();
    let mut modules = Vec::new();
    let mut rest = packed;
    while let Some((kind, after)) = rest.split_first() {
        let (specifier_length, after) = length(after)?;
        let (text_length, after) = length(after)?;
        let (specifier, after) = after.split_at_checked(specifier_length)?;
        let (text, after) = after.split_at_checked(text_length)?;
        let entry = (ascii(specifier)?, ascii(text)?);
        if *kind == Kind::Classic as u8 {
            classic.push(entry)
        } else {
            modules.push(entry)
        }
        rest = after;
    }
    classic.sort_unstable();
    modules.sort_unstable();
    Some(Scripts { classic: classic.leak(), modules: modules.leak() })
}

fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    Some((usize::try_from(u32::from_le_bytes(*length)).ok()?, rest))
}

fn ascii(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok().filter(|text| text.is_ascii())
}

#[cfg(test)]
mod tests {
    use super::{make, unpack};

    #[test]
    fn every_script_is_there_and_sorted() {
        let scripts = unpack(make().unwrap().into_boxed_slice()).unwrap();
        assert!(scripts.classic.is_sorted() && scripts.modules.is_sorted());
        let holds =
            |name: &str| scripts.modules.binary_search_by_key(&name, |(specifier, _)| specifier).is_ok();
        assert!(holds("node:fs") && holds("node:process") && holds("node:module"));
        assert!(!scripts.classic.iter().any(|(_, text)| text.contains("__NODE_VERSION__")));
    }
}
