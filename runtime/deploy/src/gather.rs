//! The other end of a deploy: what a project's folder has of a function, made ready to be sent.

use std::path::{Path, PathBuf};

use isobase_base::FunctionSlug;
use isobase_base::limits::{SOURCE_COMPONENT_BYTES_MAX, SOURCE_FILE_BYTES_MAX};
use isobase_base::project::{FunctionSettings, InvalidTriggers, Project};
use isobase_packages::without_credentials;

use crate::compile::{ScriptSource, load_script};
use crate::discovery::{self, Entry};
use crate::fault::SourceFault;
use crate::probes::Probes;
use crate::resolve::Folders;
use crate::static_files::static_files;
use crate::store::{Bundle, BundleError, Manifest};
use crate::supply::Supply;
use crate::transpile::Scripts;
use crate::{Compiler, WasmBuild, rust_crate};

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
///
/// Packages and remote modules are left to the server: it chooses versions, by its own settings and
/// network, so that whoever deploys needs neither credentials of registries nor a network to them. An
/// `.npmrc` is sent without the credentials in it.
pub async fn gather(
    project: &Project,
    slug: &FunctionSlug,
    build: &WasmBuild,
    compiler: &Compiler,
) -> Result<Gathered, GatherError> {
    let triggers = project.settings.triggers().remove(slug).unwrap_or_default();
    triggers.check(slug).map_err(|problem| GatherError::Triggers { slug: slug.clone(), problem })?;
    let mut gathered = gather_files(project, slug, build, compiler).await?;
    gathered.manifest.triggers = Some(triggers);
    Ok(gathered)
}

async fn gather_files(
    project: &Project,
    slug: &FunctionSlug,
    build: &WasmBuild,
    compiler: &Compiler,
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
        Entry::Script(path) => gather_script(&path, &settings, project, &folders, compiler),
    }
}

fn gather_script(
    entry: &Path,
    settings: &FunctionSettings,
    project: &Project,
    folders: &Folders,
    compiler: &Compiler,
) -> Result<Gathered, GatherError> {
    let mut probes = Probes::default();
    let source = ScriptSource {
        entry,
        import_map: settings.import_map.as_deref(),
        static_files: &settings.static_files,
        folders,
    };
    load_script(source, &mut probes, &mut Scripts::new(compiler.clone()), &Supply::Server)?;
    let mut files: Vec<PathBuf> = probes.found().map(Path::to_owned).collect();
    files.extend(static_files(&settings.static_files, folders)?);
    let mut bundle = Bundle::default();
    for file in files {
        let path = inside(&file, project).ok_or_else(|| outside(&file))?;
        let content = probes.read(&file, SOURCE_FILE_BYTES_MAX).map_err(|error| unreadable(&file, &error))?;
        bundle.add(&path, without_secrets(&file, content).into())?;
    }
    let entrypoint = inside(entry, project).ok_or_else(|| outside(entry))?;
    let import_map = settings.import_map.as_deref().and_then(|path| inside(path, project));
    Ok(Gathered { manifest: Manifest::of(settings, entrypoint, import_map), bundle })
}

/// Credentials of registries stay on this machine.
fn without_secrets(file: &Path, content: Vec<u8>) -> Vec<u8> {
    if file.file_name().is_some_and(|name| name == ".npmrc") {
        return without_credentials(&String::from_utf8_lossy(&content)).into_bytes();
    }
    content
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
