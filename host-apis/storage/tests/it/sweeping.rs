//! What nobody names goes; what somebody names stays.

use std::time::Duration;

use isobase_base::Grant;
use isobase_database::Identity;

use crate::stage::{ALICE, Stage, context, own, put, read, until, upsert, user};

const SOON: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleted_and_overwritten_content_is_kept_for_a_while_then_removed() {
    let stage = Stage::keeping(SOON).await;
    let alice = stage.alice();
    let names: Vec<String> = (0..4).map(|number| own(ALICE, &number.to_string())).collect();
    for name in &names {
        put(&alice, "private", name, "old").await.unwrap();
    }
    alice.put("private", &names[0], "new".into(), upsert()).await.unwrap();
    alice.delete("private", &names[1..2], Identity::Caller).await.unwrap();
    // Plain SQL may delete too.
    stage.sql(&format!("delete from storage.objects where name = '{}'", names[2])).await;
    until("three blobs went", async || stage.files().0.len() == 2).await;
    assert_eq!(read(&alice, "private", &names[0]).await.unwrap(), "new");
    assert_eq!(read(&alice, "private", &names[3]).await.unwrap(), "old");
    assert_eq!(stage.count("select count(*) from isobase.storage_garbage").await, 0);
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_crash_left_is_found() {
    let stage = Stage::new().await;
    let alice = stage.alice();
    put(&alice, "private", &own(ALICE, "kept"), "x").await.unwrap();
    put(&alice, "private", &own(ALICE, "lost"), "x").await.unwrap();
    // As after a crash between blob and row, and in the middle of writing.
    stage
        .sql("set session_replication_role = replica; delete from storage.objects where name like '%lost'")
        .await;
    let (blobs, _) = stage.files();
    let folder = blobs[0].ancestors().nth(3).unwrap();
    std::fs::write(folder.join("drafts/half"), "half").unwrap();
    assert_eq!(stage.files().1.len(), 1);

    let storage = stage.reopened(SOON).await;
    assert!(stage.files().1.is_empty(), "drafts go at the start");
    until("the lost blob went", async || stage.files().0.len() == 1).await;
    let alice = storage.door(context(user(ALICE)), Grant::Caller);
    assert_eq!(read(&alice, "private", &own(ALICE, "kept")).await.unwrap(), "x");
    storage.close();
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_database_names_is_no_waste() {
    let stage = Stage::new().await;
    put(&stage.alice(), "private", &own(ALICE, "x"), "x").await.unwrap();
    // The same folder beneath another database.
    stage
        .sql(
            "update isobase.settings set value = gen_random_uuid()::text where name = 'storage_id'; \
               delete from storage.objects; delete from isobase.storage_garbage",
        )
        .await;
    let storage = stage.reopened(SOON).await;
    let alice = storage.door(context(user(ALICE)), Grant::Caller);
    put(&alice, "private", &own(ALICE, "y"), "y").await.unwrap();
    alice.delete("private", &[own(ALICE, "y")], Identity::Caller).await.unwrap();
    until("a whole sweep went by", async || {
        stage.count("select count(*) from isobase.storage_garbage").await == 0
    })
    .await;
    assert_eq!(stage.files().0.len(), 1, "the other database's blob is there");
    storage.close();
    stage.stop().await;
}
