//! Where the cluster lives, and whether the server's user can get there.
//!
//! The home of the cluster is `<workdir>/.isobase/postgres`. Started by root, the server runs as
//! another user, and a workdir in root's own home is closed to it. Then the home is made in
//! `/var/lib/isobase/<project>-<random>` and `.isobase/postgres` is a link to it. The link decides:
//! delete `.isobase` and the next start makes a new, empty home.
//!
//! Root never writes through a path that the server's user could have replaced by a link: what it
//! puts into the home it creates under a fresh name and renames.

use std::fs::{DirBuilder, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use isobase_base::hex;
use isobase_base::progress::Progress;
use isobase_base::project::state_folder;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::ClusterError;
use super::account::Account;

/// Homes of clusters whose workdir the server's user cannot enter.
const HOMES: &str = "/var/lib/isobase";
/// Longest path of a Unix socket, in bytes, on every system we run on (macOS: 104 with the final
/// zero, Linux: 108).
const SOCKET_PATH_BYTES_MAX: usize = 103;

/// The folders of one cluster, all present but `data`.
pub(super) struct Place {
    pub(super) account: Account,
    pub(super) home: PathBuf,
    pub(super) data: PathBuf,
    pub(super) socket_folder: PathBuf,
}

/// `<workdir>/.isobase`, made if missing and kept out of git.
pub(super) fn make_state_folder(workdir: &Path) -> Result<PathBuf, ClusterError> {
    let workdir = workdir.canonicalize().map_err(|source| ClusterError::file(workdir, source))?;
    let state = state_folder(&workdir);
    let make = || -> io::Result<()> {
        if !state.is_dir() {
            std::fs::create_dir(&state)?;
            // Others may pass through (the server's user must), whatever the umask says; each file
            // guards itself.
            std::fs::set_permissions(&state, Permissions::from_mode(0o755))?;
        }
        let ignore = state.join(".gitignore");
        if !ignore.exists() {
            std::fs::write(ignore, "*\n")?;
        }
        Ok(())
    };
    make().map_err(|source| ClusterError::file(&state, source))?;
    Ok(state)
}

impl Place {
    /// Decides user and folders and makes what is missing.
    pub(super) fn prepare(
        state: &Path,
        user: Option<&str>,
        progress: &dyn Progress,
    ) -> Result<Self, ClusterError> {
        let entry = state.join("postgres");
        let owner = std::fs::metadata(entry.join("data")).ok().map(|metadata| metadata.uid());
        let account = Account::choose(user, owner)?;
        let home = home(&entry, &account, progress)?;
        if let Some(blocked) = first_closed_folder(&home, &account) {
            return Err(ClusterError::Unreachable { user: account.name, blocked, folder: home });
        }
        let data = home.join("data");
        if owner.is_none() {
            // An attempt under another user may have left it.
            account.own(&home)?;
        }
        if let Some(owner) = owner.filter(|owner| *owner != account.uid.as_raw()) {
            return Err(ClusterError::WrongOwner { folder: data, owner, user: account.name });
        }
        let socket_folder = socket_folder(&home, &account)?;
        Ok(Self { account, home, data, socket_folder })
    }

    /// Writes a file into the home that the server's user can read and nobody else.
    pub(super) fn write(&self, name: &str, content: &str) -> Result<PathBuf, ClusterError> {
        let path = self.home.join(name);
        let unfinished = self.home.join(format!(".{name}.{}", Uuid::new_v4().simple()));
        let write = || -> io::Result<()> {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
            file.write_all(content.as_bytes())?;
            if self.account.switch {
                let (uid, gid) = (self.account.uid.as_raw(), self.account.gid.as_raw());
                std::os::unix::fs::fchown(&file, Some(uid), Some(gid))?;
            }
            file.sync_all()?;
            std::fs::rename(&unfinished, &path)
        };
        write().map_err(|source| ClusterError::file(&path, source))?;
        Ok(path)
    }
}

/// Follows or makes `.isobase/postgres`.
fn home(entry: &Path, account: &Account, progress: &dyn Progress) -> Result<PathBuf, ClusterError> {
    let failed = |source| ClusterError::file(entry, source);
    match std::fs::symlink_metadata(entry) {
        Ok(metadata) if metadata.is_symlink() => {
            let home = std::fs::read_link(entry).map_err(failed)?;
            if !home.is_dir() {
                make_folder(&home, account)?;
            }
            Ok(home)
        }
        Ok(_folder) => Ok(entry.to_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if first_closed_folder(entry, account).is_none() {
                make_folder(entry, account)?;
                return Ok(entry.to_owned());
            }
            let home = home_elsewhere(entry);
            DirBuilder::new()
                .recursive(true)
                .mode(0o755)
                .create(HOMES)
                .map_err(|source| ClusterError::file(Path::new(HOMES), source))?;
            make_folder(&home, account)?;
            std::os::unix::fs::symlink(&home, entry).map_err(failed)?;
            progress.note(&format!(
                "user {} cannot enter this directory: the database is kept in {}",
                account.name,
                home.display()
            ));
            Ok(home)
        }
        Err(error) => Err(failed(error)),
    }
}

fn home_elsewhere(entry: &Path) -> PathBuf {
    let project = entry.ancestors().nth(2).and_then(Path::file_name).and_then(|name| name.to_str());
    let random = Uuid::new_v4().simple().to_string();
    Path::new(HOMES).join(format!("{}-{}", project.unwrap_or("project"), &random[..8]))
}

/// The folder of the socket: in the home, or, where that path is too long for a socket, one in
/// `/tmp` named for the home.
fn socket_folder(home: &Path, account: &Account) -> Result<PathBuf, ClusterError> {
    let usual = home.join("run");
    let longest = usual.join(".s.PGSQL.65535");
    let folder = if longest.as_os_str().len() <= SOCKET_PATH_BYTES_MAX {
        usual
    } else {
        let digest = Sha256::digest(home.as_os_str().as_encoded_bytes());
        PathBuf::from(format!("/tmp/isobase-{}", hex(&digest[..8])))
    };
    match std::fs::symlink_metadata(&folder) {
        // In /tmp someone else could have been first.
        Ok(metadata) if metadata.is_dir() && metadata.uid() == account.uid.as_raw() => {}
        Ok(metadata) => {
            return Err(ClusterError::WrongOwner {
                folder,
                owner: metadata.uid(),
                user: account.name.clone(),
            });
        }
        Err(_missing) => make_folder(&folder, account)?,
    }
    Ok(folder)
}

fn make_folder(folder: &Path, account: &Account) -> Result<(), ClusterError> {
    DirBuilder::new().mode(0o700).create(folder).map_err(|source| ClusterError::file(folder, source))?;
    account.own(folder)
}

/// The first folder above `path` that `account` may not pass through. Only who changes identity
/// is checked: everyone else finds out by trying.
fn first_closed_folder(path: &Path, account: &Account) -> Option<PathBuf> {
    if !account.switch {
        return None;
    }
    let mut above: Vec<&Path> = path.ancestors().skip(1).collect();
    above.reverse();
    above.into_iter().find(|folder| !may_enter(folder, account)).map(Path::to_owned)
}

fn may_enter(folder: &Path, account: &Account) -> bool {
    let Ok(metadata) = std::fs::metadata(folder) else { return false };
    let needed = if metadata.uid() == account.uid.as_raw() {
        0o100
    } else if metadata.gid() == account.gid.as_raw() {
        0o010
    } else {
        0o001
    };
    metadata.mode() & needed != 0
}
