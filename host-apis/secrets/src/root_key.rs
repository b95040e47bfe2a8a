//! The key that everything sealed in the database is sealed under. It lives outside of SQL: whoever
//! holds a copy of the database holds no secret yet.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use aes_gcm::aead::OsRng;
use aes_gcm::aead::rand_core::RngCore;
use hmac::{Hmac, Mac};
use isobase_base::{SecretText, hex};
use sha2::Sha256;

const KEY_BYTES: usize = 32;
/// Inside the folder of the host's state.
const FILE: &str = "root.key";

/// 256 bits. Never printed: it implements neither `Debug` nor `Display`.
#[derive(Clone)]
pub struct RootKey([u8; KEY_BYTES]);

/// Where a key may come from; the first that is there wins.
#[derive(Clone, Debug)]
pub struct RootKeySources {
    /// `ISOBASE_ROOT_KEY`.
    pub variable: Option<SecretText>,
    /// `root_key` under `[db]`.
    pub setting: Option<SecretText>,
    /// Where `root.key` is, or is made.
    pub state_folder: PathBuf,
}

/// Why there is no key. Never shows what was found in its place.
#[derive(Debug, thiserror::Error)]
pub enum RootKeyError {
    #[error("{place} is no root key: expected 64 hexadecimal digits")]
    Malformed { place: String },
    #[error("{} can be read by others; run: chmod 600 {0}", path.display())]
    Exposed { path: PathBuf },
    #[error("there is no {}; start the project first, or give ISOBASE_ROOT_KEY", path.display())]
    Missing { path: PathBuf },
    #[error("cannot read or write {}: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
}

impl RootKeySources {
    /// The key, made and kept in the state folder where none is found.
    pub fn find_or_make(&self) -> Result<RootKey, RootKeyError> {
        match self.find() {
            Err(RootKeyError::Missing { path }) => {
                let key = RootKey::random();
                key.save(&path).map_err(|source| RootKeyError::File { path: path.clone(), source })?;
                // Another process may have been quicker; then its key is the key.
                read(&path)
            }
            found => found,
        }
    }

    /// The key, from wherever it is.
    pub fn find(&self) -> Result<RootKey, RootKeyError> {
        let given =
            [(&self.variable, "ISOBASE_ROOT_KEY"), (&self.setting, "root_key under [db] in config.toml")];
        for (text, place) in given {
            if let Some(text) = text {
                return RootKey::parse(text.expose())
                    .ok_or_else(|| RootKeyError::Malformed { place: place.to_owned() });
            }
        }
        read(&self.state_folder.join(FILE))
    }
}

fn read(path: &Path) -> Result<RootKey, RootKeyError> {
    let fault = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => RootKeyError::Missing { path: path.to_owned() },
        _ => RootKeyError::File { path: path.to_owned(), source },
    };
    let text = fs::read_to_string(path).map_err(fault)?;
    if fs::metadata(path).map_err(fault)?.mode() & 0o077 != 0 {
        return Err(RootKeyError::Exposed { path: path.to_owned() });
    }
    RootKey::parse(text.trim()).ok_or_else(|| RootKeyError::Malformed { place: path.display().to_string() })
}

impl RootKey {
    /// 64 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let mut key = [0; KEY_BYTES];
        if text.len() != KEY_BYTES * 2 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        for (byte, at) in key.iter_mut().zip((0..).step_by(2)) {
            *byte = u8::from_str_radix(&text[at..at + 2], 16).ok()?;
        }
        Some(Self(key))
    }

    fn random() -> Self {
        let mut key = [0; KEY_BYTES];
        OsRng.fill_bytes(&mut key);
        Self(key)
    }

    /// A key of its own for each purpose: what one leaks says nothing about another.
    pub fn derived(&self, purpose: &str) -> [u8; KEY_BYTES] {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        mac.update(purpose.as_bytes());
        mac.finalize().into_bytes().into()
    }

    /// Tells keys apart and says nothing about them.
    pub fn fingerprint(&self) -> String {
        hex(&self.derived("isobase root key fingerprint")[..8])
    }

    /// Whole or not at all, and never over a key that is there.
    fn save(&self, path: &Path) -> io::Result<()> {
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        // A key that got into a repository is no key any more.
        let ignore = folder.join(".gitignore");
        if !ignore.exists() {
            fs::write(ignore, "*\n")?;
        }
        let unfinished = folder.join(format!(".{FILE}-{}", std::process::id()));
        let written = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&unfinished)
            .and_then(|mut file| {
                writeln!(file, "{}", hex(&self.0))?;
                file.sync_all()?;
                match fs::hard_link(&unfinished, path) {
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
                    linked => linked,
                }
            });
        let removed = fs::remove_file(&unfinished);
        written.and(removed)?;
        // Without its key what is sealed next would be lost.
        fs::File::open(folder)?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::{RootKey, RootKeyError, RootKeySources};

    fn in_folder(folder: &tempfile::TempDir) -> RootKeySources {
        RootKeySources { variable: None, setting: None, state_folder: folder.path().join("state") }
    }

    fn fingerprint(key: Result<RootKey, RootKeyError>) -> String {
        key.unwrap_or_else(|error| panic!("{error}")).fingerprint()
    }

    #[test]
    fn made_once_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let sources = in_folder(&folder);
        assert!(matches!(sources.find(), Err(RootKeyError::Missing { .. })));
        let first = fingerprint(sources.find_or_make());
        assert_eq!(fingerprint(sources.find_or_make()), first);
        assert_eq!(fingerprint(sources.find()), first);
        let path = sources.state_folder.join("root.key");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let mut names: Vec<_> = std::fs::read_dir(&sources.state_folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, [".gitignore", "root.key"]);

        std::fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(sources.find(), Err(RootKeyError::Exposed { .. })));
    }

    #[test]
    fn the_variable_wins_over_the_setting_and_the_setting_over_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let mut sources = in_folder(&folder);
        let file = fingerprint(sources.find_or_make());
        sources.setting = Some("11".repeat(32).into());
        let setting = fingerprint(sources.find());
        sources.variable = Some("AB".repeat(32).into());
        let variable = fingerprint(sources.find());
        assert_ne!(file, setting);
        assert_ne!(setting, variable);
        assert_eq!(variable, fingerprint(Ok(RootKey::parse(&"ab".repeat(32)).unwrap())));
    }

    #[test]
    fn what_is_no_key_is_refused_and_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        for bad in ["", "hunter2", &"g".repeat(64), &"é".repeat(32), &"0".repeat(63)] {
            let sources = RootKeySources { variable: Some(bad.to_owned().into()), ..in_folder(&folder) };
            let Err(error) = sources.find() else { panic!("{bad:?} is no key") };
            let shown = format!("{error} {error:?} {sources:?}");
            assert!(bad.is_empty() || !shown.contains(bad), "{shown}");
        }
    }
}
