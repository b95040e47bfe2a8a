//! The database: a pool, what is known of its roles and types, and the channels listened to.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use isobase_base::observe::Observer;
use isobase_base::{Context, Grant, Principal, Role, task};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::channels::{self, Channels};
use crate::pool::Pool;
use crate::roles::{self, RoleSettingsByName};
use crate::snapshot::Snapshots;
use crate::spool::{Room, Spills};
use crate::type_names::TypeNames;
use crate::wire::ConnectError;
use crate::{DatabaseConfig, Door, Error, OpenError, PoolStatus};

/// The channel that PostgREST reloads on; Supabase's event triggers notify it after DDL.
const RELOAD_CHANNEL: &str = "pgrst";
/// Several statements of a migration notify one after another; PostgREST waits as long.
const RELOAD_DEBOUNCE: Duration = Duration::from_millis(100);
/// The first major version with everything that is relied on (`has_parameter_privilege`).
const SERVER_MAJOR_MIN: u32 = 15;

/// A Postgres database, opened as a role that can only switch to those of requests. Clones share
/// one pool.
#[derive(Clone)]
pub struct Database {
    core: Arc<Core>,
}

/// What all doors share.
pub(crate) struct Core {
    pub(crate) pool: Arc<Pool>,
    /// Of connections that cannot become `service_role`; the same as `pool` where no log-in of that
    /// kind is configured.
    callers: Arc<Pool>,
    pub(crate) roles: ArcSwap<RoleSettingsByName>,
    pub(crate) type_names: TypeNames,
    pub(crate) channels: Arc<Channels>,
    pub(crate) snapshots: Snapshots,
    pub(crate) spills: Arc<Spills>,
    stop: CancellationToken,
}

impl Database {
    /// Connects once, so that a wrong address or password is told at the start, and begins to
    /// listen. The runtime it is called on is the one that opens connections from now on.
    pub async fn open(config: DatabaseConfig, observer: Observer) -> Result<Self, OpenError> {
        let pool_of = |login| Pool::new(config.clone(), login, observer.clone(), Handle::current());
        let pool = pool_of(&config.login);
        let callers = config.caller_login.as_ref().map(pool_of);
        let refused = |error: ConnectError| OpenError::Connect(error.to_string());
        let mut connection = pool.connect_once().await.map_err(refused)?;
        if let Some(callers) = &callers {
            callers.adopt(callers.connect_once().await.map_err(refused)?);
        }
        check_version(&connection.server_version)?;
        let roles = roles::read(&mut connection).await.map_err(|trouble| {
            OpenError::Connect(format!("cannot read the roles: {}", Error::from(trouble)))
        })?;
        pool.adopt(connection);
        let core = Arc::new(Core {
            callers: callers.unwrap_or_else(|| Arc::clone(&pool)),
            pool,
            roles: ArcSwap::from_pointee(roles),
            type_names: TypeNames::default(),
            channels: Arc::default(),
            snapshots: Snapshots::default(),
            spills: Spills::new(config.spill_folder.clone(), Handle::current(), Room::default()),
            stop: CancellationToken::new(),
        });
        let listener =
            channels::listen(Arc::clone(&core.channels), Arc::clone(&core.pool), core.stop.clone());
        task::spawn(task::TaskKind::Service, "database listen", listener);
        task::spawn(task::TaskKind::Service, "database roles", follow_roles(Arc::clone(&core)));
        Ok(Self { core })
    }

    /// The database as one invocation sees it. Cheap.
    pub fn session_door(&self, context: Context, grant: Grant) -> Door {
        Door { core: Arc::clone(&self.core), context, grant }
    }

    /// Wakes whoever waits on it when `channel` is notified, and whenever notifications may have been
    /// missed. `None` when too many channels are listened to already.
    pub fn subscribe(&self, channel: &str) -> Option<watch::Receiver<u64>> {
        self.core.channels.subscribe(channel)
    }

    /// Refuses new work, waits for what is under way (bounded), then closes all connections.
    pub async fn close(&self) {
        self.core.stop.cancel();
        tokio::join!(self.core.pool.close(), self.core.callers.close());
    }

    pub fn status(&self) -> PoolStatus {
        let status = self.core.pool.status();
        if Arc::ptr_eq(&self.core.pool, &self.core.callers) {
            return status;
        }
        let callers = self.core.callers.status();
        PoolStatus {
            idle: status.idle + callers.idle,
            busy: status.busy + callers.busy,
            waiting: status.waiting + callers.waiting,
        }
    }
}

impl Core {
    /// The pool for a function with `grant` that acts as `principal`. One that may become
    /// `service_role` anyway, like the REST API, keeps the log-in that `session_user` shows upstream.
    pub(crate) fn pool_for(&self, grant: Grant, principal: &Principal) -> &Arc<Pool> {
        let is_ordinary = matches!(principal.role().as_str(), Role::ANON | Role::AUTHENTICATED);
        if is_ordinary && grant != Grant::Service { &self.callers } else { &self.pool }
    }
}

/// Reads the roles' settings again whenever the reload channel is notified.
async fn follow_roles(core: Arc<Core>) {
    let Some(mut generation) = core.channels.subscribe(RELOAD_CHANNEL) else { return };
    let stop = core.stop.clone();
    let follow = async {
        while generation.changed().await.is_ok() {
            tokio::time::sleep(RELOAD_DEBOUNCE).await;
            generation.mark_unchanged();
            core.type_names.forget();
            if let Err(error) = reload_roles(&core).await {
                tracing::warn!(%error, "the settings of roles could not be read; those read before stay in use");
                generation.mark_changed();
            }
        }
    };
    stop.run_until_cancelled(follow).await;
}

async fn reload_roles(core: &Core) -> Result<(), Error> {
    let mut lease = core.pool.acquire(Principal::service().role(), "").await?;
    let roles = roles::read(&mut lease).await?;
    core.roles.store(Arc::new(roles));
    Ok(())
}

/// `server_version` begins with the major version: `15.8`, `17beta2`.
fn check_version(version: &str) -> Result<(), OpenError> {
    let digits: String = version.chars().take_while(char::is_ascii_digit).collect();
    match digits.parse::<u32>() {
        Ok(major) if major >= SERVER_MAJOR_MIN => Ok(()),
        _ => Err(OpenError::Connect(format!(
            "the server is Postgres {version}; {SERVER_MAJOR_MIN} or newer is needed"
        ))),
    }
}
