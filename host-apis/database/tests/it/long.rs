//! Bodies that are too long to be held: handed on as they come, and never taken for whole when they are not.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use isobase_base::Body;
use isobase_database::{AccessMode, Content, Database, Error, Session, Value};

use crate::cluster::Cluster;
use crate::support::{alice, config, database, one, open, until};

const MEBIBYTE: usize = 1024 * 1024;

fn reading() -> Session {
    Session { access_mode: AccessMode::ReadOnly, ..Session::default() }
}

/// Text in which a byte that is missing or out of place shows.
const COUNTED: &str = "select 7, 'seven', string_agg(lpad(n::text, 8, '0'), '' order by n) \
                       from generate_series(1, 2000000) n";

fn counted() -> String {
    (1..=2_000_000).map(|number| format!("{number:08}")).collect()
}

async fn idle(database: &Database) {
    until("no connection is held", async || database.status().busy == 0).await;
}

/// The next bytes of a body.
async fn next(body: &mut Body) -> Option<Result<Bytes, String>> {
    let frame = body.frame().await?;
    Some(frame.map(|frame| frame.into_data().unwrap()).map_err(|error| error.to_string()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_body_is_the_same_however_it_comes() {
    let database = database(2).await;
    let expected = counted();
    for session in [reading(), Session::default()] {
        for what in ["cold", "warm"] {
            let document = alice(&database).query_document(&session, COUNTED.into()).await.unwrap();
            assert_eq!(document.head, [Value::Int32(7), Value::Text("seven".into())], "{what}");
            let mut body = document.body.unwrap();
            assert_eq!(body.length(), Some(16_000_000));
            let whole = body.read().await.unwrap();
            assert!(whole == expected, "{what}");
            assert_eq!(body.read().await.unwrap().len(), whole.len(), "what was read stays");
        }
    }
    let mut transaction = alice(&database).transaction(Session::default());
    let mut document = transaction.query_document(COUNTED.into()).await.unwrap();
    assert_eq!(one_of(&mut transaction).await, "1", "the transaction goes on");
    assert!(document.body.as_mut().unwrap().read().await.unwrap() == expected);
    transaction.commit().await.unwrap();
    idle(&database).await;
}

async fn one_of(transaction: &mut isobase_database::Transaction) -> String {
    let table = transaction.query("select 1".into()).await.unwrap();
    crate::support::text(&table.rows[0][0])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_bytea_is_decoded_in_pieces() {
    let database = database(1).await;
    let sql =
        "select 1, decode(string_agg(lpad(to_hex(n), 6, '0'), ''), 'hex') from generate_series(1, 700000) n";
    let expected: Vec<u8> = (1..=700_000_u32).flat_map(|number| number.to_be_bytes()[1..].to_vec()).collect();
    for _ in 0..2 {
        let document = alice(&database).query_document(&reading(), sql.into()).await.unwrap();
        let mut body = document.body.unwrap();
        assert_eq!(body.length(), Some(expected.len() as u64));
        assert!(body.read().await.unwrap() == expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_read_holds_no_connection() {
    let database = database(1).await;
    let mut unread = Vec::new();
    for _ in 0..4 {
        let document = alice(&database).query_document(&reading(), COUNTED.into()).await.unwrap();
        unread.push(document.body.unwrap());
    }
    assert_eq!(one(&alice(&database), "select 1").await, "1");
    let expected = counted();
    for mut body in unread {
        assert!(body.read().await.unwrap() == expected, "what waited on the disk is whole");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_leaves_ends_the_statement() {
    let database = database(1).await;
    let sql = "select /* left */ repeat('x', 1000) || generate_series(1, 100000000)";
    let lines = alice(&database).query_lines(&reading(), sql.into()).await.unwrap();
    assert_eq!(lines.rows, None);
    let mut body = lines.body.unwrap().into_body();
    assert!(next(&mut body).await.unwrap().unwrap().len() >= MEBIBYTE);
    drop(body);
    let running = "select count(*) from pg_stat_activity where state = 'active' and query like '%/* left%' \
                   and pid <> pg_backend_pid()";
    until("the statement was cancelled", async || Cluster::shared().admin(running) == "0").await;
    idle(&database).await;
    assert_eq!(one(&alice(&database), "select 1").await, "1");

    let document = alice(&database).query_document(&reading(), COUNTED.into()).await.unwrap();
    drop(document);
    idle(&database).await;
    assert_eq!(one(&alice(&database), "select 1").await, "1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fails_late_is_never_whole() {
    let database = database(1).await;
    for sql in [
        // A second row, after the body.
        "select repeat('x', 3000000) from generate_series(1, 2)",
        "select repeat('x', 3000000 / (2 - n)) from generate_series(1, 2) n",
    ] {
        let document = alice(&database).query_document(&reading(), sql.into()).await.unwrap();
        let mut body = document.body.unwrap().into_body();
        let (mut bytes, mut broke_off) = (0, false);
        while let Some(piece) = next(&mut body).await {
            match piece {
                Ok(piece) => bytes += piece.len(),
                Err(_) => broke_off = true,
            }
        }
        assert!(broke_off && bytes < 3_000_000, "{sql}: {bytes} bytes");
    }
    let writing = "select repeat('x', 3000000) from generate_series(1, 2)";
    let refused = alice(&database).query_document(&Session::default(), writing.into()).await;
    assert!(matches!(refused, Err(Error::Refused(_))), "{refused:?}");
    let sql = "select (1000000 / (200000 - n))::text || repeat(' ', 9) from generate_series(1, 300000) n";
    let mut lines = alice(&database).query_lines(&reading(), sql.into()).await.unwrap();
    assert!(lines.body.as_mut().unwrap().read().await.is_err());
    assert!(matches!(
        alice(&database).query_lines(&Session::default(), sql.into()).await,
        Err(Error::Sql(error)) if error.sqlstate == "22012"
    ));
    idle(&database).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_are_the_last_columns_of_all_rows() {
    let database = database(1).await;
    let door = alice(&database);
    for session in [reading(), Session::default()] {
        let lines = door.query_lines(&session, "select 1, 'a' where false".into()).await.unwrap();
        assert!(lines.head.is_empty() && lines.body.is_none());
        assert_eq!(lines.rows, Some(0));
        for (rows, known) in [(3_usize, true), (300_000, false)] {
            let sql = format!("select n, n || E'\\n' from generate_series(1, {rows}) n");
            let lines = door.query_lines(&session, sql.as_str().into()).await.unwrap();
            assert_eq!(lines.head, [Value::Int32(1)]);
            assert_eq!(lines.rows, known.then_some(rows as u64));
            let expected: String = (1..=rows).map(|number| format!("{number}\n")).collect();
            assert!(whole(lines.body).await == expected);
        }
        // Between short ones a row that is long by itself.
        let sql =
            "select n, repeat(n::text, case n when 3 then 4000000 else 2 end) from generate_series(1, 5) n";
        let lines = door.query_lines(&session, sql.into()).await.unwrap();
        assert!(whole(lines.body).await == format!("1122{}4455", "3".repeat(4_000_000)));
    }
}

async fn whole(body: Option<Content>) -> Bytes {
    body.unwrap().read().await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_wait_on_the_disk_breaks_off() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("no folder");
    std::fs::write(&file, "").unwrap();
    let mut config = config();
    (config.connections_max, config.spill_folder) = (1, file);
    let database = open(config).await;
    let refused = alice(&database).query_document(&Session::default(), COUNTED.into()).await;
    assert!(matches!(refused, Err(Error::Unavailable(_))), "{refused:?}");
    let document = alice(&database).query_document(&reading(), COUNTED.into()).await.unwrap();
    idle(&database).await;
    assert!(document.body.unwrap().read().await.is_err());
    // Who keeps up needs no disk.
    let document = alice(&database).query_document(&reading(), COUNTED.into()).await.unwrap();
    assert!(document.body.unwrap().read().await.unwrap() == counted());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_reader_gets_all() {
    let database = database(1).await;
    let document = alice(&database).query_document(&reading(), COUNTED.into()).await.unwrap();
    let mut body = document.body.unwrap().into_body();
    let mut text = Vec::new();
    let mut waits = 0;
    while let Some(piece) = next(&mut body).await {
        text.extend_from_slice(&piece.unwrap());
        if waits < 20 {
            waits += 1;
            // Slower than the server, so that memory and disk take turns.
            tokio::time::sleep(Duration::from_millis(40)).await;
        }
    }
    assert!(text == counted().as_bytes());
    idle(&database).await;
}
