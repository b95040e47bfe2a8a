//! All or nothing.

use isobase_database::{Error, Parameter, Session, Statement};

use crate::support::{alice, body_of, database, one, query, sql_error, text};

async fn notes(database: &isobase_database::Database, body: &str) -> String {
    one(&alice(database), &format!("select count(*) from notes where body = '{body}'")).await
}

fn insert(body: &str) -> Statement {
    Statement::new(
        "insert into notes (body) values ($1) returning body",
        vec![Parameter::Text(body.to_owned().into())],
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commit_keeps_and_rollback_undoes() {
    let database = database(2).await;
    for (body, commit) in [("kept", true), ("undone", false)] {
        let mut transaction = alice(&database).transaction(Session::default());
        let table = transaction.query(insert(body)).await.unwrap();
        assert_eq!((table.affected, text(&table.rows[0][0])), (1, body.to_owned()));
        let document = transaction.query_document(insert(body)).await.unwrap();
        assert_eq!(body_of(document).await.as_deref(), Some(body.as_bytes()));
        assert_eq!(notes(&database, body).await, "0", "nobody else sees it yet");
        if commit {
            transaction.commit().await.unwrap();
        } else {
            transaction.rollback().await.unwrap();
        }
        assert_eq!(notes(&database, body).await, if commit { "2" } else { "0" });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_statement_fails_the_commit() {
    let database = database(1).await;
    let mut transaction = alice(&database).transaction(Session::default());
    transaction.query(insert("before the failure")).await.unwrap();
    assert_eq!(sql_error(transaction.query(Statement::from("select 1 / 0")).await).sqlstate, "22012");
    assert_eq!(sql_error(transaction.query(Statement::from("select 1")).await).sqlstate, "25P02");
    assert_eq!(sql_error(transaction.commit().await).sqlstate, "25P02");
    assert_eq!(notes(&database, "before the failure").await, "0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_statement_leaves_the_transaction_open() {
    let database = database(1).await;
    let mut transaction = alice(&database).transaction(Session::default());
    transaction.query(insert("before the refusal")).await.unwrap();
    assert!(matches!(transaction.query(Statement::from("commit")).await, Err(Error::Refused(_))));
    transaction.commit().await.unwrap();
    assert_eq!(notes(&database, "before the refusal").await, "1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_is_acknowledged_only_after_the_commit() {
    let database = database(1).await;
    // A deferred constraint fails at the commit, after the statement itself has succeeded.
    let orphan = "insert into children values (404)";
    assert_eq!(sql_error(query(&alice(&database), orphan).await).sqlstate, "23503");
    let mut transaction = alice(&database).transaction(Session::default());
    transaction.query(Statement::from(orphan)).await.unwrap();
    assert_eq!(sql_error(transaction.commit().await).sqlstate, "23503");
    assert_eq!(one(&alice(&database), "select count(*) from children").await, "0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_procedure_cannot_end_the_transaction() {
    let database = database(1).await;
    assert_eq!(sql_error(query(&alice(&database), "call commit_half_way()").await).sqlstate, "2D000");
    let mut transaction = alice(&database).transaction(Session::default());
    assert_eq!(
        sql_error(transaction.query(Statement::from("call commit_half_way()")).await).sqlstate,
        "2D000"
    );
    drop(transaction);
    assert_eq!(notes(&database, "half").await, "0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn isolation_is_a_setting_of_the_session() {
    let database = database(1).await;
    let level = |level: &str| Session {
        settings: vec![("transaction_isolation".to_owned(), level.to_owned())],
        ..Session::default()
    };
    let show = Statement::from("select current_setting('transaction_isolation')");
    let table = alice(&database).query(&level("serializable"), show.clone()).await.unwrap();
    assert_eq!(text(&table.rows[0][0]), "serializable");
    let mut transaction = alice(&database).transaction(level("repeatable read"));
    let table = transaction.query(show.clone()).await.unwrap();
    assert_eq!(text(&table.rows[0][0]), "repeatable read");
    drop(transaction);
    assert!(matches!(alice(&database).query(&level("x; set role y"), show).await, Err(Error::Refused(_))));
}
