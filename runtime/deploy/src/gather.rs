//! The other end of a deploy: what a project's folder has of a function, made ready to be sent.

use std::path::{Path, PathBuf};

use isobase_base::FunctionSlug;
use isobase_base::limits::{SOURCE_COMPONENT_BYTES_MAX, SOURCE_FILE_BYTES_MAX};
use isobase_base::project::{FunctionSettings, InvalidTriggers, Project};

use crate::compile::load_script;
use crate::discovery::{self, Entry};
use crate::fault::SourceFault;
use crate::probes::Probes;
use crate::resolve::Folders;
use crate::store::{Bundle, BundleError, Manifest};
use crate::transpile::Scripts;
use crate::{WasmBuild, rust_crate};

/// A function, ready to be sent.
#[derive(Clone, Debug)]
pub struct Gathered {
    pub manifest: Manifest,
    pub bundle: Bundle,
}

/// Why a function cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum GatherError {
    #[error("there is no function {0} in this project's supabase/functions")]
    Missing(FunctionSlug),
    /// With file, line and column.
    #[error("{0}")]
    Source(String),
    #[error(transparent)]
    Bundle(#[from] BundleError),
    #[error("functions.{slug}: {problem}")]
    Triggers { slug: FunctionSlug, problem: InvalidTriggers },
}

impl From<SourceFault> for GatherError {
    fn from(fault: SourceFault) -> Self {
        Self::Source(fault.to_string())
    }
}

/// The functions of a project that have an entrypoint and are enabled, by slug.
pub fn deployable(project: &Project) -> Vec<FunctionSlug> {
    let folders = folders(project);
    let slugs = discovery::slugs(&folders.functions, &project.settings);
    let has_entry = |slug: &FunctionSlug| {
        let settings = project.function(slug.as_str());
        let found = discovery::entry(slug, &settings, false, &folders, &mut Probes::default());
        settings.enabled && !matches!(found, Ok(None))
    };
    slugs.into_iter().filter(has_entry).collect()
}

/// Finds the files of `slug`, compiling it once so that faults are told here, where its sources are.
/// A Rust crate is built, and its component sent. What starts the function goes with it.
pub async fn gather(
    project: &Project,
    slug: &FunctionSlug,
    build: &WasmBuild,
) -> Result<Gathered, GatherError> {
    let triggers = project.settings.triggers().remove(slug).unwrap_or_default();
    triggers.check(slug).map_err(|problem| GatherError::Triggers { slug: slug.clone(), problem })?;
    let mut gathered = gather_files(project, slug, build).await?;
    gathered.manifest.triggers = Some(triggers);
    Ok(gathered)
}

async fn gather_files(
    project: &Project,
    slug: &FunctionSlug,
    build: &WasmBuild,
) -> Result<Gathered, GatherError> {
    let folders = folders(project);
    let settings = project.function(slug.as_str());
    let mut probes = Probes::default();
    let entry = discovery::entry(slug, &settings, false, &folders, &mut probes)?
        .ok_or_else(|| GatherError::Missing(slug.clone()))?;
    match entry {
        Entry::Crate(folder) => {
            let component = rust_crate::build(build, &folder).await?;
            let path = format!("supabase/functions/{slug}/{slug}.wasm");
            let mut bundle = Bundle::default();
            bundle.add(&path, component)?;
            Ok(Gathered { manifest: Manifest::of(&settings, path, None), bundle })
        }
        Entry::Component(path) => {
            let component = probes.read(&path, SOURCE_COMPONENT_BYTES_MAX);
            let component = component.map_err(|error| unreadable(&path, &error))?;
            let path = inside(&path, project).ok_or_else(|| outside(&path))?;
            let mut bundle = Bundle::default();
            bundle.add(&path, component.into())?;
            Ok(Gathered { manifest: Manifest::of(&settings, path, None), bundle })
        }
        Entry::Script(path) => gather_script(&path, &settings, project, &folders),
    }
}

fn gather_script(
    entry: &Path,
    settings: &FunctionSettings,
    project: &Project,
    folders: &Folders,
) -> Result<Gathered, GatherError> {
    let mut probes = Probes::default();
    load_script(entry, settings.import_map.as_deref(), folders, &mut probes, &mut Scripts::default())?;
    let mut files: Vec<PathBuf> = probes.found().map(Path::to_owned).collect();
    for pattern in &settings.static_files {
        files.extend(static_files(pattern, folders)?);
    }
    let mut bundle = Bundle::default();
    for file in files {
        let path = inside(&file, project).ok_or_else(|| outside(&file))?;
        let content = probes.read(&file, SOURCE_FILE_BYTES_MAX).map_err(|error| unreadable(&file, &error))?;
        bundle.add(&path, content.into())?;
    }
    let entrypoint = inside(entry, project).ok_or_else(|| outside(entry))?;
    let import_map = settings.import_map.as_deref().and_then(|path| inside(path, project));
    Ok(Gathered { manifest: Manifest::of(settings, entrypoint, import_map), bundle })
}

/// Files that a glob relative to `supabase/` names.
fn static_files(pattern: &str, folders: &Folders) -> Result<Vec<PathBuf>, GatherError> {
    let base = folders.functions.parent().unwrap_or(&folders.functions);
    let absolute = base.join(pattern.trim_start_matches("./"));
    let matches = glob::glob(&absolute.to_string_lossy())
        .map_err(|error| GatherError::Source(format!("static_files: {pattern:?} is no pattern: {error}")))?;
    Ok(matches.flatten().filter(|path| path.is_file()).collect())
}

fn folders(project: &Project) -> Folders {
    let absolute = |path: PathBuf| std::path::absolute(&path).unwrap_or(path);
    Folders { functions: absolute(project.functions_folder()), project: absolute(project.root.clone()) }
}

/// `path` relative to the project's folder.
fn inside(path: &Path, project: &Project) -> Option<String> {
    let root = std::path::absolute(&project.root).ok()?;
    let path = std::path::absolute(path).ok()?;
    path.strip_prefix(root).ok()?.to_str().map(str::to_owned)
}

fn outside(path: &Path) -> GatherError {
    GatherError::Source(format!("{} is outside of the project; move it into the project", path.display()))
}

fn unreadable(path: &Path, error: &std::io::Error) -> GatherError {
    GatherError::Source(format!("{}: {error}", path.display()))
}
