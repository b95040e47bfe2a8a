//! One group of messages up to a Sync, and what is known of it while it is on its way.
//!
//! Statements that stand alone, one or several, are one flight: reset, settings, statements, all before
//! one Sync, so that they form one transaction by the protocol's own rule, leave in one write and are
//! answered in one. An error anywhere skips the rest and rolls all of it back; the transaction is done when
//! `ReadyForQuery` has come and not before.

use std::sync::Arc;

use postgres_protocol::message::backend::DataRowBody;

use super::orders::Orders;
use super::statements::{Prepared, Shape};
use crate::Statement;
use crate::decode::ByteaFormat;
use crate::error::Report;
use crate::screen::Screening;

/// What a flight carries.
#[derive(Clone, Copy)]
pub(crate) struct Load<'a> {
    /// Begins a transaction, unless one is open already.
    pub(crate) orders: Option<&'a Orders<'a>>,
    /// In this order; mostly one, and none where a transaction only ends.
    pub(crate) statements: &'a [Statement],
    pub(crate) end: End,
}

/// How a flight leaves the transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Done when the flight is.
    Commit,
    /// Open for more statements.
    Stay,
    /// Undone.
    Rollback,
    /// Only parses the statement, to learn its columns.
    Describe,
}

/// The commands of a flight, in their order; a set bit is one whose answer is still to come. That of
/// the statements is set until the last of them is done.
pub(super) mod command {
    pub(in crate::connection) const RESET: u8 = 1;
    pub(in crate::connection) const BEGIN: u8 = 2;
    pub(in crate::connection) const ENVELOPE: u8 = 4;
    pub(in crate::connection) const MAIN: u8 = 8;
    pub(in crate::connection) const END: u8 = 16;
}

/// What is parsed in a flight before its own statements, in this order.
pub(super) mod parse {
    pub(in crate::connection) const BEGIN: u8 = 1;
    pub(in crate::connection) const ENVELOPE: u8 = 2;
}

/// A flight on its way.
#[derive(Debug)]
pub(crate) struct Flight {
    pub(super) commands: u8,
    pub(super) parses: u8,
    pub(super) end: End,
    /// Index of the envelope that is parsed in this flight.
    pub(super) envelope: usize,
    pub(super) legs: Vec<Leg>,
    /// The statement whose answer is being read; the last one when all are.
    pub(super) current: usize,
    pub(super) error: Option<(u8, Report)>,
    /// The server has begun to act on this flight.
    pub(super) answered: bool,
    pub(super) read_only: bool,
    /// A longer row of its statements is not read whole.
    pub(super) row_bytes_max: usize,
}

/// One statement of a flight.
#[derive(Debug)]
pub(super) enum Leg {
    /// The connection has parsed it before.
    Warm(Arc<Prepared>),
    Cold(Cold),
}

impl Leg {
    pub(super) fn screening(&self) -> Screening {
        match self {
            Self::Warm(warm) => warm.screening,
            Self::Cold(cold) => cold.screening,
        }
    }
}

/// A statement that is parsed in this flight.
#[derive(Debug)]
pub(super) struct Cold {
    pub(super) sql: Arc<str>,
    pub(super) name: String,
    pub(super) screening: Screening,
    pub(super) parsed: bool,
    pub(super) parameters: usize,
    pub(super) shape: Option<Arc<Shape>>,
}

/// What a flight's answer holds for its sender.
pub(crate) enum Event {
    Row(DataRowBody),
    /// One that is too long to be read whole, where [`Flight::take_long_rows`] was called:
    /// [`super::Connection::long_row`] reads it. What is not read of it is passed over.
    LongRow,
    /// A statement is done; rows as counted by the server. The next event is the next statement's.
    Complete(u64),
    /// `ReadyForQuery`: the flight is over, and with [`End::Commit`] its transaction is durable.
    Settled,
}

impl Flight {
    /// From now on rows of more than `row_bytes_max` are told of when they begin.
    pub(crate) fn take_long_rows(&mut self, row_bytes_max: usize) {
        self.row_bytes_max = row_bytes_max;
    }

    /// The columns of the current statement, once known: at once when warm, with the first event when
    /// cold.
    pub(crate) fn shape(&self) -> Option<&Arc<Shape>> {
        match self.legs.get(self.current)? {
            Leg::Warm(warm) => Some(&warm.shape),
            Leg::Cold(cold) => cold.shape.as_ref(),
        }
    }

    pub(crate) fn bytea(&self) -> ByteaFormat {
        if self.was_warm() { ByteaFormat::Binary } else { ByteaFormat::Text }
    }

    /// Whether the current statement was run from an earlier flight's parse.
    pub(super) fn was_warm(&self) -> bool {
        matches!(self.legs.get(self.current), Some(Leg::Warm(_)))
    }

    pub(super) fn cold(&mut self) -> Option<&mut Cold> {
        match self.legs.get_mut(self.current)? {
            Leg::Warm(_) => None,
            Leg::Cold(cold) => Some(cold),
        }
    }

    /// Goes on to the next statement, if there is one.
    pub(super) fn next_leg(&mut self) -> bool {
        let more = self.current + 1 < self.legs.len();
        self.current += usize::from(more);
        more
    }

    pub(super) fn failed_in_envelope(&self) -> bool {
        matches!(self.error, Some((command::ENVELOPE, _)))
    }

    /// Whether sending the same again is safe though nobody knows how far the server came.
    pub(super) fn is_repeatable(&self, fatal: Option<&Report>) -> bool {
        // 57P01: the session was told to end. As the first word of an answer it says that nothing
        // was begun.
        let ended_before = fatal.is_some_and(|report| report.error.sqlstate == "57P01") && !self.answered;
        ended_before || (self.read_only && !self.answered)
    }
}

/// The command whose answer comes next.
pub(super) fn current(commands: u8) -> u8 {
    commands & commands.wrapping_neg()
}

/// Takes the first of a set of bits.
pub(super) fn pop(bits: &mut u8) -> u8 {
    let first = current(*bits);
    *bits &= !first;
    first
}
