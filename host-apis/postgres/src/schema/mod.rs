//! The base schema: what a database holds before the project's own SQL. Roles, schemas, the `auth`
//! tables and helpers, grants, and the triggers that announce schema changes.
//!
//! It is a list of SQL files ([`migration`]) applied in order, each in a transaction together with
//! its line in `isobase.migrations`. A file that was applied never changes; a newer isobase brings
//! newer files. Beside them stand two settings that may change between starts ([`setting`]): whether
//! new tables are exposed, and the passwords of login roles.
//!
//! All of it is written to do nothing where something of that name exists, so it also runs on a
//! foreign server, even one that Supabase has set up.

mod error;
mod migration;
mod setting;

use isobase_base::limits::MIGRATION_LOCK_TIMEOUT;
use isobase_base::progress::Progress;
use tokio_postgres::Client;

use crate::connect;

pub use error::SchemaError;
use migration::Migration;

/// Oldest server version, as `server_version_num` counts.
const SERVER_VERSION_MIN: i32 = 150_000;

/// The advisory lock held while the schema of a database is changed, by base schema and project
/// alike. The number is `isobase` in ASCII.
pub(crate) const ADVISORY_LOCK: i64 = 0x0069_736f_6261_7365;

/// What the base schema depends on.
#[derive(Clone)]
pub struct BaseSchema {
    /// `[api] auto_expose_new_tables`: whether tables, sequences and functions that are made in
    /// schema `public` are open to the three API roles without a `grant`. Row level security is
    /// another matter. The CLI's default is to expose.
    pub auto_expose: bool,
    pub passwords: RolePasswords,
}

/// The role that logs in for statements which functions write themselves: `0009_caller.sql`.
pub(crate) const CALLER: &str = "isobase_caller";

/// Passwords to give to login roles; `None` leaves a role's password alone. Never printed.
#[derive(Clone, Default)]
pub struct RolePasswords {
    pub postgres: Option<String>,
    pub authenticator: Option<String>,
    pub isobase_caller: Option<String>,
}

/// What [`apply`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SchemaApplied {
    /// Names of the files applied now; empty when the schema was up to date.
    pub migrations: Vec<String>,
}

/// Brings the database at `url` up to this version's base schema. Costs two round trips when
/// there is nothing to do. Several hosts may call it at once: one works, the others wait.
///
/// Not cancel-safe in the sense that a dropped call may have applied some files; each is whole,
/// and the next call goes on.
pub async fn apply(
    url: &str,
    base: &BaseSchema,
    progress: &dyn Progress,
) -> Result<SchemaApplied, SchemaError> {
    let mut session = connect::open(url).await?;
    let client = &mut session.client;
    let server = Server::ask(client).await?;
    let pending = migration::pending(client, server.is_set_up).await?;
    if pending.is_empty() && setting::up_to_date(client, base).await? {
        return Ok(SchemaApplied::default());
    }

    lock(client).await?;
    // What is lost in a power cut is applied again; whatever a later transaction makes durable, the
    // log makes durable with all that came before.
    client.batch_execute("set synchronous_commit = off").await?;
    migration::create_table(client).await.map_err(|error| server.explain("history", error))?;
    // Another host may have been here while we waited.
    let pending = migration::pending(client, true).await?;
    let mut applied = SchemaApplied::default();
    for migration in pending {
        if let Some(lost) = migration.skipped_without_superuser(server.is_superuser) {
            progress.note(&format!("{} is not a superuser: {lost}", server.user));
        }
        migration::apply(client, migration, server.is_superuser)
            .await
            .map_err(|error| server.explain(migration.name, error))?;
        applied.migrations.push(migration.name.to_owned());
    }
    setting::apply(client, base).await.map_err(|error| server.explain("settings", error))?;
    Ok(applied)
}

/// Waits for the schema lock, which the session holds until it ends.
pub(crate) async fn lock(client: &Client) -> Result<(), tokio_postgres::Error> {
    let patience = MIGRATION_LOCK_TIMEOUT.as_millis();
    client
        .batch_execute(&format!(
            "set lock_timeout = {patience}; select pg_advisory_lock({ADVISORY_LOCK}); reset lock_timeout"
        ))
        .await
}

/// What is known about the server before anything is changed.
struct Server {
    user: String,
    is_superuser: bool,
    is_set_up: bool,
}

impl Server {
    async fn ask(client: &Client) -> Result<Self, SchemaError> {
        let row = client
            .query_one(
                "select current_setting('server_version_num')::int, current_setting('server_version'), \
                 current_user::text, (select rolsuper from pg_roles where rolname = current_user), \
                 to_regclass('isobase.migrations') is not null",
                &[],
            )
            .await?;
        if row.get::<_, i32>(0) < SERVER_VERSION_MIN {
            return Err(SchemaError::TooOld { version: row.get(1) });
        }
        Ok(Self { user: row.get(2), is_superuser: row.get(3), is_set_up: row.get(4) })
    }

    fn explain(&self, name: &str, error: tokio_postgres::Error) -> SchemaError {
        SchemaError::of_migration(name, &self.user, error)
    }
}

impl Migration {
    fn skipped_without_superuser(&self, is_superuser: bool) -> Option<&'static str> {
        self.superuser_only().filter(|_lost| !is_superuser)
    }
}
