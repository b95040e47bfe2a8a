//! A Postgres cluster that belongs to one project directory.
//!
//! What is where, below `<workdir>/.isobase`:
//!
//! | path | what | owner |
//! |---|---|---|
//! | `lock` | held while a host runs; names its pid | the host |
//! | `postgres.log` | what the server says; turned over at a bound | the host |
//! | `postgres-passwords` | of the superuser and of `authenticator`, made at first start | the host |
//! | `postgres/` | home of the cluster, or a link to it (see [`place`]) | the server's user |
//! | `postgres/data` | the data folder | the server's user |
//! | `postgres/isobase.conf` | settings, written at each start | the server's user |
//! | `postgres/run` | the socket, unless its path would be too long | the server's user |
//!
//! The server runs as a direct child in a process group of its own, so Ctrl-C at a terminal reaches
//! the host only. [`supervisor`] starts it again after a crash. [`watchdog`] ends it when the host
//! dies in a way that lets it clean up nothing. What even that leaves behind is found by
//! [`orphan`] at the next start.

mod account;
mod error;
mod initialise;
mod lock;
mod log_file;
mod orphan;
mod passwords;
mod place;
mod server;
mod settings;
mod supervisor;
mod watchdog;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use isobase_base::observe::{Observation, Observer, PostgresEvent};
use isobase_base::progress::Progress;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use tokio::task::JoinHandle;

use crate::schema::{BaseSchema, CALLER, RolePasswords};
use crate::{Binaries, secret};

pub use error::ClusterError;
use initialise::Sync;
use lock::Lock;
use passwords::Passwords;
use place::Place;
use server::Launch;
use supervisor::Supervisor;

/// The role that owns the cluster, as in Supabase's images.
const SUPERUSER: &str = "supabase_admin";

/// What an operator decides about the managed cluster. Not printable: it holds a password.
#[derive(Clone)]
pub struct ClusterConfig {
    /// The project directory; the cluster lives under `.isobase` in it.
    pub workdir: PathBuf,
    /// TCP port on 127.0.0.1, `[db] port` of `config.toml`. 0 takes any free one.
    pub port: u16,
    /// Folder with `initdb` and `postgres`; found by itself if unset.
    pub binaries: Option<PathBuf>,
    /// Operating system user to run the server as when the host is started by root. If unset: the
    /// owner of an existing data folder, else `postgres`, else `nobody`.
    pub user: Option<String>,
    /// Password of role `postgres`. The local default is as public as the Supabase CLI's; the
    /// server listens on the loopback interface only.
    pub postgres_password: String,
    /// Server settings over ours: `[db.settings]` of `config.toml`.
    pub settings: BTreeMap<String, String>,
}

impl ClusterConfig {
    /// The Supabase CLI's local defaults: port 54322, password `postgres`.
    pub fn new(workdir: impl Into<PathBuf>) -> Self {
        Self {
            workdir: workdir.into(),
            port: 54322,
            binaries: None,
            user: None,
            postgres_password: "postgres".into(),
            settings: BTreeMap::new(),
        }
    }
}

/// A running cluster. [`Cluster::stop`] ends it in order; dropping it tells the server to stop
/// without waiting, and the next start waits instead.
pub struct Cluster {
    supervisor: Supervisor,
    sync: Option<JoinHandle<()>>,
    version: String,
    port: u16,
    socket_folder: PathBuf,
    log: PathBuf,
    superuser_url: String,
    postgres_url: String,
    authenticator_url: String,
    caller_url: String,
    tcp_url: String,
    passwords: RolePasswords,
    // Last: the next host may start once everything above is gone.
    _lock: Lock,
}

impl Cluster {
    /// Creates the cluster if there is none, starts the server and returns once it takes sessions.
    ///
    /// Not cancel-safe in effect, only in outcome: a start dropped half-way leaves a server that is
    /// told to stop and that the next start deals with.
    pub async fn start(
        config: ClusterConfig,
        progress: Arc<dyn Progress>,
        observer: Observer,
    ) -> Result<Self, ClusterError> {
        let begun = Instant::now();
        let preparing = progress.clone();
        let mut prepared = blocking(move || prepare(&config, &*preparing)).await?;
        orphan::clear(&prepared.launch.data, &*progress).await?;

        progress.step("Starting Postgres");
        let server = prepared.launch.start_first(prepared.wanted_port).await?;
        observer.record(Observation::Postgres {
            event: PostgresEvent::Started { version: &prepared.launch.version, port: prepared.launch.port },
        });
        tracing::debug!(millis = begun.elapsed().as_millis() as u64, "postgres is ready");
        Ok(prepared.supervised(server, observer))
    }

    /// Stops the server: fast shutdown, then harder, within named limits. The lock goes last.
    pub async fn stop(mut self) {
        self.supervisor.stop().await;
    }

    /// As `supabase_admin`, over the socket: for the base schema, logical replication and
    /// administration. Holds a password.
    pub fn superuser_url(&self) -> &str {
        &self.superuser_url
    }

    /// As `postgres`, over the socket: for the project's own SQL.
    pub fn postgres_url(&self) -> &str {
        &self.postgres_url
    }

    /// As `authenticator`, over the socket: for the pool that serves requests. Works once the base
    /// schema is applied.
    pub fn authenticator_url(&self) -> &str {
        &self.authenticator_url
    }

    /// As `isobase_caller`, over the socket: for statements that functions write themselves.
    pub fn caller_url(&self) -> &str {
        &self.caller_url
    }

    /// As `postgres`, over TCP: the URL to show to people and to hand to tools.
    pub fn tcp_url(&self) -> &str {
        &self.tcp_url
    }

    /// The folder of the server's socket, which is named `.s.PGSQL.<port>`.
    pub fn socket_folder(&self) -> &Path {
        &self.socket_folder
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// The server's log, for a person to look into.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// As the server says it, for example `15.18`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The server's process right now; `None` between a crash and the restart.
    pub fn pid(&self) -> Option<u32> {
        self.supervisor.pid()
    }

    /// Whether the server takes sessions right now.
    pub fn is_up(&self) -> bool {
        self.pid().is_some()
    }

    /// Returns once the server runs under another process than `old` and takes sessions: the way to
    /// wait for a restart. `false` if the cluster was stopped meanwhile.
    pub async fn restarted_since(&self, old: u32) -> bool {
        self.supervisor.pid_other_than(old).await
    }

    /// What [`crate::schema::apply`] needs to know about this cluster.
    pub fn base_schema(&self, auto_expose: bool) -> BaseSchema {
        BaseSchema { auto_expose, passwords: self.passwords.clone() }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(sync) = &self.sync {
            sync.abort();
        }
    }
}

/// Everything that is known before the server starts.
struct Prepared {
    launch: Launch,
    wanted_port: u16,
    log: PathBuf,
    sync: Option<Sync>,
    passwords: Passwords,
    postgres_password: String,
    lock: Lock,
}

/// The part of a start that only touches files and runs `initdb`.
fn prepare(config: &ClusterConfig, progress: &dyn Progress) -> Result<Prepared, ClusterError> {
    let state = place::make_state_folder(&config.workdir)?;
    let lock = Lock::take(&state)?;
    let binaries = Binaries::find(config.binaries.as_deref(), settings::data_version(&state))?;
    let place = Place::prepare(&state, config.user.as_deref(), progress)?;
    let passwords = Passwords::load_or_create(&state)?;
    if !place.data.exists() {
        progress.step("Creating the Postgres cluster");
        initialise::run(&binaries, &place, &passwords.superuser)?;
    }
    let sync = Sync::needed(&binaries, &place);
    settings::write(&binaries, &place, &config.settings)?;
    let log = state.join("postgres.log");
    log_file::turn_over_if_full(&log).map_err(|source| ClusterError::file(&log, source))?;
    let launch = Launch {
        postgres: binaries.postgres(),
        version: binaries.version().to_owned(),
        account: place.account,
        home: place.home,
        data: place.data,
        socket_folder: place.socket_folder,
        log: log.clone(),
        port: config.port,
        superuser_password: passwords.superuser.clone(),
    };
    Ok(Prepared {
        launch,
        wanted_port: config.port,
        log,
        sync,
        passwords,
        postgres_password: config.postgres_password.clone(),
        lock,
    })
}

impl Prepared {
    fn supervised(self, server: server::Server, observer: Observer) -> Cluster {
        let Self { launch, passwords, postgres_password, .. } = self;
        let port = launch.port;
        let socket = launch.socket_folder.display().to_string();
        let over_socket = |role: &str, password: &str| url(role, password, &socket, port);
        let caller = secret::derived(CALLER, passwords.authenticator.as_bytes());
        Cluster {
            version: launch.version.clone(),
            port,
            socket_folder: launch.socket_folder.clone(),
            log: self.log,
            superuser_url: over_socket(SUPERUSER, &passwords.superuser),
            postgres_url: over_socket("postgres", &postgres_password),
            authenticator_url: over_socket("authenticator", &passwords.authenticator),
            caller_url: over_socket(CALLER, &caller),
            tcp_url: url("postgres", &postgres_password, "127.0.0.1", port),
            passwords: RolePasswords {
                postgres: Some(postgres_password),
                authenticator: Some(passwords.authenticator),
                isobase_caller: Some(caller),
            },
            supervisor: Supervisor::start(launch, server, observer),
            sync: self.sync.map(Sync::start),
            _lock: self.lock,
        }
    }
}

/// A libpq URL; `host` may be a folder.
fn url(role: &str, password: &str, host: &str, port: u16) -> String {
    let host = if host.starts_with('/') {
        utf8_percent_encode(host, NON_ALPHANUMERIC).to_string()
    } else {
        host.to_owned()
    };
    let password = utf8_percent_encode(password, NON_ALPHANUMERIC);
    format!("postgresql://{role}:{password}@{host}:{port}/postgres")
}

/// Runs `work` where it may block.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ClusterError> + Send + 'static,
) -> Result<T, ClusterError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    }
}
