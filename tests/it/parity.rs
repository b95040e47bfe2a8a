//! The host APIs give a WASM function and a TypeScript function the same answers: every request goes
//! to both guests of `tests/guests`, and whatever differs between the two fails.

use isobase_guests::COMPONENT;
use serde_json::Value;

use crate::app::{ALICE, App, Project};
use crate::client::{Answer, Call};

const TYPESCRIPT: &str = include_str!("../guests/parity.ts");

/// The trace that all requests belong to.
const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c";

/// Paths of the guests, and whether the answer is a success.
const SAME_ANSWERS: &[(&str, bool)] = &[
    ("caller", true),
    // Types: each with its own case in the contract, the rest as text.
    ("sql?q=select null, true, 1::int2, 2::int4, 9007199254740993::int8, 1.5::float8, 0.25::float4", true),
    (
        "sql?q=select 1.50::numeric, 'x'::text, '{1,2}'::int4[], '2026-01-02 03:04:05Z'::timestamptz at time zone 'utc'",
        true,
    ),
    (
        "sql?q=select '\\x00ff'::bytea, '{\"a\": [1, 2.5, null]}'::jsonb, '[1,2]'::json, gen_random_uuid() is null",
        true,
    ),
    (
        "sql?q=select $1::int4 %2B 1 as next, $2::text as name, $3::jsonb -> 'a' as inner&p=41&p=it's&p={\"a\":1}",
        true,
    ),
    ("sql?q=select 1 as one where false", true),
    ("sql?q=select id, title from todos order by id", true),
    // As whom.
    ("sql?q=select current_user, auth.uid(), current_setting('request.jwt.claims')::jsonb ->> 'role'", true),
    ("sql?q=select current_setting('app.colour')&setting=app.colour=blue", true),
    ("sql?q=update todos set done = true where id = -1", true),
    // What Postgres refuses, with all that it says.
    ("sql?q=select 1/0", false),
    ("sql?q=select frm", false),
    ("sql?q=select no_such_function(1)", false),
    ("sql?q=insert into todos (id, title) overriding system value values (1, 'twice')", false),
    ("sql?q=insert into todos (title) values (null)", false),
    ("sql?q=insert into todos (title) values ('x')&mode=read-only", false),
    ("sql?q=select pg_sleep(10)&timeout=20", false),
    // What the host refuses.
    ("sql?q=commit", false),
    ("sql?q=select 1&setting=role=service_role", false),
    ("sql?q=select 1&setting=request.jwt.claims={}", false),
    ("sql-service?q=select 1", false),
    // Realtime.
    ("publish?topic=room&event=e&payload={\"a\":[1,null]}", true),
    ("publish?topic=room&event=e&payload=\"text\"", true),
    ("publish?topic=room&event=e&bytes=xyz", true),
    ("publish?topic=&event=e&payload=1", false),
    ("publish?topic=room&event=&payload=1", false),
    ("publish?topic=room&event=e&payload=1&private=1", false),
    // Documents.
    ("sql-document?q=select 1, 'x', '{\"a\": 1}'::jsonb", true),
    ("sql-document?q=select null::jsonb", true),
    ("sql-document?q=select 1 where false", false),
    // Lines.
    ("sql-lines?q=select 1, 'x', n || ' ' from generate_series(1, 3) n", true),
    ("sql-lines?q=select case when n = 2 then null else n::text end from generate_series(1, 3) n", true),
    ("sql-lines?q=select 1, 'x' where false", true),
    ("sql-lines?q=select frm", false),
    ("sql-lines?q=select repeat('x', 999) from generate_series(1, 2500)", true),
    // Several in one flush.
    ("sql-documents?q=select 1, 'x', $1::text&q=select 2, $1::text where false&q=select $1::text&p=a", true),
    (
        "sql-documents?q=update todos set done = done where id = 1&q=select n from generate_series(1, 3) n",
        true,
    ),
    ("sql-documents?q=insert into todos (title) values ('never at all')&q=select 1/0&q=select 1", false),
    ("sql-documents", false),
    // Streams.
    ("sql-stream?q=select n, n::text from generate_series(1, 250) n", true),
    ("sql-stream?q=select 1 where false", true),
    ("sql-stream?q=select frm", false),
    // Transactions.
    (
        "sql-transaction?q=create temporary table t (n int)&q=insert into t values (1), (2)&q=select sum(n) from t&end=rollback",
        false,
    ),
    (
        "sql-transaction?q=update todos set done = true where id = 1&q=select done from todos where id = 1&end=commit",
        true,
    ),
    ("sql-transaction?q=select 1/0&q=select 2&end=commit", false),
    ("sql-transaction?q=insert into todos (title) values ('never')&end=rollback", true),
    ("sql-transaction?q=insert into todos (title) values ('never either')&end=drop", true),
    ("sql?q=select count(*) from todos where title like 'never%25'", true),
];

/// What each engine does with a queue of its own, `@`, in this order.
const SAME_QUEUES: &[(&str, bool)] = &[
    ("queue-send?queue=@&m={\"n\":1,\"text\":\"it's \u{1f600}\"}", true),
    ("queue-send?queue=@&m=[1,2.50,null]&h={\"trace\":\"x\"}", true),
    ("queue-send?queue=@&m=\"later\"&delay=3600000", true),
    ("queue-send-batch?queue=@&m=4&m={}&m=null", true),
    ("queue-send-batch?queue=@", true),
    ("queue-metrics?queue=@", true),
    ("queue-read?queue=@&visibility=3600000&quantity=2", true),
    ("queue-read?queue=@&visibility=0&quantity=2", true),
    ("queue-read?queue=@&visibility=3600000&quantity=10", true),
    ("queue-read?queue=@&visibility=3600000&quantity=10", true),
    ("queue-settle?queue=@&how=extend&id=1&id=99&visibility=0", true),
    ("queue-read?queue=@&visibility=3600000&quantity=10", true),
    ("queue-settle?queue=@&how=ack&id=1&id=2&id=99", true),
    ("queue-settle?queue=@&how=archive&id=4&id=4", true),
    ("queue-settle?queue=@&how=ack", true),
    ("queue-metrics?queue=@", true),
    // What Postgres refuses: row level security, a missing queue, a character that jsonb cannot hold.
    ("queue-send?queue=@&m={\"owner\":\"somebody else\"}", false),
    ("queue-send?queue=nowhere&m=1", false),
    ("queue-send-batch?queue=nowhere&m=1", false),
    ("queue-read?queue=nowhere&quantity=1", false),
    ("queue-settle?queue=nowhere&id=1", false),
    ("queue-metrics?queue=nowhere", false),
    ("queue-send?queue=@&m=\"\\u0000\"", false),
    // What the host refuses.
    ("queue-send?queue=@&m=1&as=service", false),
    ("queue-read?queue=@&quantity=1&as=service", false),
    ("queue-send?queue=a;b&m=1", false),
    ("queue-send?queue=@&m=1&h=[1]", false),
    ("queue-send?queue=@&m=1&delay=99999999999", false),
    ("queue-read?queue=@&quantity=1001", false),
    ("queue-read?queue=@&quantity=1&visibility=99999999999", false),
];

async fn start() -> App {
    let project = Project::quickstart();
    project.configure("[functions.guests]\nentrypoint = \"./functions/guests/guests.wasm\"");
    project.write("supabase/functions/guests/guests.wasm", COMPONENT);
    project.function("script", TYPESCRIPT);
    project.start().await
}

fn call(app: &App, function: &str, method: &str, path: &str) -> Call {
    let path = path.replace(' ', "%20").replace('"', "%22").replace('{', "%7B").replace('}', "%7D");
    let path = path.replace('\\', "%5C").replace('>', "%3E");
    let path = path.replace('[', "%5B").replace(']', "%5D").replace('\u{1f600}', "%F0%9F%98%80");
    app.user(ALICE, method, &format!("/functions/v1/{function}/{path}"))
        .header("traceparent", &format!("{TRACE}-b7ad6b7169203331-01"))
}

/// Status, body, and the header a guest chose itself.
fn told(answer: &Answer) -> (u16, String, Option<String>) {
    let body = match serde_json::from_slice(&answer.body) {
        Ok(body) => without_invocation(body).to_string(),
        Err(_) => answer.text(),
    };
    (answer.status.as_u16(), body, answer.header("x-head").map(str::to_owned))
}

/// Each invocation has a request id and a span of its own; only their form is compared.
fn without_invocation(mut body: Value) -> Value {
    for (name, kept) in [("request_id", ""), ("traceparent", TRACE)] {
        if let Some(Value::String(text)) = body.get_mut(name) {
            let form = text.split('-').map(|part| part.len().to_string()).collect::<Vec<_>>().join("-");
            assert!(text.starts_with(kept), "{name} is {text}");
            *text = form;
        }
    }
    body
}

#[tokio::test]
async fn both_engines_give_the_same_answers() {
    let app = start().await;
    let mut failures = Vec::new();
    for (path, succeeds) in SAME_ANSWERS {
        let wasm = call(&app, "guests", "GET", path).send().await;
        let script = call(&app, "script", "GET", path).send().await;
        let (wasm_told, script_told) = (told(&wasm), told(&script));
        let expected = if *succeeds { wasm.status.is_success() } else { wasm.status == 400 };
        if wasm_told != script_told || !expected {
            failures.push(format!("{path}\n  wasm   {wasm_told:?}\n  script {script_told:?}"));
        }
    }
    assert!(failures.is_empty(), "{}\n{}", failures.join("\n"), app.project.log());
}

#[tokio::test]
async fn queues_are_used_alike() {
    let app = start().await;
    for queue in ["guests", "script"] {
        app.sql(&format!(
            "select pgmq.create('{queue}'); \
             grant select, insert, update, delete on pgmq.q_{queue} to authenticated; \
             grant select, insert on pgmq.a_{queue} to authenticated; \
             alter table pgmq.q_{queue} enable row level security; \
             create policy own on pgmq.q_{queue} to authenticated using (true) \
               with check (message ->> 'owner' is null)"
        ))
        .await;
    }
    let mut failures = Vec::new();
    for (path, succeeds) in SAME_QUEUES {
        let ask = async |function: &str| {
            let answer = call(&app, function, "GET", &path.replace('@', function)).send().await;
            let (status, body, _) = told(&answer);
            (status, body.replace(&format!("q_{function}"), "q_@"))
        };
        let (wasm, script) = (ask("guests").await, ask("script").await);
        let expected = if *succeeds { 200 } else { 400 };
        if wasm != script || wasm.0 != expected {
            failures.push(format!("{path}\n  wasm   {wasm:?}\n  script {script:?}"));
        }
    }
    assert!(failures.is_empty(), "{}\n{}", failures.join("\n"), app.project.log());
    let archived = app.sql("select a.message = b.message from pgmq.a_guests a, pgmq.a_script b").await;
    assert_eq!(archived, [[Some("t".to_owned())]]);
}

#[tokio::test]
async fn notifications_are_counted_alike() {
    let app = start().await;
    let counts = async || {
        let count =
            async |function| call(&app, function, "GET", "generation?channel=news").send().await.text();
        (count("guests").await, count("script").await)
    };
    // One for the listening that the first call begins, one for the notification.
    app.until("both listen", || async { counts().await == ("1".into(), "1".into()) }).await;
    app.sql("notify news").await;
    app.until("both were told", || async { counts().await == ("2".into(), "2".into()) }).await;
}

#[tokio::test]
async fn a_body_is_bound_alike_and_what_is_committed_stays() {
    let app = start().await;
    for function in ["guests", "script"] {
        let path = "sql-body?q=select length($1::text), $1::jsonb ->> 'name'";
        let body = serde_json::json!({ "name": function });
        let answer = call(&app, function, "POST", path).json(&body).send().await.json();
        assert_eq!(answer["rows"][0][1], function, "{answer}");
        assert_eq!(answer["rows"][0][0], body.to_string().len(), "{answer}");

        let insert =
            format!("sql-transaction?q=insert into todos (title) values ('by {function}')&end=commit");
        assert_eq!(call(&app, function, "POST", &insert).send().await.status, 200);
    }
    let titles = app.sql("select title from todos where title like 'by %' order by id").await;
    assert_eq!(titles, [[Some("by guests".to_owned())], [Some("by script".to_owned())]]);
}

/// The reference vector of Standard Webhooks, and what is not it.
#[tokio::test]
async fn webhooks_are_checked_alike() {
    let app = start().await;
    let good = [
        ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
        ("webhook-timestamp", "1614265330"),
        ("webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
    ];
    let secret = "provider=standard&secret=whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let always = format!("{secret}&tolerance=10000000000");
    let cases = [
        (always.as_str(), &good[..], r#"{"test": 2432232314}"#, None),
        (secret, &good[..], r#"{"test": 2432232314}"#, Some("too-old")),
        (&always, &good[..], "{}", Some("bad-signature")),
        (&always, &good[1..], "{}", Some("missing-header")),
        ("provider=standard&secret=whsec_", &good[..], "{}", Some("unusable-secret")),
        ("provider=nobody&secret=x", &good[..], "{}", Some("wrong-options")),
    ];
    for (query, headers, body, code) in cases {
        let mut answers = Vec::new();
        for function in ["guests", "script"] {
            let call = call(&app, function, "POST", &format!("webhook?{query}")).text(body);
            let call = headers.iter().fold(call, |call, (name, value)| call.header(name, value));
            answers.push(told(&call.send().await));
        }
        assert_eq!(answers[0], answers[1], "{query}");
        match code {
            Some(code) => assert!(answers[0].1.contains(code), "{query} {answers:?}"),
            None => assert_eq!(answers[0].0, 200, "{answers:?}"),
        }
    }
}
