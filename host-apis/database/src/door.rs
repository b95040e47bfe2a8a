//! The database as one invocation sees it.

use std::slice::from_ref;
use std::sync::Arc;
use std::time::Instant;

use isobase_base::limits::{
    DATABASE_PARAMETERS_MAX, DATABASE_SQL_BYTES_MAX, DATABASE_STATEMENTS_PER_FLUSH_MAX,
};
use isobase_base::{Context, Grant, Principal};
use tracing::Instrument;

use crate::connection::{Connection, End, Flight, Load, Orders, Trouble};
use crate::database::Core;
use crate::harvest::{Harvest, LongBodies, When};
use crate::late;
use crate::pool::Lease;
use crate::row_stream::RowStream;
use crate::session::{AccessMode, Identity};
use crate::timeout::{Bound, QUERY_CANCELED};
use crate::{Document, Error, Lines, Session, Snapshot, Statement, Table, Transaction};

/// Opens sessions as the caller of one request, or as `service_role` where that is granted. Made by
/// [`crate::Database::session_door`]; cheap to clone.
///
/// Dropping any of its futures cancels the statement on the server. No wait outlives the request's
/// deadline.
#[derive(Clone)]
pub struct Door {
    pub(crate) core: Arc<Core>,
    pub(crate) context: Context,
    pub(crate) grant: Grant,
}

impl Door {
    /// Runs one statement in its own transaction: settings, statement and commit leave in one
    /// network flush. Returns after the commit.
    pub async fn query(&self, session: &Session, statement: Statement) -> Result<Table, Error> {
        let mut harvest = Harvest::table();
        let run = async {
            let (mut lease, flight) = self.run(session, from_ref(&statement), &mut harvest).await?;
            self.table(&mut lease, &flight, &mut harvest).await
        };
        self.bounded(run).await
    }

    /// Like [`Door::query`], for a statement of exactly one row, whose last column is handed
    /// through as bytes. Another number of rows is `Refused`; what the statement wrote stays
    /// written, for the commit left with it.
    ///
    /// In a read-only session a long body is handed out when it begins, for there is nothing to commit;
    /// what fails after that, a second row too, breaks it off.
    pub async fn query_document(&self, session: &Session, statement: Statement) -> Result<Document, Error> {
        let mut harvest = Harvest::document(self.long_bodies(session));
        let run = async { self.run_or_read_on(session, &statement, &mut harvest).await };
        self.bounded(run).await?;
        match harvest {
            Harvest::Document(row) => row.finish(),
            Harvest::Table(_) | Harvest::Documents(_) | Harvest::Lines(_) => {
                Ok(Document { head: Vec::new(), body: None })
            }
        }
    }

    /// Like [`Door::query_document`], for a statement of any number of rows, whose last columns, one after
    /// another, are the body.
    pub async fn query_lines(&self, session: &Session, statement: Statement) -> Result<Lines, Error> {
        let mut harvest = Harvest::lines(self.long_bodies(session));
        let run = async { self.run_or_read_on(session, &statement, &mut harvest).await };
        self.bounded(run).await?;
        match harvest {
            Harvest::Lines(lines) => Ok(lines.finish()),
            Harvest::Table(_) | Harvest::Document(_) | Harvest::Documents(_) => {
                Ok(Lines { head: Vec::new(), body: None, rows: None })
            }
        }
    }

    /// Runs several statements, one after another in one transaction, which leave in one network flush
    /// and are committed by it. Each answers with its first row, or with nothing where it has none; the
    /// first error undoes all. Returns after the commit.
    pub async fn query_documents(
        &self,
        session: &Session,
        statements: &[Statement],
    ) -> Result<Vec<Document>, Error> {
        if !(1..=DATABASE_STATEMENTS_PER_FLUSH_MAX).contains(&statements.len()) {
            return Err(Error::Refused(format!(
                "a flush takes one to {DATABASE_STATEMENTS_PER_FLUSH_MAX} statements"
            )));
        }
        let mut harvest = Harvest::documents(&self.core.spills);
        let run = async {
            drop(self.run(session, statements, &mut harvest).await?);
            Ok(())
        };
        self.bounded(run).await?;
        match harvest {
            Harvest::Documents(documents) => Ok(documents.finish()),
            Harvest::Table(_) | Harvest::Document(_) | Harvest::Lines(_) => Ok(Vec::new()),
        }
    }

    /// Runs one statement and hands out its rows as they arrive. Returns when the first row has,
    /// so that errors of the statement itself are told here.
    pub async fn stream(&self, session: &Session, statement: Statement) -> Result<RowStream, Error> {
        self.bounded(RowStream::open(self, session, &statement)).await
    }

    /// A transaction of several statements. Nothing is sent before the first.
    pub fn transaction(&self, session: Session) -> Transaction {
        Transaction::new(self.clone(), session)
    }

    /// How often `channel` was notified since the host began to listen to it, plus one for each
    /// time the listening connection was made. Listening begins with the first call; until then,
    /// and for a name that cannot be a channel's, it is zero.
    pub fn generation(&self, channel: &str) -> u64 {
        match self.grant {
            Grant::None => 0,
            Grant::Caller | Grant::Service => self.core.channels.generation(channel),
        }
    }

    /// The first column of the first row of `sql`, read as `service_role` and kept until `channel`
    /// is notified. While a new one is being read the old one is served. Needs the service grant.
    pub async fn snapshot(&self, channel: &str, sql: &str) -> Result<Arc<Snapshot>, Error> {
        if self.grant != Grant::Service {
            return Err(Error::Refused(
                "snapshots are read as service_role, which is not granted".to_owned(),
            ));
        }
        self.bounded(self.core.snapshots.get(self, channel, sql)).await
    }

    /// As [`Door::snapshot`], for who has that of generation `known`: `None` while there is no other.
    pub async fn newer_snapshot(
        &self,
        channel: &str,
        sql: &str,
        known: u64,
    ) -> Result<Option<Arc<Snapshot>>, Error> {
        let snapshot = self.snapshot(channel, sql).await?;
        Ok((snapshot.generation != known).then_some(snapshot))
    }

    /// Whom `session` acts as, where the grant allows it.
    pub(crate) fn principal(&self, session: &Session) -> Result<Principal, Error> {
        match (self.grant, session.identity) {
            (Grant::None, _) => Err(Error::Refused("the function is granted no database".to_owned())),
            (_, Identity::Caller) => Ok(self.context.principal.clone()),
            (Grant::Service, Identity::Service) => Ok(Principal::service()),
            (Grant::Caller, Identity::Service) => {
                Err(Error::Refused("the function is not granted service_role".to_owned()))
            }
        }
    }

    /// Bounds `work` by the request's deadline. What it held is recovered when it is dropped.
    pub(crate) async fn bounded<T>(&self, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        if self.context.deadline <= Instant::now() {
            return Err(Error::TimedOut);
        }
        let span = tracing::debug_span!("database", request_id = %self.context.request_id);
        tokio::time::timeout_at(self.context.deadline.into(), work.instrument(span))
            .await
            .unwrap_or(Err(Error::TimedOut))
    }

    fn long_bodies(&self, session: &Session) -> LongBodies<'_> {
        let when = match session.access_mode {
            AccessMode::ReadOnly => When::Begun,
            AccessMode::ReadWrite => When::Settled,
        };
        LongBodies { spills: &self.core.spills, when }
    }

    /// Runs one statement to its end, or to where its body begins; the rest is read while it is used.
    async fn run_or_read_on(
        &self,
        session: &Session,
        statement: &Statement,
        harvest: &mut Harvest<'_>,
    ) -> Result<(), Error> {
        let (lease, flight) = self.run(session, from_ref(statement), harvest).await?;
        if let Some(late) = harvest.take_late() {
            late::read_on(self, lease, flight, late);
        }
        Ok(())
    }

    /// One flight, one transaction; a second attempt where the first cannot have acted.
    async fn run(
        &self,
        session: &Session,
        statements: &[Statement],
        harvest: &mut Harvest<'_>,
    ) -> Result<(Lease, Flight), Error> {
        let principal = self.principal(session)?;
        let roles = self.core.roles.load_full();
        let orders = self.orders(&principal, session, &roles)?;
        let load = Load { orders: Some(&orders), statements, end: End::Commit };
        statements.iter().try_for_each(check_statement)?;
        let mut attempts = Attempts::default();
        loop {
            let mut lease = self.lease(&principal, statements).await?;
            let begun = Instant::now();
            let trouble = match fly(&mut lease, load, harvest).await {
                Ok(flight) => return Ok((lease, flight)),
                Err(trouble) => trouble,
            };
            if attempts.are_over(&trouble) {
                return Err(explain(trouble, orders.bound, begun));
            }
            for statement in statements {
                lease.forget_statement(&statement.sql);
            }
        }
    }

    pub(crate) fn orders<'a>(
        &'a self,
        principal: &'a Principal,
        session: &'a Session,
        roles: &'a crate::roles::RoleSettingsByName,
    ) -> Result<Orders<'a>, Error> {
        let of_role = roles.get(principal.role().as_str());
        let statement_timeout = self.core.pool.config().statement_timeout;
        Orders::new(principal, session, of_role, self.context.request_id, statement_timeout)
    }

    /// A connection for `statements`, to act as `principal`.
    pub(crate) async fn lease(
        &self,
        principal: &Principal,
        statements: &[Statement],
    ) -> Result<Lease, Error> {
        let pool = self.core.pool_for(self.grant, principal);
        let sql = statements.first().map_or("", |statement| &statement.sql);
        let mut lease = pool.acquire(principal.role(), sql).await?;
        lease.acts_as(principal.role());
        Ok(lease)
    }

    /// A harvest of rows with its columns.
    pub(crate) async fn table(
        &self,
        lease: &mut Lease,
        flight: &Flight,
        harvest: &mut Harvest<'_>,
    ) -> Result<Table, Error> {
        let columns = match flight.shape() {
            Some(shape) => self.core.type_names.columns(shape, lease).await?,
            None => Vec::new(),
        };
        let (rows, affected) = match harvest {
            Harvest::Table(table) => (std::mem::take(&mut table.rows), table.affected),
            Harvest::Document(_) | Harvest::Documents(_) | Harvest::Lines(_) => (Vec::new(), 0),
        };
        Ok(Table { columns, rows, affected })
    }
}

/// A flight is sent at most so often, not counting connections that were found unclean. Three,
/// because a connection may be lost and the next one may hold a stale plan.
const ATTEMPTS_MAX: u32 = 3;

/// The attempts at one statement so far.
#[derive(Default)]
pub(crate) struct Attempts(u32);

impl Attempts {
    /// Counts the one that ended with `trouble`. Whether another cannot help or would be too many.
    pub(crate) fn are_over(&mut self, trouble: &Trouble) -> bool {
        self.0 += trouble.attempts();
        self.0 >= ATTEMPTS_MAX || !trouble.may_retry()
    }
}

/// Sends a flight and gathers its answer.
pub(crate) async fn fly(
    connection: &mut Connection,
    load: Load<'_>,
    harvest: &mut Harvest<'_>,
) -> Result<Flight, Trouble> {
    let mut flight = connection.prepare_flight(load)?;
    connection.flush(&flight).await?;
    harvest.gather(connection, &mut flight).await?;
    Ok(flight)
}

/// What the caller is told. A statement that the host's or the session's limit ended is `TimedOut`;
/// one that its role's limit ended keeps its SQLSTATE.
pub(crate) fn explain(trouble: Trouble, bound: Bound, begun: Instant) -> Error {
    match trouble {
        Trouble::Sql(error) if error.sqlstate == QUERY_CANCELED && bound.explains(begun.elapsed()) => {
            Error::TimedOut
        }
        trouble => trouble.into(),
    }
}

/// Bounds that the protocol or memory set.
pub(crate) fn check_statement(statement: &Statement) -> Result<(), Error> {
    if statement.sql.len() > DATABASE_SQL_BYTES_MAX {
        return Err(Error::Refused(format!("a statement is longer than {DATABASE_SQL_BYTES_MAX} bytes")));
    }
    if statement.parameters.len() > DATABASE_PARAMETERS_MAX {
        return Err(Error::Refused(format!(
            "a statement has more than {DATABASE_PARAMETERS_MAX} parameters"
        )));
    }
    Ok(())
}
