//! Blobs without a database.

use std::sync::Arc;

use bytes::Bytes;
use isobase_base::Body;
use isobase_storage::{BlobError, BlobStore, ContentId, Contents, Disk, Room};

#[tokio::test]
async fn contents_are_kept_once_under_their_hash() {
    let folder = tempfile::tempdir().unwrap();
    let disk: Arc<dyn BlobStore> = Arc::new(Disk::open(folder.path()).unwrap());
    let contents = Contents::new(Arc::clone(&disk));
    let id = contents.put(Bytes::from_static(b"abc")).await.unwrap();
    assert_eq!(id.as_str(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_eq!(contents.put(Bytes::from_static(b"abc")).await.unwrap(), id);
    let blob = contents.get(&id).await.unwrap();
    assert_eq!(blob.body.collect(3).await.unwrap(), "abc");

    // A body that is not what it was said to be is not stored.
    let other = ContentId::of(b"def");
    let wrong = contents.put_as(&other, Body::from("xyz"), 10).await;
    assert!(matches!(wrong, Err(BlobError::Mismatch)), "{wrong:?}");
    assert!(!contents.contains(&other).await.unwrap());
    let long = contents.put_as(&other, Body::from("def"), 2).await;
    assert!(matches!(long, Err(BlobError::TooLarge { bytes_max: 2 })), "{long:?}");
    contents.put_as(&other, Body::from("def"), 3).await.unwrap();
    assert_eq!(std::fs::read_dir(folder.path().join("drafts")).unwrap().count(), 0);

    // They survive the process; deleting is idempotent.
    let again = Contents::new(Arc::new(Disk::open(folder.path()).unwrap()));
    assert!(again.contains(&id).await.unwrap());
    again.delete(&id).await.unwrap();
    again.delete(&id).await.unwrap();
    assert!(matches!(again.get(&id).await, Err(BlobError::Missing)));
    assert_eq!(again.list(None, 10).await.unwrap(), [other]);
}

#[tokio::test]
async fn lists_are_paged_without_gaps() {
    let folder = tempfile::tempdir().unwrap();
    let disk: Arc<dyn BlobStore> = Arc::new(Disk::open(folder.path()).unwrap());
    let contents = Contents::new(Arc::clone(&disk));
    let mut all = std::collections::BTreeSet::new();
    for number in 0..100 {
        all.insert(contents.put(format!("content {number}").into()).await.unwrap());
    }
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = contents.list(after.as_ref(), 7).await.unwrap();
        let Some(last) = page.last().cloned() else { break };
        assert!(page.len() <= 7);
        found.extend(page);
        after = Some(last);
    }
    assert_eq!(found.len(), 100);
    assert_eq!(found.into_iter().collect::<std::collections::BTreeSet<_>>(), all);
    assert!(disk.list(Room::Objects, None, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn drafts_of_a_process_that_died_are_removed() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("drafts")).unwrap();
    std::fs::write(folder.path().join("drafts/left"), "half").unwrap();
    Disk::open(folder.path()).unwrap();
    assert_eq!(std::fs::read_dir(folder.path().join("drafts")).unwrap().count(), 0);
}
