//! `isobase init`: a project folder as the Supabase CLI lays it out.

use std::fs;
use std::path::Path;

use anyhow::{Context, bail};
use isobase_base::progress::Progress;

use crate::args::ProjectArguments;
use crate::terminal::TerminalProgress;

const CONFIG: &str = include_str!("../../templates/config.toml");
const GITIGNORE: &str = include_str!("../../templates/gitignore");

pub(crate) fn run(arguments: &ProjectArguments) -> anyhow::Result<()> {
    let folder = arguments.workdir.join("supabase");
    let config = folder.join("config.toml");
    if config.exists() {
        bail!("{} exists already; this folder is a project", config.display());
    }
    for name in ["migrations", "functions"] {
        let path = folder.join(name);
        fs::create_dir_all(&path).with_context(|| format!("could not create {}", path.display()))?;
    }
    write_new(&config, &CONFIG.replace("{{project_id}}", &project_id(&arguments.workdir)))?;
    write_new(&folder.join(".gitignore"), GITIGNORE)?;
    let progress = TerminalProgress::new();
    progress.note(&format!("wrote {}", config.display()));
    progress.note("next: isobase functions new hello, then isobase start");
    Ok(())
}

/// Never overwrites: a file that is there already is the user's.
pub(crate) fn write_new(path: &Path, text: &str) -> anyhow::Result<()> {
    use std::io::Write;
    let mut file = match fs::File::create_new(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => return Ok(()),
        Err(error) => return Err(error).with_context(|| format!("could not create {}", path.display())),
    };
    file.write_all(text.as_bytes()).with_context(|| format!("could not write {}", path.display()))
}

/// The folder's name, in the characters that project ids may have.
fn project_id(workdir: &Path) -> String {
    let folder = workdir.canonicalize().unwrap_or_else(|_| workdir.to_owned());
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let kept: String = name
        .chars()
        .map(
            |character| {
                if character.is_ascii_alphanumeric() || "_-.".contains(character) { character } else { '_' }
            },
        )
        .collect();
    if kept.is_empty() { "project".into() } else { kept }
}
