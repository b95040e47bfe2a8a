//! Postgres goes away, and comes back.

use std::time::{Duration, Instant};

use isobase_base::observe::Observer;
use isobase_base::task::{TaskKind, spawn};
use isobase_database::{Database, DatabaseConfig, Error, OpenError, Session, Statement};
use tokio::sync::mpsc;

use crate::cluster::Cluster;
use crate::support::{PATIENCE, alice, database, one, open, query, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_killed_while_idle_is_replaced_unseen() {
    let database = database(1).await;
    for _ in 0..3 {
        let process = one(&alice(&database), "select pg_backend_pid()").await;
        Cluster::shared().admin(&format!("select pg_terminate_backend({process}, 5000)"));
        assert_ne!(one(&alice(&database), "select pg_backend_pid()").await, process);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_killed_at_work_fails_its_request_only() {
    let database = database(1).await;
    let process = one(&alice(&database), "select pg_backend_pid()").await;
    let (ended, mut end) = mpsc::unbounded_channel();
    let door = alice(&database);
    spawn(TaskKind::Request, "victim", async move {
        let _ = ended.send(query(&door, "select pg_sleep(60)").await);
    });
    let active = format!("select count(*) from pg_stat_activity where pid = {process} and state = 'active'");
    until("the statement runs", async || Cluster::shared().admin(&active) == "1").await;
    Cluster::shared().admin(&format!("select pg_terminate_backend({process}, 5000)"));
    let result = end.recv().await.unwrap();
    assert!(matches!(&result, Err(Error::Unavailable(why)) if why.contains("57P01")), "{result:?}");
    assert_ne!(one(&alice(&database), "select pg_backend_pid()").await, process);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_is_told_soon_and_ends_by_itself() {
    let cluster = Cluster::start();
    let mut config = DatabaseConfig::from_url(&cluster.socket_url()).unwrap();
    config.connections_max = 4;
    let database = open(config).await;
    assert_eq!(one(&alice(&database), "select 1").await, "1");
    let before = alice(&database).generation("pgrst");
    let mut transaction = alice(&database).transaction(Session::default());
    transaction.query(Statement::from("select 1")).await.unwrap();
    cluster.stop_server();
    let begun = Instant::now();
    let result = query(&alice(&database), "select 1").await;
    assert!(matches!(result, Err(Error::Unavailable(_))), "{result:?}");
    assert!(begun.elapsed() < Duration::from_secs(10), "within the bound of the wait");
    let result = transaction.commit().await;
    assert!(matches!(result, Err(Error::Unavailable(_))), "{result:?}");
    cluster.start_server();
    until("requests are served again", async || query(&alice(&database), "select 1").await.is_ok()).await;
    until("listening goes on", async || alice(&database).generation("pgrst") > before).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_log_in_is_told_at_the_start() {
    for (url, expect) in [
        (Cluster::shared().url().replace("secret", "wrong"), "password authentication failed"),
        (Cluster::shared().url().replace("/postgres", "/nowhere"), "database \"nowhere\" does not exist"),
        ("postgres://a@127.0.0.1:1/x".to_owned(), "cannot connect to 127.0.0.1:1"),
    ] {
        let config = DatabaseConfig::from_url(&url).unwrap();
        match Database::open(config, Observer::default()).await {
            Err(OpenError::Connect(why)) => assert!(why.contains(expect), "{why}"),
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("{url} was taken"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_whose_table_changed_is_made_again() {
    let database = database(1).await;
    Cluster::shared().admin("create table changing (a int); insert into changing values (1); grant select on changing to authenticated;");
    let read = "select * from changing";
    assert_eq!(query(&alice(&database), read).await.unwrap().columns.len(), 1);
    Cluster::shared().admin("alter table changing add b int");
    assert_eq!(query(&alice(&database), read).await.unwrap().columns.len(), 2);
    Cluster::shared().admin("alter table changing add c int");
    let mut transaction = alice(&database).transaction(Session::default());
    assert_eq!(transaction.query(Statement::from(read)).await.unwrap().columns.len(), 3);
    transaction.commit().await.unwrap();
    Cluster::shared().admin("alter table changing add d int");
    let mut stream = alice(&database).stream(&Session::default(), Statement::from(read)).await.unwrap();
    assert_eq!(stream.columns().len(), 4);
    assert_eq!(stream.next(10).await.unwrap()[0].len(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_prepared_statements_are_prepared_again() {
    let database = database(1).await;
    for _ in 0..3 {
        assert_eq!(one(&alice(&database), "select 'still here'").await, "still here");
        let _ = query(&alice(&database), "select lose_plans()").await;
    }
    tokio::time::timeout(PATIENCE, database.close()).await.unwrap();
}
