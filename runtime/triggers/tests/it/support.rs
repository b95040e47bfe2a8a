//! A running cluster with the base schema, schedulers on it, and short ways to ask it something.

use std::future::poll_fn;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use deadpool_postgres::Pool;
use futures::future::BoxFuture;
use http::{Request, Response};
use isobase_base::observe::Observer;
use isobase_base::progress::Silent;
use isobase_base::task::{self, TaskKind};
use isobase_base::{Access, Body, Context, Failure, FailureKind, Invoker, Role, Target};
use isobase_postgres::{Cluster, ClusterConfig, own_sessions, schema};
use isobase_triggers::cron::{CHANGES, Cron, CronConfig, DeclaredSchedule, LogIn};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio_postgres::{AsyncMessage, Client, NoTls, SimpleQueryMessage};

/// Longest wait for a condition in any test.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Bed {
    pub(crate) cluster: Cluster,
    pool: Pool,
    _workdir: TempDir,
}

/// A host without functions. Those that work are tested end to end.
struct NoFunctions;

impl Invoker for NoFunctions {
    fn access(&self, _target: &Target) -> Option<Access> {
        None
    }

    fn invoke(
        &self,
        target: Target,
        _request: Request<Body>,
        _context: Context,
    ) -> BoxFuture<'_, Result<Response<Body>, Failure>> {
        Box::pin(async move { Err(Failure::new(FailureKind::NotFound, target.to_string())) })
    }
}

impl Bed {
    pub(crate) async fn new() -> Self {
        let open = std::fs::Permissions::from_mode(0o755);
        let workdir =
            tempfile::Builder::new().prefix("isobase-triggers-").permissions(open).tempdir().unwrap();
        let config = ClusterConfig { port: 0, ..ClusterConfig::new(workdir.path()) };
        let cluster = Cluster::start(config, Arc::new(Silent), Observer::default()).await.unwrap();
        schema::apply(cluster.superuser_url(), &cluster.base_schema(true), &Silent).await.unwrap();
        let pool = own_sessions(cluster.superuser_url()).unwrap();
        Self { cluster, pool, _workdir: workdir }
    }

    pub(crate) async fn postgres(&self) -> Client {
        connect(self.cluster.postgres_url(), None).await
    }

    pub(crate) async fn superuser(&self) -> Client {
        connect(self.cluster.superuser_url(), None).await
    }

    /// Moves whenever jobs change.
    async fn changes(&self) -> watch::Receiver<u64> {
        let (sender, changes) = watch::channel(0);
        let client = connect(self.cluster.superuser_url(), Some(sender)).await;
        client.batch_execute(&format!("listen {CHANGES}")).await.unwrap();
        // Listens until the server goes.
        std::mem::forget(client);
        changes
    }

    /// A scheduler, as one host has it.
    pub(crate) async fn scheduler(&self, is_alone: bool, declared: Vec<DeclaredSchedule>) -> Cron {
        let config = |url: &str| url.parse().unwrap();
        let config = CronConfig {
            sessions: self.pool.clone(),
            log_ins: vec![
                LogIn::of_its_role(config(self.cluster.postgres_url())),
                LogIn::of_its_role(config(self.cluster.superuser_url())),
                LogIn::switching_to(config(self.cluster.caller_url()), &[Role::ANON, Role::AUTHENTICATED]),
                LogIn::switching_to(config(self.cluster.authenticator_url()), &[Role::SERVICE]),
            ],
            invoker: Arc::new(NoFunctions),
            changes: Some(self.changes().await),
            declared,
            is_alone,
        };
        Cron::start(config).await.unwrap()
    }

    pub(crate) async fn stop(self) {
        self.pool.close();
        self.cluster.stop().await;
    }
}

async fn connect(url: &str, notified: Option<watch::Sender<u64>>) -> Client {
    let (client, mut connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    task::spawn(TaskKind::Request, "test session", async move {
        while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await {
            if let (AsyncMessage::Notification(_), Some(notified)) = (message, &notified) {
                notified.send_modify(|count| *count += 1);
            }
        }
    });
    client
}

/// Rows as text, columns joined by `|`; an error as `SQLSTATE message`, with its hint on a second line.
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
            let hint = said.hint().map(|hint| format!("\n{hint}")).unwrap_or_default();
            format!("{} {}{hint}", said.code().code(), said.message())
        }
    }
}

/// Waits until the answer to `sql` is `expected`.
#[track_caller]
pub(crate) fn until<'a>(
    client: &'a Client,
    sql: &'a str,
    expected: &'a str,
) -> impl Future<Output = ()> + use<'a> {
    let place = std::panic::Location::caller();
    async move {
        let since = Instant::now();
        loop {
            let found = ask(client, sql).await;
            if found == expected {
                return;
            }
            assert!(since.elapsed() < PATIENCE, "{place}: never {expected:?}, but {found:?}: {sql}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}
