//! A caller who goes away takes the statement along.

use isobase_base::task::{TaskKind, spawn};
use isobase_database::{Database, Door, PoolStatus, Session, Statement};

use crate::cluster::Cluster;
use crate::support::{alice, database, one, query, until};

/// How many server processes run a statement that holds `marker`.
fn running(marker: &str) -> usize {
    let sql = format!(
        "select count(*) from pg_stat_activity where state = 'active' and query like '%{marker}%' \
         and pid <> pg_backend_pid()"
    );
    Cluster::shared().admin(&sql).parse().unwrap()
}

async fn idle(database: &Database) {
    until("the pool is idle again", async || database.status().busy == 0).await;
}

/// Starts `sql` in a task and drops it while the server is at work on it.
async fn drop_while_running(door: Door, sql: String, marker: &str) {
    let handle = spawn(TaskKind::Request, "to be dropped", async move {
        let result = query(&door, &sql).await;
        panic!("it was to be dropped, not to end: {result:?}");
    });
    until("the statement runs", async || running(marker) == 1).await;
    handle.abort();
    until("the statement was cancelled", async || running(marker) == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropping_a_query_cancels_it_and_the_connection_serves_on() {
    let database = database(1).await;
    // Warm: the connection has parsed the statement before, so that it can be kept.
    let sql = "select /* dropped_query */ pg_sleep($1::float8)";
    let short = Statement::new(sql, vec![isobase_database::Parameter::Float64(0.0)]);
    alice(&database).query(&Session::default(), short).await.unwrap();
    let process = one(&alice(&database), "select pg_backend_pid()").await;
    let door = alice(&database);
    let handle = spawn(TaskKind::Request, "to be dropped", async move {
        let long = Statement::new(sql, vec![isobase_database::Parameter::Float64(60.0)]);
        let result = door.query(&Session::default(), long).await;
        panic!("it was to be dropped, not to end: {result:?}");
    });
    until("the statement runs", async || running("dropped_query") == 1).await;
    handle.abort();
    until("the statement was cancelled", async || running("dropped_query") == 0).await;
    assert_eq!(
        one(&alice(&database), "select pg_backend_pid()").await,
        process,
        "the connection was recovered"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropping_a_cold_query_cancels_it_too() {
    let database = database(1).await;
    let sql = "select /* dropped_cold */ pg_sleep(60)".to_owned();
    drop_while_running(alice(&database), sql, "dropped_cold").await;
    assert_eq!(one(&alice(&database), "select 1").await, "1");
    idle(&database).await;
    assert_eq!(database.status(), PoolStatus { idle: 1, busy: 0, waiting: 0 });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropping_a_transaction_rolls_back() {
    let database = database(1).await;
    let mut transaction = alice(&database).transaction(Session::default());
    transaction
        .query(Statement::from("insert into notes (body) values ('dropped_transaction')"))
        .await
        .unwrap();
    drop(transaction);
    let count = "select count(*) from notes where body = 'dropped_transaction'";
    assert_eq!(one(&alice(&database), count).await, "0");
    idle(&database).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropping_a_stream_cancels_it() {
    let database = database(1).await;
    let sql = "select /* dropped_stream */ generate_series(1, 100000000), repeat('x', 1000)";
    let mut stream = alice(&database).stream(&Session::default(), Statement::from(sql)).await.unwrap();
    assert_eq!(stream.next(10).await.unwrap().len(), 10);
    assert_eq!(running("dropped_stream"), 1);
    drop(stream);
    until("the statement was cancelled", async || running("dropped_stream") == 0).await;
    assert_eq!(one(&alice(&database), "select 1").await, "1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_abandoned_in_a_transaction_ends_it() {
    let database = database(1).await;
    let mut transaction = alice(&database).transaction(Session::default());
    transaction.query(Statement::from("select 1")).await.unwrap();
    {
        let query = transaction.query(Statement::from("select /* abandoned */ pg_sleep(60)"));
        tokio::pin!(query);
        tokio::select! {
            _ = &mut query => panic!("it was to be dropped, not to end"),
            () = until("the statement runs", async || running("abandoned") == 1) => {}
        }
    }
    until("the statement was cancelled", async || running("abandoned") == 0).await;
    let error = transaction.query(Statement::from("select 1")).await.unwrap_err();
    assert_eq!(error.to_string(), "the transaction is over: a statement of it was abandoned");
    assert!(transaction.commit().await.is_err());
    assert_eq!(one(&alice(&database), "select 1").await, "1");
}
