//! Finds the Postgres installation: a folder with `initdb` and `postgres`, version 15 or newer.
//!
//! Looked at in this order: the explicit setting (and then nothing else), every folder of `PATH`,
//! what `pg_config --bindir` says, and the folders where distributions put Postgres, newest version
//! first. A lone `pg_ctl` or `psql` on the path is not an installation. Data of one major version can
//! only be served by that version, so where there is data the search goes on until it is found.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Oldest major version whose SQL the base schema uses.
const MAJOR_MIN: u32 = 15;

/// Folders that distributions use; `*` stands for one folder name, the newest is tried first.
const PLACES: [&str; 12] = [
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/usr/local/pgsql/bin",
    "/usr/local/pgsql-*/bin",
    "/usr/libexec/postgresql*",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/opt/homebrew/opt/postgresql/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/home/linuxbrew/.linuxbrew/opt/postgresql@*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
    "/run/current-system/sw/bin",
    "/nix/var/nix/profiles/default/bin",
];

/// A usable Postgres installation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binaries {
    folder: PathBuf,
    version: String,
    major: u32,
}

/// No usable installation was found.
#[derive(Debug, thiserror::Error)]
pub enum BinariesError {
    /// The explicit setting does not lead to one.
    #[error("the Postgres folder {folder} cannot be used: {why}", folder = folder.display())]
    Setting { folder: PathBuf, why: String },
    /// Nowhere; lists each place that held something, and what was wrong with it.
    #[error(
        "no Postgres {MAJOR_MIN} or newer was found. Looked in:\n{looked_at}\
         Install it (Debian, Ubuntu: `apt install postgresql`; Fedora: `dnf install postgresql-server`; \
         macOS: `brew install postgresql@17`), name its folder with `--postgres-bin`, \
         or use a running server with `--db-url`."
    )]
    NotFound { looked_at: String },
}

impl Binaries {
    /// Finds an installation; `setting` is the folder an operator named, `major` the version that
    /// existing data needs. If there are only others, the first of them.
    ///
    /// Runs the candidates' `postgres --version`, so call it off the async threads.
    pub fn find(setting: Option<&Path>, major: Option<u32>) -> Result<Self, BinariesError> {
        if let Some(folder) = setting {
            return Self::inspect(folder)
                .map_err(|why| BinariesError::Setting { folder: folder.to_owned(), why });
        }
        let mut looked_at = String::new();
        let mut other = None;
        for (origin, folders) in places() {
            if folders.is_empty() {
                let _ = writeln!(looked_at, "  {origin}: nothing there");
            }
            for folder in folders {
                match Self::inspect(&folder) {
                    Ok(found) if major.is_none_or(|major| major == found.major) => return Ok(found),
                    Ok(found) => other = other.or(Some(found)),
                    Err(why) => {
                        let _ = writeln!(looked_at, "  {origin}: {}: {why}", folder.display());
                    }
                }
            }
        }
        other.ok_or(BinariesError::NotFound { looked_at })
    }

    pub fn initdb(&self) -> PathBuf {
        self.folder.join("initdb")
    }

    pub fn postgres(&self) -> PathBuf {
        self.folder.join("postgres")
    }

    /// As the server says it, for example `15.18`.
    pub fn version(&self) -> &str {
        &self.version
    }

    pub fn major(&self) -> u32 {
        self.major
    }

    /// Whether the server can load `name`, by looking where installations keep loadable modules:
    /// `lib` beside `bin`, with or without a `postgresql` folder in it.
    pub(crate) fn has_library(&self, name: &str) -> bool {
        let Some(prefix) = self.folder.parent() else { return false };
        ["lib", "lib/postgresql", "lib/pgsql", "lib64", "lib64/pgsql"].iter().any(|lib| {
            ["so", "dylib"].iter().any(|end| prefix.join(lib).join(format!("{name}.{end}")).is_file())
        })
    }

    fn inspect(folder: &Path) -> Result<Self, String> {
        for needed in ["initdb", "postgres"] {
            if !folder.join(needed).is_file() {
                return Err(format!("has no `{needed}`"));
            }
        }
        let output = Command::new(folder.join("postgres"))
            .arg("--version")
            .output()
            .map_err(|error| format!("`postgres --version` failed: {error}"))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let version = parse_version(&text).ok_or_else(|| format!("unreadable version {:?}", text.trim()))?;
        let major = leading_number(version).ok_or_else(|| format!("unreadable version {version:?}"))?;
        if major < MAJOR_MIN {
            return Err(format!("is version {version}; {MAJOR_MIN} or newer is needed"));
        }
        // A link in /usr/bin may lead to the real folder, beside which the libraries are.
        let folder = folder.join("postgres").canonicalize().ok().and_then(|real| {
            let parent = real.parent()?.to_owned();
            parent.join("initdb").is_file().then_some(parent)
        });
        let folder = folder.ok_or_else(|| "its files cannot be read".to_owned())?;
        Ok(Self { folder, version: version.to_owned(), major })
    }
}

/// Where to look, each with the name a person knows the place by. Lazy: asking `pg_config` costs.
fn places() -> impl Iterator<Item = (String, Vec<PathBuf>)> {
    let path = std::iter::once_with(|| ("PATH".to_owned(), path_folders()));
    let config = std::iter::once_with(|| ("pg_config --bindir".to_owned(), pg_config_bindir()));
    path.chain(config).chain(PLACES.iter().map(|pattern| ((*pattern).to_owned(), expand(pattern))))
}

fn path_folders() -> Vec<PathBuf> {
    let Some(path) = std::env::var_os("PATH") else { return Vec::new() };
    std::env::split_paths(&path).filter(|folder| folder.join("postgres").exists()).collect()
}

fn pg_config_bindir() -> Vec<PathBuf> {
    let Ok(output) = Command::new("pg_config").arg("--bindir").output() else { return Vec::new() };
    let text = String::from_utf8_lossy(&output.stdout);
    let folder = text.trim();
    if output.status.success() && !folder.is_empty() { vec![PathBuf::from(folder)] } else { Vec::new() }
}

/// The folders that a pattern with at most one `*` stands for, highest version number first.
fn expand(pattern: &str) -> Vec<PathBuf> {
    let Some((before, after)) = pattern.split_once('*') else {
        let folder = PathBuf::from(pattern);
        return if folder.join("postgres").exists() { vec![folder] } else { Vec::new() };
    };
    let (parent, prefix) = before.rsplit_once('/').unwrap_or(("", before));
    let Ok(entries) = std::fs::read_dir(parent) else { return Vec::new() };
    let mut found: Vec<(u32, PathBuf)> = entries
        .filter_map(Result::ok)
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let version = leading_number(name.strip_prefix(prefix)?).unwrap_or(0);
            Some((version, PathBuf::from(format!("{parent}/{name}{after}"))))
        })
        .filter(|(_version, folder)| folder.is_dir())
        .collect();
    found.sort_by(|a, b| b.cmp(a));
    found.into_iter().map(|(_version, folder)| folder).collect()
}

/// The version in `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`.
fn parse_version(text: &str) -> Option<&str> {
    text.split_once("(PostgreSQL)")?.1.split_whitespace().next()
}

fn leading_number(text: &str) -> Option<u32> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    text[..digits].parse().ok()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Binaries, BinariesError, leading_number, parse_version};

    #[test]
    fn versions_are_read_from_what_servers_print() {
        for (text, version, major) in [
            ("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n", "15.18", 15),
            ("postgres (PostgreSQL) 17.6\n", "17.6", 17),
            ("postgres (PostgreSQL) 18beta1\n", "18beta1", 18),
        ] {
            let found = parse_version(text).unwrap();
            assert_eq!(found, version);
            assert_eq!(leading_number(found), Some(major));
        }
        assert_eq!(parse_version("mysqld  Ver 8"), None);
    }

    #[test]
    fn a_wrong_setting_says_what_is_missing() {
        let error = Binaries::find(Some(Path::new("/usr/share")), None).unwrap_err();
        assert!(matches!(error, BinariesError::Setting { .. }));
        assert_eq!(error.to_string(), "the Postgres folder /usr/share cannot be used: has no `initdb`");
    }
}
