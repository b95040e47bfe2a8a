//! Schedules with the real binary: SQL and functions, from statements and from the settings, over
//! changes, restarts and sudden deaths.

use std::sync::Arc;

use isobase_base::observe::Observer;
use isobase_base::progress::Silent;
use isobase_postgres::{Cluster, ClusterConfig};

use crate::app::{App, Project};

/// Writes down each call, through the database as whom it is called.
const TICK: &str = r#"
import * as database from "isobase:host/database";

Deno.serve(async (request) => {
  const { job, scheduled_at, attempt, payload } = await request.json();
  const key = request.headers.get("idempotency-key");
  const trigger = request.headers.get("x-isobase-trigger");
  if (payload?.fails_until > attempt) return new Response("not yet", { status: 500 });
  await database.query(
    "insert into ticks (job, due, attempt, key, trigger, path, role, payload) values ($1, $2::text::timestamptz, $3, $4, $5, $6, current_user, $7)",
    [job, scheduled_at, attempt, key, trigger, new URL(request.url).pathname, JSON.stringify(payload)],
  );
  return new Response("done");
});
"#;

const TICKS: &str = "create table ticks (job text, due timestamptz, attempt int, key text, trigger text, path text, role text, payload text, at timestamptz default clock_timestamp());
create table ran (job text, key text, attempt text, at timestamptz default clock_timestamp());";

const RAN: &str = "insert into ran (job, key, attempt) values (''{job}'', current_setting(''isobase.idempotency_key''), current_setting(''isobase.attempt''))";

fn project() -> Project {
    let project = Project::empty();
    // The extension is not there, and need not be.
    project.write(
        "supabase/migrations/20260101000000_ticks.sql",
        format!("create extension if not exists pg_cron with schema pg_catalog;\n{TICKS}\n"),
    );
    project.function("tick", TICK);
    project
}

async fn ask(app: &App, sql: &str) -> String {
    let rows = app.sql(sql).await;
    let line = |row: Vec<Option<String>>| {
        row.into_iter().map(|cell| cell.unwrap_or_else(|| "null".into())).collect::<Vec<_>>().join("|")
    };
    rows.into_iter().map(line).collect::<Vec<_>>().join("\n")
}

async fn until(app: &App, sql: &str, expected: &str) {
    app.until(&format!("{expected:?} from {sql}"), || async { ask(app, sql).await == expected }).await;
}

fn schedule(job: &str, times: &str) -> String {
    format!("select cron.schedule('{job}', '{times}', '{}')", RAN.replace("{job}", job))
}

#[tokio::test]
async fn sql_and_functions_run_on_schedules_of_both_kinds() {
    let project = project();
    project.configure(
        "[functions.tick]\n\
         [[functions.tick.schedule]]\ncron = \"* * * * * *\"\ntimezone = \"Europe/Berlin\"\npayload = { kind = \"declared\" }\n",
    );
    let app = project.start().await;
    // From the settings.
    let declared = "select job, attempt, key = 'cron:' || (select jobid from cron.job where jobname = job) || ':' || \
                    to_char(due at time zone 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), trigger, path, role, payload \
                    from ticks where job = 'isobase:tick' limit 1";
    until(&app, declared, "isobase:tick|1|t|cron|/tick|service_role|{\"kind\":\"declared\"}").await;
    // From statements: SQL, and a function that fails at first.
    ask(&app, &schedule("sql", "1 second")).await;
    ask(
        &app,
        "begin; insert into isobase.cron_options (jobid, max_retries, backoff) values \
         (cron.schedule('flaky', '1 second', 'function:tick {\"fails_until\": 3}'), 2, '10 milliseconds'); commit",
    )
    .await;
    until(&app, "select count(*) > 1 from ran where job = 'sql'", "t").await;
    until(&app, "select count(*) > 1 and min(attempt) = 3 from ticks where job = 'flaky'", "t").await;
    until(
        &app,
        "select distinct status, return_message from cron.job_run_details as d join cron.job as j using (jobid) \
         where jobname = 'flaky' and end_time is not null order by 1",
        "failed|500 Internal Server Error\nsucceeded|200 OK",
    )
    .await;
    // Live changes.
    ask(&app, "select cron.alter_job(jobid, command := replace(command, 'sql', 'other')) from cron.job where jobname = 'sql'").await;
    until(&app, "select count(*) > 0 from ran where job = 'other'", "t").await;
    ask(&app, "select cron.unschedule('sql'), cron.unschedule('flaky')").await;
    until(
        &app,
        "select count(*) from cron.job_run_details where status in ('starting', 'running') and command not like 'function:tick {\"kind%'",
        "0",
    )
    .await;
    let ran = ask(&app, "select count(*) from ran").await;
    let ticks =
        "select count(*) > 2 from ticks where job = 'isobase:tick' and at > (select max(at) from ran)";
    until(&app, ticks, "t").await;
    assert_eq!(ask(&app, "select count(*) from ran").await, ran);

    // What the settings no longer have goes with the next start.
    let project = app.stop().await;
    project.write("supabase/config.toml", "project_id = \"test\"\n");
    let app = project.start().await;
    assert_eq!(ask(&app, "select count(*) from cron.job").await, "0");
    app.stop().await;
}

#[tokio::test]
async fn a_bad_schedule_in_the_settings_is_named() {
    let project = project();
    project.configure("[functions.tick]\nschedule = \"61 * * * *\"\n");
    let mut child = project.spawn();
    assert_eq!(child.wait().await.unwrap().code(), Some(64));
    assert!(
        project.log().contains("functions.tick.schedule: invalid schedule: 61 * * * *"),
        "{}",
        project.log()
    );
}

#[tokio::test]
async fn a_restart_makes_up_for_what_the_job_wants() {
    let (_folder, cluster) = server().await;
    let app = project().with_db_url(cluster.superuser_url()).start().await;
    for misfire in ["skip", "once", "all"] {
        ask(&app, &schedule(misfire, "1 hour")).await;
        let options = format!(
            "insert into isobase.cron_options (jobid, misfire) \
             select jobid, '{misfire}' from cron.job where jobname = '{misfire}'"
        );
        ask(&app, &options).await;
    }
    // As if the host had been down for three hours and a half from now on.
    ask(&app, "update isobase.cron_anchors set anchored_at = now() - interval '3 hours 30 minutes'").await;
    let app = app.stop().await.start().await;
    let made_up = "select job, count(*), count(distinct key) from ran group by job order by job";
    until(&app, made_up, "all|3|3\nonce|1|1").await;
    // The next start has nothing more to make up.
    let app = app.stop().await.start().await;
    ask(&app, &schedule("probe", "1 second")).await;
    until(&app, "select count(*) > 1 from ran where job = 'probe'", "t").await;
    ask(&app, "delete from ran where job = 'probe'; select cron.unschedule('probe')").await;
    assert_eq!(
        ask(&app, &made_up.replace("from ran", "from ran where job <> 'probe'")).await,
        "all|3|3\nonce|1|1"
    );
    app.stop().await;
    cluster.stop().await;
}

/// A server of its own, which outlives hosts.
async fn server() -> (tempfile::TempDir, Cluster) {
    let folder = tempfile::tempdir().unwrap();
    let config = ClusterConfig { port: 0, ..ClusterConfig::new(folder.path()) };
    let cluster = Cluster::start(config, Arc::new(Silent), Observer::default()).await.unwrap();
    (folder, cluster)
}

/// Kills the host again and again while jobs run each second; each due time must be there in the end, and
/// whatever ran twice must have had the same key. `ISOBASE_KILLS` sets how often.
#[tokio::test]
#[allow(clippy::print_stderr, reason = "the counts are what one runs it for")]
async fn killing_the_host_loses_no_run() {
    let kills: u32 = std::env::var("ISOBASE_KILLS").ok().and_then(|count| count.parse().ok()).unwrap_or(6);
    let (_folder, cluster) = server().await;
    let mut app = project().with_db_url(cluster.superuser_url()).start().await;
    for number in 0..4 {
        let job = format!("job{number}");
        ask(
            &app,
            &format!(
                "begin; {}; insert into isobase.cron_options (jobid, misfire, max_retries, backoff) \
                 select jobid, 'all', 100, '10 milliseconds' from cron.job where jobname = '{job}'; commit",
                schedule(&job, "* * * * * *")
            ),
        )
        .await;
    }
    until(&app, "select count(*) > 4 from ran", "t").await;
    for round in 0..kills {
        // At another moment of the second each time, some of them between claim and end.
        let after = std::time::Duration::from_millis(u64::from(round) * 137 % 1000);
        let seen: u64 = ask(&app, "select count(distinct key) from ran").await.parse().unwrap();
        tokio::time::sleep(after).await;
        app = app.kill().await.start().await;
        until(&app, &format!("select count(distinct key) > {seen} from ran"), "t").await;
    }
    // What the last one left is taken over once its lease ends.
    until(&app, "select count(*) from isobase.cron_leases", "1").await;
    until(&app, "select count(*) from isobase.cron_runs as r where not is_done and not exists (select from isobase.cron_leases as l where l.lease = r.lease)", "0").await;
    let holes = "with due as (select split_part(key, ':', 2) as job, substring(key from '^cron:[0-9]+:(.*)')::timestamptz as due from ran group by key), \
                 ended as (select * from due where due < now() - interval '20 seconds') \
                 select job, extract(epoch from max(due) - min(due)) + 1 - count(*) from ended group by job \
                 having count(*) <> extract(epoch from max(due) - min(due)) + 1";
    until(&app, holes, "").await;
    let twice = ask(&app, "select count(*) - count(distinct key), count(distinct key) from ran").await;
    eprintln!("{kills} kills; runs that came again under their key|due times: {twice}");
    app.stop().await;
    cluster.stop().await;
}
