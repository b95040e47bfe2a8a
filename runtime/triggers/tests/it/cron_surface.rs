//! The tables and functions of schema `cron`, as people use them.

use crate::support::{Bed, ask};

#[tokio::test]
async fn jobs_are_made_changed_and_removed() {
    let bed = Bed::new().await;
    let postgres = bed.postgres().await;
    assert_eq!(ask(&postgres, "select cron.schedule('*/5 * * * *', 'select 1')").await, "1");
    assert_eq!(ask(&postgres, "select cron.schedule('named', '@daily', 'vacuum')").await, "2");
    // The same name of the same user is the same job; as upstream, the sequence moves on.
    assert_eq!(ask(&postgres, "select cron.schedule('named', '10 seconds', 'analyze')").await, "2");
    let there =
        "select cron.schedule_in_database('there', '0 0 1 1 *', 'select 2', 'other', active := false)";
    assert_eq!(ask(&postgres, there).await, "4");
    assert_eq!(
        ask(&postgres, "select * from cron.job order by jobid")
            .await
            .replace(&bed.cluster.port().to_string(), "P"),
        "1|*/5 * * * *|select 1|localhost|P|postgres|postgres|t|null\n\
         2|10 seconds|analyze|localhost|P|postgres|postgres|t|named\n\
         4|0 0 1 1 *|select 2|localhost|P|other|postgres|f|there"
    );
    let alter = "select cron.alter_job(1, schedule := '2 hours', active := false); \
                 select schedule, command, active from cron.job where jobid = 1";
    assert_eq!(ask(&postgres, alter).await, "\n2 hours|select 1|f");
    assert_eq!(
        ask(&postgres, "select cron.alter_job(99, active := false)").await,
        "P0001 Job 99 does not exist or you don't own it"
    );
    assert_eq!(ask(&postgres, "select cron.unschedule(1), cron.unschedule('named')").await, "t|t");
    assert_eq!(
        ask(&postgres, "select cron.unschedule(1)").await,
        "P0001 could not find valid entry for job 1"
    );
    assert_eq!(
        ask(&postgres, "select cron.unschedule('named')").await,
        "P0001 could not find valid entry for job 'named'"
    );
    assert_eq!(
        ask(&postgres, "select cron.schedule(null, '@daily', 'x')").await,
        "P0001 job_name can not be NULL"
    );
    bed.stop().await;
}

#[tokio::test]
async fn schedules_are_checked_where_they_are_written() {
    let bed = Bed::new().await;
    let (postgres, superuser) = (bed.postgres().await, bed.superuser().await);
    let refused = "22023 invalid schedule: 60 * * * *\n\
                   Use cron format (e.g. 5 4 * * *), or interval format '[1-59] seconds'";
    for sql in [
        "select cron.schedule('60 * * * *', 'select 1')",
        "select cron.schedule('name', '60 * * * *', 'select 1')",
        "insert into cron.job (schedule, command) values ('60 * * * *', 'select 1')",
        "update cron.job set schedule = '60 * * * *'",
    ] {
        ask(&postgres, "insert into cron.job (schedule, command) values ('@hourly', 'select 1')").await;
        assert_eq!(ask(&postgres, sql).await, refused, "{sql}");
    }
    // The database reads what the host reads.
    for line in include_str!("schedules.txt").lines().filter(|line| !line.is_empty()) {
        let (mark, text) = line.split_at(1);
        let found =
            ask(&superuser, &format!("select isobase.cron_schedule_is_valid('{}')", &text[1..])).await;
        assert_eq!(found == "t", mark == "+", "{line}");
    }
    bed.stop().await;
}

#[tokio::test]
async fn options_are_checked_and_go_with_their_job() {
    let bed = Bed::new().await;
    let postgres = bed.postgres().await;
    let made = "insert into isobase.cron_options (jobid, timezone, misfire) \
                values (cron.schedule('0 3 * * *', 'select 1'), 'Europe/Berlin', 'once') returning overlap, history_keep";
    assert_eq!(ask(&postgres, made).await, "queue|1000");
    assert_eq!(
        ask(&postgres, "update isobase.cron_options set timezone = 'Mars/Olympus'").await,
        "22023 time zone \"Mars/Olympus\" not recognized\n\
         Use a name such as Europe/Berlin; pg_timezone_names lists them."
    );
    let unknown = ask(&postgres, "update isobase.cron_options set misfire = 'maybe'").await;
    assert!(unknown.starts_with("23514 "), "{unknown}");
    assert_eq!(ask(&postgres, "select cron.unschedule(1)").await, "t");
    assert_eq!(ask(&postgres, "select count(*) from isobase.cron_options").await, "0");
    bed.stop().await;
}

#[tokio::test]
async fn nobody_schedules_as_somebody_mightier() {
    let bed = Bed::new().await;
    let (postgres, superuser) = (bed.postgres().await, bed.superuser().await);
    let denied = |role: &str| format!("42501 permission denied to schedule a job as role \"{role}\"");
    for sql in [
        "insert into cron.job (schedule, command, username) values ('@daily', 'x', 'supabase_admin')",
        "select cron.schedule_in_database('a', '@daily', 'x', 'postgres', 'supabase_admin')",
        "select cron.schedule('b', '@daily', 'x'); update cron.job set username = 'supabase_admin'",
    ] {
        assert_eq!(ask(&postgres, sql).await, denied("supabase_admin"), "{sql}");
    }
    // A role that `postgres` can become anyway.
    let anon = "select cron.schedule_in_database('c', '@daily', 'x', 'postgres', 'anon')";
    assert!(!ask(&postgres, anon).await.starts_with("42501"));
    assert_eq!(
        ask(&postgres, "select cron.schedule('isobase:mine', '@daily', 'x')").await,
        "42939 job name \"isobase:mine\" is reserved"
    );

    // Others see and write their own jobs only, and only once they are let in.
    ask(&superuser, "create role worker").await;
    let as_worker = |sql: &str| format!("begin; set local role worker; {sql}; commit");
    let schedule = as_worker("select cron.schedule('mine', '@daily', 'select 1')");
    assert_eq!(ask(&superuser, &schedule).await, "42501 permission denied for schema cron");
    ask(&superuser, "rollback; grant usage on schema cron to worker").await;
    assert!(!ask(&superuser, &schedule).await.contains("denied"));
    assert_eq!(ask(&superuser, &as_worker("select jobname, username from cron.job")).await, "mine|worker");
    for (sql, expected) in [
        ("select cron.unschedule('c')", "P0001 could not find valid entry for job 'c'".to_owned()),
        (
            "select cron.alter_job(1, active := false)",
            "42501 permission denied for function alter_job".to_owned(),
        ),
        (
            "insert into cron.job (schedule, command, username) values ('@daily', 'x', 'postgres')",
            denied("postgres"),
        ),
        (
            "insert into cron.job (schedule, command, database) values ('@daily', 'x', 'other')",
            "42501 new row violates row-level security policy for table \"job\"".to_owned(),
        ),
    ] {
        assert_eq!(ask(&superuser, &as_worker(sql)).await, expected, "{sql}");
        ask(&superuser, "rollback").await;
    }
    bed.stop().await;
}
