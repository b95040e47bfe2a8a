//! `isobase:host/database`: SQL as the caller.

#[allow(unreachable_pub, reason = "the generated code re-exports its types")]
mod resources;
pub(crate) mod words;

#[allow(unreachable_pub, reason = "as above")]
pub use resources::{HeldBody, OpenStream, OpenTransaction};

use isobase_database::{Content, Door, Parameter, Session, Statement};
use wasmtime::component::Resource;
use wasmtime_wasi_http::p2::body::HostIncomingBody;

use crate::HostView;
use crate::bindings::database as wit;
use crate::body::{self, Unbound};

/// What every call of the interface answers: an error for the guest, within one for the host.
type Answer<T> = wasmtime::Result<Result<T, wit::Error>>;

impl HostView<'_> {
    fn door(&self) -> Result<Door, wit::Error> {
        let missing = || wit::Error::Unavailable("this host runs without a database".into());
        self.host.door.clone().ok_or_else(missing)
    }

    /// Collects a request's body among the parameters. Fails in the host's way only for a handle
    /// that is not the guest's.
    async fn statement(&mut self, statement: wit::Statement) -> Answer<Statement> {
        let mut parameters = Vec::with_capacity(statement.parameters.len());
        for parameter in statement.parameters {
            parameters.push(match parameter {
                wit::Parameter::Body(body) => match self.bound_body(body).await? {
                    Ok(parameter) => parameter,
                    Err(error) => return Ok(Err(error)),
                },
                value => words::parameter(value),
            });
        }
        Ok(Ok(Statement { sql: statement.sql.into(), parameters }))
    }

    async fn bound_body(&mut self, body: Resource<HostIncomingBody>) -> Answer<Parameter> {
        let body = self.table.delete(body)?;
        Ok(match body::collect(body).await {
            Ok(bytes) => Ok(Parameter::Text(bytes)),
            Err(Unbound::Taken) => Err(wit::Error::Refused("the request's body was read already".into())),
            Err(Unbound::Broken(why)) => Err(wit::Error::Body(why)),
        })
    }

    /// What a call needs: the door, the session and the statement, in the host API's words.
    async fn call(
        &mut self,
        session: wit::Session,
        statement: wit::Statement,
    ) -> Answer<(Door, Session, Statement)> {
        let door = match self.door() {
            Ok(door) => door,
            Err(error) => return Ok(Err(error)),
        };
        let statement = self.statement(statement).await?;
        Ok(statement.map(|statement| (door, words::session(session), statement)))
    }

    fn document(&mut self, document: isobase_database::Document) -> wasmtime::Result<wit::Document> {
        let body = self.held(document.body)?;
        Ok(wit::Document { head: document.head.into_iter().map(words::value).collect(), body })
    }

    fn held(&mut self, body: Option<Content>) -> wasmtime::Result<Option<Resource<HeldBody>>> {
        Ok(body.map(|content| self.table.push(HeldBody { content })).transpose()?)
    }
}

impl wit::Host for HostView<'_> {
    async fn query(&mut self, session: wit::Session, statement: wit::Statement) -> Answer<wit::Table> {
        let (door, session, statement) = match self.call(session, statement).await? {
            Ok(call) => call,
            Err(error) => return Ok(Err(error)),
        };
        Ok(door.query(&session, statement).await.map(words::table).map_err(words::error))
    }

    async fn query_document(
        &mut self,
        session: wit::Session,
        statement: wit::Statement,
    ) -> Answer<wit::Document> {
        let (door, session, statement) = match self.call(session, statement).await? {
            Ok(call) => call,
            Err(error) => return Ok(Err(error)),
        };
        match door.query_document(&session, statement).await {
            Ok(document) => Ok(Ok(self.document(document)?)),
            Err(error) => Ok(Err(words::error(error))),
        }
    }

    async fn query_lines(&mut self, session: wit::Session, statement: wit::Statement) -> Answer<wit::Lines> {
        let (door, session, statement) = match self.call(session, statement).await? {
            Ok(call) => call,
            Err(error) => return Ok(Err(error)),
        };
        match door.query_lines(&session, statement).await {
            Ok(lines) => {
                let body = self.held(lines.body)?;
                let head = lines.head.into_iter().map(words::value).collect();
                Ok(Ok(wit::Lines { head, body, rows: lines.rows }))
            }
            Err(error) => Ok(Err(words::error(error))),
        }
    }

    async fn query_documents(
        &mut self,
        session: wit::Session,
        statements: Vec<wit::Statement>,
    ) -> Answer<Vec<wit::Document>> {
        let door = match self.door() {
            Ok(door) => door,
            Err(error) => return Ok(Err(error)),
        };
        let mut collected = Vec::with_capacity(statements.len());
        for statement in statements {
            match self.statement(statement).await? {
                Ok(statement) => collected.push(statement),
                Err(error) => return Ok(Err(error)),
            }
        }
        match door.query_documents(&words::session(session), &collected).await {
            Ok(documents) => {
                let documents = documents.into_iter().map(|document| self.document(document));
                Ok(Ok(documents.collect::<wasmtime::Result<_>>()?))
            }
            Err(error) => Ok(Err(words::error(error))),
        }
    }

    fn generation(&mut self, channel: String) -> wasmtime::Result<u64> {
        Ok(self.host.door.as_ref().map_or(0, |door| door.generation(&channel)))
    }

    async fn snapshot(&mut self, channel: String, sql: String) -> Answer<wit::VersionedText> {
        let door = match self.door() {
            Ok(door) => door,
            Err(error) => return Ok(Err(error)),
        };
        let snapshot = door.snapshot(&channel, &sql).await.map_err(words::error);
        Ok(snapshot.map(|kept| words::versioned_text(&kept)))
    }

    async fn newer_snapshot(
        &mut self,
        channel: String,
        sql: String,
        known: u64,
    ) -> Answer<Option<wit::VersionedText>> {
        let door = match self.door() {
            Ok(door) => door,
            Err(error) => return Ok(Err(error)),
        };
        let snapshot = door.newer_snapshot(&channel, &sql, known).await.map_err(words::error);
        Ok(snapshot.map(|kept| kept.map(|kept| words::versioned_text(&kept))))
    }
}
