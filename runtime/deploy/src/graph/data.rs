//! Files on the function's disk: those that its settings name, and those that its packages may read.
//!
//! Whether a package reads files cannot be told from outside; that a module of it knows where it lies is
//! the sign. Then everything beside its code goes along, and the code too if it requires modules by
//! names that it computes.

use std::collections::BTreeMap;

use bytes::Bytes;
use isobase_base::limits::{PACKAGE_DATA_BYTES_MAX, SOURCE_FILE_BYTES_MAX};
use isobase_packages::PackageFile;

use super::{Loader, Work};
use crate::fault::SourceFault;
use crate::package_script::Reads;
use crate::static_files::static_files;

/// Packages by name and version: a file of each, and what its modules may read.
#[derive(Default)]
pub(super) struct Readers {
    noted: Vec<(PackageFile, Reads)>,
}

/// Of no use to a program that runs.
const USELESS: [&str; 10] =
    [".map", ".d.ts", ".d.mts", ".d.cts", ".md", ".markdown", ".flow", ".tsbuildinfo", ".lock", ".node"];
const CODE: [&str; 8] = [".js", ".mjs", ".cjs", ".ts", ".mts", ".cts", ".tsx", ".jsx"];

impl Readers {
    pub(super) fn note(&mut self, file: &PackageFile, reads: Reads) {
        if reads.files || reads.modules {
            self.noted.push((file.clone(), reads));
        }
    }
}

impl Loader<'_> {
    pub(super) fn data(&mut self, work: &Work) -> Result<BTreeMap<String, Bytes>, SourceFault> {
        let mut files = BTreeMap::new();
        let mut bytes = 0;
        for path in static_files(self.static_files, self.folders)? {
            let Some(name) = self.folders.disk_path(&path) else { continue };
            let shown = self.folders.shown(&path);
            let content = self.probes.read(&path, SOURCE_FILE_BYTES_MAX);
            let content = content.map_err(|error| SourceFault::new(format!("{shown}: {error}")))?;
            bytes += content.len() as u64;
            if bytes > PACKAGE_DATA_BYTES_MAX {
                let message = format!("static_files have more than {PACKAGE_DATA_BYTES_MAX} bytes");
                return Err(SourceFault::new(message));
            }
            files.insert(name, content.into());
        }
        let mut by_package: BTreeMap<&str, (&PackageFile, Reads)> = BTreeMap::new();
        for (file, reads) in &work.readers.noted {
            let (_, known) = by_package.entry(work.installed.package(file)).or_insert((file, *reads));
            known.files |= reads.files;
            known.modules |= reads.modules;
        }
        for (package, (file, reads)) in by_package {
            let beside = beside(work, file, reads);
            let more: u64 = beside.iter().map(|(_, content)| content.len() as u64).sum();
            bytes += more;
            if bytes > PACKAGE_DATA_BYTES_MAX {
                bytes -= more;
                tracing::warn!(
                    package,
                    bytes = more,
                    "the files beside its code are too many; they are left out"
                );
                continue;
            }
            files.extend(beside);
        }
        Ok(files)
    }
}

/// What of a package's files its modules may read.
fn beside(work: &Work, file: &PackageFile, reads: Reads) -> Vec<(String, Bytes)> {
    let mut found = Vec::new();
    let mut bytes = 0;
    for file in work.installed.beside(file) {
        let path = work.installed.path(&file);
        let ends = |endings: &[&str]| endings.iter().any(|ending| path.ends_with(ending));
        if ends(&USELESS) || (ends(&CODE) && !reads.modules) {
            continue;
        }
        let Ok(content) = std::fs::read(work.installed.disk(&file)) else { continue };
        bytes += content.len() as u64;
        found.push((path, content.into()));
        // The caller leaves all of it out then; there is no use in reading the rest.
        if bytes > PACKAGE_DATA_BYTES_MAX {
            break;
        }
    }
    found
}
