//! Storing and reading, as whom and within which limits.

use std::time::Duration;

use isobase_base::{Body, BodyError, Grant, Principal};
use isobase_database::Identity;
use isobase_storage::{ByteRange, Code, GetOptions, PutOptions};

use crate::stage::{ALICE, BOB, SECRET, Stage, context, of_type, own, put, read, refused, stream, upsert};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_stored_is_read_by_whom_the_policies_let() {
    let stage = Stage::new().await;
    let (alice, bob, anon, service) = (stage.alice(), stage.bob(), stage.anon(), stage.service());
    let name = own(ALICE, "notes/ä 1.txt");
    let options = PutOptions {
        cache_control: Some("max-age=60".to_owned()),
        user_metadata: Some(r#"{"colour": "red"}"#.to_owned()),
        ..of_type("text/plain;charset=UTF-8")
    };
    let stored = alice.put("private", &name, Body::from("milk"), options).await.unwrap();
    assert_eq!((stored.size, stored.etag.as_str()), (4, "\"ecbdb882ae865a07d87611437fda0772\""));

    let object = alice.head("private", &name, Identity::Caller).await.unwrap();
    assert_eq!((&object.id, &object.version), (&stored.id, &stored.version));
    assert_eq!((object.size, object.etag.as_str()), (4, stored.etag.as_str()));
    assert_eq!(object.content_type, "text/plain;charset=UTF-8");
    assert_eq!(object.cache_control, "max-age=60");
    assert_eq!(object.user_metadata.as_deref(), Some(r#"{"colour": "red"}"#));
    assert_eq!(object.owner.as_deref(), Some(ALICE));
    assert!(object.created_at.ends_with('Z') && object.created_at.len() == 24, "{}", object.created_at);
    assert_eq!(read(&alice, "private", &name).await.unwrap(), "milk");

    // Hidden is not there; forbidden says so.
    refused(read(&bob, "private", &name).await, Code::NoSuchKey);
    refused(read(&anon, "private", &name).await, Code::NoSuchKey);
    refused(put(&bob, "private", &name, "poison").await, Code::AccessDenied);
    refused(bob.put("private", &name, Body::from("x"), upsert()).await, Code::AccessDenied);
    refused(put(&anon, "private", "x", "x").await, Code::AccessDenied);
    assert_eq!(read(&service, "private", &name).await.unwrap(), "milk");
    // Insert alone is enough to store, not to see.
    put(&anon, "inbox", "letter", "dear").await.unwrap();
    refused(read(&anon, "inbox", "letter").await, Code::NoSuchKey);
    // A policy may ask for what the object is wanted.
    assert_eq!(anon.head("inbox", "letter", Identity::Caller).await.unwrap().size, 4);
    // A second one is refused unless it is to replace the first; the blob of the refused one goes.
    refused(put(&alice, "private", &name, "twice").await, Code::KeyAlreadyExists);
    let again = alice.put("private", &name, Body::from("bread"), upsert()).await.unwrap();
    assert_eq!(again.id, stored.id);
    assert_ne!(again.version, stored.version);
    assert_eq!(read(&alice, "private", &name).await.unwrap(), "bread");
    let (blobs, drafts) = stage.files();
    assert_eq!((blobs.len(), drafts.len()), (3, 0), "milk is kept for a while, bread, a letter: {blobs:?}");
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn grants_bound_identities() {
    let stage = Stage::new().await;
    put(&stage.service(), "private", "a", "x").await.unwrap();
    let as_service = GetOptions { identity: Identity::Service, range: None };
    for (grant, options, expected) in [
        (Grant::None, GetOptions::default(), Code::AccessDenied),
        (Grant::Caller, as_service, Code::AccessDenied),
        (Grant::Caller, GetOptions::default(), Code::NoSuchKey),
        (Grant::Service, GetOptions::default(), Code::NoSuchKey),
    ] {
        let door = stage.storage.door(context(Principal::anon()), grant);
        refused(door.get("private", "a", options).await, expected);
    }
    let door = stage.storage.door(context(Principal::anon()), Grant::Service);
    assert_eq!(door.get("private", "a", as_service).await.unwrap().size, 1);
    let none = stage.storage.door(context(Principal::service()), Grant::None);
    refused(put(&none, "private", "b", "x").await, Code::AccessDenied);
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_of_buckets_hold() {
    let stage = Stage::new().await;
    let alice = stage.alice();
    let bytes = |count: usize| Body::from(vec![b'x'; count]);
    let put = async |bucket: &str, body: Body, options: PutOptions| {
        alice.put(bucket, &own(ALICE, "x"), body, options).await
    };
    put("small", bytes(1000), PutOptions::default()).await.unwrap();
    refused(put("small", bytes(1001), upsert()).await, Code::EntityTooLarge);
    refused(put("small", stream(1, None), upsert()).await, Code::EntityTooLarge);
    refused(put("images", bytes(1), of_type("text/plain")).await, Code::InvalidMimeType);
    put("images", bytes(1), of_type("image/png")).await.unwrap();
    refused(put("nowhere", bytes(1), upsert()).await, Code::NoSuchBucket);
    refused(alice.put("small", "../x", bytes(1), upsert()).await, Code::InvalidKey);
    let bad_metadata = PutOptions { user_metadata: Some("[1]".to_owned()), ..upsert() };
    refused(put("small", bytes(1), bad_metadata).await, Code::InvalidRequest);

    // A changed limit is heard of.
    stage.sql("update storage.buckets set file_size_limit = 2000 where id = 'small'").await;
    crate::stage::until("the new limit holds", async || put("small", bytes(1001), upsert()).await.is_ok())
        .await;
    let (blobs, drafts) = stage.files();
    assert_eq!((blobs.len(), drafts.len()), (3, 0), "nothing refused is left: {blobs:?}");
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_store_need_not_send() {
    let stage = Stage::new().await;
    let begun = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let seen = std::sync::Arc::clone(&begun);
    let body = Body::from_stream(futures::stream::poll_fn(move |_| {
        seen.store(true, std::sync::atomic::Ordering::Relaxed);
        std::task::Poll::Ready(None)
    }));
    refused(stage.bob().put("private", "x", body, PutOptions::default()).await, Code::AccessDenied);
    assert!(!begun.load(std::sync::atomic::Ordering::Relaxed), "the body was not asked for");
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_breaks_off_leaves_what_was_there() {
    let stage = Stage::new().await;
    let alice = stage.alice();
    let name = own(ALICE, "x");
    put(&alice, "private", &name, "old").await.unwrap();
    let broken = stream(40, Some(BodyError::Peer("gone".to_owned())));
    refused(alice.put("private", &name, broken, upsert()).await, Code::Aborted);
    // One that nobody waits for any more leaves nothing either.
    let body = Body::from_stream(futures::StreamExt::chain(
        futures::stream::iter((0..40).map(|_| Ok(bytes::Bytes::from_static(&[0; 65_536])))),
        futures::stream::pending(),
    ));
    let waiting = alice.put("private", &name, body, upsert());
    assert!(tokio::time::timeout(Duration::from_millis(500), waiting).await.is_err());
    assert_eq!(read(&alice, "private", &name).await.unwrap(), "old");
    crate::stage::until("the drafts are gone", async || stage.files().1.is_empty()).await;
    assert_eq!(stage.files().0.len(), 1);
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parts_are_read() {
    let stage = Stage::new().await;
    let alice = stage.alice();
    let name = own(ALICE, "x");
    // Long enough for several reads.
    alice.put("private", &name, stream(16, None), upsert()).await.unwrap();
    for (first, last, expected) in [
        (Some(0), Some(0), Some((0, 1))),
        (Some(65_535), Some(65_536), Some((65_535, 2))),
        (Some(1_048_575), None, Some((1_048_575, 1))),
        (None, Some(524_288), Some((524_288, 524_288))),
        (Some(1_048_576), None, None),
    ] {
        let options = GetOptions { range: Some(ByteRange { first, last }), ..GetOptions::default() };
        let result = alice.get("private", &name, options).await;
        let Some((first, length)) = expected else {
            refused(result, Code::InvalidRange);
            continue;
        };
        let content = result.unwrap();
        assert_eq!((content.first, content.length, content.size), (first, length, 1_048_576));
        let body = content.body.collect(u64::MAX).await.unwrap();
        assert_eq!(body.len() as u64, length);
        for (index, byte) in body.iter().enumerate() {
            assert_eq!(*byte, ((first + index as u64) / 65_536) as u8, "at {index}");
        }
    }
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signed_urls_open_what_the_signer_sees() {
    let stage = Stage::new().await;
    let (alice, bob) = (stage.alice(), stage.bob());
    let name = own(ALICE, "a b.txt");
    put(&alice, "private", &name, "x").await.unwrap();
    let minute = Duration::from_secs(60);
    let url = alice.sign("private", &name, minute, Identity::Caller).await.unwrap();
    assert!(url.path.starts_with(&format!("/object/sign/private/{name}?token=ey")), "{}", url.path);
    let signed = bob.verify(&url.token).unwrap();
    assert_eq!((signed.bucket.as_str(), signed.name.as_str()), ("private", name.as_str()));
    refused(bob.sign("private", &name, minute, Identity::Caller).await, Code::NoSuchKey);
    refused(bob.sign("private", &own(BOB, "none"), minute, Identity::Caller).await, Code::NoSuchKey);
    refused(bob.verify(&format!("{}x", url.token)), Code::InvalidJwt);
    assert!(!SECRET.is_empty());
    stage.stop().await;
}

/// The resident memory of this process, in bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_object_needs_no_large_memory() {
    const CHUNKS: u64 = 256 * 16;
    let stage = Stage::new().await;
    let alice = stage.alice();
    let name = own(ALICE, "large");
    let before = resident();
    let watch = tokio_util::sync::CancellationToken::new();
    let most = {
        let watch = watch.clone();
        std::thread::spawn(move || {
            let mut most = 0;
            while !watch.is_cancelled() {
                most = most.max(resident());
                std::thread::sleep(Duration::from_millis(2));
            }
            most
        })
    };
    let stored = alice.put("private", &name, stream(CHUNKS, None), upsert()).await.unwrap();
    assert_eq!(stored.size, CHUNKS * 65_536);
    let content = alice.get("private", &name, GetOptions::default()).await.unwrap();
    let mut body = Box::pin(content.body);
    let mut bytes = 0;
    while let Some(frame) = http_body_util::BodyExt::frame(&mut body).await {
        bytes += frame.unwrap().into_data().unwrap().len() as u64;
    }
    watch.cancel();
    let most = most.join().unwrap();
    assert_eq!(bytes, 256 << 20);
    // Other tests run in the same process; all of them together are far below the object.
    assert!(most - before < 64 << 20, "{} MiB more for 256 MiB", (most - before) >> 20);
    stage.stop().await;
}
