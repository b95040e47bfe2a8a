//! V8's compiled code, shared by all isolates of the process: of the platform's scripts that isolates load on
//! demand, and of functions' modules.
//!
//! The first isolate that runs something compiles it; those after it need not. V8 runs what it is given as
//! its own code without a look at what it was made from, so each entry must be of the very text it is asked
//! for with.

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, OnceLock, Weak};

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

/// Of functions' modules. What tells them apart is where their text lies in memory: nobody can make another
/// text that is taken for it, and it costs no look at its content. Functions that were built from the same
/// package share its texts, and so do all isolates of a version.
#[derive(Default)]
pub(crate) struct CompiledModules(Mutex<Modules>);

#[derive(Default)]
struct Modules {
    /// By the address of the text, which is not used again as long as it is referred to.
    entries: HashMap<usize, (Weak<str>, Arc<[u8]>)>,
    bytes: usize,
    /// With so many entries it is time to forget those whose text nobody has any more.
    crowd: usize,
}

/// Fewer entries are no crowd.
const CROWD_MIN: usize = 256;

impl CompiledModules {
    pub(crate) fn of_process() -> &'static Self {
        static MODULES: OnceLock<CompiledModules> = OnceLock::new();
        MODULES.get_or_init(Self::default)
    }

    pub(crate) fn look_up(&self, text: &Arc<str>) -> Option<Arc<[u8]>> {
        self.0.lock().entries.get(&address(text)).map(|(_, code)| code.clone())
    }

    pub(crate) fn keep(&self, text: &Arc<str>, code: &[u8]) {
        let mut modules = self.0.lock();
        let is_crowd = modules.entries.len() >= modules.crowd;
        if is_crowd || modules.bytes + code.len() > limits::V8_MODULE_CODE_BYTES_MAX {
            modules.forget_gone();
        }
        let bytes = modules.bytes + code.len();
        if bytes <= limits::V8_MODULE_CODE_BYTES_MAX {
            let before = modules.entries.insert(address(text), (Arc::downgrade(text), code.into()));
            modules.bytes = bytes - before.map_or(0, |(_, code)| code.len());
        }
    }
}

impl Modules {
    /// An entry holds the memory of its text until then.
    fn forget_gone(&mut self) {
        self.entries.retain(|_, (text, _)| text.strong_count() > 0);
        self.bytes = self.entries.values().map(|(_, code)| code.len()).sum();
        self.crowd = (self.entries.len() * 2).max(CROWD_MIN);
    }
}

fn address(text: &Arc<str>) -> usize {
    Arc::as_ptr(text).cast::<u8>().addr()
}

/// V8 itself compares no more than the length.
fn hash_of(source: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    source.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use isobase_base::limits;

    use super::{CROWD_MIN, CompiledModules};

    #[test]
    fn code_belongs_to_one_text_in_memory() {
        let modules = CompiledModules::default();
        let (text, same_words): (Arc<str>, Arc<str>) = ("let a".into(), "let a".into());
        modules.keep(&text, b"code");
        assert_eq!(modules.look_up(&Arc::clone(&text)).as_deref(), Some(&b"code"[..]));
        assert_eq!(modules.look_up(&same_words), None);
    }

    #[test]
    fn texts_that_are_gone_make_room() {
        let modules = CompiledModules::default();
        let half = vec![0; limits::V8_MODULE_CODE_BYTES_MAX / 2];
        let [one, two, three]: [Arc<str>; 3] = ["1".into(), "2".into(), "3".into()];
        modules.keep(&one, &half);
        modules.keep(&two, &half);
        modules.keep(&three, b"code");
        assert_eq!(modules.look_up(&three), None);
        drop(one);
        modules.keep(&three, b"code");
        assert!(modules.look_up(&two).is_some() && modules.look_up(&three).is_some());
    }

    #[test]
    fn texts_that_are_gone_are_forgotten_before_they_are_many() {
        let modules = CompiledModules::default();
        for number in 0..10 * CROWD_MIN {
            modules.keep(&number.to_string().into(), b"code");
        }
        assert!(modules.0.lock().entries.len() <= CROWD_MIN);
    }
}
