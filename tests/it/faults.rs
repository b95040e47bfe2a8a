//! Sudden deaths under load: what was acknowledged is there afterwards.

use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use crate::app::{ALICE, App, Project};

/// Inserts one todo after the other until told to stop; the numbers of those acknowledged.
async fn write_until(app: &App, stop: &AtomicBool) -> Vec<usize> {
    let mut acknowledged = Vec::new();
    for number in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let body = json!({ "title": format!("n{number}") });
        if let Ok(answer) = app.user(ALICE, "POST", "/rest/v1/todos").json(&body).try_send().await
            && answer.status == 201
        {
            acknowledged.push(number);
        }
    }
    acknowledged
}

async fn assert_all_there(app: &App, acknowledged: &[usize]) {
    assert!(!acknowledged.is_empty(), "some writes were acknowledged");
    let rows = app.sql("select title from public.todos").await;
    let titles: std::collections::HashSet<_> = rows.into_iter().filter_map(|mut row| row.remove(0)).collect();
    for number in acknowledged {
        assert!(titles.contains(&format!("n{number}")), "n{number} was acknowledged and is gone");
    }
}

async fn postgres_process(app: &App) -> i32 {
    // The postmaster is the parent of every backend.
    let backend = app.sql("select pg_backend_pid()").await.remove(0).remove(0).expect("a pid");
    let status = std::fs::read_to_string(format!("/proc/{backend}/status"))
        .or_else(|_| {
            std::fs::read_to_string(app.project.path().join(".isobase/postgres/data/postmaster.pid"))
        })
        .expect("the postmaster can be found");
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"));
    parent
        .unwrap_or_else(|| status.lines().next().expect("a first line"))
        .trim()
        .parse()
        .expect("a process id")
}

#[tokio::test]
async fn killing_postgres_under_load_loses_nothing_acknowledged() {
    let app = Project::quickstart().start().await;
    let postmaster = postgres_process(&app).await;
    let stop = AtomicBool::new(false);
    let fault = async {
        for round in 0..20 {
            assert_eq!(app.anon("GET", "/rest/v1/todos?limit=1").send().await.status, 200, "round {round}");
        }
        kill(Pid::from_raw(postmaster), Signal::SIGKILL).expect("postgres can be killed");
        app.until("the gateway notices", || async {
            app.anon("GET", "/rest/v1/todos?limit=1").send().await.status != 200
                || postgres_process_changed(&app, postmaster)
        })
        .await;
        app.until("postgres is back", || async {
            app.anon("GET", "/rest/v1/todos?limit=1").send().await.status == 200
        })
        .await;
        stop.store(true, Ordering::Relaxed);
    };
    let (acknowledged, ()) = tokio::join!(write_until(&app, &stop), fault);
    assert_all_there(&app, &acknowledged).await;
}

fn postgres_process_changed(app: &App, before: i32) -> bool {
    let file = app.project.path().join(".isobase/postgres/data/postmaster.pid");
    let now =
        std::fs::read_to_string(file).ok().and_then(|text| text.lines().next()?.trim().parse::<i32>().ok());
    now.is_some_and(|now| now != before)
}

#[tokio::test]
async fn killing_the_host_under_load_loses_nothing_acknowledged() {
    let app = Project::quickstart().start().await;
    let stop = AtomicBool::new(false);
    let process = app.process_id();
    let fault = async {
        for _ in 0..50 {
            app.anon("GET", "/rest/v1/todos?limit=1").send().await;
        }
        kill(Pid::from_raw(process), Signal::SIGKILL).expect("the host can be killed");
        app.until("nobody answers", || async {
            app.anon("GET", "/rest/v1/todos?limit=1").try_send().await.is_err()
        })
        .await;
        stop.store(true, Ordering::Relaxed);
    };
    let (acknowledged, ()) = tokio::join!(write_until(&app, &stop), fault);
    let app = app.kill().await.start().await;
    assert_all_there(&app, &acknowledged).await;
}
