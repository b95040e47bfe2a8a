//! Who a session is, and what it may not become.

use isobase_base::{Grant, Principal};
use isobase_database::{AccessMode, Error, Identity, Session, Statement};

use crate::cluster::Cluster;
use crate::support::{
    ALICE, BOB, PATIENCE, alice, anon, config, context, database, door, one, open, query, service, sql_error,
    text, user,
};

const COUNT: &str = "select count(*) from public.items";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_level_security_decides_by_role_and_claims() {
    let database = database(2).await;
    assert_eq!(one(&alice(&database), COUNT).await, "90000");
    assert_eq!(one(&door(&database, user("authenticated", BOB)), COUNT).await, "10000");
    assert_eq!(one(&service(&database), COUNT).await, "100000");
    let error = sql_error(query(&anon(&database), COUNT).await);
    assert_eq!(error.sqlstate, "42501", "{error:?}");
    assert_eq!(error.message, "permission denied for table items");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_carries_role_claims_settings_and_request() {
    let database = database(1).await;
    let door = alice(&database);
    let sql = "select current_user::text, session_user::text, current_setting('request.jwt.claims')::json ->> 'sub', \
        current_setting('request.jwt.claims')::json ->> 'role', current_setting('request.method'), \
        current_setting('application_name')";
    let session =
        Session { settings: vec![("request.method".to_owned(), "GET".to_owned())], ..Session::default() };
    let row = door.query(&session, Statement::from(sql)).await.unwrap().rows.remove(0);
    let row: Vec<String> = row.iter().map(text).collect();
    assert_eq!(row[..5], ["authenticated", "authenticator", ALICE, "authenticated", "GET"]);
    assert!(row[5].starts_with("isobase/") && row[5].len() == 44, "{}", row[5]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn read_only_sessions_cannot_write_nor_turn_it_off() {
    let database = database(1).await;
    let read_only = Session { access_mode: AccessMode::ReadOnly, ..Session::default() };
    let write = "insert into notes (body) values ('x')";
    let door = anon(&database);
    assert_eq!(sql_error(door.query(&read_only, Statement::from(write)).await).sqlstate, "25006");
    let mut transaction = door.transaction(read_only.clone());
    assert_eq!(sql_error(transaction.query(Statement::from(write)).await).sqlstate, "25006");
    drop(transaction);
    let turn_off = "select set_config('transaction_read_only', 'off', true)";
    assert_eq!(
        sql_error(service(&database).query(&read_only, Statement::from(turn_off)).await).sqlstate,
        "25001"
    );
    assert_eq!(query(&door, write).await.unwrap().affected, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn grants_bound_identities() {
    let database = database(1).await;
    let as_service = Session { identity: Identity::Service, ..Session::default() };
    for (grant, session, expect) in [
        (Grant::None, Session::default(), Err("the function is granted no database")),
        (Grant::None, as_service.clone(), Err("the function is granted no database")),
        (Grant::Caller, Session::default(), Ok("anon")),
        (Grant::Caller, as_service.clone(), Err("the function is not granted service_role")),
        (Grant::Service, Session::default(), Ok("anon")),
        (Grant::Service, as_service, Ok("service_role")),
    ] {
        let door = database.session_door(context(Principal::anon(), PATIENCE), grant);
        let outcome = match door.query(&session, Statement::from("select current_user::text")).await {
            Ok(table) => Ok(text(&table.rows[0][0])),
            Err(Error::Refused(why)) => Err(why),
            Err(other) => panic!("{other}"),
        };
        assert_eq!(outcome.as_deref().map_err(String::as_str), expect, "{grant:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_cannot_become_somebody_else() {
    let database = database(1).await;
    for sql in [
        "set role service_role",
        "reset role",
        "commit",
        "do $$ begin set role service_role; end $$",
        "select set_config('role', 'service_role', true)",
        "with x as materialized (select set_config('request.jwt.claims', '{}', true)) select * from x, items",
        "select query_to_xml('select 1', true, true, '')",
        "create temp table items (id int)",
        "copy notes to stdout",
        "select 1; set role service_role",
        "/* */ ; ; rollback",
    ] {
        let result = query(&alice(&database), sql).await;
        let refused = matches!(&result, Err(Error::Refused(_)));
        let syntax = matches!(&result, Err(Error::Sql(error)) if error.sqlstate == "42601");
        assert!(refused || syntax, "{sql}: {result:?}");
        assert_eq!(one(&alice(&database), "select current_user::text").await, "authenticated");
    }
    // service_role bypasses row level security anyway, and runs definitions too.
    let service = service(&database);
    query(&service, "select set_config('request.jwt.claims', '{}', true)").await.unwrap();
    assert_eq!(sql_error(query(&service, "create table public.x ()").await).sqlstate, "42501");
}

/// What no screening can see: a function of the database that changes the role by text it made up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_login_of_ordinary_callers_cannot_become_service_role() {
    let caller_url = Cluster::shared().url().replacen("authenticator", "isobase_caller", 1);
    let database = open(config().callers_from_url(&caller_url).unwrap()).await;
    let editor = door(&database, user("web_editor", ALICE));
    let trusted = |principal| database.session_door(context(principal, PATIENCE), Grant::Service);
    let denied = Err("permission denied to set role \"service_role\"");
    for (door, login, outcome) in [
        (anon(&database), "isobase_caller", denied),
        (alice(&database), "isobase_caller", denied),
        // Roles of the project's own are granted to authenticator alone.
        (editor, "authenticator", Ok("100000")),
        (door(&database, Principal::service()), "authenticator", Ok("100000")),
        (trusted(user("authenticated", ALICE)), "authenticator", Ok("100000")),
    ] {
        assert_eq!(one(&door, "select session_user::text").await, login);
        let told = match query(&door, "select all_items()::text").await {
            Ok(table) => Ok(text(&table.rows[0][0])),
            Err(Error::Sql(error)) => Err(error.message),
            Err(other) => panic!("{other}"),
        };
        assert_eq!(told.as_deref().map_err(String::as_str), outcome, "{login}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_of_the_host_are_refused_before_anything_is_sent() {
    let database = database(1).await;
    for name in ["role", "request.jwt.claims", "Session_Authorization", "a;b", "client_encoding"] {
        let session = Session { settings: vec![(name.to_owned(), "x".to_owned())], ..Session::default() };
        let result = alice(&database).query(&session, Statement::from("select 1")).await;
        assert!(matches!(result, Err(Error::Refused(_))), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_calls_are_refused_with_their_reason() {
    let database = database(1).await;
    let door = alice(&database);
    let two = "select $1::int + $2::int";
    let statement = |count| Statement::new(two, vec![isobase_database::Parameter::Int32(1); count]);
    assert_eq!(text(&door.query(&Session::default(), statement(2)).await.unwrap().rows[0][0]), "2");
    let Err(Error::Refused(why)) = door.query(&Session::default(), statement(1)).await else { panic!() };
    assert_eq!(why, "the statement takes 2 parameters, 1 were given");
    let long = format!("select '{}'", "x".repeat(1024 * 1024));
    assert!(matches!(query(&door, &long).await, Err(Error::Refused(_))));
    let Err(Error::Refused(why)) = door
        .query_document(&Session::default(), Statement::from("select i from generate_series(1, 3) i"))
        .await
    else {
        panic!()
    };
    assert_eq!(why, "a document is a statement of exactly one row; this one returned 3");
}
