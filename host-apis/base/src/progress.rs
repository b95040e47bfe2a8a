//! Long operations tell where they are. The rooms report steps; the command line draws them.

use std::sync::Arc;

/// Receives the steps of a long operation. Implemented by the CLI (a live line at a terminal,
/// plain lines elsewhere) and by [`Silent`].
pub trait Progress: Send + Sync {
    /// A step begins; the one before it, if any, has succeeded.
    fn step(&self, what: &str);
    /// A remark that stays on screen: a warning, a choice made.
    fn note(&self, what: &str);
    /// All steps are done.
    fn done(&self);
}

/// Says nothing: for tests and embedding.
pub struct Silent;

impl Progress for Silent {
    fn step(&self, _what: &str) {}
    fn note(&self, _what: &str) {}
    fn done(&self) {}
}

/// The usual way to hold one.
pub type SharedProgress = Arc<dyn Progress>;
