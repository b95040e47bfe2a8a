//! From uploaded sources to what an engine loads. The same loader as for a watched folder, on the
//! files of the upload alone.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use isobase_engine::{Artifact, Reuse};

use crate::compiler::Compiler;
use crate::fault::SourceFault;
use crate::graph::Loader;
use crate::import_map::ImportMap;
use crate::probes::Probes;
use crate::resolve::Folders;
use crate::store::{Bundle, Manifest};
use crate::supply::Supply;
use crate::transpile::Scripts;

/// The folder of all functions in a Supabase project.
const FUNCTIONS_FOLDER: &str = "functions";

/// A function ready for an engine, and the lock file of its packages.
pub(crate) struct Compiled {
    pub(crate) artifact: Artifact,
    pub(crate) lock: Option<String>,
}

/// A script and what belongs to it.
pub(crate) struct ScriptSource<'a> {
    pub(crate) entry: &'a Path,
    /// The import map that the settings name.
    pub(crate) import_map: Option<&'a Path>,
    pub(crate) static_files: &'a [String],
    pub(crate) folders: &'a Folders,
}

/// Compiles `bundle` as `manifest` says, in a folder of its own below `builds`. Blocking.
pub(crate) fn compile(
    bundle: &Bundle,
    manifest: &Manifest,
    builds: &Path,
    supply: &Supply,
    compiler: Compiler,
) -> Result<Compiled, SourceFault> {
    let entrypoint = bundle.file(&manifest.entrypoint_path).ok_or_else(|| {
        let sent: Vec<_> = bundle.files.iter().take(10).map(|file| file.path.as_str()).collect();
        SourceFault::new(format!("the entrypoint {:?} is not among the files", manifest.entrypoint_path))
            .hint(format!("files that were sent: {}", sent.join(", ")))
    })?;
    if Path::new(&entrypoint.path).extension().is_some_and(|extension| extension == "wasm") {
        let artifact = Artifact::Component { bytes: entrypoint.content.clone(), reuse: Reuse::Fresh };
        return Ok(Compiled { artifact, lock: None });
    }
    let unpacked = std::fs::create_dir_all(builds)
        .and_then(|()| tempfile::tempdir_in(builds))
        .and_then(|folder| bundle.unpack(folder.path()).map(|()| folder));
    let folder =
        unpacked.map_err(|error| SourceFault::new(format!("the files could not be unpacked: {error}")))?;
    let root = folder.path().canonicalize().unwrap_or_else(|_| folder.path().to_owned());
    let entry = root.join(&entrypoint.path);
    let folders = Folders { functions: functions_folder(&entry, &root), project: root.clone() };
    let work = AssertUnwindSafe(|| load(&entry, manifest, &folders, supply, compiler));
    // The compiler is large and its input is anybody's: a panic of it fails one deploy.
    catch_unwind(work).unwrap_or_else(|panic| Err(crashed(&*panic)))
}

fn load(
    entry: &Path,
    manifest: &Manifest,
    folders: &Folders,
    supply: &Supply,
    compiler: Compiler,
) -> Result<Compiled, SourceFault> {
    let named = manifest.import_map_path.as_deref().filter(|path| !path.is_empty());
    let named = named.and_then(crate::store::relative).map(|path| folders.project.join(path));
    let import_map = named.as_deref();
    let source = ScriptSource { entry, import_map, static_files: &manifest.static_patterns, folders };
    load_script(source, &mut Probes::default(), &mut Scripts::new(compiler), supply)
}

/// The program of the function that begins at `entry`, with the import map that is named or found.
pub(crate) fn load_script(
    source: ScriptSource<'_>,
    probes: &mut Probes,
    scripts: &mut Scripts,
    supply: &Supply,
) -> Result<Compiled, SourceFault> {
    let ScriptSource { entry, import_map, static_files, folders } = source;
    let beside = entry.parent().unwrap_or(entry);
    let map = ImportMap::find(import_map, beside, folders, probes, |path| folders.shown(path))?;
    let outside = supply.open(entry, folders, probes)?;
    let loader = Loader { folders, map: &map, probes, scripts, outside, static_files };
    let linked = loader.load(entry)?;
    Ok(Compiled { artifact: Artifact::Program(Arc::new(linked.program)), lock: linked.lock })
}

/// The nearest `functions` above the entrypoint's own folder; the project's folder where there is none.
fn functions_folder(entry: &Path, root: &Path) -> PathBuf {
    let above = entry.ancestors().skip(2).take_while(|folder| folder.starts_with(root));
    let mut named = above.filter(|folder| folder.file_name().is_some_and(|name| name == FUNCTIONS_FOLDER));
    named.next().unwrap_or(root).to_owned()
}

pub(crate) fn crashed(panic: &(dyn Any + Send)) -> SourceFault {
    let words = panic.downcast_ref::<String>().map(String::as_str);
    let words = words.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
    SourceFault::new(format!("the compiler crashed: {words}"))
        .hint("this is a defect of the host; please report it with the source")
}
