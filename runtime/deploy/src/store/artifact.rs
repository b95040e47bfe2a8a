//! What an engine loads, as bytes with a name.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use isobase_engine::{Artifact, Code, Module, Program, Reuse};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// SHA-256 of an artifact's bytes: its name.
pub(crate) type Digest = [u8; 32];

pub(crate) fn digest(bytes: &[u8]) -> Digest {
    Sha256::digest(bytes).into()
}

/// A component begins with this.
const WASM_MAGIC: &[u8] = b"\0asm";
/// A program begins with this, then the length of its head in four bytes, its head in JSON, and the bytes
/// that the head tells the lengths of.
const PROGRAM_MAGIC: &[u8] = b"isobase-program-1\n";

#[derive(Serialize, Deserialize)]
struct StoredProgram {
    modules: Vec<StoredModule>,
    /// Path and length.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    files: Vec<(String, usize)>,
    #[serde(default)]
    needs_node: bool,
}

#[derive(Serialize, Deserialize)]
struct StoredModule {
    specifier: String,
    #[serde(flatten)]
    code: StoredCode,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    source_map: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    imports: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
enum StoredCode {
    #[serde(rename = "code")]
    Script(Arc<str>),
    #[serde(rename = "commonjs")]
    CommonJs { text: Arc<str>, exports: Vec<String> },
    #[serde(rename = "json")]
    Json(Arc<str>),
    /// Its length.
    #[serde(rename = "wasm")]
    Wasm(usize),
}

/// The same artifact gives the same bytes.
pub(crate) fn encode(artifact: &Artifact) -> Bytes {
    match artifact {
        Artifact::Component { bytes, .. } => bytes.clone(),
        Artifact::Program(program) => encode_program(program),
    }
}

/// `None` for bytes that no version wrote.
pub(crate) fn decode(bytes: Bytes) -> Option<Artifact> {
    if bytes.starts_with(WASM_MAGIC) {
        return Some(Artifact::Component { bytes, reuse: Reuse::Fresh });
    }
    let program = match bytes.strip_prefix(PROGRAM_MAGIC) {
        Some(_) => decode_program(bytes.slice(PROGRAM_MAGIC.len()..))?,
        // The first form there was: nothing but scripts.
        None => {
            let modules: Vec<StoredModule> = serde_json::from_slice(&bytes).ok()?;
            let modules = modules.into_iter().map(|module| module.restored(&mut Bytes::new()));
            Program { modules: modules.collect::<Option<_>>()?, ..Program::default() }
        }
    };
    Some(Artifact::Program(Arc::new(program)))
}

fn encode_program(program: &Program) -> Bytes {
    let head = StoredProgram {
        modules: program.modules.iter().map(StoredModule::of).collect(),
        files: program.files.iter().map(|(path, content)| (path.clone(), content.len())).collect(),
        needs_node: program.needs_node,
    };
    let head = serde_json::to_vec(&head).expect("texts are JSON");
    let mut encoded = BytesMut::from(PROGRAM_MAGIC);
    encoded.put_u32(u32::try_from(head.len()).expect("sources are bounded to far less"));
    encoded.put_slice(&head);
    for module in &program.modules {
        if let Code::Wasm(bytes) = &module.code {
            encoded.put_slice(bytes);
        }
    }
    program.files.values().for_each(|content| encoded.put_slice(content));
    encoded.freeze()
}

fn decode_program(mut rest: Bytes) -> Option<Program> {
    let length = take(&mut rest, 4)?;
    let length = u32::from_be_bytes(length.as_ref().try_into().ok()?);
    let head: StoredProgram = serde_json::from_slice(&take(&mut rest, length as usize)?).ok()?;
    let modules = head.modules.into_iter().map(|module| module.restored(&mut rest));
    let modules = modules.collect::<Option<_>>()?;
    let files = head.files.into_iter().map(|(path, length)| Some((path, take(&mut rest, length)?)));
    let files = files.collect::<Option<_>>()?;
    Some(Program { modules, files, needs_node: head.needs_node })
}

/// The next `length` bytes, without a copy.
fn take(rest: &mut Bytes, length: usize) -> Option<Bytes> {
    (length <= rest.len()).then(|| rest.split_to(length))
}

impl StoredModule {
    fn of(module: &Module) -> Self {
        let code = match &module.code {
            Code::Script(text) => StoredCode::Script(Arc::clone(text)),
            Code::CommonJs { text, exports } => {
                StoredCode::CommonJs { text: Arc::clone(text), exports: exports.clone() }
            }
            Code::Json(text) => StoredCode::Json(Arc::clone(text)),
            Code::Wasm(bytes) => StoredCode::Wasm(bytes.len()),
        };
        Self {
            specifier: module.specifier.clone(),
            code,
            source_map: module.source_map.as_deref().map(|map| String::from_utf8_lossy(map).into_owned()),
            imports: module.imports.clone(),
        }
    }

    /// `rest` begins with what is not in the head.
    fn restored(self, rest: &mut Bytes) -> Option<Module> {
        let code = match self.code {
            StoredCode::Script(text) => Code::Script(text),
            StoredCode::CommonJs { text, exports } => Code::CommonJs { text, exports },
            StoredCode::Json(text) => Code::Json(text),
            StoredCode::Wasm(length) => Code::Wasm(take(rest, length)?),
        };
        Some(Module {
            specifier: self.specifier,
            code,
            source_map: self.source_map.map(|map| map.into_bytes().into()),
            imports: self.imports,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use bytes::Bytes;
    use isobase_engine::{Artifact, Code, Module, Program};

    use super::{decode, encode};

    fn program(bytes: Bytes) -> Option<Program> {
        match decode(bytes)? {
            Artifact::Program(program) => Some(Program::clone(&program)),
            Artifact::Component { .. } => None,
        }
    }

    #[test]
    fn programs_survive_being_stored() {
        let mut main = Module::script("file:///f/index.ts", "import './a.wasm';");
        main.source_map = Some(b"{}".as_slice().into());
        main.imports.insert("./a.wasm".into(), "file:///f/a.wasm".into());
        let of = |specifier: &str, code| Module { code, ..Module::script(specifier, "") };
        let exports = vec!["one".to_owned()];
        let stored = Program {
            modules: vec![
                main,
                of("file:///f/a.wasm", Code::Wasm(Bytes::from_static(b"\0asm\x01\0\0\0"))),
                of("file:///node_modules/p/i.js", Code::CommonJs { text: "exports.one = 1".into(), exports }),
                of("file:///node_modules/p/package.json", Code::Json("{}".into())),
            ],
            files: BTreeMap::from([("/f/data.bin".to_owned(), Bytes::from_static(&[0, 255, 1]))]),
            needs_node: true,
        };
        let encoded = encode(&Artifact::Program(Arc::new(stored.clone())));
        assert_eq!(program(encoded.clone()).unwrap(), stored);
        for cut in [3, 20, encoded.len() - 1] {
            assert!(program(encoded.slice(..cut)).is_none(), "{cut}");
        }
    }

    #[test]
    fn the_first_form_can_still_be_read() {
        let old = r#"[{"specifier":"file:///f/index.ts","code":"1","source_map":"{}","imports":{"a":"b"}}]"#;
        let read = program(Bytes::from_static(old.as_bytes())).unwrap();
        assert_eq!(read.modules[0].code.text().unwrap().as_ref(), "1");
        assert_eq!(read.modules[0].imports["a"], "b");
    }
}
