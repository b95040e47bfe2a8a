//! The SQL files of a project on disk.

use std::io;
use std::path::Path;

use isobase_base::hex;
use isobase_base::limits::MIGRATION_FILE_BYTES_MAX;
use isobase_base::progress::Progress;
use sha2::{Digest, Sha256};

use super::ProjectError;

/// A first line of this text asks for a run outside a transaction.
const NO_TRANSACTION: &str = "-- isobase:no-transaction";

/// The CLI once wrote the state of the remote database to a first migration of this name; versions
/// up to this one are such files and are left out.
const LAST_GENERATED_INIT: u64 = 20_211_209_000_000;

/// A file that was read whole.
pub(super) struct SqlFile {
    /// Below the project directory, with `/`: how history and errors name it.
    pub(super) path: String,
    /// Without a byte order mark, which Postgres would take for a syntax error.
    pub(super) sql: String,
    hash: String,
}

impl SqlFile {
    pub(super) fn read(workdir: &Path, path: &str) -> Result<Self, ProjectError> {
        let failed = |source| ProjectError::File { path: path.to_owned(), source };
        let full = workdir.join(path);
        let length = std::fs::metadata(&full).map_err(failed)?.len();
        if length > MIGRATION_FILE_BYTES_MAX {
            return Err(ProjectError::TooLong { path: path.to_owned(), bytes: length });
        }
        let bytes = std::fs::read(&full).map_err(failed)?;
        let hash = hex(&Sha256::digest(&bytes));
        let text = String::from_utf8(bytes)
            .map_err(|error| failed(io::Error::new(io::ErrorKind::InvalidData, error.utf8_error())))?;
        let sql = match text.strip_prefix('\u{feff}') {
            Some(rest) => rest.to_owned(),
            None => text,
        };
        Ok(Self { path: path.to_owned(), sql, hash })
    }

    /// SHA-256 of the bytes on disk, in hexadecimal digits.
    pub(super) fn hash(&self) -> &str {
        &self.hash
    }

    pub(super) fn file_name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// The digits and the name in `20240131093000_create_todos.sql`.
    pub(super) fn version_and_name(&self) -> Option<(&str, &str)> {
        version_and_name(self.file_name())
    }

    pub(super) fn wants_no_transaction(&self) -> bool {
        self.sql.lines().next().is_some_and(|line| line.trim_end() == NO_TRANSACTION)
    }
}

pub(super) fn version_and_name(file_name: &str) -> Option<(&str, &str)> {
    let stem = file_name.strip_suffix(".sql")?;
    let (version, name) = stem.split_once('_')?;
    let all_digits = !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit());
    all_digits.then_some((version, name))
}

/// Paths of the migrations, in the order of their names. Others are skipped with a remark.
pub(super) fn migrations(workdir: &Path, progress: &dyn Progress) -> Result<Vec<String>, ProjectError> {
    let folder = "supabase/migrations";
    let names = names(&workdir.join(folder))
        .map_err(|source| ProjectError::File { path: folder.to_owned(), source })?;
    let mut paths = Vec::new();
    for (index, name) in names.iter().enumerate() {
        let Some((version, rest)) = version_and_name(name) else {
            progress.note(&format!("skipping {folder}/{name}: the name must be <digits>_<name>.sql"));
            continue;
        };
        if index == 0
            && rest == "init"
            && version.len() == 14
            && version.parse::<u64>().is_ok_and(|version| version < LAST_GENERATED_INIT)
        {
            progress.note(&format!("skipping {folder}/{name}: rename it from `init` to have it applied"));
            continue;
        }
        paths.push(format!("{folder}/{name}"));
    }
    Ok(paths)
}

/// Names of the plain files in a folder, sorted by bytes; none if there is no folder.
pub(super) fn names(folder: &Path) -> io::Result<Vec<String>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry?;
        // Follows links, as reading will.
        if std::fs::metadata(entry.path()).is_ok_and(|metadata| metadata.is_file())
            && let Ok(name) = entry.file_name().into_string()
        {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::version_and_name;

    #[test]
    fn names_of_migrations() {
        assert_eq!(
            version_and_name("20240131093000_create_todos.sql"),
            Some(("20240131093000", "create_todos"))
        );
        assert_eq!(version_and_name("1_.sql"), Some(("1", "")));
        assert_eq!(version_and_name("0001_a_b.sql"), Some(("0001", "a_b")));
        for bad in ["create.sql", "_a.sql", "1.sql", "1_a.sql.bak", "1x_a.sql", ".keep"] {
            assert_eq!(version_and_name(bad), None, "{bad}");
        }
    }
}
