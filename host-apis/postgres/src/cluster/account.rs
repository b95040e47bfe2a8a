//! The operating system user that the server runs as. Postgres refuses to run as root.

use std::path::Path;

use nix::unistd::{Gid, Uid, User};

use super::ClusterError;

/// A user and its primary group. Other groups are dropped when a process becomes it: the standard
/// library clears them whenever root starts a child under another user id.
#[derive(Clone, Debug)]
pub(super) struct Account {
    pub(super) name: String,
    pub(super) uid: Uid,
    pub(super) gid: Gid,
    /// Whether a child must change its identity to become this user.
    pub(super) switch: bool,
}

impl Account {
    /// Decides who runs the server. `setting` is what the operator named; `owner` is the user id
    /// that an existing data folder belongs to.
    pub(super) fn choose(setting: Option<&str>, owner: Option<u32>) -> Result<Self, ClusterError> {
        let own = Uid::effective();
        if !own.is_root() {
            let own = Self { name: name_of(own), uid: own, gid: Gid::effective(), switch: false };
            return match setting {
                Some(name) if name != own.name => Err(ClusterError::NotRoot { name: name.to_owned() }),
                _ => Ok(own),
            };
        }
        if let Some(name) = setting {
            return Self::named(name).ok_or_else(|| ClusterError::NoUser { name: name.to_owned() });
        }
        if let Some(uid) = owner.map(Uid::from_raw).filter(|uid| !uid.is_root()) {
            let user = User::from_uid(uid).ok().flatten();
            let gid = user.as_ref().map_or(Gid::from_raw(uid.as_raw()), |user| user.gid);
            return Ok(Self { name: name_of(uid), uid, gid, switch: true });
        }
        Self::named("postgres")
            .or_else(|| Self::named("nobody"))
            .ok_or_else(|| ClusterError::NoUser { name: "postgres".to_owned() })
    }

    /// Gives a file or folder to this user. A link is changed itself, never what it leads to.
    pub(super) fn own(&self, path: &Path) -> Result<(), ClusterError> {
        if self.switch {
            std::os::unix::fs::lchown(path, Some(self.uid.as_raw()), Some(self.gid.as_raw()))
                .map_err(|source| ClusterError::file(path, source))?;
        }
        Ok(())
    }

    fn named(name: &str) -> Option<Self> {
        let user = User::from_name(name).ok().flatten().filter(|user| !user.uid.is_root())?;
        Some(Self { name: user.name, uid: user.uid, gid: user.gid, switch: true })
    }
}

fn name_of(uid: Uid) -> String {
    match User::from_uid(uid) {
        Ok(Some(user)) => user.name,
        Ok(None) | Err(_) => uid.to_string(),
    }
}
