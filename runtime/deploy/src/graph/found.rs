//! Modules that were found and are still to be loaded, and how each was reached.

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;

use isobase_packages::PackageFile;
use url::Url;

use crate::fault::{Position, SourceFault};

/// Where a module comes from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Place {
    File(PathBuf),
    /// After redirects.
    Remote(Url),
    Package(PackageFile),
}

/// How a file becomes a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Format {
    /// JavaScript or TypeScript. Whether an ES module or a CommonJS one, it says itself.
    Script,
    /// The parsed value is the default export.
    Json,
    /// The parsed value is what `require` returns.
    RequiredJson,
    /// The text is the default export.
    Text,
    Wasm,
}

/// A module found and not yet loaded.
pub(crate) struct Pending {
    pub(crate) place: Place,
    pub(crate) format: Format,
    /// The module that imports it first, and where.
    pub(crate) importer: Option<(usize, Position)>,
    /// Whether the function can do without it until it asks for it.
    pub(crate) may_fail: bool,
}

/// Modules in the order found, the entrypoint first.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) pending: VecDeque<Pending>,
    index: HashMap<(Place, Format), usize>,
    /// For the chain of a fault: shown name and importer of each.
    trail: Vec<(String, Option<usize>)>,
    pub(crate) uses_empty: bool,
    /// Of the function's own sources, and of packages.
    pub(crate) bytes: u64,
    pub(crate) package_bytes: u64,
}

impl Found {
    /// `shown` is what people call it.
    pub(crate) fn add(&mut self, shown: String, pending: Pending) {
        let next = self.index.len();
        let key = (pending.place.clone(), pending.format);
        let number = *self.index.entry(key).or_insert(next);
        if number == next {
            self.trail.push((shown, pending.importer.as_ref().map(|(number, _)| *number)));
            self.pending.push_back(pending);
        } else if !pending.may_fail
            && let Some(waiting) = self.pending.iter_mut().find(|other| other.is(&pending))
        {
            waiting.may_fail = false;
        }
    }

    /// Adds how the faulty file was reached. A fault in an import statement lies in the importer.
    pub(crate) fn with_chain(&self, fault: SourceFault, pending: &Pending, number: usize) -> SourceFault {
        let blamed = fault.at.as_ref().is_some_and(|at| at.file != self.trail[number].0);
        let step = match &pending.importer {
            Some((importer, _)) if blamed => self.trail[*importer].1,
            Some((importer, _)) => Some(*importer),
            None => None,
        };
        self.chained(fault, step)
    }

    /// Adds how the module was reached that a fault lies in.
    pub(crate) fn with_chain_of(&self, fault: SourceFault, number: usize) -> SourceFault {
        self.chained(fault, self.trail[number].1)
    }

    fn chained(&self, mut fault: SourceFault, mut step: Option<usize>) -> SourceFault {
        while let Some(importer) = step {
            fault.chain.insert(0, self.trail[importer].0.clone());
            step = self.trail[importer].1;
        }
        fault
    }
}

impl Pending {
    fn is(&self, other: &Self) -> bool {
        self.format == other.format && self.place == other.place
    }

    /// A fault of the file as a whole lies where it is imported.
    pub(crate) fn blame(&self, message: String) -> SourceFault {
        let fault = SourceFault::new(message);
        match &self.importer {
            Some((_, position)) => fault.at(position.clone()),
            None => fault,
        }
    }
}
