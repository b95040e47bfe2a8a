//! Schedulers at work: what runs when, as whom, how often, and what is written down of it.

use isobase_base::FunctionSlug;
use isobase_base::project::{FunctionSchedule, Misfire};
use isobase_triggers::cron::DeclaredSchedule;

use crate::support::{Bed, ask, until};

#[tokio::test]
async fn sql_runs_as_its_role_and_is_written_down() {
    let bed = Bed::new().await;
    let postgres = bed.postgres().await;
    let cron = bed.scheduler(true, Vec::new()).await;
    ask(
        &postgres,
        "create table ran (name text, as_role text default current_user, key text); grant all on ran to anon",
    )
    .await;
    let insert = "insert into ran values (''{}'', default, current_setting(''isobase.idempotency_key''))";
    let schedule =
        |name: &str, command: &str| format!("select cron.schedule('{name}', '1 second', '{command}')");
    ask(&postgres, &schedule("insert", &insert.replace("{}", "insert"))).await;
    ask(&postgres, &schedule("select", "select generate_series(1, 3)")).await;
    ask(&postgres, &schedule("bad", "select 1 / 0")).await;
    ask(&postgres, &schedule("vacuum", "vacuum ran")).await;
    // Leaves a transaction open; the next job must not be in it.
    ask(&postgres, &schedule("open", "begin; create temp table ran (x int); set search_path = nowhere"))
        .await;
    let nowhere = "select cron.schedule_in_database('nowhere', '1 second', 'select 1', 'nowhere')";
    ask(&postgres, nowhere).await;
    let anon = "select cron.schedule_in_database('anon', '1 second', \
                'reset role; insert into ran (name) values (''anon'')', 'postgres', 'anon')";
    ask(&postgres, anon).await;
    let anon = "select cron.schedule_in_database('kept', '1 second', 'insert into ran (name) values (''kept'')', 'postgres', 'anon')";
    ask(&postgres, anon).await;

    let ends = |name: &str| {
        format!(
            "select distinct d.status, d.return_message, d.username, d.job_pid is not null, d.end_time >= d.start_time \
             from cron.job_run_details as d join cron.job as j using (jobid) \
             where j.jobname = '{name}' and d.end_time is not null"
        )
    };
    for (name, expected) in [
        ("insert", "succeeded|INSERT 0 1|postgres|t|t"),
        ("select", "succeeded|3 rows|postgres|t|t"),
        ("bad", "failed|ERROR:  division by zero|postgres|t|t"),
        ("vacuum", "succeeded|VACUUM|postgres|t|t"),
        ("open", "succeeded|SET|postgres|t|t"),
        (
            "nowhere",
            "failed|connection failed: Error occurred while creating a new object: db error: FATAL: database \"nowhere\" does not exist|postgres|f|null",
        ),
        ("kept", "succeeded|INSERT 0 1|anon|t|t"),
        ("anon", "failed|ERROR:  permission denied for table ran|anon|t|t"),
    ] {
        until(&postgres, &ends(name), expected).await;
    }
    until(&postgres, "select distinct name, as_role from ran order by 1", "insert|postgres\nkept|anon").await;
    // Each due time once, each with its own key.
    until(
        &postgres,
        "select count(*) >= 3 and count(*) = count(distinct key) from ran where name = 'insert'",
        "t",
    )
    .await;
    cron.stop().await;
    assert_eq!(
        ask(
            &postgres,
            "select count(*) from cron.job_run_details where status not in ('succeeded', 'failed')"
        )
        .await,
        "0"
    );
    assert_eq!(ask(&bed.superuser().await, "select count(*) from isobase.cron_leases").await, "0");
    bed.stop().await;
}

#[tokio::test]
async fn roles_that_cannot_be_kept_in_are_refused() {
    let bed = Bed::new().await;
    let superuser = bed.superuser().await;
    ask(&superuser, "create role worker").await;
    let cron = bed.scheduler(true, Vec::new()).await;
    ask(&superuser, "select cron.schedule_in_database('w', '1 second', 'select 1', 'postgres', 'worker')")
        .await;
    ask(&superuser, "select cron.schedule_in_database('gone', '1 second', 'select 1', 'postgres', 'worker')")
        .await;
    until(
        &superuser,
        "select distinct status, return_message from cron.job_run_details",
        "failed|jobs of role \"worker\" cannot be run here: the host can log in for postgres, supabase_admin, anon, authenticated, service_role",
    )
    .await;
    // A dropped role stops nothing else.
    ask(&superuser, "drop role worker").await;
    ask(&superuser, "select cron.schedule('other', '1 second', 'select 1')").await;
    until(
        &superuser,
        "select distinct status from cron.job_run_details where username = 'supabase_admin'",
        "succeeded",
    )
    .await;
    cron.stop().await;
    bed.stop().await;
}

#[tokio::test]
async fn changes_are_seen_at_once() {
    let bed = Bed::new().await;
    let postgres = bed.postgres().await;
    let cron = bed.scheduler(true, Vec::new()).await;
    ask(&postgres, "create table ran (what text)").await;
    // By plain DML, too.
    ask(
        &postgres,
        "insert into cron.job (schedule, command) values ('1 second', 'insert into ran values (''a'')')",
    )
    .await;
    until(&postgres, "select count(*) > 0 from ran where what = 'a'", "t").await;
    ask(&postgres, "select cron.alter_job(1, command := 'insert into ran values (''b'')')").await;
    until(&postgres, "select count(*) > 0 from ran where what = 'b'", "t").await;
    ask(&postgres, "update cron.job set active = false").await;
    until(
        &postgres,
        "select count(*) from cron.job_run_details where status in ('starting', 'running')",
        "0",
    )
    .await;
    let count = ask(&postgres, "select count(*) from ran").await;
    ask(&postgres, "select cron.schedule('two', '1 second', 'insert into ran values (''c'')')").await;
    until(&postgres, "select count(*) > 2 from ran where what = 'c'", "t").await;
    assert_eq!(ask(&postgres, "select count(*) from ran where what <> 'c'").await, count);
    cron.stop().await;
    bed.stop().await;
}

#[tokio::test]
async fn failures_are_tried_again_under_one_key() {
    let bed = Bed::new().await;
    let postgres = bed.postgres().await;
    ask(&postgres, "create table tries (key text, attempt text)").await;
    ask(
        &postgres,
        "create procedure flaky() language plpgsql as $$ begin \
           insert into tries values (current_setting('isobase.idempotency_key'), current_setting('isobase.attempt')); \
           commit; \
           if current_setting('isobase.attempt')::int < 3 then raise 'not yet'; end if; \
         end $$",
    )
    .await;
    let cron = bed.scheduler(true, Vec::new()).await;
    ask(
        &postgres,
        "begin; insert into isobase.cron_options (jobid, max_retries, backoff) \
         values (cron.schedule('f', '1 second', 'call flaky()'), 2, '10 milliseconds'); commit",
    )
    .await;
    let first =
        "select string_agg(attempt, ',' order by attempt) from tries group by key order by min(key) limit 1";
    until(&postgres, first, "1,2,3").await;
    until(
        &postgres,
        "select status, return_message from cron.job_run_details where status <> 'starting' order by runid limit 3",
        "failed|ERROR:  not yet\nCONTEXT:  PL/pgSQL function flaky() line 1 at RAISE\n\
         failed|ERROR:  not yet\nCONTEXT:  PL/pgSQL function flaky() line 1 at RAISE\n\
         succeeded|CALL",
    )
    .await;
    cron.stop().await;
    bed.stop().await;
}

#[tokio::test]
async fn a_run_ends_with_its_timeout() {
    let bed = Bed::new().await;
    let postgres = bed.postgres().await;
    let cron = bed.scheduler(true, Vec::new()).await;
    ask(
        &postgres,
        "begin; insert into isobase.cron_options (jobid, timeout) \
         values (cron.schedule('s', '1 second', 'select pg_sleep(600)'), '100 milliseconds'); commit",
    )
    .await;
    until(
        &postgres,
        "select distinct status, return_message from cron.job_run_details where end_time is not null",
        "failed|canceling statement due to job timeout after 100ms",
    )
    .await;
    ask(&postgres, "select cron.unschedule('s')").await;
    until(&postgres, "select count(*) from pg_stat_activity where query like '%pg_sleep(600)%' and state = 'active' and pid <> pg_backend_pid()", "0").await;
    cron.stop().await;
    bed.stop().await;
}

#[tokio::test]
async fn overlapping_runs_wait_are_left_out_or_allowed() {
    let bed = Bed::new().await;
    let postgres = bed.postgres().await;
    ask(
        &postgres,
        "create table spans (policy text, began timestamptz default clock_timestamp(), ended timestamptz)",
    )
    .await;
    let cron = bed.scheduler(true, Vec::new()).await;
    for policy in ["queue", "skip", "allow"] {
        let job = format!(
            "begin; insert into isobase.cron_options (jobid, overlap) values (cron.schedule('{policy}', '1 second', \
             'insert into spans (policy) values (''{policy}''); commit; select pg_sleep(2.5); \
              update spans set ended = clock_timestamp() where policy = ''{policy}'' and ended is null'), '{policy}'); commit"
        );
        ask(&postgres, &job).await;
    }
    // `allow` has begun four times before the first of it can end, the others never twice at once.
    until(&postgres, "select count(*) >= 3 from spans where policy = 'queue'", "t").await;
    until(&postgres, "select count(*) >= 2 from spans where policy = 'skip'", "t").await;
    cron.stop().await;
    let gaps = "select policy, bool_and(began - before >= interval '2.5 seconds') from ( \
                select policy, began, lag(began) over (partition by policy order by began) as before from spans \
                ) as s where before is not null group by policy order by policy";
    assert_eq!(ask(&postgres, gaps).await, "allow|f\nqueue|t\nskip|t");
    bed.stop().await;
}

#[tokio::test]
async fn two_hosts_run_each_due_time_once() {
    let bed = Bed::new().await;
    let postgres = bed.postgres().await;
    ask(&postgres, "create table ran (key text, pid int default pg_backend_pid())").await;
    let (one, two) = tokio::join!(bed.scheduler(false, Vec::new()), bed.scheduler(false, Vec::new()));
    ask(
        &postgres,
        "select cron.schedule('job' || n, '* * * * * *', \
         'insert into ran values (current_setting(''isobase.idempotency_key''))') from generate_series(1, 50) as n",
    )
    .await;
    until(&postgres, "select count(distinct key) > 300 from ran", "t").await;
    // One goes; the other takes it all.
    one.stop().await;
    let so_far = ask(&postgres, "select max(key) from ran where key like 'cron:1:%'").await;
    let later =
        format!("select count(distinct key) > 2 from ran where key like 'cron:1:%' and key > '{so_far}'");
    until(&postgres, &later, "t").await;
    two.stop().await;
    assert_eq!(ask(&postgres, "select count(*) - count(distinct key) from ran").await, "0");
    // And none is missing: each job ran at every second between its first and last.
    let holes = "select count(*) from (select split_part(key, ':', 2) as job, substring(key from '^cron:[0-9]+:(.*)')::timestamptz as due from ran) as r \
                 group by job having count(*) <> extract(epoch from max(due) - min(due)) + 1";
    assert_eq!(ask(&postgres, holes).await, "");
    bed.stop().await;
}

#[tokio::test]
async fn what_a_dead_host_left_is_tried_again_or_has_failed() {
    let bed = Bed::new().await;
    let superuser = bed.superuser().await;
    ask(&superuser, "create table ran (key text, attempt text)").await;
    let command = "'insert into ran values (current_setting(''isobase.idempotency_key''), current_setting(''isobase.attempt''))'";
    ask(&superuser, &format!("select cron.schedule('once', '1 year', {command})")).await;
    ask(&superuser, &format!("insert into isobase.cron_options (jobid, max_retries) values (cron.schedule('again', '1 year', {command}), 1)")).await;
    // As a host leaves it that is killed in the middle.
    let left = "insert into isobase.cron_runs (jobid, due_at, lease, runid) \
                select jobid, '2026-01-01 00:00:00+00', 77, nextval('cron.runid_seq') from cron.job; \
                insert into cron.job_run_details (jobid, runid, status, username) \
                select jobid, runid, 'running', 'supabase_admin' from isobase.cron_runs";
    ask(&superuser, left).await;
    // Not while its lease is good.
    ask(
        &superuser,
        "insert into isobase.cron_leases overriding system value values (77, now() + interval '3 seconds')",
    )
    .await;
    let cron = bed.scheduler(false, Vec::new()).await;
    let status = "select jobid, status, return_message from cron.job_run_details order by runid";
    assert_eq!(ask(&superuser, status).await, "1|running|null\n2|running|null");
    until(&superuser, status, "1|failed|server restarted\n2|failed|server restarted\n2|succeeded|INSERT 0 1")
        .await;
    assert_eq!(ask(&superuser, "select * from ran").await, "cron:2:2026-01-01T00:00:00Z|2");
    cron.stop().await;
    bed.stop().await;
}

#[tokio::test]
async fn missed_runs_are_made_up_as_the_job_wants() {
    let bed = Bed::new().await;
    let superuser = bed.superuser().await;
    ask(&superuser, "create table ran (job text, due timestamptz)").await;
    for misfire in ["skip", "once", "all"] {
        let job = format!(
            "insert into isobase.cron_options (jobid, misfire) values (cron.schedule('{misfire}', '1 hour', \
             'insert into ran values (''{misfire}'', current_setting(''isobase.scheduled_at'')::timestamptz)'), '{misfire}')"
        );
        ask(&superuser, &job).await;
    }
    ask(&superuser, "update isobase.cron_anchors set anchored_at = now() - interval '5 hours 10 minutes'")
        .await;
    let cron = bed.scheduler(true, Vec::new()).await;
    let counts = "select job, count(*) from ran group by job order by job";
    until(&superuser, counts, "all|5\nonce|1").await;
    // A second start finds nothing more.
    cron.stop().await;
    let cron = bed.scheduler(true, Vec::new()).await;
    ask(&superuser, "select cron.schedule('probe', '1 second', 'insert into ran values (''probe'')')").await;
    until(&superuser, "select count(*) > 1 from ran where job = 'probe'", "t").await;
    assert_eq!(
        ask(&superuser, "select job, count(*) from ran where job <> 'probe' group by job order by job").await,
        "all|5\nonce|1"
    );
    // The latest; intervals of different jobs differ by less than a second.
    let latest = "select abs(extract(epoch from max(due) filter (where job = 'once') - max(due) filter (where job = 'all'))) < 1 from ran";
    assert_eq!(ask(&superuser, latest).await, "t");
    cron.stop().await;
    bed.stop().await;
}

#[tokio::test]
async fn old_history_is_removed() {
    let bed = Bed::new().await;
    let superuser = bed.superuser().await;
    let keep = "insert into isobase.cron_options (jobid, history_keep) values (cron.schedule('few', '1 year', 'select 1'), 10); \
                select cron.schedule('many', '1 year', 'select 1')";
    ask(&superuser, keep).await;
    let fill = "insert into cron.job_run_details (jobid, status, end_time) \
                select jobid, 'succeeded', now() from cron.job, generate_series(1, 1200); \
                insert into cron.job_run_details (jobid, status, end_time) values \
                (99, 'failed', now() - interval '8 days'), (99, 'failed', now() - interval '6 days'); \
                insert into isobase.cron_runs (jobid, due_at, lease, runid, is_done) \
                select 1, now() - interval '1 day' * n, 1, 1, true from generate_series(1, 5) as n";
    ask(&superuser, fill).await;
    let cron = bed.scheduler(true, Vec::new()).await;
    let counts = "select jobid, count(*) from cron.job_run_details group by jobid order by jobid";
    until(&superuser, counts, "1|10\n2|1000\n99|1").await;
    // The latest claim stays: it tells what was missed.
    until(
        &superuser,
        "select count(*), max(due_at) > now() - interval '25 hours' from isobase.cron_runs",
        "1|t",
    )
    .await;
    cron.stop().await;
    bed.stop().await;
}

#[tokio::test]
async fn declared_schedules_are_in_the_table() {
    let bed = Bed::new().await;
    let (postgres, superuser) = (bed.postgres().await, bed.superuser().await);
    let declared = |slug: &str, schedule: FunctionSchedule| DeclaredSchedule {
        function: FunctionSlug::parse(slug).unwrap(),
        schedule,
    };
    let berlin = FunctionSchedule {
        timezone: "Europe/Berlin".into(),
        misfire: Misfire::Once,
        max_retries: 0,
        payload: r#"{"a":1}"#.into(),
        ..FunctionSchedule::new("0 3 * * *")
    };
    let first = vec![
        declared("report", berlin),
        declared("report", FunctionSchedule::new("1 second")),
        declared("clean", FunctionSchedule::new("@daily")),
    ];
    let cron = bed.scheduler(true, first).await;
    let jobs = "select jobname, schedule, command, username, active, timezone, misfire, max_retries \
                from cron.job join isobase.cron_options using (jobid) order by jobname";
    assert_eq!(
        ask(&postgres, jobs).await,
        "isobase:clean|@daily|function:clean|postgres|t|UTC|skip|3\n\
         isobase:report|0 3 * * *|function:report {\"a\":1}|postgres|t|Europe/Berlin|once|0\n\
         isobase:report:2|1 second|function:report|postgres|t|UTC|skip|3"
    );
    until(
        &postgres,
        "select distinct return_message from cron.job_run_details where status = 'failed'",
        "NOT_FOUND: Requested function was not found",
    )
    .await;
    // People may switch one off; what is no longer declared goes.
    ask(&postgres, "update cron.job set active = false where jobname = 'isobase:clean'").await;
    ask(&postgres, "select cron.schedule('own', '@daily', 'select 1')").await;
    cron.declarer().replace(&[declared("clean", FunctionSchedule::new("@hourly"))]).await.unwrap();
    assert_eq!(
        ask(&superuser, "select jobname, schedule, active from cron.job order by jobname").await,
        "isobase:clean|@hourly|f\nown|@daily|t"
    );
    let bad =
        cron.declarer().replace(&[declared("clean", FunctionSchedule::new("60 * * * *"))]).await.unwrap_err();
    assert_eq!(bad.to_string(), "functions.clean.schedule: invalid schedule: 60 * * * *");
    cron.stop().await;
    bed.stop().await;
}
