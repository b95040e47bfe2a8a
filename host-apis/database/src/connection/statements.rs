//! The prepared statements of one connection.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroUsize;
use std::sync::{Arc, LazyLock};

use lru::LruCache;
use postgres_protocol::Oid;

use crate::decode::BYTEA;
use crate::screen::Screening;

/// Stands for the text of a statement where a mistake costs time and nothing else: in the choice of a
/// connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Fingerprint(u64);

impl Fingerprint {
    pub(crate) fn of(sql: &str) -> Self {
        static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);
        Self(HASHER.hash_one(sql))
    }
}

/// A statement that the server has parsed for this connection.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) name: String,
    pub(crate) screening: Screening,
    pub(crate) parameters: usize,
    pub(crate) shape: Arc<Shape>,
}

/// The columns a statement answers with.
#[derive(Debug, Default)]
pub(crate) struct Shape {
    pub(crate) names: Vec<String>,
    pub(crate) oids: Vec<Oid>,
}

impl Shape {
    /// The result formats to ask for in `Bind`: none (all text) unless there is bytea.
    pub(super) fn result_formats(&self) -> impl Iterator<Item = i16> {
        let any = self.oids.contains(&BYTEA);
        self.oids.iter().filter(move |_| any).map(|&oid| i16::from(oid == BYTEA))
    }
}

/// Keyed by SQL text, the least used goes first. Names are never used twice, so that a statement
/// which the server has lost track of cannot be taken for another.
#[derive(Debug)]
pub(super) struct Statements {
    by_sql: LruCache<Arc<str>, Arc<Prepared>>,
    /// Of the keys of `by_sql`, for who looks at many connections.
    known: HashSet<Fingerprint>,
    named: u64,
    /// Evicted; closed at the start of the next flight, which costs no wait.
    closing: Vec<String>,
}

impl Statements {
    pub(super) fn new(count_max: NonZeroUsize) -> Self {
        Self { by_sql: LruCache::new(count_max), known: HashSet::new(), named: 0, closing: Vec::new() }
    }

    pub(super) fn get(&mut self, sql: &str) -> Option<Arc<Prepared>> {
        self.by_sql.get(sql).cloned()
    }

    /// Whether a statement of this kind is here, in all likelihood.
    pub(super) fn know(&self, statement: Fingerprint) -> bool {
        self.known.contains(&statement)
    }

    /// A name for one more statement, and room for it: the least used is closed in the same
    /// flight, so that the server never holds more than the bound.
    pub(super) fn new_name(&mut self) -> String {
        if self.by_sql.len() == self.by_sql.cap().get()
            && let Some((sql, evicted)) = self.by_sql.pop_lru()
        {
            self.close_later(evicted.name.clone());
            self.known.remove(&Fingerprint::of(&sql));
        }
        self.named += 1;
        format!("s{}", self.named)
    }

    pub(super) fn keep(&mut self, sql: Arc<str>, prepared: Arc<Prepared>) {
        let fingerprint = Fingerprint::of(&sql);
        // What is pushed out may be the same statement, parsed before.
        if let Some((sql, evicted)) = self.by_sql.push(sql, prepared) {
            self.close_later(evicted.name.clone());
            self.known.remove(&Fingerprint::of(&sql));
        }
        self.known.insert(fingerprint);
    }

    pub(super) fn forget(&mut self, sql: &str) {
        if let Some(forgotten) = self.by_sql.pop(sql) {
            self.close_later(forgotten.name.clone());
            self.known.remove(&Fingerprint::of(sql));
        }
    }

    /// For a statement that nobody will run again, whether it was described or only parsed.
    pub(super) fn close_later(&mut self, name: String) {
        self.closing.push(name);
    }

    pub(super) fn take_closing(&mut self) -> Vec<String> {
        std::mem::take(&mut self.closing)
    }
}
