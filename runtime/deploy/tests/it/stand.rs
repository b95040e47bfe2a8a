//! A project in a temporary folder and a board where publications are pinned up.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use isobase_base::project::{Project, Variables};
use isobase_base::{FunctionSlug, Target};
use isobase_deploy::{Sources, SourcesConfig};
use isobase_engine::{Absent, Artifact, Function, Module, Publication, Publish};
use parking_lot::Mutex;
use tempfile::TempDir;
use tokio::sync::Notify;

pub(crate) struct Stand {
    folder: TempDir,
    pub(crate) board: Arc<Board>,
    sources: Option<Sources>,
}

/// The last publication per target, and how many there were.
#[derive(Default)]
pub(crate) struct Board {
    pinned: Mutex<BTreeMap<String, (usize, Option<Publication>)>>,
    changed: Notify,
}

impl Publish for Board {
    fn publish(&self, publication: Publication) {
        let mut pinned = self.pinned.lock();
        let entry = pinned.entry(publication.target.to_string()).or_default();
        *entry = (entry.0 + 1, Some(publication));
        drop(pinned);
        self.changed.notify_waiters();
    }

    fn withdraw(&self, target: &Target) {
        self.pinned.lock().entry(target.to_string()).or_default().1 = None;
        self.changed.notify_waiters();
    }
}

impl Board {
    /// How often `slug` was published.
    pub(crate) fn count(&self, slug: &str) -> usize {
        self.pinned.lock().get(slug).map_or(0, |(count, _)| *count)
    }

    /// The function published for `slug`, once it is as wanted.
    pub(crate) async fn function_once(
        &self,
        slug: &str,
        wanted: impl Fn(&Function) -> bool,
    ) -> Arc<Function> {
        let wait = async {
            loop {
                let changed = self.changed.notified();
                let published = self.pinned.lock().get(slug).and_then(|(_, publication)| publication.clone());
                if let Some(Publication { function: Ok(function), .. }) = published
                    && wanted(&function)
                {
                    return function;
                }
                changed.await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), wait).await.expect("it is published in time")
    }
}

/// A project with these files, below `supabase/functions/` unless they begin with `/`.
pub(crate) fn project(files: &[(&str, &str)]) -> Stand {
    let folder = tempfile::tempdir().unwrap();
    let stand = Stand { folder, board: Arc::default(), sources: None };
    stand.write("/supabase/config.toml", "");
    std::fs::create_dir_all(stand.path("")).unwrap();
    for (path, text) in files {
        stand.write(path, text);
    }
    stand
}

impl Stand {
    pub(crate) async fn open(self) -> Self {
        self.open_with(|_| {}).await
    }

    pub(crate) async fn open_with(mut self, adjust: impl FnOnce(&mut SourcesConfig)) -> Self {
        let project = Project::load(self.folder.path(), &Variables::new()).unwrap();
        let mut config = SourcesConfig::new(project);
        config.environment.insert("SUPABASE_URL".into(), "http://127.0.0.1:54321".into());
        adjust(&mut config);
        let board = Arc::clone(&self.board) as Arc<dyn Publish>;
        self.sources = Some(Sources::open(config, board).await.unwrap());
        self
    }

    pub(crate) fn close(&mut self) {
        self.sources = None;
    }

    pub(crate) fn sources(&self) -> &Sources {
        self.sources.as_ref().unwrap()
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        match path.strip_prefix('/') {
            Some(path) => self.folder.path().join(path),
            None => self.folder.path().join("supabase/functions").join(path),
        }
    }

    pub(crate) fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// As editors save: write beside, then rename over.
    pub(crate) fn write_by_rename(&self, path: &str, text: &str) {
        let path = self.path(path);
        let beside = path.with_file_name(".save~");
        std::fs::write(&beside, text).unwrap();
        std::fs::rename(beside, path).unwrap();
    }

    /// How often `slug` was published.
    pub(crate) fn count(&self, slug: &str) -> usize {
        self.board.count(slug)
    }

    pub(crate) fn function(&self, slug: &str) -> Option<Result<Arc<Function>, Absent>> {
        let pinned = self.board.pinned.lock();
        pinned.get(slug).and_then(|(_, publication)| Some(publication.as_ref()?.function.clone()))
    }

    pub(crate) fn publication(&self, slug: &str) -> Publication {
        self.board.pinned.lock()[slug].1.clone().unwrap()
    }

    pub(crate) fn modules(&self, slug: &str) -> Vec<Module> {
        let function =
            self.function(slug).expect("published").unwrap_or_else(|absent| panic!("{}", detail(&absent)));
        modules(&function)
    }

    /// Why `slug` does not build.
    pub(crate) fn fault(&self, slug: &str) -> String {
        detail(&self.function(slug).expect("published").expect_err("broken"))
    }

    /// Waits until what is published for `slug` makes `shown` contain `text`.
    pub(crate) async fn shows(&self, slug: &str, text: &str) {
        self.until(slug, |shown| shown.contains(text), text).await;
    }

    pub(crate) async fn gone(&self, slug: &str) {
        self.until(slug, |shown| shown == "nothing", "nothing").await;
    }

    async fn until(&self, slug: &str, holds: impl Fn(&str) -> bool, wanted: &str) {
        let wait = async {
            loop {
                let changed = self.board.changed.notified();
                if holds(&shown(self.function(slug))) {
                    return;
                }
                changed.await;
            }
        };
        let in_time = tokio::time::timeout(Duration::from_secs(60), wait).await;
        assert!(in_time.is_ok(), "{slug} never showed {wanted:?}, but: {}", shown(self.function(slug)));
    }
}

fn detail(absent: &Absent) -> String {
    match absent {
        Absent::Broken(failure) => failure.detail.clone(),
        Absent::Building => "building".to_owned(),
    }
}

pub(crate) fn modules(function: &Function) -> Vec<Module> {
    match &function.artifact {
        Artifact::Program(program) => program.modules.clone(),
        Artifact::Component { .. } => panic!("a component, not modules"),
    }
}

/// All code of a function, or its failure, as one text.
fn shown(function: Option<Result<Arc<Function>, Absent>>) -> String {
    match function {
        None => "nothing".into(),
        Some(Err(absent)) => detail(&absent),
        Some(Ok(function)) => match &function.artifact {
            Artifact::Program(program) => {
                program.modules.iter().filter_map(|module| module.code.text()).map(|text| &**text).collect()
            }
            Artifact::Component { bytes, .. } => String::from_utf8_lossy(bytes).into_owned(),
        },
    }
}

pub(crate) fn slug(text: &str) -> FunctionSlug {
    FunctionSlug::parse(text).unwrap()
}

pub(crate) fn exists(path: &Path) -> bool {
    path.exists()
}
