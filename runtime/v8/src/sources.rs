//! The scripts that are part of the binary: the web platform's and Node's (embedded by `build.rs`), and
//! ours.

include!(concat!(env!("OUT_DIR"), "/platform.rs"));

/// Our scripts, sorted by specifier; `bootstrap.js` loads them. Those of other crates' names stand in for
/// what those crates would bring.
pub(crate) static OWN: &[(&str, &str)] = &[
    ("ext:deno_io/12_io.js", include_str!("../js/node/io.js")),
    ("ext:deno_node/internal/http/address_override.js", include_str!("../js/node/http_server.js")),
    ("ext:deno_node/sqlite.ts", include_str!("../js/node/sqlite.js")),
    ("ext:deno_os/30_os.js", include_str!("../js/node/os.js")),
    ("ext:deno_process/40_process.js", include_str!("../js/node/child_process.js")),
    ("ext:deno_telemetry/telemetry.ts", include_str!("../js/telemetry.js")),
    ("ext:deno_telemetry/util.ts", include_str!("../js/telemetry_spans.js")),
    ("ext:isobase_runtime/ai.js", include_str!("../js/ai.js")),
    ("ext:isobase_runtime/caches.js", include_str!("../js/caches.js")),
    ("ext:isobase_runtime/commonjs.js", include_str!("../js/node/commonjs.js")),
    ("ext:isobase_runtime/deno.js", include_str!("../js/deno.js")),
    ("ext:isobase_runtime/environment.js", include_str!("../js/environment.js")),
    ("ext:isobase_runtime/errors.js", include_str!("../js/errors.js")),
    ("ext:isobase_runtime/globals.js", include_str!("../js/globals.js")),
    ("ext:isobase_runtime/listening.js", include_str!("../js/listening.js")),
    ("ext:isobase_runtime/messages.js", include_str!("../js/messages.js")),
    ("ext:isobase_runtime/native.js", include_str!("../js/native.js")),
    ("ext:isobase_runtime/navigator.js", include_str!("../js/navigator.js")),
    ("ext:isobase_runtime/own_fetch.js", include_str!("../js/own_fetch.js")),
    ("ext:isobase_runtime/permissions.js", include_str!("../js/permissions.js")),
    ("ext:isobase_runtime/queue.js", include_str!("../js/queue.js")),
    ("ext:isobase_runtime/serve.js", include_str!("../js/serve.js")),
    ("ext:isobase_runtime/websocket.js", include_str!("../js/websocket.js")),
    ("ext:runtime/98_global_scope_shared.js", include_str!("../js/node/global_scope.js")),
    ("node:_commonjs", include_str!("../js/node/commonjs_module.js")),
    ("node:module", include_str!("../js/node/module.js")),
];

pub(crate) static BOOTSTRAP: &str = include_str!("../js/bootstrap.js");

/// Has V8 compile what functions need first.
pub(crate) static EXERCISE: &str = include_str!("../js/exercise.js");

/// Evaluates what the image for packages has of Node.
pub(crate) static NODE_WARM: &str = include_str!("../js/node/warm.js");

/// The text of `specifier`, wherever it is from; that of Node's modules is found by their path.
pub(crate) fn text(specifier: &str) -> Option<&'static str> {
    [OWN, PLATFORM, isobase_bind_v8::SCRIPTS].into_iter().find_map(|table| find(table, specifier))
}

/// The text of a file of Node's modules, by its path in their folder.
pub(crate) fn node(path: &str) -> Option<&'static str> {
    find(NODE, path)
}

/// The text called `name` in a sorted table.
pub(crate) fn find(table: &[(&str, &'static str)], name: &str) -> Option<&'static str> {
    let at = table.binary_search_by_key(&name, |(key, _)| key).ok()?;
    Some(table[at].1)
}

/// Every text, for the name of what is made of them.
pub(crate) fn all() -> impl Iterator<Item = &'static (&'static str, &'static str)> {
    [PLATFORM, NODE, OWN, isobase_bind_v8::SCRIPTS].into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::{NODE, OWN, PLATFORM};

    #[test]
    fn tables_are_sorted_and_ascii() {
        for table in [PLATFORM, NODE, OWN, isobase_bind_v8::SCRIPTS] {
            assert!(table.is_sorted_by_key(|(specifier, _)| specifier));
            for (specifier, text) in table {
                assert!(text.is_ascii(), "{specifier} must be 7-bit ASCII to be an external string");
            }
        }
    }
}
