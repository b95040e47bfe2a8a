//! The JavaScript that is part of the binary: the web platform's (embedded by `build.rs`) and ours.

use std::sync::OnceLock;

include!(concat!(env!("OUT_DIR"), "/platform.rs"));

/// Our scripts, sorted by specifier; `bootstrap.js` loads them. The first two stand in for the
/// platform's tracing.
pub(crate) static OWN: &[(&str, &str)] = &[
    ("ext:deno_telemetry/telemetry.ts", include_str!("../js/telemetry.js")),
    ("ext:deno_telemetry/util.ts", include_str!("../js/telemetry_spans.js")),
    ("ext:isobase_runtime/deno.js", include_str!("../js/deno.js")),
    ("ext:isobase_runtime/environment.js", include_str!("../js/environment.js")),
    ("ext:isobase_runtime/errors.js", include_str!("../js/errors.js")),
    ("ext:isobase_runtime/globals.js", include_str!("../js/globals.js")),
    ("ext:isobase_runtime/navigator.js", include_str!("../js/navigator.js")),
    ("ext:isobase_runtime/own_fetch.js", include_str!("../js/own_fetch.js")),
    ("ext:isobase_runtime/queue.js", include_str!("../js/queue.js")),
    ("ext:isobase_runtime/serve.js", include_str!("../js/serve.js")),
    ("ext:isobase_runtime/websocket.js", include_str!("../js/websocket.js")),
];

pub(crate) static BOOTSTRAP: &str = include_str!("../js/bootstrap.js");

/// The text of `specifier`, wherever it is from.
pub(crate) fn text(specifier: &str) -> Option<&'static str> {
    [PLATFORM, OWN, isobase_bind_v8::SCRIPTS].into_iter().find_map(|table| {
        let at = table.binary_search_by_key(&specifier, |(name, _)| name).ok()?;
        Some(table[at].1)
    })
}

/// All scripts in one table, sorted. An isolate looks here for what its snapshot has not evaluated.
pub(crate) fn all() -> &'static [(&'static str, &'static str)] {
    static ALL: OnceLock<Vec<(&str, &str)>> = OnceLock::new();
    ALL.get_or_init(|| {
        let mut all = [PLATFORM, OWN, isobase_bind_v8::SCRIPTS].concat();
        all.sort_unstable();
        all
    })
}

#[cfg(test)]
mod tests {
    use super::{OWN, PLATFORM};

    #[test]
    fn tables_are_sorted_and_ascii() {
        for table in [PLATFORM, OWN, isobase_bind_v8::SCRIPTS] {
            assert!(table.is_sorted_by_key(|(specifier, _)| specifier));
            for (specifier, text) in table {
                assert!(text.is_ascii(), "{specifier} must be 7-bit ASCII to be an external string");
            }
        }
    }
}
