//! What a guest holds a handle to: a value kept in the host, rows on their way, a transaction.

use isobase_database::{Content, RowStream, Transaction};
use wasmtime::component::Resource;

use super::{Answer, words};
use crate::HostView;
use crate::bindings::database as wit;

/// A value that stays in the host, or is on its way there.
pub struct HeldBody {
    pub(crate) content: Content,
}

/// Rows that are being read.
pub struct OpenStream(RowStream);

/// A transaction that may not have begun yet. Without one where the host has no database: the
/// contract lets opening a transaction not fail, so its first statement does.
pub struct OpenTransaction(Option<Transaction>);

fn no_database() -> wit::Error {
    wit::Error::Unavailable("this host runs without a database".into())
}

impl wit::HostBody for HostView<'_> {
    fn length(&mut self, body: Resource<HeldBody>) -> wasmtime::Result<u64> {
        Ok(self.table.get(&body)?.content.length().unwrap_or(0))
    }

    async fn read(&mut self, body: Resource<HeldBody>) -> wasmtime::Result<Vec<u8>> {
        let bytes = self.table.get_mut(&body)?.content.read().await;
        Ok(bytes.map_err(wasmtime::Error::new)?.to_vec())
    }

    fn drop(&mut self, body: Resource<HeldBody>) -> wasmtime::Result<()> {
        self.table.delete(body)?;
        Ok(())
    }
}

impl wit::HostRowStream for HostView<'_> {
    async fn open(
        &mut self,
        session: wit::Session,
        statement: wit::Statement,
    ) -> Answer<Resource<OpenStream>> {
        let (door, session, statement) = match self.call(session, statement).await? {
            Ok(call) => call,
            Err(error) => return Ok(Err(error)),
        };
        match door.stream(&session, statement).await {
            Ok(stream) => Ok(Ok(self.table.push(OpenStream(stream))?)),
            Err(error) => Ok(Err(words::error(error))),
        }
    }

    fn columns(&mut self, stream: Resource<OpenStream>) -> wasmtime::Result<Vec<wit::Column>> {
        Ok(words::columns(self.table.get(&stream)?.0.columns()))
    }

    async fn next(&mut self, stream: Resource<OpenStream>, count: u32) -> Answer<Vec<Vec<wit::Value>>> {
        let OpenStream(stream) = self.table.get_mut(&stream)?;
        Ok(stream.next(count).await.map(words::rows).map_err(words::error))
    }

    fn drop(&mut self, stream: Resource<OpenStream>) -> wasmtime::Result<()> {
        self.table.delete(stream)?;
        Ok(())
    }
}

impl wit::HostTransaction for HostView<'_> {
    fn new(&mut self, session: wit::Session) -> wasmtime::Result<Resource<OpenTransaction>> {
        let transaction = self.host.door.as_ref().map(|door| door.transaction(words::session(session)));
        Ok(self.table.push(OpenTransaction(transaction))?)
    }

    async fn query(
        &mut self,
        transaction: Resource<OpenTransaction>,
        statement: wit::Statement,
    ) -> Answer<wit::Table> {
        let statement = match self.statement(statement).await? {
            Ok(statement) => statement,
            Err(error) => return Ok(Err(error)),
        };
        let Some(transaction) = &mut self.table.get_mut(&transaction)?.0 else {
            return Ok(Err(no_database()));
        };
        Ok(transaction.query(statement).await.map(words::table).map_err(words::error))
    }

    async fn query_document(
        &mut self,
        transaction: Resource<OpenTransaction>,
        statement: wit::Statement,
    ) -> Answer<wit::Document> {
        let statement = match self.statement(statement).await? {
            Ok(statement) => statement,
            Err(error) => return Ok(Err(error)),
        };
        let Some(transaction) = &mut self.table.get_mut(&transaction)?.0 else {
            return Ok(Err(no_database()));
        };
        match transaction.query_document(statement).await {
            Ok(document) => Ok(Ok(self.document(document)?)),
            Err(error) => Ok(Err(words::error(error))),
        }
    }

    async fn commit(&mut self, transaction: Resource<OpenTransaction>) -> Answer<()> {
        match self.table.delete(transaction)?.0 {
            Some(transaction) => Ok(transaction.commit().await.map_err(words::error)),
            None => Ok(Err(no_database())),
        }
    }

    async fn rollback(&mut self, transaction: Resource<OpenTransaction>) -> Answer<()> {
        match self.table.delete(transaction)?.0 {
            Some(transaction) => Ok(transaction.rollback().await.map_err(words::error)),
            None => Ok(Err(no_database())),
        }
    }

    fn drop(&mut self, transaction: Resource<OpenTransaction>) -> wasmtime::Result<()> {
        self.table.delete(transaction)?;
        Ok(())
    }
}
