//! A project folder with a running cluster, and short ways to ask it something.

use std::future::poll_fn;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use isobase_base::observe::Observer;
use isobase_base::progress::{Progress, Silent};
use isobase_base::task::{self, TaskKind};
use isobase_postgres::{Cluster, ClusterConfig, ClusterError, schema};
use tempfile::TempDir;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

/// Longest wait for a condition in any test.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A folder that every user may pass through, as a project folder is.
pub(crate) fn workdir() -> TempDir {
    let open = std::fs::Permissions::from_mode(0o755);
    tempfile::Builder::new().prefix("isobase-postgres-").permissions(open).tempdir().unwrap()
}

/// Starts a cluster on any free port.
pub(crate) async fn start(workdir: &Path) -> Result<Cluster, ClusterError> {
    let config = ClusterConfig { port: 0, ..ClusterConfig::new(workdir) };
    Cluster::start(config, Arc::new(Silent), Observer::default()).await
}

/// A cluster with the base schema, in a folder that goes with it.
pub(crate) struct Bed {
    pub(crate) cluster: Cluster,
    pub(crate) workdir: TempDir,
}

impl Bed {
    pub(crate) async fn new() -> Self {
        let workdir = workdir();
        let cluster = start(workdir.path()).await.unwrap();
        schema::apply(cluster.superuser_url(), &cluster.base_schema(true), &Silent).await.unwrap();
        Self { cluster, workdir }
    }

    /// Writes a file of the project.
    pub(crate) fn file(&self, path: &str, content: &str) -> &Self {
        let path = self.workdir.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
        self
    }

    pub(crate) async fn as_postgres(&self) -> Client {
        connect(self.cluster.postgres_url()).await
    }

    pub(crate) async fn as_superuser(&self) -> Client {
        connect(self.cluster.superuser_url()).await
    }

    pub(crate) async fn as_authenticator(&self) -> Client {
        connect(self.cluster.authenticator_url()).await
    }
}

pub(crate) async fn connect(url: &str) -> Client {
    let (client, mut connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    task::spawn(TaskKind::Request, "test session", async move {
        while let Some(Ok(_message)) = poll_fn(|context| connection.poll_message(context)).await {}
    });
    client
}

/// Rows as text, columns joined by `|`; an error as `SQLSTATE message`.
pub(crate) async fn ask(client: &Client, sql: &str) -> String {
    match client.simple_query(sql).await {
        Ok(messages) => {
            let rows = messages.iter().filter_map(|message| match message {
                SimpleQueryMessage::Row(row) => {
                    let cells: Vec<&str> =
                        (0..row.len()).map(|column| row.get(column).unwrap_or("null")).collect();
                    Some(cells.join("|"))
                }
                _ => None,
            });
            rows.collect::<Vec<String>>().join("\n")
        }
        Err(error) => {
            let said = error.as_db_error().unwrap_or_else(|| panic!("no answer to {sql}: {error}"));
            format!("{} {}", said.code().code(), said.message())
        }
    }
}

/// Waits until `condition` holds.
pub(crate) async fn until(what: &str, condition: impl Fn() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_elapsed| panic!("never: {what}"));
}

/// Whether a process runs; one that has ended but was not collected does not.
pub(crate) fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.is_ok_and(|stat| stat.rsplit(')').next().is_some_and(|rest| !rest.trim_start().starts_with('Z')))
}

/// Remembers what a long operation said.
#[derive(Default)]
pub(crate) struct Recorder(Mutex<Vec<String>>);

impl Recorder {
    pub(crate) fn lines(&self) -> String {
        self.0.lock().unwrap().join("\n")
    }
}

impl Progress for Recorder {
    fn step(&self, what: &str) {
        self.0.lock().unwrap().push(format!("step {what}"));
    }

    fn note(&self, what: &str) {
        self.0.lock().unwrap().push(format!("note {what}"));
    }

    fn done(&self) {}
}
