//! What starts a deployed function comes and goes with its live version.

use hmac::{Hmac, Mac};
use serde_json::json;
use sha2::Sha256;

use crate::app::{App, Project};
use crate::client::Answer;
use crate::commands::run;

const TABLE: &str = "create table started (by text, at timestamptz default clock_timestamp());";

/// Writes down what started it.
const SOURCE: &str = r#"
import { query } from "isobase:host/database";
const note = (by: string) => query("insert into started (by) values ($1)", [by]);

export default {
  async fetch(request: Request) {
    const scheduled = request.headers.get("x-isobase-trigger") === "cron";
    await note(scheduled ? "schedule" : new URL(request.url).searchParams.get("by") ?? "request");
    return new Response("done");
  },
  async queue(batch: MessageBatch) {
    await note(`${batch.queue} of ${batch.messages.length}`);
  },
};
"#;

const SETTINGS: &str = r#"
[functions.work]
verify_jwt = false
schedule = "1 second"
[functions.work.webhook]
provider = "github"
secret = "env(HOOK_SECRET)"
mode = "inbox"
[queues.jobs]
function = "work"
"#;

/// What comes after it in the settings is this test's.
const MARK: &str = "# What starts the function:\n";
const SECRET: &str = "It's a Secret to Everybody";

impl App {
    async fn started(&self, by: &str) -> usize {
        let rows = self.sql(&format!("select count(*) from started where by = '{by}'")).await;
        rows[0][0].as_ref().and_then(|count| count.parse().ok()).unwrap_or_default()
    }

    async fn until_started(&self, by: &str, before: usize) {
        self.until(&format!("started by {by}"), || async { self.started(by).await > before }).await;
    }

    async fn deploys(&self, settings: &str) -> (bool, String) {
        let path = self.project.path().join("supabase/config.toml");
        let before = std::fs::read_to_string(&path).unwrap_or_default();
        let own = before.split(MARK).next().unwrap_or_default();
        self.project.write("supabase/config.toml", format!("{own}{MARK}{settings}"));
        run(&self.project, &["functions", "deploy", "work"]).await
    }

    async fn jobs(&self) -> Vec<Vec<Option<String>>> {
        self.sql("select jobname, schedule from cron.job order by jobname").await
    }

    async fn webhook(&self, body: &str) -> Answer {
        let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("any length is a key");
        mac.update(body.as_bytes());
        let signature = isobase_base::hex(&mac.finalize().into_bytes());
        let call = self.call("POST", "/functions/v1/work?by=webhook").header("x-github-delivery", body);
        call.header("x-hub-signature-256", &format!("sha256={signature}")).text(body).send().await
    }
}

#[tokio::test]
async fn triggers_follow_the_live_version() {
    let project = Project::empty().with_flags(&["--production"]);
    project.write("supabase/migrations/1_started.sql", TABLE);
    project.function("work", SOURCE);
    let app = project.start().await;
    let service = "[functions.work.capabilities]\ndatabase = \"service\"\n";
    let settings = format!("{SETTINGS}{service}");

    let literal = settings.replace("env(HOOK_SECRET)", SECRET);
    let (ok, text) = app.deploys(&literal).await;
    assert!(!ok && text.contains("functions.work: webhook.secret") && !text.contains(SECRET), "{text}");
    let (ok, text) = app.deploys(&settings.replace("1 second", "1 parsec")).await;
    assert!(!ok && text.contains("schedule"), "{text}");
    assert!(app.jobs().await.is_empty());

    let (ok, text) = app.deploys(&settings).await;
    assert!(ok, "{text}\n{}", app.project.log());
    app.until_started("schedule", 0).await;
    app.sql("select pgmq.send('jobs', '{}')").await;
    app.until_started("jobs of 1", 0).await;

    let answer = app.webhook("first").await;
    assert_eq!((answer.status.as_u16(), &answer.json()["code"]), (503, &json!("WEBHOOK_NOT_CONFIGURED")));
    let (ok, text) = run(&app.project, &["secrets", "set", &format!("HOOK_SECRET={SECRET}")]).await;
    assert!(ok, "{text}");
    app.until("the secret is known", || async { app.webhook("second").await.status == 202 }).await;
    app.until_started("webhook", 0).await;
    assert!(!app.project.log().contains(SECRET));

    let (ok, text) = app.deploys(&format!("[functions.work]\nverify_jwt = false\n{service}")).await;
    assert!(ok, "{text}");
    app.until("the schedule is gone", || async { app.jobs().await.is_empty() }).await;
    let before = app.started("schedule").await;
    let answer = app.call("POST", "/functions/v1/work").text("unsigned").send().await;
    assert_eq!((answer.status.as_u16(), answer.text()), (200, "done".into()));

    let (ok, text) = run(&app.project, &["functions", "rollback", "work"]).await;
    assert!(ok, "{text}");
    app.until_started("schedule", before).await;
    let (ok, text) = run(&app.project, &["functions", "delete", "work"]).await;
    assert!(ok, "{text}");
    app.until("nothing is scheduled", || async { app.jobs().await.is_empty() }).await;
}
