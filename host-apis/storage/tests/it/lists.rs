//! Pages of a bucket.

use isobase_storage::{Code, Door, Entry, ListOptions, Order, Page, SortColumn};

use crate::stage::{ALICE, Stage, refused};

/// Names of a page; folders end in a slash.
fn names(page: &Page) -> Vec<String> {
    let name = |entry: &Entry| match entry {
        Entry::Folder(name) => name.clone(),
        Entry::Object(object) => object.name.clone(),
    };
    page.entries.iter().map(name).collect()
}

async fn list(door: &Door, options: ListOptions) -> Vec<String> {
    names(&door.list("shared", &options).await.unwrap())
}

fn beneath(prefix: &str) -> ListOptions {
    ListOptions { prefix: prefix.to_owned(), ..ListOptions::default() }
}

async fn stage() -> Stage {
    let stage = Stage::new().await;
    stage
        .sql(
            "insert into storage.objects (bucket_id, name, metadata, created_at) values
               ('shared', 'b.txt', '{\"size\": 7}', '2026-01-03'), ('shared', 'a/1.txt', null, '2026-01-01'),
               ('shared', 'a/2.txt', null, '2026-01-02'), ('shared', 'a/deep/3.txt', null, now()),
               ('shared', 'a.txt', null, '2026-01-01'), ('shared', 'B.txt', null, '2026-01-02'),
               ('shared', 'ab', null, now()), ('shared', 'ü/x', null, now()), ('private', 'a/hidden', null, now())",
        )
        .await;
    stage
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn folders_are_told_once_and_pages_join() {
    let stage = stage().await;
    let anon = stage.anon();
    let top = ["B.txt", "a.txt", "a/", "ab", "b.txt", "ü/"];
    assert_eq!(list(&anon, ListOptions::default()).await, top);
    assert_eq!(list(&anon, beneath("a/")).await, ["a/1.txt", "a/2.txt", "a/deep/"]);
    assert_eq!(list(&anon, beneath("a")).await, ["a.txt", "a/", "ab"]);
    assert_eq!(list(&anon, beneath("none")).await, [""; 0]);
    let recursive = ListOptions { recursive: true, ..beneath("a/") };
    assert_eq!(list(&anon, recursive).await, ["a/1.txt", "a/2.txt", "a/deep/3.txt"]);
    let middle = ListOptions { offset: 1, limit: 2, ..ListOptions::default() };
    assert_eq!(list(&anon, middle).await, ["a.txt", "a/"]);
    for limit in 1..=7 {
        let (mut found, mut cursor) = (Vec::new(), None);
        loop {
            let options = ListOptions { limit, cursor, ..ListOptions::default() };
            let page = anon.list("shared", &options).await.unwrap();
            found.extend(names(&page));
            cursor = page.cursor;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(found, top, "by {limit}");
    }
    let page = anon.list("shared", &beneath("b.txt")).await.unwrap();
    let [Entry::Object(object)] = &page.entries[..] else { panic!("{page:?}") };
    assert_eq!((object.size, object.created_at.as_str()), (7, "2026-01-03T00:00:00.000Z"));
    // Row level security hides names as well.
    assert!(anon.list("private", &ListOptions::default()).await.unwrap().entries.is_empty());
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_orders_put_folders_first() {
    let stage = stage().await;
    let anon = stage.anon();
    let sorted = |sort, order| ListOptions { sort, order, ..ListOptions::default() };
    let down = list(&anon, sorted(SortColumn::Name, Order::Descending)).await;
    assert_eq!(down, ["ü/", "a/", "b.txt", "ab", "a.txt", "B.txt"]);
    let oldest = list(&anon, sorted(SortColumn::CreatedAt, Order::Ascending)).await;
    assert_eq!(oldest, ["a/", "ü/", "a.txt", "B.txt", "b.txt", "ab"]);
    let page = ListOptions { offset: 3, limit: 2, ..sorted(SortColumn::CreatedAt, Order::Ascending) };
    assert_eq!(list(&anon, page).await, ["B.txt", "b.txt"]);
    let with_cursor =
        ListOptions { cursor: Some("a".to_owned()), ..sorted(SortColumn::UpdatedAt, Order::Ascending) };
    refused(anon.list("shared", &with_cursor).await, Code::InvalidParameter);
    for limit in [0, 1001] {
        let options = ListOptions { limit, ..ListOptions::default() };
        refused(anon.list("shared", &options).await, Code::InvalidParameter);
    }
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_costs_what_is_on_it() {
    let stage = Stage::new().await;
    stage
        .sql(&format!(
            "insert into storage.objects (bucket_id, name)
               select 'private', format('{ALICE}/%s/%s', i % 5, i) from generate_series(1, 100000) i;
             analyze storage.objects"
        ))
        .await;
    let folder = beneath(&format!("{ALICE}/"));
    // A statement that looks at every row of the bucket takes longer than this role's statements may.
    stage.sql("alter role authenticated set statement_timeout = '250ms'; notify pgrst").await;
    let alice = stage.alice();
    let found = alice.list("private", &folder).await.unwrap();
    assert_eq!(found.entries.len(), 5);
    stage.stop().await;
}
