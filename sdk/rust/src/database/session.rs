//! As whom and how statements run.

use std::time::Duration;

use super::{Document, Error, IntoParameters, Lines, RowStream, Table, Transaction, host, parameters};

/// The circumstances of a transaction.
#[derive(Clone, Debug)]
pub struct Session {
    host: host::Session,
}

impl Session {
    /// As the caller of the request, read and write.
    pub fn caller() -> Self {
        Self::of(host::Identity::Caller)
    }

    /// As `service_role`, past row level security. Needs the database grant `service`.
    pub fn service() -> Self {
        Self::of(host::Identity::Service)
    }

    fn of(identity: host::Identity) -> Self {
        Self {
            host: host::Session {
                identity,
                access_mode: host::AccessMode::ReadWrite,
                settings: Vec::new(),
                timeout_ms: None,
            },
        }
    }

    /// Writes fail with SQLSTATE 25006.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.host.access_mode = host::AccessMode::ReadOnly;
        self
    }

    /// A setting of the transaction, as by `set_config(name, value, true)`; in the order of the
    /// calls. `role`, `session_authorization` and `request.jwt.*` are refused.
    #[must_use]
    pub fn setting(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.host.settings.push((name.into(), value.into()));
        self
    }

    /// Longest run of a statement, in whole milliseconds; the host's own bound applies too.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.host.timeout_ms = Some(u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX));
        self
    }

    /// Runs one statement in its own transaction and returns after the commit.
    pub fn query(&self, sql: impl Into<String>, parameters: impl IntoParameters) -> Result<Table, Error> {
        Ok(host::query(&self.host, parameters::statement(sql, parameters))?.into())
    }

    /// Runs a statement of exactly one row whose last column stays in the host.
    pub fn query_document(
        &self,
        sql: impl Into<String>,
        parameters: impl IntoParameters,
    ) -> Result<Document, Error> {
        Ok(host::query_document(&self.host, parameters::statement(sql, parameters))?.into())
    }

    /// Runs a statement of any number of rows whose last columns together stay in the host: a result of
    /// any size, in constant memory.
    pub fn query_lines(
        &self,
        sql: impl Into<String>,
        parameters: impl IntoParameters,
    ) -> Result<Lines, Error> {
        Ok(host::query_lines(&self.host, parameters::statement(sql, parameters))?.into())
    }

    /// Runs statements one after another in one transaction, which leave in one network flush and are
    /// committed by it. Each answers with a document of its first row, or an empty one where it has no
    /// row. The first error undoes all.
    pub fn query_documents<S: Into<String>, P: IntoParameters>(
        &self,
        statements: impl IntoIterator<Item = (S, P)>,
    ) -> Result<Vec<Document>, Error> {
        let statements: Vec<_> =
            statements.into_iter().map(|(sql, values)| parameters::statement(sql, values)).collect();
        Ok(host::query_documents(&self.host, statements)?.into_iter().map(Into::into).collect())
    }

    /// Rows as they arrive.
    pub fn stream(
        &self,
        sql: impl Into<String>,
        parameters: impl IntoParameters,
    ) -> Result<RowStream, Error> {
        let stream = host::RowStream::open(&self.host, parameters::statement(sql, parameters))?;
        Ok(RowStream::new(stream))
    }

    /// Several statements, all or nothing. Nothing is sent before the first of them.
    pub fn begin(&self) -> Transaction {
        Transaction::new(host::Transaction::new(&self.host))
    }
}

impl Default for Session {
    fn default() -> Self {
        Self::caller()
    }
}
