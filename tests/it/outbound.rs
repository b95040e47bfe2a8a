//! HTTP requests from SQL: `net.*`, database webhooks, and what survives a sudden death.

use std::collections::{HashMap, HashSet};

use isobase_base::hex;
use serde_json::{Value, json};

use crate::app::{App, Project};
use crate::receiver::Receiver;

/// Runs SQL whose first cell is a request's id, and waits for its response as one JSON object.
async fn request(app: &App, sql: &str) -> Value {
    let id = cell(app, sql).await;
    response(app, &id).await
}

async fn cell(app: &App, sql: &str) -> String {
    app.sql(sql).await.remove(0).remove(0).unwrap_or_else(|| panic!("null from {sql}"))
}

async fn response(app: &App, id: &str) -> Value {
    let sql = format!("select to_jsonb(r) from net._http_response r where id = {id}");
    app.until("a response", || async { !app.sql(&sql).await.is_empty() }).await;
    serde_json::from_str(&cell(app, &sql).await).expect("a row as JSON")
}

#[tokio::test]
async fn every_method_reaches_the_receiver_with_its_body() {
    let (app, receiver) = tokio::join!(Project::empty().start(), Receiver::start());
    let url = receiver.url("/echo");
    let sent = [
        ("GET", format!("net.http_get('{url}', params => '{{\"a b\": \"ü&=\"}}')")),
        ("POST", format!("net.http_post('{url}', '{{\"n\": 1}}')")),
        ("PUT", format!("net.http_put('{url}', '{{\"n\": 2}}')")),
        ("PATCH", format!("net.http_patch('{url}', '{{\"n\": 3}}')")),
        ("DELETE", format!("net.http_delete('{url}', body => '{{\"n\": 4}}')")),
        ("HEAD", format!("net.http_head('{url}')")),
        (
            "REPORT",
            format!("net.http_request('report', '{url}', body => '\\x00ff', content_type => 'image/x')"),
        ),
    ];
    for (method, call) in &sent {
        let answered = request(&app, &format!("select {call}")).await;
        assert_eq!(answered["status_code"], 200, "{method}: {answered}");
        assert_eq!(answered["timed_out"], false);
    }
    let received = receiver.received();
    let methods: Vec<&str> = received.iter().map(|one| one.method.as_str()).collect();
    assert_eq!(methods, sent.iter().map(|(method, _)| *method).collect::<Vec<_>>());
    assert_eq!(received[0].target, "/echo?a%20b=%C3%BC%26%3D");
    assert_eq!(received[1].json(), json!({ "n": 1 }));
    assert_eq!(received[1].header("content-type"), Some("application/json"));
    assert!(received[1].header("user-agent").is_some_and(|agent| agent.starts_with("pg_net/")));
    assert_eq!(received[3].json(), json!({ "n": 3 }));
    assert_eq!((received[6].header("content-type"), &received[6].body[..]), (Some("image/x"), &[0, 255][..]));
    let keys: HashSet<_> =
        received.iter().map(|one| one.header("idempotency-key").unwrap().to_owned()).collect();
    assert_eq!(keys.len(), sent.len(), "each request has a key of its own");
}

#[tokio::test]
async fn responses_are_kept_whole() {
    let (app, receiver) = tokio::join!(Project::empty().start(), Receiver::start());
    let text =
        request(&app, &format!("select net.http_post('{}', '{{\"n\": 1}}')", receiver.url("/echo"))).await;
    assert_eq!(text["content"], "{\"n\": 1}");
    assert_eq!(text["content_type"], "application/json");
    assert_eq!(text["headers"]["x-repeated"], "one, two");
    let binary = request(&app, &format!("select net.http_get('{}')", receiver.url("/binary"))).await;
    let bytes = hex(&(0..=255).collect::<Vec<u8>>());
    assert_eq!(binary["content_bytes"], format!("\\x{bytes}"));
    assert_eq!(binary["content"], Value::Null);
    let moved = format!("/redirect/{}", receiver.url("/landed"));
    let landed = request(&app, &format!("select net.http_get('{}')", receiver.url(&moved))).await;
    assert_eq!((&landed["status_code"], receiver.at("/landed").len()), (&json!(200), 1));
    let collected = cell(&app, "select (net._http_collect_response(1)).status || ' ' || ((net._http_collect_response(1)).response).status_code").await;
    assert_eq!(collected, "SUCCESS 200");
    let unknown = cell(&app, "select (net._http_collect_response(4711)).message").await;
    assert_eq!(unknown, "request matching request_id not found");
    // What pg_net refuses: a JSON type with a parameter, rows by hand, a role of the API.
    let by_hand = format!(
        "set role anon; select net.http_post('{0}', '[]', headers => '{{\"content-type\": \"application/vnd.x+json; charset=utf-8\"}}'); \
         reset role; insert into net.http_request_queue (method, url, headers, body) values ('POST', '{0}', '{{\"a\": \"b\"}}', 'hand')",
        receiver.url("/hand")
    );
    app.sql(&by_hand).await;
    app.until("both arrive", || async { receiver.at("/hand").len() == 2 }).await;
    let readers = app.sql("select has_table_privilege('anon', 'net._http_response', 'select')").await;
    assert_eq!(readers[0][0].as_deref(), Some("f"), "responses are not for everybody");
}

#[tokio::test]
async fn failures_are_told_as_pg_net_tells_them() {
    let (app, receiver) = tokio::join!(Project::empty().start(), Receiver::start());
    let hang = request(
        &app,
        &format!("select net.http_get('{}', timeout_milliseconds => 50)", receiver.url("/hang")),
    )
    .await;
    assert_eq!((&hang["timed_out"], &hang["status_code"]), (&json!(true), &Value::Null));
    assert!(hang["error_msg"].as_str().unwrap().starts_with("Timeout of 50 ms reached."), "{hang}");
    let nobody = request(&app, "select net.http_get('http://127.0.0.1:1/')").await;
    assert_eq!(
        (&nobody["error_msg"], &nobody["timed_out"]),
        (&json!("Couldn't connect to server"), &json!(false))
    );
    let unknown = request(&app, "select net.http_get('http://does-not-exist.invalid/')").await;
    assert_eq!(unknown["error_msg"], "Couldn't resolve host name");
    let admin = app.project.admin_port();
    let own = request(&app, &format!("select net.http_get('http://127.0.0.1:{admin}/metrics')")).await;
    assert!(own["error_msg"].as_str().unwrap().contains("belongs to the host"), "{own}");
    let large = format!(
        "select net.http_request('POST', '{}', body => 'more than ten', options => '{{\"max_response_bytes\": 10}}')",
        receiver.url("/echo")
    );
    assert_eq!(request(&app, &large).await["error_msg"], "the response's body is larger than 10 bytes");
}

#[tokio::test]
async fn retries_happen_where_asked_for_and_keep_the_key() {
    let (app, receiver) = tokio::join!(Project::empty().start(), Receiver::start());
    let once = request(&app, &format!("select net.http_post('{}')", receiver.url("/busy/1"))).await;
    assert_eq!((&once["status_code"], &once["attempts"]), (&json!(503), &json!(1)), "not asked for");
    let signed = format!(
        "select net.http_request('POST', '{}', body => '{{}}', options => '{{\"retries\": 3, \"backoff_milliseconds\": 1, \"signing_secret\": \"s\"}}')",
        receiver.url("/busy/2")
    );
    let began = std::time::Instant::now();
    let answered = request(&app, &signed).await;
    assert_eq!((&answered["status_code"], &answered["attempts"]), (&json!(200), &json!(3)), "{answered}");
    assert!(began.elapsed().as_secs_f64() >= 2.0, "Retry-After is heeded, twice");
    let attempts = receiver.at("/busy/2");
    let keys: HashSet<_> =
        attempts.iter().map(|one| one.header("idempotency-key").unwrap().to_owned()).collect();
    assert_eq!((attempts.len(), keys.len()), (3, 1));
    assert!(attempts[0].header("webhook-signature").is_some_and(|value| value.starts_with("v1,")));
    let hopeless = format!(
        "select net.http_request('POST', '{}', options => '{{\"retries\": 1, \"backoff_milliseconds\": 1}}')",
        receiver.url("/status/500")
    );
    let given_up = request(&app, &hopeless).await;
    assert_eq!((&given_up["status_code"], &given_up["attempts"]), (&json!(500), &json!(2)));
    let dead = app.sql("select id, last_error from net.http_dead_letter").await;
    assert_eq!(dead[0][1].as_deref(), Some("status 500"));
    app.sql(&format!("select net.retry({})", dead[0][0].as_deref().unwrap())).await;
    app.until("a dead letter is sent again", || async { receiver.at("/status/500").len() == 4 }).await;
}

#[tokio::test]
async fn a_rollback_takes_requests_back() {
    let (app, receiver) = tokio::join!(Project::empty().start(), Receiver::start());
    let never = receiver.url("/never");
    app.sql(&format!("begin; select net.http_get('{never}'); rollback")).await;
    request(&app, &format!("select net.http_get('{}')", receiver.url("/after"))).await;
    assert_eq!((receiver.at("/never").len(), receiver.at("/after").len()), (0, 1));
}

#[tokio::test]
async fn a_host_that_answers_nobody_delays_no_other() {
    let (app, dead, well) = tokio::join!(Project::empty().start(), Receiver::start(), Receiver::start());
    let (hang, fine) = (dead.url("/hang"), well.url("/fine"));
    app.sql(&format!(
        "select net.http_get('{hang}', timeout_milliseconds => 60000) from generate_series(1, 5000);
         select net.http_get('{fine}') from generate_series(1, 300)"
    ))
    .await;
    app.until("the healthy host is served", || async { well.received().len() == 300 }).await;
    let answered = cell(&app, "select count(*) from net._http_response where timed_out").await;
    assert_eq!(answered, "0", "while all requests to the other still hang");
    assert!(dead.received().len() <= 64, "it holds only its own share");
}

#[tokio::test]
async fn webhooks_send_what_changed_and_retry_by_themselves() {
    let project = Project::empty();
    project.write("supabase/migrations/1_hooks.sql", "create extension if not exists pg_net with schema extensions;\ncreate table public.notes (id int primary key, body text);");
    let (app, receiver) = tokio::join!(project.start(), Receiver::start());
    app.sql(&format!(
        "create trigger hook after insert or update or delete on public.notes for each row execute function
           supabase_functions.http_request('{}', 'POST', '{{\"Content-Type\":\"application/json\",\"x-a\":\"b\"}}', '{{\"q\":\"1\"}}', '1000', '2');
         insert into public.notes values (1, 'a'); update public.notes set body = 'b'; delete from public.notes",
        receiver.url("/busy/1")
    ))
    .await;
    app.until("each change was refused once and accepted then", || async { receiver.received().len() == 6 })
        .await;
    let received = receiver.received();
    let by_type: HashMap<String, Value> = received
        .iter()
        .map(|one| one.json())
        .map(|body| (body["type"].as_str().unwrap().to_owned(), body))
        .collect();
    let (a, b) = (json!({ "id": 1, "body": "a" }), json!({ "id": 1, "body": "b" }));
    for (kind, record, old_record) in
        [("INSERT", &a, &Value::Null), ("UPDATE", &b, &a), ("DELETE", &Value::Null, &b)]
    {
        let expected = json!({ "type": kind, "table": "notes", "schema": "public", "record": record, "old_record": old_record });
        assert_eq!(by_type[kind], expected);
    }
    assert_eq!((received[0].target.as_str(), received[0].header("x-a")), ("/busy/1?q=1", Some("b")));
    let audit = cell(&app, "select count(*) || ' ' || min(hook_name) from supabase_functions.hooks").await;
    assert_eq!(audit, "3 hook");
}

#[tokio::test]
async fn the_projects_own_functions_are_reached_by_every_name() {
    let project = Project::empty();
    project.configure("[functions.hook]\nverify_jwt = false");
    project.function("hook", "Deno.serve(async (request) => new Response('got ' + await request.text()))");
    let app = project.start().await;
    let api = app.value("API_URL").to_owned();
    for base in [
        api.as_str(),
        "http://kong:8000",
        "http://api.supabase.internal:8000",
        &api.replace("127.0.0.1", "host.docker.internal"),
    ] {
        let answered =
            request(&app, &format!("select net.http_post('{base}/functions/v1/hook', '{{}}')")).await;
        assert_eq!(
            (&answered["status_code"], &answered["content"]),
            (&json!(200), &json!("got {}")),
            "{base}: {answered}"
        );
    }
}

/// Kills the host while requests are waiting, being sent and being written down. `ISOBASE_KILLS` sets
/// how often.
#[tokio::test]
async fn no_committed_request_is_lost_however_often_the_host_is_killed() {
    let kills: usize = std::env::var("ISOBASE_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(6);
    let receiver = Receiver::start().await;
    let mut app = Project::empty().start().await;
    const EACH: usize = 40;
    for round in 0..kills {
        let first = round * EACH;
        let sql = format!(
            "select net.http_post('{}', jsonb_build_object('n', n)) from generate_series({first}, {}) n",
            receiver.url("/count"),
            first + EACH - 1
        );
        app.sql(&sql).await;
        // A different moment each time: before the first, between, after most.
        let seen = first + round * EACH / kills;
        app.until("some arrived", || async { receiver.received().len() >= seen }).await;
        app = app.kill().await.start().await;
    }
    app.until("the queue is empty", || async {
        cell(&app, "select count(*) from net.http_request_queue").await == "0"
    })
    .await;
    let mut keys: HashMap<i64, HashSet<String>> = HashMap::new();
    for one in receiver.received() {
        let key = one.header("idempotency-key").expect("every request has a key").to_owned();
        keys.entry(one.json()["n"].as_i64().unwrap()).or_default().insert(key);
    }
    assert_eq!(keys.len(), kills * EACH, "every committed request was delivered");
    assert!(keys.values().all(|keys| keys.len() == 1), "the same request has the same key");
    let answers = cell(&app, "select count(distinct id) from net._http_response").await;
    assert_eq!(answers, (kills * EACH).to_string(), "and every one has its response");
}

#[tokio::test]
async fn a_functions_egress_list_closes_everything_else() {
    let receiver = Receiver::start().await;
    let project = Project::empty();
    let source = "Deno.serve(async (request) => {
        const url = new URL(request.url).searchParams.get('url');
        return new Response(await fetch(url).then((response) => `${response.status}`, (error) => error.message));
    })";
    for (slug, egress) in [("open", ""), ("closed", "egress = [\"example.com\"]")] {
        project.configure(&format!(
            "[functions.{slug}]\nverify_jwt = false\n[functions.{slug}.capabilities]\n{egress}"
        ));
        project.function(slug, source);
    }
    let app = project.start().await;
    let fetched = async |slug: &str, url: &str| {
        app.call("GET", &format!("/functions/v1/{slug}?url={url}")).send().await.text()
    };
    assert_eq!(fetched("open", &receiver.url("/open")).await, "200");
    let refused = fetched("closed", &receiver.url("/closed")).await;
    assert!(refused.contains("capabilities.egress"), "{refused}");
    let own = format!("{}/functions/v1/missing", app.value("API_URL"));
    assert_eq!(fetched("closed", &own).await, "404", "the project's own API is open");
    let admin = format!("http://127.0.0.1:{}/metrics", app.project.admin_port());
    assert!(fetched("open", &admin).await.contains("belongs to the host"));
    assert_eq!(receiver.received().len(), 1);
}
