//! The files of the base schema and the record of those applied, `isobase.migrations`.
//!
//! A file may begin with directives, one a line:
//! - `-- unless: <condition>`: an SQL condition under which the file has nothing to do; it is then
//!   recorded without being run.
//! - `-- superuser only: <what is lost>`: run only by a superuser; others go without.

use isobase_base::hex;
use sha2::{Digest, Sha256};
use tokio_postgres::Client;

use super::SchemaError;

/// One file of `migrations/`.
pub(super) struct Migration {
    pub(super) version: i32,
    pub(super) name: &'static str,
    sql: &'static str,
}

macro_rules! migrations {
    ($($version:literal $name:literal $file:literal,)*) => {
        &[$(Migration {
            version: $version,
            name: $name,
            sql: include_str!(concat!("../../migrations/", $file)),
        },)*]
    };
}

/// All files, in the order of their versions.
pub(super) const MIGRATIONS: &[Migration] = migrations! {
    1 "roles" "0001_roles.sql",
    2 "schemas" "0002_schemas.sql",
    3 "auth_tables" "0003_auth_tables.sql",
    4 "auth_functions" "0004_auth_functions.sql",
    5 "schema_watch" "0005_schema_watch.sql",
    6 "realtime" "0006_realtime.sql",
    7 "storage" "0007_storage.sql",
    8 "parameters" "0008_parameters.sql",
    9 "caller" "0009_caller.sql",
    10 "queue" "0010_queue.sql",
    11 "storage_blobs" "0011_storage_blobs.sql",
    12 "cron" "0012_cron.sql",
    13 "net" "0013_net.sql",
    14 "webhook_inbox" "0014_webhook_inbox.sql",
    15 "functions" "0015_functions.sql",
    16 "secrets" "0016_secrets.sql",
    17 "function_logs" "0017_function_logs.sql",
    18 "realtime_messages" "0018_realtime_messages.sql",
};

impl Migration {
    pub(super) fn superuser_only(&self) -> Option<&'static str> {
        self.directive("-- superuser only: ")
    }

    fn unless(&self) -> Option<&'static str> {
        self.directive("-- unless: ")
    }

    /// The value of a directive among the comment lines at the top.
    fn directive(&self, name: &str) -> Option<&'static str> {
        self.sql.lines().take_while(|line| line.starts_with("--")).find_map(|line| line.strip_prefix(name))
    }

    fn checksum(&self) -> String {
        hex(&Sha256::digest(self.sql))
    }
}

/// Makes the schema of the host's own bookkeeping.
pub(super) async fn create_table(client: &Client) -> Result<(), tokio_postgres::Error> {
    client
        .batch_execute(
            "create schema if not exists isobase; \
             create table if not exists isobase.migrations ( \
               version int primary key, \
               name text not null, \
               checksum text not null, \
               applied_at timestamptz not null default now() \
             ); \
             create table if not exists isobase.settings (name text primary key, value text not null)",
        )
        .await
}

/// The files not yet applied. Fails if an applied one has changed or is unknown.
pub(super) async fn pending(
    client: &Client,
    is_set_up: bool,
) -> Result<Vec<&'static Migration>, SchemaError> {
    let rows = if is_set_up {
        client.query("select version, name, checksum from isobase.migrations", &[]).await?
    } else {
        Vec::new()
    };
    let mut pending: Vec<&'static Migration> = MIGRATIONS.iter().collect();
    for row in rows {
        let (version, name): (i32, String) = (row.get(0), row.get(1));
        let Some(known) = MIGRATIONS.iter().find(|migration| migration.version == version) else {
            let known = MIGRATIONS.last().map_or(0, |last| last.version);
            return Err(SchemaError::Newer { version, known });
        };
        if known.checksum() != row.get::<_, String>(2) {
            return Err(SchemaError::Changed { version, name });
        }
        pending.retain(|migration| migration.version != version);
    }
    Ok(pending)
}

/// Applies one file and records it, in one transaction.
pub(super) async fn apply(
    client: &mut Client,
    migration: &Migration,
    is_superuser: bool,
) -> Result<(), tokio_postgres::Error> {
    let transaction = client.transaction().await?;
    // Names in the files are complete; nothing that a user made may stand in for what they name.
    transaction.batch_execute("set local search_path = ''").await?;
    let has_nothing_to_do = match migration.unless() {
        Some(condition) => transaction.query_one(&format!("select {condition}"), &[]).await?.get(0),
        None => false,
    };
    let may_run = is_superuser || migration.superuser_only().is_none();
    if may_run && !has_nothing_to_do {
        transaction.batch_execute(migration.sql).await?;
    }
    transaction
        .execute(
            "insert into isobase.migrations (version, name, checksum) values ($1, $2, $3)",
            &[&migration.version, &migration.name, &migration.checksum()],
        )
        .await?;
    transaction.commit().await
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::MIGRATIONS;

    #[test]
    fn the_list_is_the_folder() {
        let folder =
            Path::new(&std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("migrations");
        let mut present: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        present.sort();
        let listed: Vec<String> =
            MIGRATIONS.iter().map(|known| format!("{:04}_{}.sql", known.version, known.name)).collect();
        assert_eq!(listed, present);
    }

    #[test]
    fn directives_are_read_from_the_top() {
        let watch = MIGRATIONS.iter().find(|migration| migration.name == "schema_watch").unwrap();
        assert!(watch.superuser_only().unwrap().contains("notify pgrst"));
        assert!(watch.unless().unwrap().starts_with("exists (select from pg_event_trigger"));
        assert_eq!(MIGRATIONS[0].unless(), None);
    }
}
