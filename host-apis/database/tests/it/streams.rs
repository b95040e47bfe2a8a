//! Rows as they arrive.

use isobase_database::{Error, RowStream, Session, Statement};

use crate::support::{alice, database, one, sql_error, text};

async fn open(database: &isobase_database::Database, sql: &str) -> Result<RowStream, Error> {
    alice(database).stream(&Session::default(), Statement::from(sql)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_come_in_order_and_in_batches() {
    let database = database(1).await;
    let sql = "select i, 'row ' || i as label from generate_series(1, 2500) i";
    // Cold, then warm.
    for _ in 0..2 {
        let mut stream = open(&database, sql).await.unwrap();
        let columns: Vec<_> =
            stream.columns().iter().map(|column| (&*column.name, &*column.type_name)).collect();
        assert_eq!(columns, [("i", "int4"), ("label", "text")]);
        let mut seen = 0;
        loop {
            let rows = stream.next(1_000).await.unwrap();
            if rows.is_empty() {
                break;
            }
            assert!(rows.len() <= 1_000);
            for row in rows {
                seen += 1;
                assert_eq!(text(&row[1]), format!("row {seen}"));
            }
        }
        assert_eq!(seen, 2_500);
        assert!(stream.next(1).await.unwrap().is_empty(), "the end stays the end");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wide_rows_come_in_smaller_batches() {
    let database = database(1).await;
    let mut stream = open(&database, "select repeat('x', 100000) from generate_series(1, 50)").await.unwrap();
    let first = stream.next(1_000).await.unwrap().len();
    assert_eq!(first, 11, "a batch ends where it passes a mebibyte");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_are_told_at_the_opening_or_where_they_occur() {
    let database = database(1).await;
    assert_eq!(sql_error(open(&database, "select * from nowhere").await.map(|_| ())).sqlstate, "42P01");
    assert_eq!(sql_error(open(&database, "select 1 / 0").await.map(|_| ())).sqlstate, "22012");
    let mut stream =
        open(&database, "select 1 / (100000 - i) from generate_series(1, 200000) i").await.unwrap();
    let error = loop {
        match stream.next(1_000).await {
            Ok(rows) => assert!(!rows.is_empty()),
            error => break error,
        }
    };
    assert_eq!(sql_error(error).sqlstate, "22012");
    assert!(stream.next(1).await.unwrap().is_empty(), "after an error the stream is at its end");
    assert_eq!(one(&alice(&database), "select 1").await, "1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_are_committed_at_the_end() {
    let database = database(2).await;
    let sql = "insert into notes (body) select 'streamed' from generate_series(1, 3) returning body";
    let mut stream = open(&database, sql).await.unwrap();
    assert_eq!(stream.next(100).await.unwrap().len(), 3);
    assert!(stream.next(100).await.unwrap().is_empty());
    assert_eq!(one(&alice(&database), "select count(*) from notes where body = 'streamed'").await, "3");
    let mut empty = open(&database, "select 1 where false").await.unwrap();
    assert!(empty.next(1).await.unwrap().is_empty());
}
