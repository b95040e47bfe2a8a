//! The storage as one invocation sees it: reading, listing, signing. Writing is in `write.rs`, copying,
//! moving and deleting in `change.rs`.

use std::sync::Arc;
use std::time::Duration;

use isobase_base::{Context, Grant};
use isobase_database::{Door as DatabaseDoor, Identity, Statement, Table};

use crate::object::COLUMNS;
use crate::statement::{Operation, Row, session, text};
use crate::storage::Core;
use crate::{ByteRange, Code, Content, Error, ListOptions, Object, Page, Signed, SignedUrl, list, name};

/// Objects as the caller of one request, or as `service_role` where that is granted. Made by
/// [`crate::Storage::door`]; cheap to clone. Dropping any of its futures leaves the old object or the
/// new one.
#[derive(Clone)]
pub struct Door {
    pub(crate) core: Arc<Core>,
    pub(crate) context: Context,
    pub(crate) grant: Grant,
}

/// How an object is read.
#[derive(Clone, Copy, Debug, Default)]
pub struct GetOptions {
    pub identity: Identity,
    pub range: Option<ByteRange>,
}

impl Door {
    /// An object or a part of it. What the policies hide does not exist.
    pub async fn get(&self, bucket: &str, name: &str, options: GetOptions) -> Result<Content, Error> {
        let object = self.find(bucket, name, options.identity, Operation::Get).await?;
        let version = object.version().ok_or(crate::BlobError::Missing)?;
        let blob = self.core.blobs.get(version.blob(), options.range).await?;
        Ok(Content { size: blob.bytes, first: blob.first, length: blob.length, body: blob.body, object })
    }

    /// What is known of an object.
    pub async fn head(&self, bucket: &str, name: &str, identity: Identity) -> Result<Object, Error> {
        self.find(bucket, name, identity, Operation::Info).await
    }

    /// A page of a bucket.
    pub async fn list(&self, bucket: &str, options: &ListOptions) -> Result<Page, Error> {
        let statement = list::statement(bucket, options)?;
        let table = self.query(options.identity, Operation::List, statement).await?;
        Ok(list::page(table, options))
    }

    /// An address that opens the object for `valid_for` to whoever has it. The caller must see it now.
    pub async fn sign(
        &self,
        bucket: &str,
        name: &str,
        valid_for: Duration,
        identity: Identity,
    ) -> Result<SignedUrl, Error> {
        let object = self.find(bucket, name, identity, Operation::Sign).await?;
        self.core.signer.sign(&object.bucket, &object.name, valid_for)
    }

    /// What a token of [`Door::sign`] opens. Whoever shows it needs no other permission.
    pub fn verify(&self, token: &str) -> Result<Signed, Error> {
        self.core.signer.verify(token)
    }

    pub(crate) async fn find(
        &self,
        bucket: &str,
        object: &str,
        identity: Identity,
        operation: Operation,
    ) -> Result<Object, Error> {
        name::check(object)?;
        let sql = format!("select {COLUMNS} from storage.objects object where bucket_id = $1 and name = $2");
        let statement = Statement::new(sql, vec![text(bucket), text(object)]);
        let table = self.query(identity, operation, statement).await?;
        let row = table.rows.into_iter().next().ok_or_else(Error::no_such_key)?;
        Ok(Object::read(&mut Row::new(row)))
    }

    pub(crate) async fn query(
        &self,
        identity: Identity,
        operation: Operation,
        statement: Statement,
    ) -> Result<Table, Error> {
        Ok(self.database(identity)?.query(&session(identity, operation), statement).await?)
    }

    /// The grant of the storage decides, not that of the database: a function may be granted either.
    pub(crate) fn database(&self, identity: Identity) -> Result<DatabaseDoor, Error> {
        let refused = |why: &str| Err(Error::new(Code::AccessDenied, why));
        let grant = match (self.grant, identity) {
            (Grant::None, _) => return refused("the function is granted no storage"),
            (Grant::Caller, Identity::Service) => {
                return refused("the function is not granted service_role for storage");
            }
            (_, Identity::Caller) => Grant::Caller,
            (Grant::Service, Identity::Service) => Grant::Service,
        };
        Ok(self.core.database.session_door(self.context.clone(), grant))
    }
}
