//! `isobase:host/database` and `isobase:host/caller`: whose request it is decides.

use std::sync::Arc;

use futures::future::join_all;
use isobase_base::{Principal, Role};
use isobase_engine::Worker;

use crate::support::{context, context_of, function, get, read};

fn user(name: &str) -> Principal {
    let claims = serde_json::from_value(serde_json::json!({ "sub": name })).unwrap();
    Principal::new(Role::parse("authenticated", &[]).unwrap(), claims)
}

async fn boot(code: &str) -> Arc<dyn Worker> {
    let imports =
        "import * as database from 'isobase:host/database'; import * as caller from 'isobase:host/caller';\n";
    function("data", &format!("{imports}{code}")).with_database().boot().await.unwrap()
}

async fn ask(worker: &Arc<dyn Worker>, principal: Principal, path: &str) -> String {
    read(worker.invoke(get(path), context_of(principal)).await).await
}

#[tokio::test]
async fn statements_run_as_the_caller() {
    let worker = boot(
        "Deno.serve(async () => {
            const { rows, columns, affected } = await database.query(
                'select current_user::text as role, count(*) as n from notes where id <= $1', [10]);
            return Response.json({ rows, columns, affected, caller: caller.current() });
        })",
    )
    .await;
    assert_eq!(
        ask(&worker, user("ada"), "/").await,
        r#"200 {"rows":[{"role":"authenticated","n":5}],"columns":[{"name":"role","typeName":"text"},{"name":"n","typeName":"int8"}],"affected":1,"caller":{"role":"authenticated","claims":{"sub":"ada","role":"authenticated"}}}"#
    );
}

#[tokio::test]
async fn interleaved_requests_keep_their_callers() {
    let worker = boot(
        "const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
        const owners = async () => (await database.query('select distinct owner from notes')).rows.map((row) => row.owner);
        Deno.serve(async (request) => {
            const name = new URL(request.url).pathname.slice(1);
            const seen = new Set();
            const look = async () => { seen.add(caller.current().claims.sub); for (const owner of await owners()) seen.add(owner); };
            await look();
            await pause(Math.random() * 3);
            await Promise.all([look(), pause(1).then(look)]);
            queueMicrotask(() => seen.add(caller.current().claims.sub));
            await new Promise((resolve) => {
                const channel = new EventTarget();
                channel.addEventListener('x', async () => { await look(); resolve(); });
                setTimeout(() => channel.dispatchEvent(new Event('x')), 1);
            });
            for await (const row of database.stream('select owner from notes')) { seen.add(row.owner); await 0; }
            await database.transaction(async (tx) => {
                seen.add((await tx.query('select owner from notes limit 1')).rows[0].owner);
                await pause(1);
                seen.add((await tx.query('select owner from notes limit 1')).rows[0].owner);
            });
            return new Response([...seen].join());
        })",
    )
    .await;
    let answers = (0..40).map(|n| {
        let name = if n % 2 == 0 { "ada" } else { "bob" };
        let worker = &worker;
        async move { (name, ask(worker, user(name), &format!("/{name}")).await) }
    });
    for (name, answer) in join_all(answers).await {
        assert_eq!(answer, format!("200 {name}"));
    }
}

/// Expression on `database` and what it must give, as ada.
const CASES: &[(&str, &str)] = &[
    ("(await database.query('select $1::int8 as v', [7])).rows[0].v", "7"),
    ("typeof (await database.query('select 9007199254740993::int8 as v')).rows[0].v", "\"bigint\""),
    (
        "(await database.query('select $1::int8 as v', [9007199254740993n])).rows[0].v.toString()",
        "\"9007199254740993\"",
    ),
    ("(await database.query('select $1::numeric + 1 as v', [1.5])).rows[0].v", "\"2.5\""),
    ("(await database.query('select $1::jsonb as v', [{ a: [1] }])).rows[0].v", "{\"a\":[1]}"),
    (
        "(await database.query('select $1::text[] as v', [['a', null, 'b\"c', ['x'].length]])).rows[0].v",
        "\"{a,NULL,\\\"b\\\\\\\"c\\\",1}\"",
    ),
    (
        "(await database.query('select $1::bytea as v', [new Uint8Array([1, 255])])).rows[0].v.join()",
        "\"1,255\"",
    ),
    (
        "(await database.query('select $1::timestamptz at time zone $2 as v', [new Date(0), 'UTC'])).rows[0].v",
        "\"1970-01-01 00:00:00\"",
    ),
    ("(await database.query('select $1::text as v', [null])).rows[0].v", "null"),
    ("(await database.query('select true as v, 1.5::float8 as w')).rows", "[{\"v\":true,\"w\":1.5}]"),
    ("(await database.query('select 1 as a, 2 as a', [], { rowsAsArrays: true })).rows", "[[1,2]]"),
    (
        "(await database.query('select current_setting($1) as v', ['app.x'], { settings: { 'app.x': 'y' } })).rows[0].v",
        "\"y\"",
    ),
    ("new TextDecoder().decode((await database.queryDocument('select 1, to_jsonb(2)')).body)", "\"2\""),
    ("(await database.queryDocument('select 1, null::text')).body", "null"),
    (
        "await database.query('select 1/0').catch((e) => [e.name, e.kind, e.sqlstate, e instanceof database.DatabaseError])",
        "[\"DatabaseError\",\"sql\",\"22012\",true]",
    ),
    ("await database.query('select 1 +').catch((e) => [e.sqlstate, e.position])", "[\"42601\",11]"),
    ("await database.query('select 1', [], { identity: 'service' }).catch((e) => e.kind)", "\"refused\""),
    ("await database.query('set role service_role').catch((e) => e.kind)", "\"refused\""),
    ("await database.query('select 1', [], { settings: { role: 'x' } }).catch((e) => e.kind)", "\"refused\""),
    (
        "await database.query('insert into notes values (1000, $1)', ['ada'], { accessMode: 'read-only' }).catch((e) => e.sqlstate)",
        "\"25006\"",
    ),
    (
        "await database.query('select pg_sleep(5)', [], { timeoutMs: 20 }).catch((e) => e.kind)",
        "\"timed-out\"",
    ),
    ("await database.query('select 1', [() => 1]).catch((e) => e.name)", "\"TypeError\""),
    (
        "await (async () => { let n = 0; for await (const row of database.stream('select id from notes order by id')) { if (++n === 3) break; } return n; })()",
        "3",
    ),
    (
        "await database.transaction(async (tx) => { await tx.query('delete from notes where id = 2'); throw new Error('undo'); }).catch((e) => e.message)",
        "\"undo\"",
    ),
    ("(await database.query('select count(*) as n from notes where id = 2')).rows[0].n", "1"),
    (
        "await (async () => { const tx = database.transaction(); await tx.query('update notes set title = $1 where id = 4', ['new']); await tx.commit(); return await tx.query('select 1').catch((e) => e.kind); })()",
        "\"refused\"",
    ),
    ("(await database.query('select title from notes where id = 4')).rows[0].title", "\"new\""),
    ("database.generation('some_channel') >= 0", "true"),
    ("await database.snapshot('c', 'select 1').catch((e) => e.kind)", "\"refused\""),
    ("caller.traceparent().length", "55"),
];

#[tokio::test]
async fn the_interface_does_what_it_says() {
    let cases: String = CASES.iter().map(|(expression, _)| format!("async () => {expression},\n")).collect();
    let worker = boot(&format!(
        "const cases = [{cases}];
        Deno.serve(async (request) => Response.json(await cases[Number(new URL(request.url).pathname.slice(1))]()))"
    ))
    .await;
    for (at, (expression, expected)) in CASES.iter().enumerate() {
        assert_eq!(
            ask(&worker, user("ada"), &format!("/{at}")).await,
            format!("200 {expected}"),
            "{expression}"
        );
    }
}

#[tokio::test]
async fn what_a_request_leaves_open_is_closed() {
    let worker = boot(
        "Deno.serve(async () => {
            const tx = database.transaction();
            await tx.query('update notes set title = title where id = 6');
            await database.stream('select * from notes').next();
            return new Response('left');
        })",
    )
    .await;
    // More than the pool has connections: each must give its own back.
    for _ in 0..60 {
        assert_eq!(ask(&worker, user("ada"), "/").await, "200 left");
    }
}

#[tokio::test]
async fn outside_of_a_request_there_is_no_caller() {
    let worker = boot(
        "const early = await database.query('select 1').catch((e) => `${e.name} ${e.kind}`);
        let go, late;
        Deno.serve(async (request) => {
            if (new URL(request.url).pathname === '/late') {
                go();
                return new Response(await late);
            }
            // Runs when the second request lets it go, but belongs to the first.
            late = new Promise((resolve) => { go = resolve; })
                .then(() => database.query('select 1'))
                .catch((e) => `${e.kind}: ${e.message}`);
            return new Response(early);
        })",
    )
    .await;
    assert_eq!(ask(&worker, user("ada"), "/").await, "200 DatabaseError refused");
    assert_eq!(
        ask(&worker, user("bob"), "/late").await,
        "200 refused: the request is over; use EdgeRuntime.waitUntil for work after the response"
    );
}

#[tokio::test]
async fn work_after_the_response_still_has_its_caller() {
    let worker = boot(
        "let done;
        Deno.serve(async (request) => {
            if (new URL(request.url).pathname === '/done') return new Response(await done);
            done = new Promise((resolve) => setTimeout(async () => {
                const { rows } = await database.query('select owner from notes limit 1');
                resolve(rows[0].owner);
            }, 5));
            EdgeRuntime.waitUntil(done);
            return new Response('accepted');
        })",
    )
    .await;
    assert_eq!(ask(&worker, user("ada"), "/").await, "200 accepted");
    assert_eq!(ask(&worker, user("bob"), "/done").await, "200 ada");
}

#[tokio::test]
async fn without_a_database_statements_are_refused() {
    let code = "import { query } from 'isobase:host/database';
        Deno.serve(async () => new Response(await query('select 1').catch((e) => e.message)))";
    let worker = function("bare", code).boot().await.unwrap();
    let answer = read(worker.invoke(get("/"), context()).await).await;
    assert_eq!(answer, "200 this host runs without a database");
}
