//! Several statements in one flush.

use isobase_base::limits::DATABASE_STATEMENTS_PER_FLUSH_MAX;
use isobase_database::{Error, Parameter, Session, Statement};

use crate::support::{alice, anon, config, database, one, open, sql_error, text, texts_of};

fn statements(texts: &[&str]) -> Vec<Statement> {
    texts.iter().map(|sql| Statement::from(*sql)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_answers_with_its_first_row_and_sees_those_before() {
    let database = database(1).await;
    let several = statements(&[
        "insert into notes (body) values ('several'), ('several') returning body, 'written'",
        "select count(*)::int, current_user::text, 'b' from notes where body = 'several'",
        "delete from notes where body = 'several'",
        "select n from generate_series(1, 3) n",
        "select from notes",
        "select 1 where false",
    ]);
    for what in ["cold", "warm"] {
        let documents = alice(&database).query_documents(&Session::default(), &several).await.unwrap();
        let head: Vec<_> = documents[1].head.iter().map(text).collect();
        assert_eq!(head, ["2", "authenticated"], "{what}");
        assert!(documents[2].head.is_empty());
        let bodies = texts_of(documents).await;
        let bodies: Vec<_> = bodies.iter().map(Option::as_deref).collect();
        assert_eq!(bodies, [Some("written"), Some("b"), None, Some("1"), None, None], "{what}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_anywhere_undoes_all_and_the_connection_serves_on() {
    let database = database(1).await;
    let process = one(&alice(&database), "select pg_backend_pid()").await;
    let insert = "insert into notes (body) values ('undone')";
    for (failing, sqlstate) in [
        ("select 1 / 0", "22012"),
        ("select frm", "42703"),
        ("select $1::int", "08P01"),
        ("select )", "42601"),
    ] {
        for places in
            [[failing, insert, "select 1"], [insert, failing, "select 1"], [insert, "select 1", failing]]
        {
            // Twice: those that could be parsed are warm then.
            for _ in 0..2 {
                let result = anon(&database).query_documents(&Session::default(), &statements(&places)).await;
                match result {
                    // A warm statement's parameters are counted before it is sent.
                    Err(Error::Refused(_)) if sqlstate == "08P01" => {}
                    other => assert_eq!(sql_error(other).sqlstate, sqlstate, "{places:?}"),
                }
                assert_eq!(
                    one(&alice(&database), "select count(*) from notes where body = 'undone'").await,
                    "0"
                );
            }
        }
    }
    assert_eq!(one(&alice(&database), "select pg_backend_pid()").await, process);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_callers_may_not_run_is_refused_wherever_it_stands() {
    let database = database(1).await;
    for forbidden in ["set role anon", "commit", "select set_config('role', 'anon', true)"] {
        let several = statements(&["insert into notes (body) values ('refused')", forbidden]);
        let refused = alice(&database).query_documents(&Session::default(), &several).await;
        assert!(matches!(refused, Err(Error::Refused(_))), "{refused:?}");
    }
    assert_eq!(one(&alice(&database), "select count(*) from notes where body = 'refused'").await, "0");
    let too_many = vec![Statement::from("select 1"); DATABASE_STATEMENTS_PER_FLUSH_MAX + 1];
    for count in [0, too_many.len()] {
        let refused = alice(&database).query_documents(&Session::default(), &too_many[..count]).await;
        assert!(matches!(refused, Err(Error::Refused(_))), "{count}: {refused:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_statements_than_a_connection_keeps() {
    let mut config = config();
    config.connections_max = 1;
    config.statements_per_connection_max = 2.try_into().unwrap();
    let database = open(config).await;
    let several: Vec<_> = (0..5).map(|number| Statement::from(format!("select {number}").as_str())).collect();
    for turn in 0..4 {
        let rotated: Vec<_> = several.iter().cycle().skip(turn).take(5).cloned().collect();
        let documents = alice(&database).query_documents(&Session::default(), &rotated).await.unwrap();
        let expected: Vec<_> = (0..5).map(|place| ((place + turn) % 5).to_string()).collect();
        let bodies: Vec<_> = texts_of(documents).await.into_iter().flatten().collect();
        assert_eq!(bodies, expected, "turn {turn}");
    }
}

/// The server answers the first statement while the second is still being sent: somebody must read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_answers_and_large_parameters_pass_each_other() {
    const BYTES: usize = 24 * 1024 * 1024;
    let database = database(1).await;
    let large = Parameter::Text("x".repeat(BYTES).into());
    let several = [
        Statement::new("select repeat('y', $1::int)", vec![Parameter::Text(BYTES.to_string().into())]),
        Statement::new("select length($1::text)::text", vec![large]),
    ];
    let documents = alice(&database).query_documents(&Session::default(), &several).await.unwrap();
    assert_eq!(documents[0].body.as_ref().and_then(|body| body.length()), Some(BYTES as u64));
    let texts = texts_of(documents).await;
    assert_eq!(texts[0].as_ref().map(String::len), Some(BYTES));
    assert_eq!(texts[1], Some(BYTES.to_string()));
}
