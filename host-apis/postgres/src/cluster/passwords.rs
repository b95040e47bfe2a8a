//! The passwords of the roles that only the host logs in as, made once from the system's random
//! source and kept beside the cluster, readable by the host's user alone.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use uuid::Uuid;

use super::ClusterError;

/// Never printed: it implements neither `Debug` nor `Display`.
pub(super) struct Passwords {
    pub(super) superuser: String,
    pub(super) authenticator: String,
}

impl Passwords {
    pub(super) fn load_or_create(state: &Path) -> Result<Self, ClusterError> {
        let path = state.join("postgres-passwords");
        match std::fs::read_to_string(&path) {
            Ok(text) => {
                Self::parse(&text).ok_or(ClusterError::Passwords { file: path, why: "it is damaged" })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if state.join("postgres/data").exists() {
                    return Err(ClusterError::Passwords { file: path, why: "it is missing" });
                }
                let made = Self { superuser: random(), authenticator: random() };
                made.save(&path).map_err(|source| ClusterError::file(&path, source))?;
                Ok(made)
            }
            Err(error) => Err(ClusterError::file(&path, error)),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let value = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?;
            (!line.is_empty()).then(|| line.to_owned())
        };
        Some(Self { superuser: value("supabase_admin")?, authenticator: value("authenticator")? })
    }

    /// Written under another name first: a file of this name is always whole.
    fn save(&self, path: &Path) -> io::Result<()> {
        let unfinished = path.with_extension("new");
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
        writeln!(file, "supabase_admin={}", self.superuser)?;
        writeln!(file, "authenticator={}", self.authenticator)?;
        file.sync_all()?;
        std::fs::rename(unfinished, path)?;
        // Without its passwords the cluster that is made next would be lost.
        File::open(path.parent().unwrap_or(path))?.sync_all()
    }
}

/// 244 random bits as 64 hexadecimal digits.
fn random() -> String {
    format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple())
}

#[cfg(test)]
mod tests {
    use super::Passwords;

    #[test]
    fn made_once_and_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let first = Passwords::load_or_create(folder.path()).ok().unwrap();
        let again = Passwords::load_or_create(folder.path()).ok().unwrap();
        assert_eq!(first.superuser, again.superuser);
        assert_eq!(first.authenticator, again.authenticator);
        assert_ne!(first.superuser, first.authenticator);
        assert_eq!(first.superuser.len(), 64);
    }

    #[test]
    fn damage_is_noticed() {
        assert!(Passwords::parse("supabase_admin=x\n").is_none());
        assert!(Passwords::parse("supabase_admin=\nauthenticator=y\n").is_none());
        assert!(Passwords::parse("supabase_admin=x\nauthenticator=y\n").is_some());
    }
}
