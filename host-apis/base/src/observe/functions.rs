//! All functions that report figures. Names come from what is published, and are bounded still:
//! each name is some fifty lines of every scrape.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

use super::function::Counts;
use super::{FunctionFigures, FunctionObserver, Journal};
use crate::limits::FUNCTION_METRICS_MAX;
use crate::{FunctionSlug, Target};

/// What functions beyond the bound are counted as, together.
const OTHERS: &str = "others";

/// Cheap to clone; clones share everything.
#[derive(Clone, Default)]
pub(super) struct Functions {
    known: Arc<Mutex<HashMap<Target, FunctionObserver>>>,
    journal: Arc<OnceLock<Arc<dyn Journal>>>,
    /// Counts for all functions without figures of their own.
    others: Arc<OnceLock<Arc<Counts>>>,
}

impl Functions {
    /// Versions of a function count together: labels must not grow with every deploy.
    pub(super) fn observer(&self, target: &Target) -> FunctionObserver {
        let target = &target.without_version();
        let mut known = self.known.lock();
        if let Some(observer) = known.get(target) {
            return observer.clone();
        }
        let new = |counts| FunctionObserver::new(target.clone(), self.journal.clone(), counts);
        if known.len() >= FUNCTION_METRICS_MAX {
            return new(self.others.get_or_init(Arc::default).clone());
        }
        let observer = new(Arc::default());
        known.insert(target.clone(), observer.clone());
        observer
    }

    pub(super) fn keep_journal(&self, journal: Arc<dyn Journal>) {
        // The first one stays: there is one host and one journal.
        let _ = self.journal.set(journal);
    }

    /// By name.
    pub(super) fn figures(&self) -> Vec<FunctionFigures> {
        let known: Vec<_> = self.known.lock().values().cloned().collect();
        let mut figures: Vec<_> = known.iter().map(FunctionObserver::figures).collect();
        figures.sort_by_cached_key(|one| one.target.to_string());
        let others = || Target::builtin(FunctionSlug::parse(OTHERS).expect("a valid slug"));
        figures.extend(self.others.get().map(|counts| FunctionFigures::read(&others(), counts)));
        figures
    }
}
