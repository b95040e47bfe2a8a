//! The packages of one function, each in a folder of its own below `/node_modules`.
//!
//! A package has one folder, however many depend on it: the first of a name lies at the top, others lie in
//! the folder of the first package that needs them, or in `.versions` where the function itself asks for
//! two versions. So Node's own lookup finds what [`Installed::resolve`] finds, but for a name that has
//! several versions and is computed while the function runs.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use deno_npm::resolution::NpmResolutionSnapshot;
use deno_npm::{NpmPackageId, NpmResolutionPackage};
use deno_semver::package::PackageReq;
use parking_lot::Mutex;

use crate::package_json::PackageJson;

/// Where packages are on a function's disk.
const MODULES_FOLDER: &str = "/node_modules";

/// The packages of one function.
#[derive(Default)]
pub struct Installed {
    pub(crate) packages: Vec<Package>,
    by_requirement: HashMap<String, usize>,
    /// Those at the top, by folder.
    pub(crate) by_name: HashMap<String, usize>,
    /// By path on the real disk; `None` where there is no such file.
    package_jsons: Mutex<HashMap<PathBuf, Option<Arc<PackageJson>>>>,
}

/// One of them.
pub(crate) struct Package {
    /// `name@version`.
    pub(crate) id: String,
    pub(crate) name: String,
    /// On the function's disk: `/node_modules/<name>`.
    pub(crate) folder: String,
    /// On the real one.
    pub(crate) disk: PathBuf,
    /// Whether it brings packages of its own in its archive.
    pub(crate) bundles: bool,
    /// By the name that its modules use.
    pub(crate) dependencies: HashMap<String, usize>,
}

/// A file of a package.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PackageFile {
    pub(crate) package: usize,
    /// Relative to the package's folder, with slashes.
    pub(crate) path: String,
}

impl Installed {
    /// `present` are the packages of `snapshot` that were fetched, with their folders.
    pub(crate) fn new(
        snapshot: &NpmResolutionSnapshot,
        wanted: &[PackageReq],
        present: HashMap<NpmPackageId, PathBuf>,
    ) -> Self {
        let mut layout = Layout { snapshot, present, places: HashMap::new(), taken: BTreeSet::new() };
        let mut queue = VecDeque::new();
        let mut roots = HashMap::new();
        for requirement in wanted {
            let Ok(package) = snapshot.resolve_pkg_from_pkg_req(requirement) else { continue };
            roots.insert(requirement.to_string(), &package.id);
            let name = &requirement.name;
            let version = format!("{MODULES_FOLDER}/.versions/{}", package.id.nv);
            layout.place(&package.id, name, Some(&version), &mut queue);
        }
        while let Some(package) = queue.pop_front() {
            let mut dependencies: Vec<_> = package.dependencies.iter().collect();
            dependencies.sort();
            for (name, id) in dependencies {
                let parent = layout.places.get(&package.id).map(|(_, folder)| folder.clone());
                layout.place(id, name, parent.as_deref(), &mut queue);
            }
        }
        layout.installed(roots)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.packages.is_empty()
    }

    /// `name@version` of the package that `requirement` (`name@range`) led to.
    pub(crate) fn required(&self, requirement: &str) -> Option<usize> {
        self.by_requirement.get(requirement).copied()
    }

    /// What a file is called in the isolate.
    pub fn specifier(&self, file: &PackageFile) -> String {
        let mut url = url::Url::parse("file:///").expect("a constant");
        url.set_path(&self.path(file));
        url.into()
    }

    /// Its path on the function's disk.
    pub fn path(&self, file: &PackageFile) -> String {
        format!("{}/{}", self.packages[file.package].folder, file.path)
    }

    /// Its path on the real disk. What is there never changes.
    pub fn disk(&self, file: &PackageFile) -> PathBuf {
        self.packages[file.package].disk.join(&file.path)
    }

    /// What people call it: `npm:name@version/path`.
    pub fn shown(&self, file: &PackageFile) -> String {
        format!("npm:{}/{}", self.packages[file.package].id, file.path)
    }

    /// `name@version` of a file's package.
    pub fn package(&self, file: &PackageFile) -> &str {
        &self.packages[file.package].id
    }

    /// All files of the package of `file`, without folders of packages in it.
    pub fn beside(&self, file: &PackageFile) -> Vec<PackageFile> {
        let root = &self.packages[file.package].disk;
        let mut files = Vec::new();
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                let (path, kind) = (entry.path(), entry.file_type());
                match kind {
                    Ok(kind) if kind.is_dir() && entry.file_name() != "node_modules" => folders.push(path),
                    Ok(kind) if kind.is_file() => {
                        let inside = path.strip_prefix(root).ok().and_then(Path::to_str);
                        let inside = inside.map(|inside| inside.replace('\\', "/"));
                        files.extend(inside.map(|path| PackageFile { package: file.package, path }));
                    }
                    Ok(_) | Err(_) => {}
                }
            }
        }
        files.sort_by(|one, two| one.path.cmp(&two.path));
        files
    }

    /// The `package.json` in `folder` of a package.
    pub(crate) fn package_json(&self, package: usize, folder: &str) -> Option<Arc<PackageJson>> {
        let path = self.packages[package].disk.join(folder).join("package.json");
        let mut known = self.package_jsons.lock();
        known.entry(path).or_insert_with_key(|path| PackageJson::read(path).map(Arc::new)).clone()
    }
}

/// Finds folders for packages.
struct Layout<'a> {
    snapshot: &'a NpmResolutionSnapshot,
    present: HashMap<NpmPackageId, PathBuf>,
    /// In the order found, with the folder.
    places: HashMap<NpmPackageId, (usize, String)>,
    taken: BTreeSet<String>,
}

impl<'a> Layout<'a> {
    /// Finds a folder for `id` where `name` is free: at the top, else below `parent`.
    fn place(
        &mut self,
        id: &NpmPackageId,
        name: &str,
        parent: Option<&str>,
        queue: &mut VecDeque<&'a NpmResolutionPackage>,
    ) {
        let Some(package) = self.snapshot.package_from_id(id).filter(|_| self.present.contains_key(id))
        else {
            return;
        };
        if self.places.contains_key(id) {
            return;
        }
        let top = format!("{MODULES_FOLDER}/{name}");
        let below = parent.map(|parent| format!("{parent}{MODULES_FOLDER}/{name}"));
        // Copies of one version, for different peers, may ask for the same place.
        let copies = (1..).map(|count| format!("{MODULES_FOLDER}/.versions/{}_{count}/{name}", id.nv));
        let mut candidates = [Some(top), below].into_iter().flatten().chain(copies);
        let folder = candidates.find(|folder| !self.taken.contains(folder)).expect("counting never ends");
        self.taken.insert(folder.clone());
        self.places.insert(id.clone(), (self.places.len(), folder));
        queue.push_back(package);
    }

    fn installed(self, roots: HashMap<String, &NpmPackageId>) -> Installed {
        let Self { snapshot, mut present, places, .. } = self;
        let mut placed: Vec<_> = places.iter().collect();
        placed.sort_by_key(|(_, (number, _))| *number);
        let number = |id: &NpmPackageId| places.get(id).map(|(number, _)| *number);
        let mut packages = Vec::with_capacity(placed.len());
        for (id, (_, folder)) in &placed {
            let package = snapshot.package_from_id(id).expect("it was placed");
            let dependencies = package.dependencies.iter();
            let disk = present.remove(id).expect("only what is present was placed");
            packages.push(Package {
                bundles: disk.join("node_modules").is_dir(),
                id: id.nv.to_string(),
                name: id.nv.name.to_string(),
                folder: folder.clone(),
                disk,
                dependencies: dependencies
                    .filter_map(|(name, id)| Some((name.to_string(), number(id)?)))
                    .collect(),
            });
        }
        let top = |(index, package): (usize, &Package)| {
            let name = package.folder.strip_prefix(MODULES_FOLDER)?.strip_prefix('/')?;
            let is_top = !name.starts_with('.') && !name.contains(MODULES_FOLDER);
            is_top.then(|| (name.to_owned(), index))
        };
        let by_name = packages.iter().enumerate().filter_map(top).collect();
        let by_requirement = roots.into_iter().filter_map(|(text, id)| Some((text, number(id)?))).collect();
        Installed { packages, by_requirement, by_name, package_jsons: Mutex::default() }
    }
}
