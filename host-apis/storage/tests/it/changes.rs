//! Copying, moving, deleting, and two at once.

use isobase_base::Body;
use isobase_database::Identity;
use isobase_storage::{Code, CopyOptions, PutOptions};

use crate::stage::{ALICE, BOB, Stage, of_type, own, put, read, refused};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_live_on_their_own() {
    let stage = Stage::new().await;
    let (alice, bob) = (stage.alice(), stage.bob());
    let (first, second) = (own(ALICE, "1"), own(ALICE, "2"));
    let options = PutOptions { user_metadata: Some(r#"{"a": 1}"#.to_owned()), ..of_type("text/plain") };
    let source = alice.put("private", &first, Body::from("milk"), options).await.unwrap();
    let to = ("private", second.as_str());
    let copied = alice.copy(("private", &first), to, CopyOptions::default()).await.unwrap();
    assert_ne!(copied.version, source.version);
    assert_eq!((copied.size, &copied.etag), (4, &source.etag));
    let object = alice.head("private", &second, Identity::Caller).await.unwrap();
    assert_eq!(
        (object.content_type.as_str(), object.user_metadata.as_deref()),
        ("text/plain", Some(r#"{"a": 1}"#))
    );

    refused(alice.copy(("private", &first), to, CopyOptions::default()).await, Code::KeyAlreadyExists);
    let replaced = CopyOptions {
        upsert: true,
        content_type: Some("text/css".to_owned()),
        user_metadata: Some("{}".to_owned()),
        ..CopyOptions::default()
    };
    alice.copy(("private", &first), to, replaced).await.unwrap();
    let object = alice.head("private", &second, Identity::Caller).await.unwrap();
    assert_eq!((object.content_type.as_str(), object.user_metadata.as_deref()), ("text/css", Some("{}")));

    alice.delete("private", std::slice::from_ref(&first), Identity::Caller).await.unwrap();
    refused(read(&alice, "private", &first).await, Code::NoSuchKey);
    assert_eq!(read(&alice, "private", &second).await.unwrap(), "milk");
    // Not what one may not see, not to where one may not write.
    let own_place = own(BOB, "x");
    refused(bob.copy(to, ("private", &own_place), CopyOptions::default()).await, Code::NoSuchKey);
    refused(alice.copy(to, ("private", &own_place), CopyOptions::default()).await, Code::AccessDenied);
    refused(alice.copy(to, ("images", "x"), CopyOptions::default()).await, Code::InvalidMimeType);
    refused(alice.copy(to, ("nowhere", "x"), CopyOptions::default()).await, Code::NoSuchBucket);
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn moves_keep_the_object() {
    let stage = Stage::new().await;
    let (alice, bob) = (stage.alice(), stage.bob());
    let (first, second) = (own(ALICE, "1"), own(ALICE, "2"));
    let stored = put(&alice, "private", &first, "milk").await.unwrap();
    let caller = Identity::Caller;
    alice.rename(("private", &first), ("private", &second), caller).await.unwrap();
    refused(read(&alice, "private", &first).await, Code::NoSuchKey);
    assert_eq!(read(&alice, "private", &second).await.unwrap(), "milk");
    assert_eq!(alice.head("private", &second, caller).await.unwrap().id, stored.id);
    alice.rename(("private", &second), ("small", "x"), caller).await.unwrap();
    assert_eq!(read(&alice, "small", "x").await.unwrap(), "milk");

    put(&alice, "private", &first, "bread").await.unwrap();
    refused(alice.rename(("private", &first), ("small", "x"), caller).await, Code::KeyAlreadyExists);
    refused(alice.rename(("private", &first), ("private", "elsewhere"), caller).await, Code::AccessDenied);
    refused(bob.rename(("private", &first), ("private", &own(BOB, "x")), caller).await, Code::NoSuchKey);
    refused(alice.rename(("private", &first), ("nowhere", "x"), caller).await, Code::NoSuchBucket);
    alice.rename(("private", &first), ("private", &first), caller).await.unwrap();
    assert_eq!(read(&alice, "private", &first).await.unwrap(), "bread");
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_may_be_deleted_is() {
    let stage = Stage::new().await;
    let (alice, service) = (stage.alice(), stage.service());
    let mine = own(ALICE, "it's \"mine\", {really}\\");
    for (bucket, name) in [("private", mine.as_str()), ("private", "other"), ("shared", "a")] {
        put(&service, bucket, name, "x").await.unwrap();
    }
    let names = [mine.clone(), "other".to_owned(), "none".to_owned()];
    let deleted = alice.delete("private", &names, Identity::Caller).await.unwrap();
    assert_eq!(deleted.iter().map(|object| &object.name).collect::<Vec<_>>(), [&mine]);
    assert!(alice.delete("shared", &["a".to_owned()], Identity::Caller).await.unwrap().is_empty());
    assert_eq!(read(&service, "private", "other").await.unwrap(), "x");
    refused(alice.delete("private", &[], Identity::Caller).await, Code::InvalidRequest);
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_who_create_one_does() {
    let stage = Stage::new().await;
    let alice = stage.alice();
    for round in 0..10 {
        let name = own(ALICE, &round.to_string());
        let all = (0..8).map(|_| put(&alice, "private", &name, "x"));
        let results = futures::future::join_all(all).await;
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1, "{results:?}");
        for result in results.into_iter().filter(Result::is_err) {
            refused(result, Code::KeyAlreadyExists);
        }
    }
    assert_eq!(stage.files().0.len(), 10);
    stage.stop().await;
}
