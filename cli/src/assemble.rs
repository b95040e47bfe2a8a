//! The only file that names every room. It constructs and connects; it decides nothing.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, anyhow};
use isobase_base::observe::Observer;
use isobase_base::progress::SharedProgress;
use isobase_base::project::{Project, process_variables, state_folder};
use isobase_base::task::{self, TaskKind};
use isobase_base::{
    Access, Capabilities, Client, Context, Egress, FunctionSlug, Grant, Invoker, Principal, RequestId, Role,
    Switchboard, Target, TargetKind, TraceContext, limits,
};
use isobase_database::{Database, DatabaseConfig, Session, Statement, Value};
use isobase_deploy::{Precedence, Releases, ReleasesConfig, Sources, SourcesConfig, WithSecrets};
use isobase_engine::{Artifact, Function, FunctionVersion, Limits, Publication, Publish, Reuse};
use isobase_gateway::{Admin, Gateway, GatewayConfig, keys as gateway_keys};
use isobase_http::outbound::{self, Outbound};
use isobase_http::{Network, Stance, Surroundings};
use isobase_logs::{FunctionLogs, LogsConfig};
use isobase_management::{Management, ManagementConfig};
use isobase_pool::{Pool, PoolConfig};
use isobase_postgres::{Cluster, ClusterConfig, OwnSessions, foreign, own_sessions, project, schema};
use isobase_queue::Queues;
use isobase_realtime::{Hub, Realtime, hand_out};
use isobase_secrets::{LiveSecrets, SecretStore};
use isobase_storage::{Storage, StorageConfig};
use isobase_triggers::cron::{self, Cron, CronConfig, DeclaredSchedule, LogIn};
use isobase_triggers::{QueueConsumer, QueueConsumers, QueueHost};
use isobase_v8::{V8Config, V8Engine};
use isobase_wasm::{WasmConfig, WasmEngine};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::args::StartArguments;
use crate::keys::{Mode, ProjectKeys, project_ref};
use crate::run_state::{RunState, process_start};
use crate::transport::root_key_sources;
use crate::{BadConfig, sdk, webhooks, well_known};

/// Everything that runs, in the order it is taken down.
pub(crate) struct Host {
    shutdown: CancellationToken,
    gateway: JoinHandle<()>,
    admin_shutdown: CancellationToken,
    admin: JoinHandle<()>,
    sources: Option<Sources>,
    cron: Cron,
    secrets: LiveSecrets,
    logs: Arc<FunctionLogs>,
    pool: Arc<Pool>,
    queue_consumers: QueueConsumers,
    realtime: Hub,
    database: Database,
    outbound: Outbound,
    own_sessions: OwnSessions,
    storage: Option<Storage>,
    cluster: Option<Arc<Cluster>>,
    state: RunState,
}

/// Where Postgres is and how to reach it as whom.
struct Store {
    cluster: Option<Arc<Cluster>>,
    owner_url: String,
    /// For what stock Postgres reserves to superusers and Supabase does not.
    superuser_url: Option<String>,
    authenticator_url: String,
    caller_url: String,
    public_url: String,
}

impl Host {
    pub(crate) async fn start(arguments: StartArguments, progress: SharedProgress) -> anyhow::Result<Self> {
        progress.step("Reading the project");
        let workdir = arguments.project.workdir.clone();
        let project = Project::load(&workdir, &process_variables()).context(BadConfig)?;
        for warning in &project.warnings {
            progress.note(&warning.to_string());
        }
        let mode = if arguments.production { Mode::Production } else { Mode::Development };
        let keys = ProjectKeys::of(&project.settings, mode, &workdir)?;
        let observer = Observer::default();
        // Ports first: a taken one should not cost a start of Postgres.
        let listener =
            bind(arguments.host, arguments.port.unwrap_or(project.settings.api.port), "api.port or --port")
                .await?;
        let admin_port = arguments.admin_port.unwrap_or(well_known::ADMIN_PORT);
        let admin_listener = bind(IpAddr::from([127, 0, 0, 1]), admin_port, "--admin-port").await?;
        let (address, admin_address) = (listener.local_addr()?, admin_listener.local_addr()?);

        let store = Store::open(&arguments, &project, &keys, &progress, &observer).await?;
        progress.step("Opening the database");
        let database =
            DatabaseConfig::from_url(&store.authenticator_url)?.callers_from_url(&store.caller_url)?;
        let database = Database::open(database, observer.clone()).await?;
        let own_sessions = own_sessions(store.host_url())?;
        let state = run_state(&keys, &project, address, admin_address, &store);
        let storage = open_storage(&project, &database, &own_sessions, &keys).await?;
        let secrets = open_secrets(&project, &own_sessions, &database).await?;
        let logs = LogsConfig { days_kept: arguments.function_log_days };
        let logs = FunctionLogs::start(own_sessions.clone(), logs, observer.clone());
        observer.keep_journal(logs.clone());

        progress.step("Starting the engines");
        sdk::unpack(&workdir)?;
        let network = network(mode, address, admin_address);
        let realtime = Hub::new(observer.clone());
        let pool = start_engines(&database, &storage, &realtime, &network, &observer).await?;
        publish_rest(&pool, &project);
        progress.step("Loading the functions");
        let environment = function_environment(&state);
        let publish = WithSecrets::start(pool.clone(), secrets.environments());
        let releases = ReleasesConfig {
            sessions: own_sessions.clone(),
            wake: database.subscribe("isobase_functions"),
            builds_folder: state_folder(&workdir).join("builds"),
            environment: environment.clone(),
            project_ref: state.project_ref.clone(),
            limits: Limits::default(),
            precedence: match mode {
                Mode::Development => Precedence::Sources,
                Mode::Production => Precedence::Deployed,
            },
        };
        let releases = Releases::open(releases, pool.clone(), publish.clone()).await?;
        let sources = match mode {
            Mode::Production => None,
            Mode::Development => {
                let mut sources = SourcesConfig::new(project.clone());
                sources.environment = environment;
                sources.no_verify_jwt = arguments.no_verify_jwt;
                sources.env_file = arguments.env_file;
                Some(Sources::open(sources, publish).await?)
            }
        };
        pool.prewarm(&rest()).await?;

        let management = management(&state, &project, releases.clone());
        let (shutdown, admin_shutdown) = (CancellationToken::new(), CancellationToken::new());
        let config = gateway_config(&keys)?;
        let verifier = Arc::new(gateway_keys::Keys::new(&config.keys).context(BadConfig)?);
        if let Some(sent) = database.subscribe(hand_out::CHANNEL) {
            let handing_out = hand_out::run(realtime.clone(), own_sessions.clone(), sent);
            task::spawn(TaskKind::Service, "realtime messages", handing_out);
        }
        let functions: Arc<dyn Invoker> = Arc::new(releases);
        let receivers = webhooks::receivers(&project, functions.clone(), &own_sessions)?;
        webhooks::deliver(&database, functions, &own_sessions, shutdown.clone());
        let switchboard = Switchboard::new(Arc::new(receivers))
            .with("management", management)
            .with("realtime", Arc::new(Realtime::new(realtime.clone(), verifier.clone())));
        let switchboard = Arc::new(switchboard);
        let queue_host = queue_host(&own_sessions, &switchboard, &database, &observer);
        let consumers = QueueConsumer::of_settings(&project.settings);
        let queue_consumers = QueueConsumers::start(queue_host, consumers).await;
        let cron = start_cron(&store, &project, &own_sessions, &database, switchboard.clone()).await?;
        let wake = database.subscribe(outbound::CHANNEL);
        let outbound = Outbound::start(own_sessions.clone(), wake, network.client(&Egress::Host));
        let gateway = Gateway::with_keys(config, verifier, switchboard, observer.clone());
        let admin = Admin::new(observer, ready_check(store.cluster.clone(), database.clone()));
        Ok(Self {
            gateway: serve("gateway", gateway.serve(vec![listener], shutdown.clone())),
            admin: serve("admin", admin.serve(admin_listener, admin_shutdown.clone())),
            shutdown,
            admin_shutdown,
            sources,
            cron,
            secrets,
            logs,
            pool,
            queue_consumers,
            realtime,
            database,
            outbound,
            own_sessions,
            storage,
            cluster: store.cluster,
            state,
        })
    }

    pub(crate) fn state(&self) -> &RunState {
        &self.state
    }

    /// The user functions served now.
    pub(crate) fn functions(&self) -> Vec<String> {
        let mut slugs: Vec<_> = self
            .pool
            .status()
            .into_iter()
            .filter(|lane| lane.target.kind() == TargetKind::User)
            .map(|lane| lane.target.slug().to_string())
            .collect();
        slugs.sort();
        slugs.dedup();
        slugs
    }

    /// A table or view that the data API serves to anybody: something to try.
    pub(crate) async fn readable_table(&self) -> Option<String> {
        const SQL: &str = "select relname::text from pg_class \
            where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v') \
            and has_table_privilege(oid, 'select') order by relname limit 1";
        let context = Context {
            request_id: RequestId::generate(),
            trace: TraceContext::generate(),
            principal: Principal::anon(),
            deadline: Instant::now() + limits::DATABASE_ACQUIRE_TIMEOUT,
            client: Client { address: IpAddr::from([127, 0, 0, 1]) },
        };
        let door = self.database.session_door(context, Grant::Caller);
        let table = door.query(&Session::default(), Statement::new(SQL, Vec::new())).await.ok()?;
        match table.rows.into_iter().next()?.into_iter().next()? {
            Value::Text(name) => Some(name),
            _ => None,
        }
    }

    /// Requests in flight finish, then functions end, then the database. What the database asked for goes
    /// first: it may be on its way to the gateway.
    pub(crate) async fn stop(self) {
        self.outbound.stop().await;
        self.shutdown.cancel();
        self.realtime.close();
        _ = self.gateway.await;
        self.queue_consumers.stop().await;
        self.cron.stop().await;
        self.pool.shutdown(Instant::now() + limits::DRAIN_TIMEOUT).await;
        drop((self.sources, self.secrets));
        if let Some(storage) = self.storage {
            storage.close();
        }
        self.logs.stop().await;
        self.database.close().await;
        self.own_sessions.close();
        self.admin_shutdown.cancel();
        _ = self.admin.await;
        if let Some(cluster) = self.cluster.and_then(Arc::into_inner) {
            cluster.stop().await;
        }
    }
}

impl Store {
    /// For the host's own work: its tables, and SQL that it runs as whoever scheduled it.
    fn host_url(&self) -> &str {
        self.superuser_url.as_deref().unwrap_or(&self.owner_url)
    }

    async fn open(
        arguments: &StartArguments,
        found: &Project,
        keys: &ProjectKeys,
        progress: &SharedProgress,
        observer: &Observer,
    ) -> anyhow::Result<Self> {
        let settings = &found.settings;
        let workdir = &arguments.project.workdir;
        let auto_expose = settings.api.auto_expose_new_tables;
        let store = match &arguments.db_url {
            Some(url) => {
                progress.step("Preparing the database");
                schema::apply(url, &foreign::base_schema(auto_expose), &**progress).await?;
                let logins = foreign::prepare(url).await?;
                Self {
                    cluster: None,
                    owner_url: url.clone(),
                    superuser_url: None,
                    authenticator_url: logins.authenticator,
                    caller_url: logins.caller,
                    public_url: url.clone(),
                }
            }
            None => {
                let mut config = ClusterConfig::new(workdir);
                config.port = arguments.db_port.unwrap_or(settings.database.port);
                config.postgres_password.clone_from(&keys.database_password);
                config.binaries.clone_from(&arguments.postgres_bin);
                config.user.clone_from(&arguments.postgres_user);
                let cluster = Cluster::start(config, progress.clone(), observer.clone()).await?;
                progress.step("Preparing the database");
                schema::apply(cluster.superuser_url(), &cluster.base_schema(auto_expose), &**progress)
                    .await?;
                Self {
                    owner_url: cluster.postgres_url().into(),
                    superuser_url: Some(cluster.superuser_url().into()),
                    authenticator_url: cluster.authenticator_url().into(),
                    caller_url: cluster.caller_url().into(),
                    public_url: cluster.tcp_url().into(),
                    cluster: Some(Arc::new(cluster)),
                }
            }
        };
        progress.step("Applying the project's migrations");
        let mut sql = project::ProjectSql::new(workdir);
        sql.superuser_url.clone_from(&store.superuser_url);
        sql.include_all = arguments.include_all;
        sql.migrations_enabled = settings.database.migrations.enabled;
        sql.seed_enabled = settings.database.seed.enabled && !arguments.production;
        sql.seed_paths.clone_from(&settings.database.seed.sql_paths);
        project::apply(&store.owner_url, &sql, &**progress).await?;
        Ok(store)
    }
}

async fn bind(host: IpAddr, port: u16, setting: &str) -> anyhow::Result<TcpListener> {
    let address = SocketAddr::new(host, port);
    TcpListener::bind(address).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            anyhow!("port {port} is taken by another program; stop it or choose another with {setting}")
        }
        _ => anyhow!(error).context(format!("could not listen on {address} ({setting})")),
    })
}

/// Where functions and the database may connect, as far as it follows from where this host listens.
fn network(mode: Mode, address: SocketAddr, admin: SocketAddr) -> Network {
    let here = if address.ip().is_unspecified() { IpAddr::from([127, 0, 0, 1]) } else { address.ip() };
    let gateway = Some(SocketAddr::new(here, address.port()));
    let stance = match mode {
        Mode::Development => Stance::Development,
        Mode::Production => Stance::Production,
    };
    Network::new(stance, Surroundings { gateway, closed_ports: vec![admin.port()] })
}

fn run_state(
    keys: &ProjectKeys,
    project: &Project,
    address: SocketAddr,
    admin: SocketAddr,
    store: &Store,
) -> RunState {
    let pid = i32::try_from(std::process::id()).unwrap_or(i32::MAX);
    RunState {
        pid,
        process_start: process_start(pid),
        version: env!("CARGO_PKG_VERSION").into(),
        api_url: format!("http://{address}"),
        admin_url: format!("http://{admin}"),
        db_url: store.public_url.clone(),
        host_db_url: store.host_url().into(),
        publishable_key: keys.publishable_key.clone(),
        secret_key: keys.secret_key.clone(),
        jwt_secret: keys.jwt_secret.clone(),
        anon_key: keys.anon_key.clone(),
        service_role_key: keys.service_role_key.clone(),
        jwks: keys.jwks.clone(),
        access_token: keys.access_token.clone(),
        project_ref: project_ref(&project.settings.project_id),
    }
}

fn management(state: &RunState, project: &Project, releases: Releases) -> Arc<Management> {
    let config = ManagementConfig {
        access_token: state.access_token.clone(),
        project_ref: state.project_ref.clone(),
        project_name: project.settings.project_id.clone(),
    };
    Arc::new(Management::new(config, releases))
}

async fn open_secrets(
    project: &Project,
    own_sessions: &OwnSessions,
    database: &Database,
) -> anyhow::Result<LiveSecrets> {
    let key = root_key_sources(project).find_or_make().context(BadConfig)?;
    let store = SecretStore::open(own_sessions.clone(), &key).await?;
    let changed =
        database.subscribe(isobase_secrets::CHANNEL).context("too many channels are listened to")?;
    Ok(LiveSecrets::follow(store, changed).await?)
}

/// Compiled code and the V8 snapshot: the same for all projects of a user, so kept once.
fn cache_folder() -> PathBuf {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    variable("ISOBASE_CACHE_DIR")
        .or_else(|| variable("XDG_CACHE_HOME").map(|cache| cache.join("isobase")))
        .or_else(|| variable("HOME").map(|home| home.join(".cache/isobase")))
        .unwrap_or_else(|| std::env::temp_dir().join("isobase-cache"))
}

/// `None` where the project turns it off.
async fn open_storage(
    project: &Project,
    database: &Database,
    own_sessions: &OwnSessions,
    keys: &ProjectKeys,
) -> anyhow::Result<Option<Storage>> {
    if !project.settings.storage.enabled {
        return Ok(None);
    }
    let config = StorageConfig {
        folder: state_folder(&project.root).join("storage"),
        database: database.clone(),
        own_sessions: own_sessions.clone(),
        settings: project.settings.storage.clone(),
        jwt_secret: keys.jwt_secret.clone(),
    };
    Ok(Some(Storage::open(config).await?))
}

async fn start_engines(
    database: &Database,
    storage: &Option<Storage>,
    realtime: &Hub,
    network: &Network,
    observer: &Observer,
) -> anyhow::Result<Arc<Pool>> {
    let cache_dir = cache_folder();
    let queues = Queues::new(database.clone());
    let v8 = V8Config {
        cache_dir: cache_dir.clone(),
        prewarmed: V8Config::PREWARMED,
        database: Some(database.clone()),
        queues: Some(queues.clone()),
        storage: storage.clone(),
        network: network.clone(),
        realtime: Some(realtime.clone()),
        observer: observer.clone(),
    };
    let wasm = WasmConfig {
        cache_dir: Some(cache_dir),
        database: Some(database.clone()),
        queues: Some(queues),
        storage: storage.clone(),
        network: network.clone(),
        realtime: Some(realtime.clone()),
        observer: observer.clone(),
    };
    let v8 = tokio::task::spawn_blocking(move || V8Engine::new(v8)).await?.context("V8 did not start")?;
    let wasm = WasmEngine::new(wasm).context("wasmtime did not start")?;
    Ok(Arc::new(Pool::new(vec![v8, wasm], PoolConfig::default(), observer.clone())))
}

fn queue_host(
    sessions: &OwnSessions,
    functions: &Arc<Switchboard>,
    database: &Database,
    observer: &Observer,
) -> QueueHost {
    let database = database.clone();
    QueueHost {
        sessions: sessions.clone(),
        invoker: functions.clone(),
        subscribe: Arc::new(move |channel: &str| database.subscribe(channel)),
        observer: observer.clone(),
    }
}

async fn start_cron(
    store: &Store,
    project: &Project,
    own_sessions: &OwnSessions,
    database: &Database,
    invoker: Arc<Switchboard>,
) -> anyhow::Result<Cron> {
    let mut log_ins = vec![LogIn::of_its_role(store.owner_url.parse()?)];
    if let Some(url) = &store.superuser_url {
        log_ins.push(LogIn::of_its_role(url.parse()?));
    }
    log_ins.push(LogIn::switching_to(store.caller_url.parse()?, &[Role::ANON, Role::AUTHENTICATED]));
    log_ins.push(LogIn::switching_to(store.authenticator_url.parse()?, &[Role::SERVICE]));
    let settings = &project.settings;
    let declared = settings.declared_functions().flat_map(|function| {
        let schedules = settings.functions[function.as_str()].schedules.iter();
        schedules
            .map(|schedule| DeclaredSchedule { function: function.clone(), schedule: schedule.clone() })
            .collect::<Vec<_>>()
    });
    let config = CronConfig {
        sessions: own_sessions.clone(),
        log_ins,
        invoker,
        changes: database.subscribe(cron::CHANGES),
        declared: declared.collect(),
        is_alone: store.cluster.is_some(),
    };
    Cron::start(config).await.map_err(|error| match error {
        cron::CronError::Declared { .. } => anyhow!(error).context(BadConfig),
        other => anyhow!(other),
    })
}

fn rest() -> Target {
    Target::builtin(FunctionSlug::parse("rest").expect("a valid slug"))
}

/// The data API is a function like any other; only where its code comes from differs.
fn publish_rest(pool: &Pool, project: &Project) {
    let api = &project.settings.api;
    let environment = BTreeMap::from([
        ("PGRST_DB_SCHEMAS".into(), api.schemas.join(",")),
        ("PGRST_DB_EXTRA_SEARCH_PATH".into(), api.extra_search_path.join(",")),
        ("PGRST_DB_MAX_ROWS".into(), api.max_rows.to_string()),
    ]);
    let function = Function {
        target: rest(),
        version: FunctionVersion::default(),
        artifact: Artifact::Component { bytes: isobase_artifacts::REST.into(), reuse: Reuse::Sequential },
        limits: Limits::default(),
        capabilities: Capabilities::all(Grant::Service),
        environment,
    };
    pool.publish(Publication {
        target: rest(),
        access: Access { verify_jwt: false },
        function: Ok(Arc::new(function)),
    });
}

/// The names that the Supabase CLI gives every function it serves.
fn function_environment(state: &RunState) -> BTreeMap<String, String> {
    let named = |key: &str| serde_json::json!({ "default": key }).to_string();
    BTreeMap::from([
        ("SB_REGION".into(), "local".into()),
        ("SUPABASE_URL".into(), state.api_url.clone()),
        ("SUPABASE_ANON_KEY".into(), state.anon_key.clone()),
        ("SUPABASE_SERVICE_ROLE_KEY".into(), state.service_role_key.clone()),
        ("SUPABASE_DB_URL".into(), state.db_url.clone()),
        ("SUPABASE_PUBLISHABLE_KEYS".into(), named(&state.publishable_key)),
        ("SUPABASE_SECRET_KEYS".into(), named(&state.secret_key)),
        ("SUPABASE_JWKS".into(), format!("{{\"keys\":{}}}", state.jwks)),
    ])
}

fn gateway_config(keys: &ProjectKeys) -> anyhow::Result<GatewayConfig> {
    let keys = gateway_keys::KeyConfig {
        jwt_secret: Some(keys.jwt_secret.clone()),
        anon_key: Some(keys.anon_key.clone()),
        service_role_key: Some(keys.service_role_key.clone()),
        publishable_keys: vec![keys.publishable_key.clone()],
        secret_keys: vec![keys.secret_key.clone()],
        jwks: gateway_keys::parse_jwks(&keys.jwks)?,
        ..Default::default()
    };
    Ok(GatewayConfig { keys, ..Default::default() })
}

fn ready_check(cluster: Option<Arc<Cluster>>, database: Database) -> isobase_gateway::ReadyCheck {
    let cluster = cluster.map(|cluster| Arc::downgrade(&cluster));
    Arc::new(move || {
        let up =
            |cluster: &std::sync::Weak<Cluster>| cluster.upgrade().is_some_and(|cluster| cluster.is_up());
        if cluster.as_ref().is_some_and(|cluster| !up(cluster)) {
            return Err("Postgres is down".into());
        }
        if database.status().waiting >= limits::DATABASE_WAITERS_MAX {
            return Err("too many requests wait for a database connection".into());
        }
        Ok(())
    })
}

fn serve(
    name: &'static str,
    serving: impl Future<Output = isobase_gateway::Drained> + Send + 'static,
) -> JoinHandle<()> {
    task::spawn(TaskKind::Service, name, async move {
        if let isobase_gateway::Drained::Cut { connections } = serving.await {
            tracing::warn!(name, connections, "connections were cut at the end of the drain");
        }
    })
}
