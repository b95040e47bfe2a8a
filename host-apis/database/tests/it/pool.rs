//! Bounds, fairness and memory of the pool.

use std::time::Duration;

use isobase_base::task::{TaskKind, spawn};
use isobase_database::{Database, Error, Exhaustion, PoolStatus, Session, Statement, Transaction};
use tokio::sync::mpsc;

use crate::cluster::Cluster;
use crate::support::{alice, anon, config, database, one, open, query, service, until};

/// A transaction that keeps a connection.
async fn hold(database: &Database) -> Transaction {
    let mut transaction = alice(database).transaction(Session::default());
    transaction.query(Statement::from("select 1")).await.unwrap();
    transaction
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_wait_and_the_queue_are_bounded() {
    let mut config = config();
    config.connections_max = 1;
    config.waiters_max = 1;
    config.acquire_timeout = Duration::from_millis(200);
    let database = open(config).await;
    let held = hold(&database).await;
    let (ended, mut end) = mpsc::unbounded_channel();
    let waiter = alice(&database);
    spawn(TaskKind::Request, "waiter", async move {
        let _ = ended.send(query(&waiter, "select 1").await);
    });
    until("one waits", async || database.status().waiting == 1).await;
    assert_eq!(database.status(), PoolStatus { idle: 0, busy: 1, waiting: 1 });
    let refused = query(&alice(&database), "select 1").await;
    assert!(matches!(refused, Err(Error::Exhausted(Exhaustion::QueueFull))), "{refused:?}");
    let waited = end.recv().await.unwrap();
    assert!(matches!(waited, Err(Error::Exhausted(Exhaustion::WaitOver))), "{waited:?}");
    held.commit().await.unwrap();
    assert_eq!(one(&alice(&database), "select 1").await, "1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn first_come_first_served() {
    let database = database(1).await;
    let held = hold(&database).await;
    let (served, mut order) = mpsc::unbounded_channel();
    for number in 0..10 {
        let (door, served) = (alice(&database), served.clone());
        spawn(TaskKind::Request, "waiter", async move {
            // The server notes the order: the tasks themselves may be late to tell.
            query(&door, &format!("insert into notes (body) values ('served {number}')")).await.unwrap();
            drop(served);
        });
        until("it waits in its place", async || database.status().waiting == number + 1).await;
    }
    drop(served);
    held.commit().await.unwrap();
    assert_eq!(order.recv().await, None::<()>);
    let seen = "select string_agg(right(body, 1), '' order by id) from notes where body like 'served %'";
    assert_eq!(one(&alice(&database), seen).await, "0123456789");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_are_sticky_by_role() {
    let database = database(2).await;
    let process = "select pg_backend_pid()";
    let held = hold(&database).await;
    let of_anon = one(&anon(&database), process).await;
    held.commit().await.unwrap();
    let of_alice = one(&alice(&database), process).await;
    assert_ne!(of_anon, of_alice);
    for _ in 0..5 {
        assert_eq!(one(&anon(&database), process).await, of_anon);
        assert_eq!(one(&alice(&database), process).await, of_alice);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_are_sticky_by_statement_within_a_role() {
    let database = database(2).await;
    let door = alice(&database);
    let [here, here_too, there] =
        ["", " + 0", " + 0 + 0"].map(|more| format!("select pg_backend_pid(){more}"));
    let held = hold(&database).await;
    let first = one(&door, &here).await;
    assert_eq!(one(&door, &here_too).await, first);
    held.commit().await.unwrap();
    let mut held = door.transaction(Session::default());
    held.query(Statement::from(here.as_str())).await.unwrap();
    let second = one(&door, &there).await;
    assert_ne!(first, second);
    held.commit().await.unwrap();
    for _ in 0..5 {
        assert_eq!(one(&door, &here).await, first);
        assert_eq!(one(&door, &there).await, second);
        assert_eq!(one(&door, &here_too).await, first);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_new_is_spread_over_idle_connections() {
    let database = database(2).await;
    let door = alice(&database);
    let (one_held, other_held) = (hold(&database).await, hold(&database).await);
    one_held.commit().await.unwrap();
    other_held.commit().await.unwrap();
    let mut processes = std::collections::BTreeSet::new();
    for number in 0..6 {
        processes.insert(one(&door, &format!("select pg_backend_pid() + 0 * {number}")).await);
    }
    assert_eq!(processes.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prepared_statements_are_bounded_and_the_least_used_goes() {
    let mut config = config();
    config.connections_max = 1;
    config.statements_per_connection_max = 4.try_into().unwrap();
    let database = open(config).await;
    let door = alice(&database);
    let kept = "select count(*) from pg_prepared_statements where name like 's%'";
    for number in 0..20 {
        assert_eq!(one(&door, &format!("select {number} + 0")).await, number.to_string());
        assert_eq!(one(&door, "select 'often'").await, "often");
    }
    let service = service(&database);
    assert_eq!(one(&service, kept).await, "4");
    let names = "select string_agg(statement, '|' order by statement) from pg_prepared_statements where name like 's%'";
    let names = one(&service, names).await;
    assert!(names.contains("select 'often'"), "{names}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prepared_statements_outlive_reloads_of_the_schema() {
    let database = database(1).await;
    let door = alice(&database);
    until("listening has begun", async || door.generation("pgrst") > 0).await;
    assert_eq!(one(&door, "select 'kept' || 1").await, "kept1");
    let service = service(&database);
    let prepared = "select pg_backend_pid() || ' ' || prepare_time from pg_prepared_statements \
        where statement = 'select ''kept'' || 1'";
    let before = one(&service, prepared).await;
    let generation = door.generation("pgrst");
    Cluster::shared().admin("create table reloaded (id int); notify pgrst, 'reload schema'");
    until("the notification is counted", async || door.generation("pgrst") > generation).await;
    assert_eq!(one(&door, "select 'kept' || 1").await, "kept1");
    assert_eq!(one(&service, prepared).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_waits_for_what_is_under_way() {
    let database = database(2).await;
    let mut held = hold(&database).await;
    let closing = database.clone();
    let (closed, mut is_closed) = mpsc::unbounded_channel();
    spawn(TaskKind::Request, "close", async move {
        closing.close().await;
        let _ = closed.send(());
    });
    until("new work is refused", async || {
        matches!(query(&anon(&database), "select 1").await, Err(Error::Unavailable(_)))
    })
    .await;
    assert!(is_closed.try_recv().is_err());
    held.query(Statement::from("insert into notes (body) values ('while closing')")).await.unwrap();
    held.commit().await.unwrap();
    is_closed.recv().await.unwrap();
    assert_eq!(database.status(), PoolStatus::default());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_connections_are_replaced() {
    let mut config = config();
    config.connections_max = 1;
    config.connection_age_max = Duration::from_millis(200);
    let database = open(config).await;
    let process = "select pg_backend_pid()";
    let first = one(&alice(&database), process).await;
    until("its connection is replaced", async || one(&alice(&database), process).await != first).await;
}
