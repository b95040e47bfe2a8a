//! Which time limit ends a statement, and what its caller is told.

use std::time::{Duration, Instant};

use isobase_database::{Error, Session, Statement};

use crate::cluster::Cluster;
use crate::support::{
    PATIENCE, alice, config, context, database, door, one, open, query, sql_error, until, user,
};

const SLEEP: &str = "select pg_sleep(30)";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_of_host_and_session_are_timeouts() {
    let mut config = config();
    config.statement_timeout = Duration::from_millis(120);
    let database = open(config).await;
    let begun = Instant::now();
    assert!(matches!(query(&alice(&database), SLEEP).await, Err(Error::TimedOut)));
    assert!(begun.elapsed() < PATIENCE);
    let session = Session { timeout: Some(Duration::from_millis(30)), ..Session::default() };
    assert!(matches!(alice(&database).query(&session, Statement::from(SLEEP)).await, Err(Error::TimedOut)));
    let mut transaction = alice(&database).transaction(session);
    assert!(matches!(transaction.query(Statement::from(SLEEP)).await, Err(Error::TimedOut)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_that_a_function_declares_is_an_sql_error() {
    let database = database(1).await;
    let settings = vec![("statement_timeout".to_owned(), "60ms".to_owned())];
    let session = Session { settings, ..Session::default() };
    let error = sql_error(alice(&database).query(&session, Statement::from(SLEEP)).await);
    assert_eq!(error.sqlstate, "57014");
    assert_eq!(error.message, "canceling statement due to statement timeout");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_of_a_role_apply_and_are_followed() {
    let cluster = Cluster::start();
    let database = open(isobase_database::DatabaseConfig::from_url(&cluster.url()).unwrap()).await;
    let editor = || door(&database, user("web_editor", "x"));
    assert_eq!(one(&editor(), "select coalesce(current_setting('app.color', true), '')").await, "");
    cluster.admin(
        "alter role web_editor set app.color = 'green'; alter role web_editor set statement_timeout = '80ms';
         alter role web_editor set default_transaction_isolation = 'repeatable read'; notify pgrst;",
    );
    let color = "select coalesce(current_setting('app.color', true), '')";
    until("the role's setting is followed", async || one(&editor(), color).await == "green").await;
    assert_eq!(one(&editor(), "select current_setting('statement_timeout')").await, "80ms");
    assert_eq!(one(&editor(), "select current_setting('transaction_isolation')").await, "repeatable read");
    assert_eq!(sql_error(query(&editor(), SLEEP).await).sqlstate, "57014");
    assert_eq!(one(&alice(&database), color).await, "", "another role's settings stay its own");
    let session = Session { timeout: Some(Duration::from_millis(20)), ..Session::default() };
    assert!(matches!(editor().query(&session, Statement::from(SLEEP)).await, Err(Error::TimedOut)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_deadline_of_the_request_bounds_every_wait() {
    let database = database(1).await;
    let short = || {
        let context = context(user("authenticated", "x"), Duration::from_millis(80));
        database.session_door(context, isobase_base::Grant::Caller)
    };
    assert!(matches!(query(&short(), SLEEP).await, Err(Error::TimedOut)), "while the statement runs");
    let mut holder = alice(&database).transaction(Session::default());
    holder.query(Statement::from("select 1")).await.unwrap();
    assert!(
        matches!(query(&short(), "select 1").await, Err(Error::TimedOut)),
        "while it waits for a connection"
    );
    drop(holder);
    let expired = database
        .session_door(context(user("authenticated", "x"), Duration::ZERO), isobase_base::Grant::Caller);
    assert!(matches!(query(&expired, "select 1").await, Err(Error::TimedOut)), "before anything is sent");
}
