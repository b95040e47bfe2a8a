//! From uploaded sources to what an engine loads. The same loader as for a watched folder, on the
//! files of the upload alone.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use isobase_engine::{Artifact, Reuse};

use crate::fault::SourceFault;
use crate::graph::Loader;
use crate::import_map::ImportMap;
use crate::probes::Probes;
use crate::resolve::Folders;
use crate::store::{Bundle, Manifest};
use crate::transpile::Scripts;

/// The folder of all functions in a Supabase project.
const FUNCTIONS_FOLDER: &str = "functions";

/// Compiles `bundle` as `manifest` says, in a folder of its own below `builds`. Blocking.
pub(crate) fn compile(bundle: &Bundle, manifest: &Manifest, builds: &Path) -> Result<Artifact, SourceFault> {
    let entrypoint = bundle.file(&manifest.entrypoint_path).ok_or_else(|| {
        let sent: Vec<_> = bundle.files.iter().take(10).map(|file| file.path.as_str()).collect();
        SourceFault::new(format!("the entrypoint {:?} is not among the files", manifest.entrypoint_path))
            .hint(format!("files that were sent: {}", sent.join(", ")))
    })?;
    if Path::new(&entrypoint.path).extension().is_some_and(|extension| extension == "wasm") {
        return Ok(Artifact::Component { bytes: entrypoint.content.clone(), reuse: Reuse::Fresh });
    }
    let unpacked = std::fs::create_dir_all(builds)
        .and_then(|()| tempfile::tempdir_in(builds))
        .and_then(|folder| bundle.unpack(folder.path()).map(|()| folder));
    let folder =
        unpacked.map_err(|error| SourceFault::new(format!("the files could not be unpacked: {error}")))?;
    let root = folder.path().canonicalize().unwrap_or_else(|_| folder.path().to_owned());
    let entry = root.join(&entrypoint.path);
    let folders = Folders { functions: functions_folder(&entry, &root), project: root.clone() };
    let work = AssertUnwindSafe(|| load(&entry, manifest, &folders));
    // The compiler is large and its input is anybody's: a panic of it fails one deploy.
    catch_unwind(work).unwrap_or_else(|panic| Err(crashed(&*panic)))
}

fn load(entry: &Path, manifest: &Manifest, folders: &Folders) -> Result<Artifact, SourceFault> {
    let named = manifest.import_map_path.as_deref().filter(|path| !path.is_empty());
    let named = named.and_then(crate::store::relative).map(|path| folders.project.join(path));
    load_script(entry, named.as_deref(), folders, &mut Probes::default(), &mut Scripts::default())
}

/// The modules of the function that begins at `entry`, with the import map that is named or found.
pub(crate) fn load_script(
    entry: &Path,
    import_map: Option<&Path>,
    folders: &Folders,
    probes: &mut Probes,
    scripts: &mut Scripts,
) -> Result<Artifact, SourceFault> {
    let beside = entry.parent().unwrap_or(entry);
    let map = ImportMap::find(import_map, beside, &folders.functions, probes, |path| folders.shown(path))?;
    let mut loader = Loader { folders, map: &map, probes, scripts };
    loader.load(entry).map(|program| Artifact::Program(Arc::new(program)))
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
