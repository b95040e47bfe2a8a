//! One session with the server, driven by whoever holds it.
//!
//! [`Connection::prepare_flight`] encodes, [`Connection::event`] reads; in between lies one write.
//! The connection knows at every moment what it owes and what it is owed, so that a holder may
//! vanish at any await and the next one can still tell whether the session is clean.

mod arrival;
mod bind;
mod departure;
mod flight;
mod long_row;
mod orders;
mod own;
mod recovery;
mod statements;

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use isobase_base::Role;
use postgres_protocol::message::backend::Message;
use postgres_protocol::message::frontend;

pub(crate) use flight::{End, Event, Flight, Load};
pub(crate) use long_row::LongRow;
pub(crate) use orders::{Isolation, Orders};
pub(crate) use statements::{Fingerprint, Shape};

use crate::error::Report;
use crate::wire::{CancelKey, ConnectError, Login, Welcome, Wire};
use crate::{Error, SqlError};
use statements::Statements;

/// Parsed on every connection when it is opened; each flight only binds them.
const FIXED: [(&str, &str); 5] = [
    ("reset", "RESET ALL"),
    ("begin_write", "BEGIN READ WRITE"),
    ("begin_read", "BEGIN READ ONLY"),
    ("commit", "COMMIT"),
    ("rollback", "ROLLBACK"),
];

#[derive(Debug)]
pub(crate) struct Connection {
    wire: Wire,
    cancel: CancelKey,
    statements: Statements,
    /// Bit `n` is set when the envelope of `n` settings is parsed. Settings are bounded below 128.
    envelopes: u128,
    /// The role it acted as last: the server's plans fit that role.
    pub(crate) role: Option<Role>,
    /// The open transaction's role is `service_role`.
    acts_as_service: bool,
    opened: Instant,
    /// Flights sent whose `ReadyForQuery` has not come.
    syncs_owed: u32,
    status: Status,
    spoiled: Option<Spoiled>,
    /// Channels notified while a statement of the listening connection was under way.
    heard: VecDeque<String>,
    pub(crate) server_version: String,
}

/// The server's word on the transaction, from the last `ReadyForQuery`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Idle,
    Open,
    Failed,
}

/// Why a connection may not serve another caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spoiled {
    /// Socket or protocol failed, or the two ends disagree.
    Broken,
    /// A statement left something that only the session's end removes.
    Lingering,
}

/// How a flight failed.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The server reported an error and is ready again.
    Sql(Box<SqlError>),
    /// As [`Trouble::Sql`], but the fault is this connection's memory (a stale plan, a lost
    /// statement, an unclean session): the same on this or another connection may succeed.
    Stale(Box<SqlError>),
    /// The connection is gone.
    Lost { why: String, repeatable: bool },
    /// Nothing was sent, or the answer was too large to take.
    Other(Error),
}

impl Trouble {
    /// Whether the same flight, sent once more, may succeed and cannot act twice.
    pub(crate) fn may_retry(&self) -> bool {
        match self {
            Self::Sql(_) | Self::Other(_) => false,
            Self::Stale(_) => true,
            Self::Lost { repeatable, .. } => *repeatable,
        }
    }

    /// What it takes off the attempts of a request: nothing for an unclean connection. It is
    /// discarded, so finding one after another comes to an end, and whoever left them unclean must
    /// not be able to fail somebody else's request.
    pub(crate) fn attempts(&self) -> u32 {
        match self {
            Self::Stale(error) => u32::from(error.sqlstate != orders::UNCLEAN),
            Self::Sql(_) | Self::Lost { .. } | Self::Other(_) => 1,
        }
    }
}

impl From<Trouble> for Error {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Sql(error) | Trouble::Stale(error) => Self::Sql(error),
            Trouble::Lost { why, .. } => Self::Unavailable(why),
            Trouble::Other(error) => error,
        }
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

impl Connection {
    pub(crate) async fn open(login: &Login, statements_max: NonZeroUsize) -> Result<Self, ConnectError> {
        let Welcome { wire, cancel, server_version } = login.connect().await?;
        let mut connection = Self {
            wire,
            cancel,
            statements: Statements::new(statements_max),
            envelopes: 0,
            role: None,
            acts_as_service: false,
            opened: Instant::now(),
            syncs_owed: 0,
            status: Status::Idle,
            spoiled: None,
            heard: VecDeque::new(),
            server_version,
        };
        connection.parse_fixed().await?;
        Ok(connection)
    }

    async fn parse_fixed(&mut self) -> Result<(), ConnectError> {
        for (name, sql) in FIXED {
            frontend::parse(name, sql, std::iter::empty(), self.wire.outbox())?;
        }
        frontend::sync(self.wire.outbox());
        self.wire.flush().await?;
        loop {
            match self.wire.message().await? {
                Message::ReadyForQuery(_) => return Ok(()),
                Message::ErrorResponse(body) => {
                    return Err(ConnectError::Refused(Box::new(Report::read(&body).error)));
                }
                _ => {}
            }
        }
    }

    /// Sends what was encoded.
    pub(crate) async fn flush(&mut self, flight: &Flight) -> Result<(), Trouble> {
        match self.wire.flush().await {
            Ok(()) => Ok(()),
            Err(error) => {
                let why = self.last_words().await.unwrap_or_else(|| error.to_string());
                Err(self.lost(why, flight.is_repeatable(None)))
            }
        }
    }

    /// A server that closes says why before; it may be in the inbox though the write failed.
    async fn last_words(&mut self) -> Option<String> {
        while let Ok(message) = self.wire.message().await {
            if let Message::ErrorResponse(body) = message {
                return Some(Report::read(&body).error.to_string());
            }
        }
        None
    }

    /// Notes the role of the next flights.
    pub(crate) fn acts_as(&mut self, role: &Role) {
        if self.role.as_ref() != Some(role) {
            self.role = Some(role.clone());
        }
    }

    /// Whether an idle connection can be handed out.
    pub(crate) fn is_alive(&mut self) -> bool {
        self.spoiled.is_none() && !self.wire.has_hung_up()
    }

    pub(crate) fn spoiled(&self) -> Option<Spoiled> {
        self.spoiled
    }

    /// Nothing is under way and no transaction is open.
    pub(crate) fn is_settled(&self) -> bool {
        self.syncs_owed == 0 && self.status == Status::Idle && self.wire.is_flushed()
    }

    /// Every answer was read, whatever the transaction's state.
    pub(crate) fn is_between_flights(&self) -> bool {
        self.syncs_owed == 0 && self.wire.is_flushed() && self.spoiled != Some(Spoiled::Broken)
    }

    pub(crate) fn age(&self) -> Duration {
        self.opened.elapsed()
    }

    /// Ends the session politely where that takes no wait.
    pub(crate) fn close(mut self) {
        self.wire.say_goodbye();
    }

    /// The columns of `sql`, where the server has parsed it for this connection.
    pub(crate) fn shape_of(&mut self, sql: &str) -> Option<Arc<Shape>> {
        self.statements.get(sql).map(|prepared| Arc::clone(&prepared.shape))
    }

    /// Whether the server has parsed a statement for this connection, in all likelihood.
    pub(crate) fn knows(&self, statement: Fingerprint) -> bool {
        self.statements.know(statement)
    }

    pub(crate) fn forget_statement(&mut self, sql: &str) {
        self.statements.forget(sql);
    }

    fn lost(&mut self, why: String, repeatable: bool) -> Trouble {
        self.spoiled = Some(Spoiled::Broken);
        Trouble::Lost { why, repeatable }
    }

    /// Tells errors of the caller from those of this connection's memory.
    fn judge(&mut self, flight: &Flight, error: Box<SqlError>) -> Trouble {
        let in_transaction = self.status != Status::Idle;
        match error.sqlstate.as_str() {
            orders::UNCLEAN if flight.failed_in_envelope() => {
                self.spoiled.get_or_insert(Spoiled::Lingering);
                Trouble::Stale(error)
            }
            // A plan whose result type has changed since it was made; a statement that somebody
            // deallocated behind our back.
            "0A000" if flight.was_warm() => Trouble::Stale(error),
            "26000" if !in_transaction || flight.failed_in_envelope() => {
                self.spoiled.get_or_insert(Spoiled::Lingering);
                Trouble::Stale(error)
            }
            _ => Trouble::Sql(error),
        }
    }
}
