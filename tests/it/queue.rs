//! Queues from a message to the function that consumes it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use isobase_base::observe::Observer;
use isobase_base::progress::Silent;
use isobase_guests::COMPONENT;
use isobase_postgres::{Cluster, ClusterConfig};
use serde_json::{Value, json};

use crate::app::{App, Project};

/// Writes down what it gets; each message says what else to do with it.
const CONSUMER: &str = r#"
import { query } from "isobase:host/database";
import { current } from "isobase:host/caller";
import { send } from "isobase:host/queue";

export default {
  async fetch(request: Request) {
    const { queue, message } = await request.json();
    return Response.json({ id: await send(queue, message) });
  },
  async queue(batch: MessageBatch, env: Record<string, string>, ctx: unknown) {
    if (typeof env.SUPABASE_URL !== "string") throw new Error("no environment");
    for (const message of batch.messages) {
      const { attempts, idempotencyKey, timestamp } = message;
      if (!(Math.abs(Date.now() - timestamp.getTime()) < 600_000)) throw new Error(`sent at ${timestamp}`);
      await query(
        "insert into consumed (queue, key, attempts, body, role, batch) values ($1, $2, $3, $4, $5, $6)",
        [batch.queue, idempotencyKey, attempts, JSON.stringify(message.body), current().role, batch.messages.length],
      );
      const { retry, ack, fail, sleep } = message.body ?? {};
      if (sleep) await new Promise((resolve) => setTimeout(resolve, sleep));
      if (ack) message.ack();
      if (retry !== undefined) message.retry({ delaySeconds: retry });
      if (fail) throw new Error("asked to fail");
    }
  },
};
"#;

const TABLE: &str = "create table consumed (
  id bigint generated always as identity, queue text, key text, attempts int, body jsonb, role text, batch int,
  at timestamptz default clock_timestamp()
);";

/// A project whose function `consume` works on queues as `settings` say.
fn project(settings: &str) -> Project {
    let project = Project::empty();
    project.configure(settings);
    project.write("supabase/migrations/1_consumed.sql", TABLE);
    project.function("consume", CONSUMER);
    project
}

fn cells(rows: Vec<Vec<Option<String>>>) -> Vec<String> {
    rows.into_iter()
        .map(|row| row.into_iter().map(Option::unwrap_or_default).collect::<Vec<_>>().join("|"))
        .collect()
}

impl App {
    async fn rows(&self, sql: &str) -> Vec<String> {
        cells(self.sql(sql).await)
    }

    async fn until_consumed(&self, count: usize) {
        self.until("all is consumed", || async {
            self.rows("select count(*) from consumed").await == [count.to_string()]
        })
        .await;
    }

    async fn until_empty(&self, queue: &str) {
        self.until("the queue is empty", || async {
            self.rows(&format!("select count(*) from pgmq.q_{queue}")).await == ["0"]
        })
        .await;
    }
}

#[tokio::test]
async fn a_message_reaches_its_function_however_it_was_sent() {
    let app =
        project("[api]\nschemas = [\"public\", \"pgmq_public\"]\n[queues.mails]\nfunction = \"consume\"")
            .start()
            .await;
    // By SQL, by the data API, by a function.
    app.sql("select pgmq.send('mails', '{\"to\": \"ada\"}', '{\"x\": 1}'::jsonb)").await;
    let sent = app
        .service("POST", "/rest/v1/rpc/send")
        .header("content-profile", "pgmq_public")
        .json(&json!({ "queue_name": "mails", "message": { "to": "bob" } }))
        .send()
        .await;
    assert_eq!((sent.status.as_u16(), sent.json()), (200, json!([2])));
    let message = json!({ "queue": "mails", "message": { "to": "eve" } });
    let sent = app.service("POST", "/functions/v1/consume").json(&message).send().await;
    assert_eq!(sent.json(), json!({ "id": 3 }), "{}", app.project.log());
    app.until_consumed(3).await;
    app.until_empty("mails").await;
    assert_eq!(
        app.rows("select queue, key, attempts, body ->> 'to', role from consumed order by key").await,
        [
            "mails|mails:1|1|ada|service_role",
            "mails|mails:2|1|bob|service_role",
            "mails|mails:3|1|eve|service_role"
        ]
    );
    assert_eq!(app.rows("select count(*) from pgmq.a_mails").await, ["0"]);
    let metrics = app.admin("/metrics").send().await.text();
    assert!(
        metrics.contains(r#"isobase_queue_messages_total{queue="mails",outcome="acknowledged"} 3"#),
        "{metrics}"
    );
    // Anonymous callers have no rights on a queue unless somebody grants them.
    let refused = app
        .anon("POST", "/rest/v1/rpc/send")
        .header("content-profile", "pgmq_public")
        .json(&json!({ "queue_name": "mails", "message": {} }))
        .send()
        .await;
    assert_eq!(refused.status, 401, "{}", refused.text());
}

#[tokio::test]
async fn delayed_messages_arrive_by_themselves() {
    let app = project("[queues.mails]\nfunction = \"consume\"").start().await;
    app.sql("select pgmq.send('mails', '1', 1)").await;
    app.sql("insert into pgmq.q_mails (vt, message) values (clock_timestamp() + interval '600 ms', '2')")
        .await;
    app.until_consumed(2).await;
    let early = "select count(*) from consumed where at < (select min(created_at) from pgmq.meta)";
    assert_eq!(app.rows(early).await, ["0"]);
    assert_eq!(app.rows("select body from consumed order by id").await, ["2", "1"]);
}

#[tokio::test]
async fn failures_are_tried_again_and_end_in_the_dead_letter_queue() {
    let settings = "[queues.mails]\nfunction = \"consume\"\nmax_retries = 2\nretry_backoff = \"20ms\"\n\
                    dead_letter_queue = \"mails_dead\"";
    let app = project(settings).start().await;
    app.sql("select pgmq.send('mails', '{\"fail\": true}', '{\"trace\": \"t\"}'::jsonb)").await;
    app.until("it is dead", || async { app.rows("select count(*) from pgmq.q_mails_dead").await == ["1"] })
        .await;
    assert_eq!(
        app.rows("select attempts, key from consumed order by id").await,
        ["1|mails:1", "2|mails:1", "3|mails:1"]
    );
    let dead = "select message, headers ->> 'trace', headers ->> 'x-isobase-queue', headers ->> 'x-isobase-message-id', \
                headers ->> 'x-isobase-attempts', headers ->> 'x-isobase-failure', headers ? 'x-isobase-failed-at' \
                from pgmq.q_mails_dead";
    assert_eq!(app.rows(dead).await, [r#"{"fail": true}|t|mails|1|3|Error: asked to fail|t"#]);
    assert_eq!(app.rows("select count(*) from pgmq.q_mails").await, ["0"]);
    assert!(app.project.log().contains("asked to fail"), "the function's own log tells as well");
}

#[tokio::test]
async fn without_a_dead_letter_queue_failures_are_archived() {
    let app = project("[queues.mails]\nfunction = \"consume\"\nmax_retries = 0").start().await;
    app.sql("select pgmq.send('mails', '{\"retry\": 0}', '[1]'::jsonb)").await;
    app.until("it is archived", || async { app.rows("select count(*) from pgmq.a_mails").await == ["1"] })
        .await;
    let archived = "select msg_id, read_ct, headers ->> 'x-isobase-failure', headers -> 'x-isobase-headers' from pgmq.a_mails";
    assert_eq!(app.rows(archived).await, ["1|1|the function asked for a retry|[1]"]);
}

#[tokio::test]
async fn a_batch_is_acknowledged_message_by_message() {
    let settings = "[queues.mails]\nfunction = \"consume\"\nmax_batch_size = 5\nmax_batch_timeout_ms = 2000";
    let app = project(settings).start().await;
    // One wants another attempt at once, one is done although the handler throws after it.
    app.sql(
        "select pgmq.send_batch('mails', array['{\"n\": 1}', '{\"n\": 2, \"retry\": 0}', '{\"n\": 3}']::jsonb[]); \
         select pgmq.send('mails', '{\"n\": 4}'); select pgmq.send('mails', '{\"n\": 5}')",
    )
    .await;
    app.until("the retried one came back", || async {
        app.rows("select count(*) from consumed where attempts = 2").await == ["1"]
    })
    .await;
    let first = "select body ->> 'n', batch from consumed where attempts = 1 order by id";
    assert_eq!(app.rows(first).await, ["1|5", "2|5", "3|5", "4|5", "5|5"]);
    assert_eq!(app.rows("select body ->> 'n' from consumed where attempts = 2").await, ["2"]);
    app.sql("delete from pgmq.q_mails; delete from consumed").await;
    app.sql("select pgmq.send_batch('mails', array['{\"ack\": true}', '{\"fail\": true}', '{}']::jsonb[])")
        .await;
    app.until("two came back", || async {
        app.rows("select count(*) from consumed where attempts = 2").await != ["0"]
    })
    .await;
    assert_eq!(app.rows("select count(*) from consumed where body = '{\"ack\": true}'").await, ["1"]);
}

#[tokio::test]
async fn messages_stay_hidden_while_their_function_works() {
    let app = project("[queues.mails]\nfunction = \"consume\"\nvisibility_timeout = \"1s\"").start().await;
    app.sql("select pgmq.send('mails', '{\"sleep\": 3500}')").await;
    app.until_consumed(1).await;
    app.until_empty("mails").await;
    assert_eq!(app.rows("select attempts from consumed").await, ["1"]);
    let took = "select clock_timestamp() - at > interval '3 s' from consumed";
    assert_eq!(app.rows(took).await, ["t"], "it was not acknowledged before the handler was done");
}

#[tokio::test]
async fn a_message_waits_for_a_function_that_is_not_there_yet() {
    let project = project("[queues.mails]\nfunction = \"later\"\nmax_retries = 0");
    let app = project.start().await;
    app.sql("select pgmq.send('mails', '{}')").await;
    app.until("it was tried", || async { app.project.log().contains("messages could not be delivered") })
        .await;
    app.project.function("later", CONSUMER);
    app.until_consumed(1).await;
    assert_eq!(app.rows("select attempts from consumed").await, ["1"], "what nobody saw is no attempt");
    app.until_empty("mails").await;
}

#[tokio::test]
async fn a_rust_function_consumes_as_well() {
    let project = Project::empty();
    project.configure(
        "[functions.guests]\nentrypoint = \"./functions/guests/guests.wasm\"\n\
         [queues.jobs]\nfunction = \"guests\"\nretry_backoff = \"10ms\"\nmax_retries = 1",
    );
    project.write("supabase/functions/guests/guests.wasm", COMPONENT);
    project.write("supabase/migrations/1_consumed.sql", TABLE);
    let app = project.start().await;
    app.sql("select pgmq.send('jobs', '{\"n\": 1}'), pgmq.send('jobs', '{\"fail\": true}')").await;
    app.until_consumed(3).await;
    app.until_empty("jobs").await;
    assert_eq!(
        app.rows("select key, attempts from consumed order by key, attempts").await,
        ["jobs:1|1", "jobs:2|1", "jobs:2|2"]
    );
    assert_eq!(app.rows("select headers ->> 'x-isobase-failure' from pgmq.a_jobs").await, ["asked to fail"]);
}

/// A project's owner is no superuser, and the host must not make one of it by running its triggers.
#[tokio::test]
async fn triggers_of_the_project_run_with_no_more_rights_than_a_service_key_has() {
    let project = project("[queues.mails]\nfunction = \"consume\"\nmax_retries = 0");
    project.write(
        "supabase/migrations/2_trigger.sql",
        "select pgmq.create('mails');
         create table acted (action text, role text);
         create function note() returns trigger language plpgsql as
           $$ begin insert into public.acted values (tg_op, current_user); return null; end $$;
         create trigger note after update or delete on pgmq.q_mails for each row execute function note();
         create trigger note after insert on pgmq.a_mails for each row execute function note();",
    );
    let app = project.start().await;
    app.sql("select pgmq.send('mails', '{\"ack\": true}'), pgmq.send('mails', '{\"fail\": true}')").await;
    app.until("one is archived", || async { app.rows("select count(*) from pgmq.a_mails").await == ["1"] })
        .await;
    app.until_empty("mails").await;
    let roles = "select distinct action, role from acted order by action";
    assert_eq!(app.rows(roles).await, ["DELETE|service_role", "INSERT|service_role", "UPDATE|service_role"]);
}

#[tokio::test]
async fn a_client_cannot_pretend_to_be_the_queue() {
    let project = project("[functions.consume]\nverify_jwt = false\n[queues.mails]\nfunction = \"consume\"");
    let app = project.start().await;
    let delivery =
        json!({ "queue": "mails", "message": {}, "messages": [{ "id": 1, "body": {}, "attempts": 1 }] });
    let answer = app
        .call("POST", "/functions/v1/consume")
        .header("x-isobase-trigger", "queue")
        .json(&delivery)
        .send()
        .await;
    // It was an ordinary request, which sends as the caller, who may not.
    assert_eq!(answer.status, 500, "{}", answer.text());
    assert_eq!(app.rows("select count(*) from consumed").await, ["0"]);
}

#[tokio::test]
async fn many_senders_share_commits_and_each_gets_its_own_id() {
    let app = project("").start().await;
    app.sql("select pgmq.create('jobs')").await;
    let before = commits(&app).await;
    let sends = (0..200).map(|number| {
        let message = json!({ "queue": "jobs", "message": { "n": number } });
        let call = app.service("POST", "/functions/v1/consume").json(&message);
        async move { (number, call.send().await.json()["id"].as_i64()) }
    });
    let sent = futures::future::join_all(sends).await;
    let after = commits(&app).await;
    for (number, id) in sent {
        let id = id.unwrap_or_else(|| panic!("{number} has no id"));
        let row = app.rows(&format!("select message ->> 'n' from pgmq.q_jobs where msg_id = {id}")).await;
        assert_eq!(row, [number.to_string()]);
    }
    assert!(after - before < 150, "200 sends took {} commits", after - before);
}

/// Transactions that wrote to the queue, by the ids that wrote its rows.
async fn commits(app: &App) -> i64 {
    let rows = app.rows("select count(distinct xmin::text) from pgmq.q_jobs").await;
    rows[0].parse().expect("a number")
}

#[tokio::test]
async fn another_host_takes_over_from_one_that_died() {
    let folder = tempfile::tempdir().unwrap();
    let config = ClusterConfig { port: 0, ..ClusterConfig::new(folder.path()) };
    let cluster = Cluster::start(config, Arc::new(Silent), Observer::default()).await.unwrap();
    let url = cluster.superuser_url().to_owned();
    let settings = "[queues.mails]\nfunction = \"consume\"\nvisibility_timeout = \"1s\"";
    let one = project(settings).with_db_url(&url).start().await;
    let two = project(settings).with_db_url(&url).start().await;
    one.sql("select pgmq.send('mails', '{\"sleep\": 3000}')").await;
    one.until_consumed(1).await;
    // The message is in the hands of the host whose function has started.
    let has_it = |app: &App| app.project.log().contains(r#""function":"consume","engine":"v8""#);
    let (dying, living) = if has_it(&one) { (one, two) } else { (two, one) };
    assert!(!has_it(&living), "only one host was given the message");
    dying.kill().await;
    living.until_consumed(2).await;
    living.until_empty("mails").await;
    assert_eq!(
        living.rows("select key, attempts from consumed order by id").await,
        ["mails:1|1", "mails:1|2"]
    );
}

/// Kills the host at random moments while messages are sent and consumed. `ISOBASE_KILLS` says how
/// often.
#[tokio::test]
async fn nothing_acknowledged_is_lost_however_often_the_host_dies() {
    let kills = std::env::var("ISOBASE_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(6);
    let settings = "[queues.jobs]\nfunction = \"consume\"\nvisibility_timeout = \"1s\"\nmax_retries = 100";
    let mut app = project(settings).start().await;
    let (next, mut acknowledged) = (AtomicUsize::new(0), BTreeSet::new());
    for _ in 0..kills {
        let stop = AtomicBool::new(false);
        let pause = Duration::from_millis(20 + u64::from(random()) % 400);
        let killing = async {
            tokio::time::sleep(pause).await;
            nix::sys::signal::kill(
                nix::unistd::Pid::from_raw(app.process_id()),
                nix::sys::signal::Signal::SIGKILL,
            )
            .expect("the host can be killed");
            stop.store(true, Ordering::Relaxed);
        };
        let senders = futures::future::join_all((0..4).map(|_| send_until(&app, &next, &stop)));
        let (sent, ()) = tokio::join!(senders, killing);
        acknowledged.extend(sent.into_iter().flatten());
        app = app.kill().await.start().await;
    }
    app.until_empty("jobs").await;
    let mut keys: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
    let found = app.rows("select (body ->> 'n') || '|' || key from consumed").await;
    let deliveries = found.len();
    for row in found {
        let (number, key) = row.split_once('|').expect("two columns");
        keys.entry(number.parse().expect("a number")).or_default().insert(key.to_owned());
    }
    assert_eq!(app.rows("select count(*) from pgmq.a_jobs").await, ["0"]);
    assert!(!acknowledged.is_empty(), "some sends were acknowledged");
    for number in &acknowledged {
        assert!(keys.contains_key(number), "{number} was acknowledged and never consumed");
    }
    let mixed: Vec<_> = keys.iter().filter(|(_, keys)| keys.len() != 1).collect();
    assert!(mixed.is_empty(), "duplicates have the same key: {mixed:?}");
    tell(&format!(
        "{kills} kills, {} sends acknowledged, {} messages consumed in {deliveries} deliveries",
        acknowledged.len(),
        keys.len()
    ));
}

#[allow(clippy::print_stderr, reason = "what a long run found")]
fn tell(line: &str) {
    eprintln!("{line}");
}

/// Sends one number after the other; those acknowledged.
async fn send_until(app: &App, next: &AtomicUsize, stop: &AtomicBool) -> Vec<usize> {
    let mut acknowledged = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let message = json!({ "queue": "jobs", "message": { "n": number } });
        let answer = app.service("POST", "/functions/v1/consume").json(&message).try_send().await;
        if let Ok(answer) = answer
            && answer.status == 200
            && serde_json::from_slice::<Value>(&answer.body).is_ok_and(|body| body["id"].is_number())
        {
            acknowledged.push(number);
        }
    }
    acknowledged
}

/// Different at each call; no test depends on what it is.
fn random() -> u32 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").subsec_micros()
}
