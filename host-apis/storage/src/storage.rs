//! The storage of a project: blobs, rows, and what connects them.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use deadpool_postgres::Pool;
use isobase_base::limits::{STORAGE_DOUBT, STORAGE_DOUBTS_REMEMBERED};
use isobase_base::project::StorageSettings;
use isobase_base::task::{self, TaskKind};
use isobase_base::{Context, Grant};
use isobase_database::Database;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::blob::{BlobStore, Disk};
use crate::bucket::Buckets;
use crate::sign::Signer;
use crate::version::Version;
use crate::{Contents, Door, sweep};

/// The channel that changes of buckets are told on, by trigger.
const BUCKETS_CHANNEL: &str = "isobase_buckets";

/// How a storage is set up.
pub struct StorageConfig {
    /// Where blobs are kept; made where it does not exist. One process at a time.
    pub folder: PathBuf,
    pub database: Database,
    /// Sessions as the host's own role: for buckets of the settings, and for the sweep.
    pub own_sessions: Pool,
    pub settings: StorageSettings,
    /// Signs URLs, as it signs the project's tokens.
    pub jwt_secret: String,
}

/// Why there is no storage.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("the storage folder {} cannot be used: {error}", folder.display())]
    Folder { folder: PathBuf, error: std::io::Error },
    #[error("the storage's tables cannot be used: {0}")]
    Database(String),
}

/// The storage of a project. Clones share it.
#[derive(Clone)]
pub struct Storage {
    core: Arc<Core>,
}

/// What all doors share.
pub(crate) struct Core {
    pub(crate) database: Database,
    pub(crate) blobs: Arc<dyn BlobStore>,
    pub(crate) buckets: Buckets,
    pub(crate) signer: Signer,
    /// Whatever a bucket allows.
    pub(crate) object_bytes_max: u64,
    pub(crate) under_way: UnderWay,
    contents: Contents,
    stop: CancellationToken,
}

impl Storage {
    /// Opens the folder, makes the buckets of the settings, and begins to sweep.
    ///
    /// # Errors
    /// When the folder cannot be written to, or the database is not the host's.
    pub async fn open(config: StorageConfig) -> Result<Self, OpenError> {
        let refused = |error: sweep::OwnError| OpenError::Database(error.to_string());
        let id = sweep::database_id(&config.own_sessions).await.map_err(refused)?;
        sweep::make_buckets(&config.own_sessions, &config.settings.buckets).await.map_err(refused)?;
        // Rows of one database name the objects; what another one names must never be taken for waste.
        let (objects, folder) = (config.folder.join("databases").join(id), config.folder);
        let cannot = |folder: &PathBuf| {
            let folder = folder.clone();
            move |error| OpenError::Folder { folder, error }
        };
        let blobs: Arc<dyn BlobStore> = Arc::new(Disk::open(&objects).map_err(cannot(&objects))?);
        let contents = Contents::new(Arc::new(Disk::open(&folder).map_err(cannot(&folder))?));
        let changes = config.database.subscribe(BUCKETS_CHANNEL);
        let core = Arc::new(Core {
            buckets: Buckets::new(config.database.clone(), changes),
            database: config.database,
            blobs,
            signer: Signer::new(&config.jwt_secret),
            object_bytes_max: config.settings.file_size_limit,
            under_way: UnderWay::default(),
            contents,
            stop: CancellationToken::new(),
        });
        let sweeping = sweep::run(Arc::clone(&core), config.own_sessions, config.settings.keep_deleted);
        let stop = core.stop.clone();
        task::spawn(TaskKind::Service, "storage sweep", async move {
            stop.run_until_cancelled(sweeping).await;
        });
        Ok(Self { core })
    }

    /// The storage as one invocation sees it. Cheap.
    pub fn door(&self, context: Context, grant: Grant) -> Door {
        Door { core: Arc::clone(&self.core), context, grant }
    }

    /// Files under their hashes, in the same folder and without the database.
    pub fn contents(&self) -> &Contents {
        &self.core.contents
    }

    /// Ends the sweep. Doors go on working.
    pub fn close(&self) {
        self.core.stop.cancel();
    }
}

/// Blobs whose rows are not written yet, or may be. The sweep leaves them alone.
#[derive(Clone, Default)]
pub(crate) struct UnderWay(Arc<Mutex<HashMap<Version, Progress>>>);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// However long it takes.
    Writing,
    /// Given up without knowing what became of the row; by then it is known to all.
    InDoubt { until: Instant },
}

/// One entry of [`UnderWay`]. Dropped before it was settled, it is in doubt for a while.
pub(crate) struct Underway {
    pub(crate) version: Version,
    all: UnderWay,
    is_settled: bool,
}

impl UnderWay {
    pub(crate) fn begin(&self) -> Underway {
        let version = Version::generate();
        self.0.lock().insert(version, Progress::Writing);
        Underway { version, all: self.clone(), is_settled: false }
    }

    pub(crate) fn has(&self, version: Version) -> bool {
        self.0.lock().get(&version).is_some_and(|progress| progress.counts())
    }
}

impl Progress {
    fn counts(self) -> bool {
        match self {
            Self::Writing => true,
            Self::InDoubt { until } => Instant::now() < until,
        }
    }
}

impl Underway {
    /// It is known whether there is a row.
    pub(crate) fn settle(mut self) {
        self.is_settled = true;
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        let mut all = self.all.0.lock();
        if self.is_settled {
            all.remove(&self.version);
            return;
        }
        all.insert(self.version, Progress::InDoubt { until: Instant::now() + STORAGE_DOUBT });
        if all.len() >= STORAGE_DOUBTS_REMEMBERED {
            all.retain(|_, progress| progress.counts());
        }
    }
}

/// The pause between two sweeps: nothing may go before it was kept for so long.
pub(crate) fn sweep_interval(keep: Duration) -> Duration {
    use isobase_base::limits::{STORAGE_SWEEP_INTERVAL_MAX, STORAGE_SWEEP_INTERVAL_MIN};
    keep.clamp(STORAGE_SWEEP_INTERVAL_MIN, STORAGE_SWEEP_INTERVAL_MAX)
}
