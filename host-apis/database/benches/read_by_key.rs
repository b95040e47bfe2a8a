//! Reads by key under row level security through one door, beside pgbench running the statements of
//! a PostgREST request on the same server with as many connections.
//!
//! `cargo bench -p isobase-database --bench read_by_key [-- seconds]`
#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "a program of its own")]

#[allow(dead_code, reason = "shared with the tests")]
#[path = "../tests/it/cluster.rs"]
mod cluster;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cluster::Cluster;
use isobase_base::observe::Observer;
use isobase_base::{Client, Context, Grant, Principal, RequestId, Role, TraceContext};
use isobase_database::{AccessMode, Database, DatabaseConfig, Door, Parameter, Session, Statement};

const CALLERS: usize = 16;
const SUBJECT: &str = "11111111-1111-1111-1111-111111111111";
const READ: &str = "with pgrst_source as (select items.* from public.items where items.id = $1) \
    select null::bigint as total, count(_t) as page, nullif(current_setting('response.headers', true), '') as h, \
    nullif(current_setting('response.status', true), '') as s, coalesce(json_agg(_t), '[]') as body \
    from (select * from pgrst_source) _t";
/// What PostgREST sends for the same read, one round trip each.
const PGBENCH: &str = r#"\set id random(1, 100000)
begin isolation level read committed read only;
select set_config('search_path', 'public', true), set_config('role', 'authenticated', true), set_config('request.jwt.claims', '{"sub":"11111111-1111-1111-1111-111111111111","role":"authenticated"}', true), set_config('request.method', 'GET', true), set_config('request.path', '/items', true), set_config('request.headers', '{}', true), set_config('request.cookies', '{}', true);
with pgrst_source as (select items.* from items where items.id = :id) select null::bigint as total, count(_t) as page, coalesce(json_agg(_t), '[]') as body, nullif(current_setting('response.headers', true), '') as h, nullif(current_setting('response.status', true), '') as s from (select * from pgrst_source) _t;
commit;
"#;

fn main() {
    let seconds: u64 = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(5);
    let cluster = Cluster::start();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    println!("{CALLERS} callers, {seconds} s each; higher is better");
    for round in 1..=3 {
        let (rate, median, p99) = runtime.block_on(measure(&cluster, Duration::from_secs(seconds)));
        let extended = pgbench(&cluster, "extended", seconds);
        let prepared = pgbench(&cluster, "prepared", seconds);
        let pipelined = runtime.block_on(pipelined(&cluster, Duration::from_secs(seconds)));
        println!(
            "round {round}: door {rate:.0}/s (p50 {median:?}, p99 {p99:?}) | pgbench extended {extended:.0}/s, \
             prepared {prepared:.0}/s | tokio-postgres, four statements pipelined {pipelined:.0}/s | \
             door is {:.2}, {:.2} and {:.2} times these",
            rate / extended,
            rate / prepared,
            rate / pipelined
        );
    }
}

async fn measure(cluster: &Cluster, span: Duration) -> (f64, Duration, Duration) {
    let mut config = DatabaseConfig::from_url(&cluster.socket_url()).unwrap();
    config.connections_max = CALLERS;
    let database = Database::open(config, Observer::default()).await.unwrap();
    let done = Arc::new(AtomicU64::new(0));
    let until = Instant::now() + span;
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let (database, done) = (database.clone(), Arc::clone(&done));
            tokio::spawn(async move { call(&database, caller as i32, until, &done).await })
        })
        .collect();
    let mut times = Vec::new();
    for caller in callers {
        times.extend(caller.await.unwrap());
    }
    times.sort_unstable();
    database.close().await;
    let rate = done.load(Ordering::Relaxed) as f64 / span.as_secs_f64();
    (rate, times[times.len() / 2], times[times.len() * 99 / 100])
}

async fn call(database: &Database, caller: i32, until: Instant, done: &AtomicU64) -> Vec<Duration> {
    let sql: Arc<str> = READ.into();
    let claims = serde_json::json!({ "sub": SUBJECT }).as_object().unwrap().clone();
    let principal = Principal::new(Role::parse("authenticated", &[]).unwrap(), claims);
    let setting = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let mut times = Vec::new();
    let mut id = caller * 997;
    while Instant::now() < until {
        id = (id * 31 + 17).rem_euclid(100_000);
        let begun = Instant::now();
        let door = door(database, &principal);
        let session = Session {
            access_mode: AccessMode::ReadOnly,
            settings: vec![
                setting("search_path", "public"),
                setting("request.method", "GET"),
                setting("request.path", "/items"),
                setting("request.headers", "{}"),
                setting("request.cookies", "{}"),
            ],
            ..Session::default()
        };
        let statement = Statement::new(Arc::clone(&sql), vec![Parameter::Int32(id + 1)]);
        let document = door.query_document(&session, statement).await.unwrap();
        assert!(document.body.is_some());
        times.push(begun.elapsed());
        done.fetch_add(1, Ordering::Relaxed);
    }
    times
}

fn door(database: &Database, principal: &Principal) -> Door {
    let context = Context {
        request_id: RequestId::generate(),
        trace: TraceContext::generate(),
        principal: principal.clone(),
        deadline: Instant::now() + Duration::from_secs(30),
        client: Client { address: std::net::Ipv4Addr::LOCALHOST.into() },
    };
    database.session_door(context, Grant::Caller)
}

/// The same four statements through tokio-postgres, prepared and sent without waiting for each
/// other: what the door would be built on otherwise.
async fn pipelined(cluster: &Cluster, span: Duration) -> f64 {
    let until = Instant::now() + span;
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let url = cluster.socket_url();
            tokio::spawn(async move { call_pipelined(&url, caller as i32, until).await })
        })
        .collect();
    let mut count = 0;
    for caller in callers {
        count += caller.await.unwrap();
    }
    f64::from(count) / span.as_secs_f64()
}

async fn call_pipelined(url: &str, caller: i32, until: Instant) -> u32 {
    const SETTINGS: &str = "select set_config('search_path', $1, true), set_config('role', $2, true), \
        set_config('request.jwt.claims', $3, true), set_config('request.method', $4, true), \
        set_config('request.path', $5, true), set_config('request.headers', $6, true), \
        set_config('request.cookies', $7, true)";
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(async move { connection.await.unwrap() });
    let begin = client.prepare("begin read only").await.unwrap();
    let settings = client.prepare(SETTINGS).await.unwrap();
    client.batch_execute("begin; set local role authenticated").await.unwrap();
    let read = client.prepare(READ).await.unwrap();
    client.batch_execute("commit").await.unwrap();
    let commit = client.prepare("commit").await.unwrap();
    let claims = serde_json::json!({ "sub": SUBJECT, "role": "authenticated" }).to_string();
    let values: [&(dyn tokio_postgres::types::ToSql + Sync); 7] =
        [&"public", &"authenticated", &claims, &"GET", &"/items", &"{}", &"{}"];
    let (mut id, mut count) = (caller * 997, 0);
    while Instant::now() < until {
        id = (id * 31 + 17).rem_euclid(100_000);
        let key: [&(dyn tokio_postgres::types::ToSql + Sync); 1] = [&(id + 1)];
        let (begun, set, rows, committed) = tokio::join!(
            client.execute(&begin, &[]),
            client.query(&settings, &values),
            client.query(&read, &key),
            client.execute(&commit, &[]),
        );
        assert_eq!(rows.unwrap().len(), 1);
        begun.unwrap();
        set.unwrap();
        committed.unwrap();
        count += 1;
    }
    count
}

fn pgbench(cluster: &Cluster, protocol: &str, seconds: u64) -> f64 {
    let script = cluster.folder().join("four.sql");
    std::fs::write(&script, PGBENCH).unwrap();
    let output = cluster
        .binary("pgbench")
        .args(["-n", "-M", protocol, "-c", &CALLERS.to_string(), "-j", "2", "-T", &seconds.to_string(), "-f"])
        .arg(&script)
        .args(["-U", "authenticator", "-p", &cluster.port().to_string(), "-h"])
        .arg(cluster.folder())
        .arg("postgres")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().find(|line| line.starts_with("tps")).unwrap_or_else(|| panic!("{output:?}"));
    line.split_whitespace().nth(2).and_then(|rate| rate.parse().ok()).unwrap_or_else(|| panic!("{text}"))
}
