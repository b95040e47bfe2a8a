//! Doors for tests, in few words.

use std::time::{Duration, Instant};

use bytes::Bytes;
use isobase_base::observe::Observer;
use isobase_base::{Client, Context, Grant, Principal, RequestId, Role, TraceContext};
use isobase_database::{
    Database, DatabaseConfig, Document, Door, Error, Session, SqlError, Statement, Table, Value,
};

use crate::cluster::Cluster;

pub(crate) const ALICE: &str = "11111111-1111-1111-1111-111111111111";
pub(crate) const BOB: &str = "22222222-2222-2222-2222-222222222222";

/// Longest wait for something that must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn config() -> DatabaseConfig {
    DatabaseConfig::from_url(&Cluster::shared().url()).unwrap()
}

pub(crate) async fn open(config: DatabaseConfig) -> Database {
    Database::open(config, Observer::default()).await.unwrap()
}

/// A database of `connections` on the shared cluster.
pub(crate) async fn database(connections: usize) -> Database {
    let mut config = config();
    config.connections_max = connections;
    open(config).await
}

pub(crate) fn user(role: &str, subject: &str) -> Principal {
    let claims = serde_json::json!({ "sub": subject }).as_object().unwrap().clone();
    Principal::new(Role::parse(role, &["web_editor".to_owned()]).unwrap(), claims)
}

pub(crate) fn context(principal: Principal, time: Duration) -> Context {
    Context {
        request_id: RequestId::generate(),
        trace: TraceContext::generate(),
        principal,
        deadline: Instant::now() + time,
        client: Client { address: std::net::Ipv4Addr::LOCALHOST.into() },
    }
}

/// A door with the grant of an ordinary function.
pub(crate) fn door(database: &Database, principal: Principal) -> Door {
    database.session_door(context(principal, PATIENCE), Grant::Caller)
}

pub(crate) fn alice(database: &Database) -> Door {
    door(database, user("authenticated", ALICE))
}

pub(crate) fn anon(database: &Database) -> Door {
    door(database, Principal::anon())
}

/// A door that may act as `service_role`.
pub(crate) fn service(database: &Database) -> Door {
    database.session_door(context(Principal::service(), PATIENCE), Grant::Service)
}

pub(crate) async fn query(door: &Door, sql: &str) -> Result<Table, Error> {
    door.query(&Session::default(), Statement::from(sql)).await
}

/// The first value of the first row, printed.
pub(crate) async fn one(door: &Door, sql: &str) -> String {
    let table = query(door, sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    text(&table.rows[0][0])
}

pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Boolean(value) => value.to_string(),
        Value::Int32(value) => value.to_string(),
        Value::Int64(value) => value.to_string(),
        Value::Float64(value) => value.to_string(),
        Value::Text(value) | Value::Json(value) => value.clone(),
        Value::Bytes(value) => format!("{value:?}"),
    }
}

/// The body of a document, whole.
pub(crate) async fn body_of(document: Document) -> Option<Bytes> {
    match document.body {
        Some(mut body) => Some(body.read().await.unwrap()),
        None => None,
    }
}

/// Those of several, as texts.
pub(crate) async fn texts_of(documents: Vec<Document>) -> Vec<Option<String>> {
    let mut texts = Vec::new();
    for document in documents {
        texts.push(body_of(document).await.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap()));
    }
    texts
}

pub(crate) fn sql_error(result: Result<impl std::fmt::Debug, Error>) -> SqlError {
    match result {
        Err(Error::Sql(error)) => *error,
        other => panic!("expected an SQL error, got {other:?}"),
    }
}

/// Waits until `condition` holds; asks often rather than sleeping a guessed time.
pub(crate) async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !condition().await {
        assert!(begun.elapsed() < PATIENCE, "it never came to pass that {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
