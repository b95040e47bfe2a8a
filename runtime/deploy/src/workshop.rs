//! Builds functions and publishes what changed. Blocking work throughout: it runs on a thread of
//! its own, one change after another.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use isobase_base::limits::SOURCE_COMPONENT_BYTES_MAX;
use isobase_base::observe::FUNCTION_STATE;
use isobase_base::project::{FunctionSettings, ProjectError};
use isobase_base::{Access, FunctionSlug, Target};
use isobase_engine::{Absent, Artifact, Publish, Reuse};
use isobase_packages::Origin;
use parking_lot::Mutex;

use crate::SourcesConfig;
use crate::compile::{ScriptSource, crashed, load_script};
use crate::discovery::{self, Entry};
use crate::fault::SourceFault;
use crate::function::{Build, Ready};
use crate::package_script::PackageScripts;
use crate::probes::{Names, Probes, concerns, join_names};
use crate::resolve::Folders;
use crate::rust_crate::{self, CrateBuild, CrateBuilds};
use crate::sources::SourceStatus;
use crate::supply::{HostSupply, Supply};
use crate::transpile::Scripts;
use crate::watcher::{Change, Watcher};

pub(crate) struct Workshop {
    config: SourcesConfig,
    folders: Folders,
    publish: Arc<dyn Publish>,
    crates: CrateBuilds,
    watcher: Option<Watcher>,
    /// Variables of all functions.
    environment: BTreeMap<String, String>,
    scripts: Scripts,
    package_scripts: PackageScripts,
    known: BTreeMap<FunctionSlug, Known>,
    /// Outlives `known`: a function that comes back counts on.
    versions: BTreeMap<FunctionSlug, u64>,
    status: Arc<Mutex<Vec<SourceStatus>>>,
}

/// A folder or a declaration that is a function, or may become one.
#[derive(Default)]
struct Known {
    probes: Probes,
    names: Names,
    published: Option<Build>,
    building: Option<CrateBuild>,
    /// Counts builds of a crate: an older one's end is worth nothing.
    serial: u64,
    /// Whether the last build failed for want of a network.
    may_pass: bool,
    /// The component that the last finished build of the crate gave.
    component: Option<Result<Bytes, SourceFault>>,
}

/// How often a round is repeated because files changed while it read them; then it is left to the
/// watcher, which sees them now.
const ROUNDS_MAX: usize = 3;

impl Workshop {
    pub(crate) fn new(
        config: SourcesConfig,
        publish: Arc<dyn Publish>,
        crates: CrateBuilds,
        watcher: Option<Watcher>,
        status: Arc<Mutex<Vec<SourceStatus>>>,
    ) -> Result<Self, ProjectError> {
        let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
        let folders = Folders {
            project: absolute(&config.project.root),
            functions: absolute(&config.functions_folder),
        };
        let environment = functions_environment(&config)?;
        let compiler = config.compiler.clone();
        let (known, versions) = Default::default();
        Ok(Self {
            config,
            folders,
            publish,
            crates,
            watcher,
            environment,
            scripts: Scripts::new(compiler.clone()),
            package_scripts: PackageScripts::new(compiler),
            known,
            versions,
            status,
        })
    }

    /// Builds and publishes all functions, and starts to watch.
    pub(crate) fn open(&mut self) {
        self.discover();
        self.settle();
    }

    /// Takes a batch of changes; `everything` stands for changes that were lost.
    pub(crate) fn apply(&mut self, changes: Vec<Change>, everything: bool) {
        let mut paths = Vec::new();
        for change in changes {
            match change {
                Change::Paths(changed) => paths.extend(changed),
                Change::Built { slug, serial, component } => self.built(&slug, serial, component),
            }
        }
        if let Some(watcher) = &mut self.watcher {
            watcher.forget(&paths);
        }
        let hit = |names: &Names| everything || paths.iter().any(|path| concerns(names, path));
        let settings = hit(&self.settings_names());
        if settings {
            self.reload_settings();
        }
        if settings || hit(&self.discovery_names()) {
            self.discover();
        }
        self.build_where(|known| settings || hit(&known.names));
        self.settle();
    }

    /// Whether [`Workshop::try_again`] may change anything.
    pub(crate) fn may_recover(&self) -> bool {
        self.known.values().any(|known| known.may_pass)
    }

    /// Builds what failed for want of a network.
    pub(crate) fn try_again(&mut self) {
        self.build_where(|known| known.may_pass);
        self.settle();
    }

    /// Watches what the builds looked at, and builds again what changed before it was watched.
    fn settle(&mut self) {
        for _ in 0..ROUNDS_MAX {
            let mut wanted = self.settings_names();
            join_names(&mut wanted, self.discovery_names());
            for known in self.known.values() {
                join_names(&mut wanted, known.names.clone());
            }
            let Some(watcher) = &mut self.watcher else { break };
            let added = watcher.watch_only(wanted.keys().map(PathBuf::as_path));
            if added.is_empty() {
                break;
            }
            self.discover();
            self.build_where(|known| {
                known.names.keys().any(|folder| added.contains(folder)) && known.probes.are_stale()
            });
        }
        self.report();
    }

    /// Notes functions that are new and withdraws those that are gone.
    fn discover(&mut self) {
        let slugs = discovery::slugs(&self.folders.functions, &self.config.project.settings);
        let gone: Vec<_> = self.known.keys().filter(|slug| !slugs.contains(*slug)).cloned().collect();
        for slug in gone {
            if self.known.remove(&slug).is_some_and(|known| known.published.is_some()) {
                tracing::info!(function = %slug, "function removed");
                self.publish.withdraw(&Target::user(slug));
            }
        }
        let new: Vec<_> = slugs.into_iter().filter(|slug| !self.known.contains_key(slug)).collect();
        for slug in new {
            self.known.insert(slug.clone(), Known::default());
            self.build(&slug);
        }
    }

    fn build_where(&mut self, wanted: impl Fn(&Known) -> bool) {
        let slugs: Vec<_> =
            self.known.iter().filter(|(_, known)| wanted(known)).map(|(slug, _)| slug.clone()).collect();
        for slug in slugs {
            self.build(&slug);
        }
    }

    fn build(&mut self, slug: &FunctionSlug) {
        let began = Instant::now();
        let settings = self.config.project.function(slug.as_str());
        let mut probes = Probes::default();
        let work = AssertUnwindSafe(|| self.find_and_load(slug, &settings, &mut probes));
        // The compiler is large and its input is anybody's: a panic of it fails one function.
        let outcome = catch_unwind(work).unwrap_or_else(|panic| Err(crashed(&*panic)));
        let mut names = probes.names(&self.folders.project);
        let known = self.known.entry(slug.clone()).or_default();
        known.probes = probes;
        known.may_pass = matches!(&outcome, Err(fault) if fault.may_pass);
        let made = match outcome {
            Ok(Made::Nothing) => {
                known.names = names;
                known.building = None;
                if known.published.take().is_some() {
                    tracing::info!(function = %slug, "function removed");
                    self.publish.withdraw(&Target::user(slug.clone()));
                }
                return;
            }
            Ok(Made::Artifact(artifact)) => Ok(artifact),
            Ok(Made::Crate(folder)) => {
                join_names(&mut names, rust_crate::names(&folder));
                known.serial += 1;
                known.building = Some(self.crates.start(slug.clone(), folder, known.serial));
                // Until cargo is done, the last component goes on serving.
                match known.component.clone() {
                    Some(last) => last.map(component).map_err(|fault| fault.failure().into()),
                    None => Err(Absent::Building),
                }
            }
            Err(fault) => Err(fault.failure().into()),
        };
        known.names = names;
        self.put(slug, &settings, made, began);
    }

    fn find_and_load(
        &mut self,
        slug: &FunctionSlug,
        settings: &FunctionSettings,
        probes: &mut Probes,
    ) -> Result<Made, SourceFault> {
        let declared = self.config.project.settings.functions.contains_key(slug.as_str());
        if !settings.enabled {
            return Ok(Made::Nothing);
        }
        match discovery::entry(slug, settings, declared, &self.folders, probes)? {
            None => Ok(Made::Nothing),
            Some(Entry::Script(path)) => self.load_script(slug, &path, settings, probes).map(Made::Artifact),
            Some(Entry::Component(path)) => {
                let read = probes.read(&path, SOURCE_COMPONENT_BYTES_MAX);
                let fault = |error| SourceFault::new(format!("{}: {error}", self.folders.shown(&path)));
                read.map(|bytes| Made::Artifact(component(bytes.into()))).map_err(fault)
            }
            Some(Entry::Crate(folder)) => Ok(Made::Crate(folder)),
        }
    }

    fn load_script(
        &mut self,
        slug: &FunctionSlug,
        entry: &Path,
        settings: &FunctionSettings,
        probes: &mut Probes,
    ) -> Result<Artifact, SourceFault> {
        let lock_file = self.config.locks_folder.join(format!("{slug}.lock"));
        let remembered = std::fs::read_to_string(&lock_file).ok();
        let supply = match &self.config.packages {
            Some(packages) => Supply::Host(HostSupply {
                packages: packages.clone(),
                scripts: self.package_scripts.clone(),
                origin: Origin::Local,
                remembered: remembered.clone(),
            }),
            None => Supply::Nowhere,
        };
        let source = ScriptSource {
            entry,
            import_map: settings.import_map.as_deref(),
            static_files: &settings.static_files,
            folders: &self.folders,
        };
        let compiled = load_script(source, probes, &mut self.scripts, &supply)?;
        if let Some(lock) = compiled.lock.filter(|lock| Some(lock) != remembered.as_ref()) {
            let written = std::fs::create_dir_all(&self.config.locks_folder)
                .and_then(|()| std::fs::write(&lock_file, lock));
            if let Err(error) = written {
                tracing::warn!(function = %slug, %error, "the versions of its packages are not remembered");
            }
        }
        Ok(compiled.artifact)
    }

    /// The end of a crate's build.
    fn built(&mut self, slug: &FunctionSlug, serial: u64, outcome: Result<Bytes, SourceFault>) {
        let Some(known) = self.known.get_mut(slug).filter(|known| known.serial == serial) else { return };
        if known.building.take().is_none() {
            return;
        }
        known.component = Some(outcome.clone());
        let settings = self.config.project.function(slug.as_str());
        let artifact = outcome.map(component).map_err(|fault| fault.failure().into());
        self.put(slug, &settings, artifact, Instant::now());
    }

    /// Publishes a build unless it equals what is published.
    fn put(
        &mut self,
        slug: &FunctionSlug,
        settings: &FunctionSettings,
        artifact: Result<Artifact, Absent>,
        began: Instant,
    ) {
        let access = Access { verify_jwt: settings.verify_jwt && !self.config.no_verify_jwt };
        let (limits, host) = (&self.config.limits, &self.config.environment);
        let outcome =
            artifact.map(|artifact| Ready::new(artifact, settings, limits, &self.environment, host));
        let build = Build { access, outcome };
        let Some(known) = self.known.get_mut(slug) else { return };
        if known.published.as_ref().is_some_and(|published| published.is_same(&build)) {
            return;
        }
        let version = self.versions.entry(slug.clone()).or_default();
        *version += 1;
        let version = *version;
        let before = known.published.as_ref().map(|published| &published.outcome);
        tell(slug, version, before, &build.outcome, began);
        let publication = build.publication(slug, version);
        known.published = Some(build);
        // Before the publication, so that who sees that finds the status as new.
        self.report();
        self.publish.publish(publication);
    }

    fn reload_settings(&mut self) {
        let reloaded = self.config.project.reload().and_then(|project| {
            let config = SourcesConfig { project, ..self.config.clone() };
            Ok((functions_environment(&config)?, config))
        });
        match reloaded {
            Ok((environment, config)) => (self.environment, self.config) = (environment, config),
            Err(error) => tracing::warn!("the settings stay as they were: {error}"),
        }
    }

    /// What says how functions are served.
    fn settings_names(&self) -> Names {
        let mut probes = Probes::default();
        for path in self.config.project.files().iter().chain(&self.config.env_file) {
            probes.look(&std::path::absolute(path).unwrap_or_else(|_| path.clone()));
        }
        probes.names(&self.folders.project)
    }

    /// What says which functions there are.
    fn discovery_names(&self) -> Names {
        let mut probes = Probes::default();
        probes.list(&self.folders.functions);
        probes.names(&self.folders.project)
    }

    fn report(&self) {
        let published = self.known.iter().filter_map(|(slug, known)| {
            let build = known.published.as_ref()?;
            let broken = match &build.outcome {
                Err(Absent::Broken(failure)) => Some(failure.detail.clone()),
                Ok(_) | Err(Absent::Building) => None,
            };
            let version = self.versions.get(slug).copied().unwrap_or_default();
            Some(SourceStatus { slug: slug.clone(), version, broken })
        });
        *self.status.lock() = published.collect();
    }
}

/// Says what became of a function's source.
fn tell(
    slug: &FunctionSlug,
    version: u64,
    before: Option<&Result<Ready, Absent>>,
    outcome: &Result<Ready, Absent>,
    began: Instant,
) {
    let millis = began.elapsed().as_millis() as u64;
    match outcome {
        Ok(_) if matches!(before, Some(Err(Absent::Broken(_)))) => {
            tracing::info!(target: FUNCTION_STATE, function = %slug, version, millis, "function builds again");
        }
        Ok(_) => tracing::info!(function = %slug, version, millis, "function published"),
        Err(Absent::Broken(failure)) => {
            let detail = failure.detail.as_str();
            tracing::warn!(target: FUNCTION_STATE, function = %slug, version, detail, "function does not build");
        }
        Err(Absent::Building) => {
            tracing::info!(function = %slug, "cargo is building the function; requests wait for it")
        }
    }
}

/// What building gave.
enum Made {
    /// There is no function.
    Nothing,
    Artifact(Artifact),
    /// cargo must build the crate in this folder first.
    Crate(PathBuf),
}

fn component(bytes: Bytes) -> Artifact {
    Artifact::Component { bytes, reuse: Reuse::Fresh }
}

fn functions_environment(config: &SourcesConfig) -> Result<BTreeMap<String, String>, ProjectError> {
    match &config.env_file {
        Some(path) => config.project.functions_environment_from(path),
        None => config.project.functions_environment(),
    }
}
