//! Generations and snapshots.

use isobase_base::{Grant, Principal};
use isobase_database::Error;

use crate::cluster::Cluster;
use crate::support::{PATIENCE, alice, context, database, service, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn generations_count_notifications() {
    let database = database(1).await;
    let door = alice(&database);
    let odd = "an odd \"name\"; --";
    assert_eq!(door.generation(odd), 0, "listening begins when first asked for");
    until("listening has begun", async || door.generation(odd) == 1).await;
    for expect in 2..5 {
        Cluster::shared().admin("notify \"an odd \"\"name\"\"; --\", 'payload'");
        until("the notification is counted", async || door.generation(odd) == expect).await;
    }
    assert_eq!(door.generation(""), 0);
    let none = database.session_door(context(Principal::anon(), PATIENCE), Grant::None);
    assert_eq!(none.generation(odd), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn generations_grow_when_listening_begins_anew() {
    let database = database(1).await;
    let door = alice(&database);
    // The last channel listened to is the session's last statement, by which it is found.
    until("listening has begun", async || door.generation("pgrst") == 1).await;
    until("listening has begun", async || door.generation("kept") == 1).await;
    Cluster::shared().admin(
        "select pg_terminate_backend(pid, 5000) from pg_stat_activity where query = 'LISTEN \"kept\"'",
    );
    until("it listens again", async || door.generation("kept") == 2).await;
    Cluster::shared().admin("notify kept");
    until("the notification is counted", async || door.generation("kept") == 3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn snapshots_are_read_once_and_renewed_on_notification() {
    let database = database(4).await;
    Cluster::shared().admin(
        "create table facts (body text); insert into facts values ('old'); grant select on facts to service_role;",
    );
    let sql = "select body from facts";
    let doors: Vec<_> = (0..8).map(|_| service(&database)).collect();
    for door in &doors {
        assert_eq!(&*door.snapshot("facts", sql).await.unwrap().text, "old");
    }
    let first = doors[0].snapshot("facts", sql).await.unwrap();
    let again = doors[1].snapshot("facts", sql).await.unwrap();
    assert!(std::sync::Arc::ptr_eq(&first, &again), "one reading serves all");
    Cluster::shared().admin("update facts set body = 'new'");
    assert_eq!(&*doors[0].snapshot("facts", sql).await.unwrap().text, "old", "nobody was notified");
    Cluster::shared().admin("notify facts");
    until("the new one is served", async || &*doors[0].snapshot("facts", sql).await.unwrap().text == "new")
        .await;
    let renewed = doors[0].snapshot("facts", sql).await.unwrap();
    assert!(renewed.generation > first.generation);
    Cluster::shared().admin("alter table facts rename to gone; notify facts;");
    until("the notification is counted", async || doors[0].generation("facts") > renewed.generation).await;
    let kept = doors[0].snapshot("facts", sql).await.unwrap();
    assert_eq!(&*kept.text, "new", "the old one is served while a new one cannot be read");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn snapshots_need_the_service_grant_and_are_bounded() {
    let database = database(1).await;
    let refused = alice(&database).snapshot("pgrst", "select 1").await;
    assert!(matches!(refused, Err(Error::Refused(_))), "{refused:?}");
    let door = service(&database);
    for number in 0..64 {
        assert_eq!(
            &*door.snapshot("pgrst", &format!("select {number}")).await.unwrap().text,
            number.to_string()
        );
    }
    assert!(matches!(door.snapshot("pgrst", "select 64").await, Err(Error::Refused(_))));
}
