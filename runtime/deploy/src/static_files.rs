//! Files that a function's settings name beside its sources (`static_files`).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::fault::SourceFault;
use crate::resolve::Folders;

/// Files that `patterns` name, relative to `supabase/`, as settings have it, or to the project's folder,
/// as the Supabase CLI sends it.
pub(crate) fn static_files(patterns: &[String], folders: &Folders) -> Result<BTreeSet<PathBuf>, SourceFault> {
    let mut found = BTreeSet::new();
    for pattern in patterns {
        for base in [folders.functions.parent(), Some(&*folders.project)].into_iter().flatten() {
            found.extend(matching(pattern, base, folders)?);
        }
    }
    Ok(found)
}

fn matching(pattern: &str, base: &Path, folders: &Folders) -> Result<Vec<PathBuf>, SourceFault> {
    let absolute = format!(
        "{}/{}",
        glob::Pattern::escape(&base.to_string_lossy()),
        pattern.trim_start_matches("./").trim_start_matches('/')
    );
    let matches = glob::glob(&absolute)
        .map_err(|error| SourceFault::new(format!("static_files: {pattern:?} is no pattern: {error}")))?;
    let inside = matches.flatten().filter(|path| path.is_file());
    let inside = inside.map(|path| crate::resolve::absolute(&path, ""));
    Ok(inside.filter(|path| path.starts_with(&folders.project)).collect())
}
