//! Where packages and remote modules of a build come from.

use std::path::Path;

use isobase_base::limits::{PACKAGE_LOCK_BYTES_MAX, PACKAGE_SETTINGS_BYTES_MAX};
use isobase_packages::{LockFile, Origin, Packages, Session, SettingsFile};

use crate::fault::SourceFault;
use crate::package_script::PackageScripts;
use crate::probes::Probes;
use crate::resolve::Folders;

/// Whose business packages are.
#[derive(Clone)]
pub(crate) enum Supply {
    /// Nobody's: importing one is a fault.
    Nowhere,
    /// The server's that the sources are sent to: its registries and its network count, and what is
    /// secret in its settings stays there. Here only the function's own files are checked.
    Server,
    Host(HostSupply),
}

/// The host's own.
#[derive(Clone)]
pub(crate) struct HostSupply {
    pub(crate) packages: Packages,
    pub(crate) scripts: PackageScripts,
    pub(crate) origin: Origin,
    /// The lock file of the last build, where the sources have none.
    pub(crate) remembered: Option<String>,
}

/// What one build does about packages.
pub(crate) enum Outside<'a> {
    Nowhere,
    Server,
    Host { session: Box<Session>, scripts: &'a PackageScripts },
}

const LOCK_FILE: &str = "deno.lock";

impl Supply {
    /// Finds `.npmrc` and `deno.lock` in the folder of `entry` and those above it, up to the project's.
    pub(crate) fn open(
        &self,
        entry: &Path,
        folders: &Folders,
        probes: &mut Probes,
    ) -> Result<Outside<'_>, SourceFault> {
        let lock = lock_file(entry, folders, probes)?;
        let settings = settings_files(entry, folders, probes)?;
        match self {
            Self::Nowhere => Ok(Outside::Nowhere),
            Self::Server => Ok(Outside::Server),
            Self::Host(host) => {
                let remembered = host.remembered.clone();
                let remembered = remembered.map(|text| LockFile { shown: LOCK_FILE.into(), text });
                let open = |lock: Option<&LockFile>| host.packages.session(&settings, host.origin, lock);
                let session = match (lock, remembered) {
                    (Some(lock), _) => open(Some(&lock)),
                    // Written by another version of the host, perhaps: then versions are chosen anew.
                    (None, Some(remembered)) => open(Some(&remembered)).or_else(|_| open(None)),
                    (None, None) => open(None),
                };
                let session = session.map_err(|error| SourceFault::of_packages(&error))?;
                Ok(Outside::Host { session: Box::new(session), scripts: &host.scripts })
            }
        }
    }
}

/// Folders from that of `entry` to the project's.
fn upwards<'a>(entry: &'a Path, folders: &'a Folders) -> impl Iterator<Item = &'a Path> {
    entry.ancestors().skip(1).take_while(|folder| folder.starts_with(&folders.project))
}

fn lock_file(entry: &Path, folders: &Folders, probes: &mut Probes) -> Result<Option<LockFile>, SourceFault> {
    for folder in upwards(entry, folders) {
        let path = folder.join(LOCK_FILE);
        if probes.is_file(&path) {
            let text = text(&path, PACKAGE_LOCK_BYTES_MAX, folders, probes)?;
            return Ok(Some(LockFile { shown: folders.shown(&path), text }));
        }
    }
    Ok(None)
}

fn settings_files(
    entry: &Path,
    folders: &Folders,
    probes: &mut Probes,
) -> Result<Vec<SettingsFile>, SourceFault> {
    let mut files = Vec::new();
    for folder in upwards(entry, folders) {
        let path = folder.join(".npmrc");
        if probes.is_file(&path) {
            let text = text(&path, PACKAGE_SETTINGS_BYTES_MAX, folders, probes)?;
            files.push(SettingsFile { shown: folders.shown(&path), text });
        }
    }
    Ok(files)
}

fn text(path: &Path, bytes_max: u64, folders: &Folders, probes: &mut Probes) -> Result<String, SourceFault> {
    let fault = |problem: String| SourceFault::new(format!("{}: {problem}", folders.shown(path)));
    let bytes = probes.read(path, bytes_max).map_err(|error| fault(error.to_string()))?;
    String::from_utf8(bytes).map_err(|_| fault("not UTF-8".into()))
}
