//! A storage over the product's own base schema, with policies, and callers in a line each.

use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use isobase_base::observe::Observer;
use isobase_base::progress::Silent;
use isobase_base::project::{BucketSettings, StorageSettings};
use isobase_base::{Body, Client, Context, Grant, Principal, RequestId, Role, TraceContext};
use isobase_database::{Database, DatabaseConfig};
use isobase_postgres::{Cluster, ClusterConfig, OwnSessions, own_sessions, schema};
use isobase_storage::{Code, Door, Error, GetOptions, PutOptions, Storage, StorageConfig, Stored};
use tempfile::TempDir;

pub(crate) const ALICE: &str = "11111111-1111-1111-1111-111111111111";
pub(crate) const BOB: &str = "22222222-2222-2222-2222-222222222222";
/// Longest wait for something that must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
pub(crate) const SECRET: &str = "a secret of at least thirty-two bytes";

/// Everybody may do everything in their own folder of `private`, and read `shared`; into `inbox` they
/// may drop things, and look at their heads.
const POLICIES: &str = "
insert into storage.buckets (id, name) values ('private', 'private'), ('shared', 'shared'), ('inbox', 'inbox');
create policy own on storage.objects to authenticated
    using (bucket_id = 'private' and (storage.foldername(name))[1] = (select auth.uid())::text);
create policy read on storage.objects for select to anon, authenticated using (bucket_id = 'shared');
create policy drop_in on storage.objects for insert to anon, authenticated with check (bucket_id = 'inbox');
create policy look on storage.objects for select to anon
    using (bucket_id = 'inbox' and storage.allow_any_operation(array['object.get_authenticated_info']));
create policy in_limits on storage.objects to authenticated
    using (bucket_id in ('small', 'images')) with check (bucket_id in ('small', 'images'));
";

pub(crate) struct Stage {
    // In the order they are dropped.
    pub(crate) storage: Storage,
    pub(crate) own: OwnSessions,
    pub(crate) cluster: Cluster,
    pub(crate) database: Database,
    pub(crate) folder: TempDir,
}

impl Stage {
    pub(crate) async fn new() -> Self {
        Self::keeping(Duration::from_secs(3_600)).await
    }

    /// Deleted content is kept for `keep`.
    pub(crate) async fn keeping(keep: Duration) -> Self {
        let open = std::fs::Permissions::from_mode(0o755);
        let folder = tempfile::Builder::new().prefix("isobase-storage-").permissions(open).tempdir().unwrap();
        let config = ClusterConfig { port: 0, ..ClusterConfig::new(folder.path()) };
        let cluster = Cluster::start(config, Arc::new(Silent), Observer::default()).await.unwrap();
        schema::apply(cluster.superuser_url(), &cluster.base_schema(true), &Silent).await.unwrap();
        let own = own_sessions(cluster.superuser_url()).unwrap();
        own.get().await.unwrap().batch_execute(POLICIES).await.unwrap();
        let config = DatabaseConfig::from_url(cluster.authenticator_url()).unwrap();
        let config = config.callers_from_url(cluster.caller_url()).unwrap();
        let database = Database::open(config, Observer::default()).await.unwrap();
        let storage = open_storage(&folder, &database, &own, keep).await;
        Self { storage, own, cluster, database, folder }
    }

    /// A second one on the same folder and database, as after a restart.
    pub(crate) async fn reopened(&self, keep: Duration) -> Storage {
        self.storage.close();
        open_storage(&self.folder, &self.database, &self.own, keep).await
    }

    pub(crate) async fn sql(&self, sql: &str) {
        self.own.get().await.unwrap().batch_execute(sql).await.unwrap();
    }

    pub(crate) async fn count(&self, sql: &str) -> i64 {
        self.own.get().await.unwrap().query_one(sql, &[]).await.unwrap().get(0)
    }

    pub(crate) fn alice(&self) -> Door {
        self.storage.door(context(user(ALICE)), Grant::Caller)
    }

    pub(crate) fn bob(&self) -> Door {
        self.storage.door(context(user(BOB)), Grant::Caller)
    }

    pub(crate) fn anon(&self) -> Door {
        self.storage.door(context(Principal::anon()), Grant::Caller)
    }

    pub(crate) fn service(&self) -> Door {
        self.storage.door(context(Principal::service()), Grant::Service)
    }

    /// Files of objects, and files that are being written.
    pub(crate) fn files(&self) -> (Vec<PathBuf>, Vec<PathBuf>) {
        let mut found = (Vec::new(), Vec::new());
        walk(&self.folder.path().join("storage"), &mut found);
        found
    }

    pub(crate) async fn stop(self) {
        self.storage.close();
        self.database.close().await;
        self.own.close();
        self.cluster.stop().await;
    }
}

async fn open_storage(folder: &TempDir, database: &Database, own: &OwnSessions, keep: Duration) -> Storage {
    let image = BucketSettings {
        public: true,
        file_size_limit: None,
        allowed_mime_types: vec!["image/*".to_owned()],
    };
    let small = BucketSettings { file_size_limit: Some(1000), ..BucketSettings::default() };
    Storage::open(StorageConfig {
        folder: folder.path().join("storage"),
        database: database.clone(),
        own_sessions: own.clone(),
        settings: StorageSettings {
            enabled: true,
            file_size_limit: 1 << 30,
            keep_deleted: keep,
            buckets: [("images".to_owned(), image), ("small".to_owned(), small)].into(),
        },
        jwt_secret: SECRET.to_owned(),
    })
    .await
    .unwrap()
}

fn walk(folder: &std::path::Path, found: &mut (Vec<PathBuf>, Vec<PathBuf>)) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            walk(&path, found);
        } else if path.parent().is_some_and(|folder| folder.ends_with("drafts")) {
            found.1.push(path);
        } else {
            found.0.push(path);
        }
    }
}

pub(crate) fn user(subject: &str) -> Principal {
    let claims = serde_json::json!({ "sub": subject }).as_object().unwrap().clone();
    Principal::new(Role::parse("authenticated", &[]).unwrap(), claims)
}

pub(crate) fn context(principal: Principal) -> Context {
    Context {
        request_id: RequestId::generate(),
        trace: TraceContext::generate(),
        principal,
        deadline: Instant::now() + PATIENCE,
        client: Client { address: Ipv4Addr::LOCALHOST.into() },
    }
}

pub(crate) fn upsert() -> PutOptions {
    PutOptions { upsert: true, ..PutOptions::default() }
}

pub(crate) fn of_type(content_type: &str) -> PutOptions {
    PutOptions { content_type: Some(content_type.to_owned()), ..PutOptions::default() }
}

/// Stores text with the default options.
pub(crate) async fn put(door: &Door, bucket: &str, name: &str, text: &'static str) -> Result<Stored, Error> {
    door.put(bucket, name, Body::from(text), PutOptions::default()).await
}

pub(crate) async fn read(door: &Door, bucket: &str, name: &str) -> Result<Bytes, Error> {
    let content = door.get(bucket, name, GetOptions::default()).await?;
    Ok(content.body.collect(u64::MAX).await.expect("the body is whole"))
}

#[track_caller]
pub(crate) fn refused<T: std::fmt::Debug>(result: Result<T, Error>, code: Code) {
    let error = result.expect_err("it is refused");
    assert_eq!(error.code, code, "{error:?}");
}

pub(crate) fn own(subject: &str, name: &str) -> String {
    format!("{subject}/{name}")
}

/// `chunks` times 64 KiB, each byte the number of its chunk; `after` ends it, perhaps badly.
pub(crate) fn stream(chunks: u64, after: Option<isobase_base::BodyError>) -> Body {
    let chunk = |number: u64| Ok(Bytes::from(vec![number as u8; 64 * 1024]));
    let all = (0..chunks).map(chunk).chain(after.map(Err));
    Body::from_stream(futures::stream::iter(all))
}

/// Waits until `condition` holds.
pub(crate) async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !condition().await {
        assert!(begun.elapsed() < PATIENCE, "it never came to pass that {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
