//! The only place that names every room. It constructs and connects; it decides nothing.

mod engines;
mod front;
mod ground;
mod inspector;
mod ports;
mod store;
mod triggers;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;
use isobase_base::observe::Observer;
use isobase_base::progress::SharedProgress;
use isobase_base::project::{Project, process_variables, state_folder};
use isobase_base::task::{self, TaskKind};
use isobase_base::{
    Client, Context, Grant, Invoker, Principal, RequestId, Switchboard, TargetKind, TraceContext, limits,
};
use isobase_database::{Session, Statement, Value};
use isobase_deploy::{Compiler, Precedence, Releases, ReleasesConfig, Sources, SourcesConfig, WithSecrets};
use isobase_engine::{Limits, Publish};
use isobase_gateway::{Admin, Gateway, keys as gateway_keys};
use isobase_logs::LogReader;
use isobase_management::{Management, ManagementConfig, Rooms};
use isobase_packages::Packages;
use isobase_pool::Pool;
use isobase_postgres::OwnSessions;
use isobase_realtime::{Hub, Realtime, hand_out};
use isobase_triggers::inbox::{Inbox, Receivers};
use isobase_triggers::live;
use isobase_v8::Inspector;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use self::ground::Ground;
use self::ports::Ports;
use self::triggers::{Foundation, Triggers};
use crate::args::StartArguments;
use crate::keys::{Mode, ProjectKeys};
use crate::run_state::RunState;
use crate::{BadConfig, compiler, sdk, webhooks};

/// Everything that runs, in the order it is taken down.
pub(crate) struct Host {
    shutdown: CancellationToken,
    gateway: JoinHandle<()>,
    admin_shutdown: CancellationToken,
    admin: JoinHandle<()>,
    triggers: Triggers,
    sources: Option<Sources>,
    pool: Arc<Pool>,
    inspector: Option<Inspector>,
    realtime: Hub,
    ground: Ground,
    state: RunState,
}

impl Host {
    pub(crate) async fn start(arguments: StartArguments, progress: SharedProgress) -> anyhow::Result<Self> {
        progress.step("Reading the project");
        let workdir = arguments.project.workdir.clone();
        let project = Project::load(&workdir, &process_variables()).context(BadConfig)?;
        project.warnings.iter().for_each(|warning| progress.note(&warning.to_string()));
        let mode = if arguments.production { Mode::Production } else { Mode::Development };
        let keys = ProjectKeys::of(&project.settings, mode, &workdir)?;
        let observer = Observer::default();
        let ports = Ports::bind(&arguments, &project, &*progress).await?;

        let ground = Ground::open(&arguments, &project, &keys, &progress, &observer).await?;
        let Ground { store, database, own_sessions, storage, .. } = &ground;
        let state = front::run_state(&keys, &project, &ports, store);

        progress.step("Starting the engines");
        sdk::unpack(&workdir)?;
        let network = front::network(mode, &ports);
        let realtime = Hub::new(observer.clone());
        let Ports { gateway: listener, address, admin: admin_listener, inspection, .. } = ports;
        let inspector = inspection.map(|inspection| inspection.inspector);
        let pool =
            engines::start(&arguments, database, storage, &realtime, &network, &inspector, &observer).await?;
        engines::publish_rest(&pool, &project);
        progress.step("Loading the functions");
        let publish = WithSecrets::start(pool.clone(), ground.secrets.environments());
        let wake = database.subscribe("isobase_functions");
        let building = Building { packages: engines::packages(&network), compiler: compiler::processes() };
        let releases = releases_config(&workdir, &state, mode, own_sessions.clone(), wake, building.clone());
        let releases = Releases::open(releases, pool.clone(), publish.clone()).await?;
        let sources = open_sources(arguments, mode, &project, &state, publish, building).await?;
        pool.prewarm(&engines::rest()).await?;

        let (shutdown, admin_shutdown) = (CancellationToken::new(), CancellationToken::new());
        let config = front::gateway_config(&keys, inspector::patience(&inspector))?;
        let verifier = Arc::new(gateway_keys::Keys::new(&config.keys).context(BadConfig)?);
        hand_out_messages(&realtime, &ground);
        let functions: Arc<dyn Invoker> = Arc::new(releases.clone());
        let mut origins = triggers::origins(&project, mode, &releases, &ground)?;
        let mut declared = origins.merged();
        webhooks::check(&project, &declared.receivers)?;
        let inbox = Inbox::new(own_sessions.clone());
        let receivers = std::mem::take(&mut declared.receivers);
        let receivers = Arc::new(Receivers::new(functions.clone(), receivers, inbox));
        webhooks::deliver(database, functions.clone(), own_sessions, shutdown.clone());
        let management = management(&state, &project, &ground, releases, &observer, &shutdown)?;
        let switchboard = Switchboard::new(receivers.clone())
            .with("management", management)
            .with("realtime", Arc::new(Realtime::new(realtime.clone(), verifier.clone())));
        let foundation =
            Foundation { ground: &ground, network: &network, observer: &observer, functions, receivers };
        let triggers = Triggers::start(foundation, origins, declared).await?;
        let gateway = Gateway::with_keys(config, verifier, Arc::new(switchboard), observer.clone());
        network.inward().open(front::own_api(&gateway, address));
        let ready = front::ready_check(store.cluster.clone(), database.clone());
        let admin = Admin::new(observer, ready);
        Ok(Self {
            gateway: front::serve("gateway", gateway.serve(vec![listener], shutdown.clone())),
            admin: front::serve("admin", admin.serve(admin_listener, admin_shutdown.clone())),
            shutdown,
            admin_shutdown,
            triggers,
            sources,
            pool,
            inspector,
            realtime,
            ground,
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
        let door = self.ground.database.session_door(context, Grant::Caller);
        let table = door.query(&Session::default(), Statement::new(SQL, Vec::new())).await.ok()?;
        match table.rows.into_iter().next()?.into_iter().next()? {
            Value::Text(name) => Some(name),
            _ => None,
        }
    }

    /// Requests in flight finish, then functions end, then the database. What the database sends goes
    /// first: it may be on its way to the gateway.
    pub(crate) async fn stop(self) {
        let Triggers { cron, queue_consumers, outbound, follower } = self.triggers;
        // What debuggers have paused could not finish.
        if let Some(inspector) = &self.inspector {
            inspector.close();
        }
        follower.abort();
        outbound.stop().await;
        self.shutdown.cancel();
        self.realtime.close();
        _ = self.gateway.await;
        queue_consumers.stop().await;
        cron.stop().await;
        self.pool.shutdown(Instant::now() + limits::DRAIN_TIMEOUT).await;
        drop(self.sources);
        let cluster = self.ground.close().await;
        self.admin_shutdown.cancel();
        _ = self.admin.await;
        if let Some(cluster) = cluster.and_then(Arc::into_inner) {
            cluster.stop().await;
        }
    }
}

/// Messages that the database sends to sockets.
fn hand_out_messages(realtime: &Hub, ground: &Ground) {
    if let Some(sent) = ground.database.subscribe(hand_out::CHANNEL) {
        let handing_out = hand_out::run(realtime.clone(), ground.own_sessions.clone(), sent);
        task::spawn(TaskKind::Service, "realtime messages", handing_out);
    }
}

/// What deployed functions and watched ones are built with.
#[derive(Clone)]
struct Building {
    packages: Packages,
    compiler: Compiler,
}

fn releases_config(
    workdir: &std::path::Path,
    state: &RunState,
    mode: Mode,
    sessions: OwnSessions,
    wake: Option<tokio::sync::watch::Receiver<u64>>,
    building: Building,
) -> ReleasesConfig {
    ReleasesConfig {
        sessions,
        wake,
        builds_folder: state_folder(workdir).join("builds"),
        environment: front::function_environment(state),
        project_ref: state.project_ref.clone(),
        limits: Limits::default(),
        precedence: match mode {
            Mode::Development => Precedence::Sources,
            Mode::Production => Precedence::Deployed,
        },
        packages: building.packages,
        compiler: building.compiler,
        check_triggers: live::check,
    }
}

/// Source folders are live in development only.
async fn open_sources(
    arguments: StartArguments,
    mode: Mode,
    project: &Project,
    state: &RunState,
    publish: Arc<dyn Publish>,
    building: Building,
) -> anyhow::Result<Option<Sources>> {
    if mode == Mode::Production {
        return Ok(None);
    }
    let mut sources = SourcesConfig::new(project.clone());
    sources.environment = front::function_environment(state);
    sources.no_verify_jwt = arguments.no_verify_jwt;
    sources.env_file = arguments.env_file;
    sources.packages = Some(building.packages);
    sources.compiler = building.compiler;
    Ok(Some(Sources::open(sources, publish).await?))
}

fn management(
    state: &RunState,
    project: &Project,
    ground: &Ground,
    releases: Releases,
    observer: &Observer,
    stopping: &CancellationToken,
) -> anyhow::Result<Arc<Management>> {
    let Ground { database, own_sessions, .. } = ground;
    let config = ManagementConfig {
        access_token: state.access_token.clone(),
        project_ref: state.project_ref.clone(),
        project_name: project.settings.project_id.clone(),
    };
    let logs_changed = database.subscribe(isobase_logs::CHANNEL);
    let rooms = Rooms {
        releases,
        secrets: ground.secret_store.clone(),
        logs: LogReader::new(own_sessions.clone()),
        logs_changed: logs_changed.context("too many channels are listened to")?,
        inbox: Inbox::new(own_sessions.clone()),
        observer: observer.clone(),
        stopping: stopping.clone(),
    };
    Ok(Arc::new(Management::new(config, rooms)))
}
