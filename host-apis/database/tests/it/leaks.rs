//! Nothing of one caller reaches the next.

use isobase_base::Principal;
use isobase_database::{Database, Error, Session, Statement};

use crate::support::{ALICE, BOB, alice, anon, database, door, one, query, service, user};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_functions_leave_behind_is_gone() {
    let database = database(1).await;
    for (leave, probe, expect) in [
        ("select leave_setting()", "select coalesce(current_setting('app.left', true), '')", ""),
        ("select leave_role()", "select current_user::text", "authenticated"),
        ("select leave_search_path()", "select current_setting('search_path')", "\"$user\", public"),
        ("select leave_table()", "select count(*) from items where id = 666", "0"),
        ("select lose_plans()", "select 1", "1"),
    ] {
        // Twice, for statements that are cold and warm.
        for _ in 0..2 {
            // The function may leave its own flight without a leg to stand on; the next must not care.
            let _ = query(&service(&database), leave).await;
            assert_eq!(one(&door(&database, user("authenticated", BOB)), probe).await, expect, "{leave}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn advisory_locks_end_with_their_request() {
    let database = database(2).await;
    let mut other = alice(&database).transaction(Session::default());
    other.query(Statement::from("select 1")).await.unwrap();
    query(&anon(&database), "select pg_advisory_lock(8)").await.unwrap();
    let taken = "select pg_try_advisory_xact_lock(8)::text";
    let mut free = String::new();
    crate::support::until("the lock is free", async || {
        let table = other.query(Statement::from(taken)).await.unwrap();
        free = crate::support::text(&table.rows[0][0]);
        free == "true"
    })
    .await;
}

/// Numbers without a pattern, the same in every run.
struct Dice(u64);

impl Dice {
    fn throw(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

const WHO: &str = "select current_user::text, coalesce(current_setting('request.jwt.claims', true)::json ->> 'sub', ''), \
    coalesce(nullif(current_setting('app.mine', true), ''), ''), current_setting('transaction_read_only')";

/// Asks who it is, as one of several callers, and checks that it is nobody else.
async fn check(database: &Database, dice: &mut Dice, step: usize) {
    let (principal, role, subject) = match dice.throw(4) {
        0 => (Principal::anon(), "anon", ""),
        1 => (user("authenticated", ALICE), "authenticated", ALICE),
        2 => (user("authenticated", BOB), "authenticated", BOB),
        _ => (Principal::service(), "service_role", ""),
    };
    let mine = if dice.throw(2) == 0 { step.to_string() } else { String::new() };
    let settings = if mine.is_empty() { Vec::new() } else { vec![("app.mine".to_owned(), mine.clone())] };
    let session = Session { settings, ..Session::default() };
    let door = door(database, principal);
    let table = door.query(&session, Statement::from(WHO)).await.unwrap();
    let row: Vec<String> = table.rows[0].iter().map(crate::support::text).collect();
    assert_eq!(row, [role, subject, mine.as_str(), "off"], "step {step}");
}

/// Something that may leave traces: errors, drops at any moment, read-only sessions, transactions
/// left open.
async fn disturb(database: &Database, dice: &mut Dice) {
    let door = alice(database);
    let read_only = Session { access_mode: isobase_database::AccessMode::ReadOnly, ..Session::default() };
    match dice.throw(6) {
        0 => drop(query(&door, "select 1 / 0").await),
        1 => drop(door.query(&read_only, Statement::from("insert into notes (body) values ('x')")).await),
        2 => {
            let mut transaction = door.transaction(Session::default());
            let _ = transaction.query(Statement::from("insert into notes (body) values ('y')")).await;
        }
        3 => {
            let micros = std::time::Duration::from_micros(dice.throw(3_000));
            let slow = query(&door, "select pg_sleep(0.002)");
            let _ = tokio::time::timeout(micros, slow).await;
        }
        4 => {
            let sql = "select i from generate_series(1, 100000) i";
            if let Ok(mut stream) = door.stream(&read_only, Statement::from(sql)).await {
                let _ = stream.next(5).await;
            }
        }
        _ => drop(query(&service(database), "select leave_setting(), leave_role()").await),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_state_crosses_between_callers_whatever_happens_in_between() {
    let database = database(3).await;
    let (done, mut all_done) = tokio::sync::mpsc::unbounded_channel();
    for seed in 1..=6 {
        let (database, done) = (database.clone(), done.clone());
        isobase_base::task::spawn(isobase_base::task::TaskKind::Request, "caller", async move {
            let mut dice = Dice(seed);
            for step in 0..150 {
                check(&database, &mut dice, step).await;
                disturb(&database, &mut dice).await;
            }
            let _ = done.send(());
        });
    }
    drop(done);
    let mut count = 0;
    while all_done.recv().await.is_some() {
        count += 1;
    }
    assert_eq!(count, 6, "a caller saw what it must not");
    crate::support::until("all connections are clean", async || database.status().busy == 0).await;
    let refused = alice(&database).query(&Session::default(), Statement::from("set role anon")).await;
    assert!(matches!(refused, Err(Error::Refused(_))));
}
