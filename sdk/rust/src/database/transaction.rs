//! Several statements, all or nothing.

use super::{Document, Error, IntoParameters, Table, host, parameters};

/// A transaction. Dropping it without [`Transaction::commit`] rolls back.
#[derive(Debug)]
pub struct Transaction {
    host: host::Transaction,
}

impl Transaction {
    pub(super) fn new(host: host::Transaction) -> Self {
        Self { host }
    }

    pub fn query(&self, sql: impl Into<String>, parameters: impl IntoParameters) -> Result<Table, Error> {
        Ok(self.host.query(parameters::statement(sql, parameters))?.into())
    }

    /// A statement of exactly one row whose last column stays in the host.
    pub fn query_document(
        &self,
        sql: impl Into<String>,
        parameters: impl IntoParameters,
    ) -> Result<Document, Error> {
        Ok(self.host.query_document(parameters::statement(sql, parameters))?.into())
    }

    /// Returns once Postgres said that the transaction is done.
    pub fn commit(self) -> Result<(), Error> {
        Ok(host::Transaction::commit(self.host)?)
    }

    pub fn rollback(self) -> Result<(), Error> {
        Ok(host::Transaction::rollback(self.host)?)
    }
}
