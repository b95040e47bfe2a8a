//! Several statements, all or nothing.

use std::time::Instant;

use crate::connection::{End, Event, Flight, Load, Trouble};
use crate::door::{Attempts, check_statement, explain, fly};
use crate::harvest::{Harvest, LongBodies, When};
use crate::pool::Lease;
use crate::timeout::Bound;
use crate::{Document, Door, Error, Session, Statement, Table};

/// A transaction as one caller. Nothing is sent before the first statement; `BEGIN`, the settings
/// and that statement leave in one flush. Dropping it rolls back.
///
/// It holds a connection of the pool from its first statement to its end.
pub struct Transaction {
    door: Door,
    session: Session,
    state: State,
}

enum State {
    Fresh,
    Open(Open),
    /// No statement can follow; why.
    Over(Error),
}

struct Open {
    lease: Lease,
    bound: Bound,
}

impl Transaction {
    pub(crate) fn new(door: Door, session: Session) -> Self {
        Self { door, session, state: State::Fresh }
    }

    /// Runs one statement. After an SQL error every further statement fails with 25P02, as in
    /// Postgres itself; after any other error the transaction is over.
    ///
    /// Not cancel-safe: dropping the future ends the transaction.
    pub async fn query(&mut self, statement: Statement) -> Result<Table, Error> {
        let mut harvest = Harvest::table();
        let door = self.door.clone();
        let run = async {
            let (mut open, flight) = self.run(&statement, &mut harvest).await?;
            let table = door.table(&mut open.lease, &flight, &mut harvest).await?;
            self.state = State::Open(open);
            Ok(table)
        };
        door.bounded(run).await
    }

    /// Like [`Transaction::query`], for a statement of exactly one row. Another number of rows is
    /// `Refused`, and the transaction goes on.
    pub async fn query_document(&mut self, statement: Statement) -> Result<Document, Error> {
        let door = self.door.clone();
        let mut harvest = Harvest::document(LongBodies { spills: &door.core.spills, when: When::Settled });
        let run = async {
            let (open, _) = self.run(&statement, &mut harvest).await?;
            self.state = State::Open(open);
            Ok(())
        };
        door.bounded(run).await?;
        match harvest {
            Harvest::Document(row) => row.finish(),
            Harvest::Table(_) | Harvest::Documents(_) | Harvest::Lines(_) => {
                Ok(Document { head: Vec::new(), body: None })
            }
        }
    }

    /// Returns after Postgres has committed. A transaction in which a statement failed is rolled
    /// back and fails with 25P02.
    pub async fn commit(self) -> Result<(), Error> {
        let mut open = match self.state {
            State::Fresh => return Ok(()),
            State::Over(error) => return Err(error),
            State::Open(open) => open,
        };
        let begun = Instant::now();
        let commit = async {
            let load = Load { orders: None, statements: &[], end: End::Commit };
            end(&mut open.lease, load).await.map_err(|trouble| explain(trouble, open.bound, begun))
        };
        self.door.bounded(commit).await
    }

    /// Undoes everything. A connection that is lost meanwhile has undone it too.
    pub async fn rollback(self) -> Result<(), Error> {
        let State::Open(mut open) = self.state else { return Ok(()) };
        let rollback = async {
            let _ = open.lease.roll_back().await;
            Ok(())
        };
        self.door.bounded(rollback).await
    }

    /// Runs a statement and hands back the open transaction. Until the caller puts it into the
    /// state again the transaction counts as abandoned, which is what it is if this future is
    /// dropped.
    async fn run(
        &mut self,
        statement: &Statement,
        harvest: &mut Harvest<'_>,
    ) -> Result<(Open, Flight), Error> {
        check_statement(statement)?;
        match std::mem::replace(&mut self.state, State::Over(abandoned())) {
            State::Over(error) => {
                self.state = State::Over(error.clone());
                Err(error)
            }
            State::Fresh => self.begin(statement, harvest).await,
            State::Open(mut open) => {
                let begun = Instant::now();
                let statements = std::slice::from_ref(statement);
                let load = Load { orders: None, statements, end: End::Stay };
                match fly(&mut open.lease, load, harvest).await {
                    Ok(flight) => Ok((open, flight)),
                    Err(trouble) => Err(self.take_failure(open, trouble, begun)),
                }
            }
        }
    }

    async fn begin(
        &mut self,
        statement: &Statement,
        harvest: &mut Harvest<'_>,
    ) -> Result<(Open, Flight), Error> {
        let principal = self.door.principal(&self.session)?;
        let roles = self.door.core.roles.load_full();
        let orders = self.door.orders(&principal, &self.session, &roles)?;
        let bound = orders.bound;
        let statements = std::slice::from_ref(statement);
        let load = Load { orders: Some(&orders), statements, end: End::Stay };
        let mut attempts = Attempts::default();
        loop {
            let mut open = Open { lease: self.door.lease(&principal, statements).await?, bound };
            let begun = Instant::now();
            let trouble = match fly(&mut open.lease, load, harvest).await {
                Ok(flight) => return Ok((open, flight)),
                Err(trouble) => trouble,
            };
            if attempts.are_over(&trouble) {
                drop(orders);
                return Err(self.take_failure(open, trouble, begun));
            }
            open.lease.forget_statement(&statement.sql);
        }
    }

    /// After an SQL error the server keeps the failed transaction, and so do we; a refusal sent
    /// nothing.
    fn take_failure(&mut self, open: Open, trouble: Trouble, begun: Instant) -> Error {
        let keeps = !matches!(trouble, Trouble::Lost { .. }) && open.lease.is_between_flights();
        let error = explain(trouble, open.bound, begun);
        self.state = if keeps { State::Open(open) } else { State::Over(error.clone()) };
        error
    }
}

async fn end(lease: &mut Lease, load: Load<'_>) -> Result<(), Trouble> {
    let mut flight = lease.prepare_flight(load)?;
    lease.flush(&flight).await?;
    while !matches!(lease.event(&mut flight).await?, Event::Settled) {}
    Ok(())
}

fn abandoned() -> Error {
    Error::Refused("the transaction is over: a statement of it was abandoned".to_owned())
}
