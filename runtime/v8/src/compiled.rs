//! V8's compiled code of the scripts that isolates load on demand, shared by all isolates of the process.
//!
//! The first isolate that touches a part of Node compiles it; those after it need not. A function's own
//! modules are not in here.

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, OnceLock};

use deno_core::SourceCodeCacheInfo;
use isobase_base::limits;
use parking_lot::Mutex;

/// Bounded by [`limits::V8_CODE_CACHE_BYTES_MAX`].
#[derive(Default)]
pub(crate) struct CompiledScripts(Mutex<State>);

#[derive(Default)]
struct State {
    entries: HashMap<String, Entry>,
    bytes: usize,
}

struct Entry {
    hash: u64,
    code: Arc<[u8]>,
}

impl CompiledScripts {
    pub(crate) fn of_process() -> &'static Self {
        static SCRIPTS: OnceLock<CompiledScripts> = OnceLock::new();
        SCRIPTS.get_or_init(Self::default)
    }

    /// Always something: without data it asks V8 for what it compiles.
    pub(crate) fn look_up(&self, specifier: &str, source: &str) -> Option<SourceCodeCacheInfo> {
        let hash = hash_of(source);
        let state = self.0.lock();
        let found = state.entries.get(specifier).filter(|entry| entry.hash == hash);
        let data = found.map(|entry| Cow::Owned(entry.code.to_vec()));
        Some(SourceCodeCacheInfo { hash, data })
    }

    pub(crate) fn keep(&self, specifier: &str, hash: u64, code: &[u8]) {
        let mut state = self.0.lock();
        let before = state.entries.get(specifier).map_or(0, |entry| entry.code.len());
        let bytes = state.bytes - before + code.len();
        if bytes <= limits::V8_CODE_CACHE_BYTES_MAX {
            state.bytes = bytes;
            state.entries.insert(specifier.to_owned(), Entry { hash, code: code.into() });
        }
    }
}

/// V8 itself compares no more than the length.
fn hash_of(source: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    source.hash(&mut hasher);
    hasher.finish()
}
