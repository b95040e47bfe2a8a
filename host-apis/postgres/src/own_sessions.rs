//! Sessions for the host's own work: leases, schedules, deliveries, deployed versions.
//!
//! Never for a guest's SQL, which goes through `host-apis/database` as the caller of a request.

use std::str::FromStr;
use std::sync::Arc;

use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use isobase_base::limits::{OWN_SESSIONS_MAX, POSTGRES_CONNECT_TIMEOUT};
use tokio_postgres::{Config, NoTls};

use crate::connect::ConnectError;

/// A pool of sessions as the role in its URL. Cheap to clone. Sessions are opened when asked for and
/// replaced when Postgres was restarted.
pub type OwnSessions = Pool;

/// Opens nothing yet.
///
/// # Errors
/// When `url` cannot be read.
pub fn own_sessions(url: &str) -> Result<OwnSessions, ConnectError> {
    let mut config = Config::from_str(url).map_err(|error| ConnectError::Url(Arc::new(error)))?;
    config.application_name("isobase").connect_timeout(POSTGRES_CONNECT_TIMEOUT);
    let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let pool = Pool::builder(Manager::from_config(config, NoTls, recycling))
        .max_size(OWN_SESSIONS_MAX)
        .wait_timeout(Some(POSTGRES_CONNECT_TIMEOUT))
        .create_timeout(Some(POSTGRES_CONNECT_TIMEOUT))
        .runtime(Runtime::Tokio1)
        .build();
    Ok(pool.expect("the pool has a runtime for its timeouts"))
}
