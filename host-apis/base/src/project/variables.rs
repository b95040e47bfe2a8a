//! The variables that settings may refer to: the process's, then dotenv files'.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{ProjectError, parse_dotenv};

/// Environment variables by name.
pub type Variables = BTreeMap<String, String>;

/// The variables of this process that are UTF-8; others cannot be named in a settings file.
pub fn process_variables() -> Variables {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// The dotenv files of a project, the most important first: in `supabase/`, then in the root,
/// `.env.<environment>.local`, `.env.local` (not for `test`), `.env.<environment>`, `.env`, where
/// the environment is `SUPABASE_ENV` or `development`. As the Supabase CLI.
pub(super) fn dotenv_files(folder: &Path, root: &Path, process: &Variables) -> Vec<PathBuf> {
    let environment = process.get("SUPABASE_ENV").map_or("development", String::as_str);
    let mut names = vec![format!(".env.{environment}.local")];
    if environment != "test" {
        names.push(".env.local".into());
    }
    names.extend([format!(".env.{environment}"), ".env".into()]);
    [folder, root].iter().flat_map(|place| names.iter().map(|name| place.join(name))).collect()
}

/// `process` and what the dotenv files add to it. What is set first stays.
pub(super) fn with_dotenv_files(
    folder: &Path,
    root: &Path,
    process: &Variables,
) -> Result<Variables, ProjectError> {
    let mut variables = process.clone();
    for path in dotenv_files(folder, root, process) {
        for (name, value) in read_dotenv_file(&path)? {
            variables.entry(name).or_insert(value);
        }
    }
    Ok(variables)
}

/// The variables of one dotenv file; none when it does not exist.
pub(super) fn read_dotenv_file(path: &Path) -> Result<Variables, ProjectError> {
    match std::fs::read_to_string(path) {
        Ok(text) => {
            parse_dotenv(&text).map_err(|error| ProjectError::Dotenv { path: path.to_path_buf(), error })
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Variables::new()),
        Err(error) => Err(ProjectError::Unreadable { path: path.to_path_buf(), error }),
    }
}
