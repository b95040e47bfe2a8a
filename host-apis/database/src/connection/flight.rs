//! One group of messages up to a Sync, and the reading of its answer.
//!
//! A statement that stands alone is one flight: reset, settings, statement, all before one Sync, so
//! that they form one transaction by the protocol's own rule, leave in one write and are answered
//! in one. An error anywhere skips the rest and rolls all of it back; the transaction is done when
//! `ReadyForQuery` has come and not before.

use std::sync::Arc;

use bytes::BufMut;
use fallible_iterator::FallibleIterator;
use postgres_protocol::IsNull;
use postgres_protocol::message::backend::{CommandCompleteBody, DataRowBody, Message, RowDescriptionBody};
use postgres_protocol::message::frontend;

use super::orders::{Orders, envelope_sql};
use super::statements::{Prepared, Shape};
use super::{Connection, Spoiled, Status, Trouble};
use crate::decode::ByteaFormat;
use crate::error::Report;
use crate::screen::{Screening, TransactionKind, screen};
use crate::session::AccessMode;
use crate::{Error, Parameter, Statement};

/// What a flight carries.
#[derive(Clone, Copy)]
pub(crate) struct Load<'a> {
    /// Begins a transaction, unless one is open already.
    pub(crate) orders: Option<&'a Orders<'a>>,
    pub(crate) statement: Option<&'a Statement>,
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

/// The commands of a flight, in their order; a set bit is one whose answer is still to come.
mod command {
    pub(super) const RESET: u8 = 1;
    pub(super) const BEGIN: u8 = 2;
    pub(super) const ENVELOPE: u8 = 4;
    pub(super) const MAIN: u8 = 8;
    pub(super) const END: u8 = 16;
}

/// Statements to be parsed in a flight, in their order.
mod parse {
    pub(super) const BEGIN: u8 = 1;
    pub(super) const ENVELOPE: u8 = 2;
    pub(super) const MAIN: u8 = 4;
}

/// A flight on its way.
#[derive(Debug)]
pub(crate) struct Flight {
    commands: u8,
    parses: u8,
    end: End,
    /// Index of the envelope that is parsed in this flight.
    envelope: usize,
    /// The statement, where the connection has parsed it before.
    warm: Option<Arc<Prepared>>,
    cold: Option<Cold>,
    error: Option<(u8, Report)>,
    /// The server has begun to act on this flight.
    answered: bool,
    read_only: bool,
}

/// A statement that is parsed in this flight.
#[derive(Debug)]
struct Cold {
    sql: Arc<str>,
    name: String,
    screening: Screening,
    parsed: bool,
    parameters: usize,
    shape: Option<Arc<Shape>>,
}

/// What a flight's answer holds for its sender.
pub(crate) enum Event {
    Row(DataRowBody),
    /// The statement is done; rows as counted by the server.
    Complete(u64),
    /// `ReadyForQuery`: the flight is over, and with [`End::Commit`] its transaction is durable.
    Settled,
}

impl Flight {
    /// The columns of the statement, once known: at once when warm, with the first event when cold.
    pub(crate) fn shape(&self) -> Option<&Arc<Shape>> {
        match (&self.warm, &self.cold) {
            (Some(warm), _) => Some(&warm.shape),
            (None, Some(cold)) => cold.shape.as_ref(),
            (None, None) => None,
        }
    }

    pub(crate) fn bytea(&self) -> ByteaFormat {
        if self.warm.is_some() { ByteaFormat::Binary } else { ByteaFormat::Text }
    }

    /// Whether the statement was run from an earlier flight's parse.
    pub(super) fn was_warm(&self) -> bool {
        self.warm.is_some()
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

impl Connection {
    /// Screens, encodes and counts a flight; nothing is sent yet.
    pub(crate) fn prepare_flight(&mut self, load: Load<'_>) -> Result<Flight, Error> {
        let (warm, cold) = match load.statement {
            Some(statement) => self.look_up(statement, load)?,
            None => (None, None),
        };
        let screening = warm.as_ref().map(|warm| warm.screening).or(cold.as_ref().map(|cold| cold.screening));
        if screening.is_some_and(|screening| screening.lingers) && load.end != End::Describe {
            self.spoiled.get_or_insert(Spoiled::Lingering);
        }
        let mut flight = Flight {
            commands: 0,
            parses: 0,
            end: load.end,
            envelope: 0,
            warm,
            cold,
            error: None,
            answered: false,
            read_only: load.orders.is_some_and(|orders| orders.access_mode == AccessMode::ReadOnly),
        };
        let explicit = match screening {
            Some(screening) => load.end == End::Stay || screening.transaction == TransactionKind::Explicit,
            None => true,
        };
        if let Err(error) = self.encode(&mut flight, load, explicit) {
            // Nothing of it was sent; the statements to be closed are lost to sight, not to the
            // server, so the connection is not used again.
            self.wire.outbox().clear();
            self.spoiled.get_or_insert(Spoiled::Broken);
            return Err(Error::Refused(format!("the statement cannot be sent: {error}")));
        }
        self.syncs_owed += 1;
        Ok(flight)
    }

    fn look_up(
        &mut self,
        statement: &Statement,
        load: Load<'_>,
    ) -> Result<(Option<Arc<Prepared>>, Option<Cold>), Error> {
        let warm = self.statements.get(&statement.sql);
        let screening = match &warm {
            Some(warm) => warm.screening,
            None => screen(&statement.sql).map_err(Error::Refused)?,
        };
        if let Some(orders) = load.orders {
            self.acts_as_service = orders.principal.role().as_str() == isobase_base::Role::SERVICE;
        }
        if let (Err(why), false) = (screening.callers, self.acts_as_service) {
            return Err(Error::Refused(why.to_owned()));
        }
        if let Some(warm) = warm {
            let (takes, given) = (warm.parameters, statement.parameters.len());
            if takes != given {
                return Err(Error::Refused(format!("the statement takes {takes} parameters, {given} were given")));
            }
            return Ok((Some(warm), None));
        }
        let name = self.statements.new_name();
        let sql = Arc::clone(&statement.sql);
        let cold = Cold { sql, name, screening, parsed: false, parameters: 0, shape: None };
        Ok((None, Some(cold)))
    }

    fn encode(&mut self, flight: &mut Flight, load: Load<'_>, explicit: bool) -> std::io::Result<()> {
        for name in self.statements.take_closing() {
            frontend::close(b'S', &name, self.wire.outbox())?;
        }
        if let Some(orders) = load.orders {
            self.run_fixed(flight, command::RESET, "reset")?;
            if explicit && load.end != End::Describe {
                self.encode_begin(flight, orders)?;
            }
            self.encode_envelope(flight, orders, explicit)?;
        }
        if let Some(statement) = load.statement {
            self.encode_statement(flight, statement)?;
        }
        let in_block = load.orders.is_none() || explicit;
        match load.end {
            End::Commit if in_block => self.run_fixed(flight, command::END, "commit")?,
            End::Rollback => self.run_fixed(flight, command::END, "rollback")?,
            End::Commit | End::Stay | End::Describe => {}
        }
        frontend::sync(self.wire.outbox());
        Ok(())
    }

    /// Runs one of the statements that every connection parses when it is opened.
    fn run_fixed(&mut self, flight: &mut Flight, command: u8, name: &str) -> std::io::Result<()> {
        bind(self.wire.outbox(), name, &[], std::iter::empty())?;
        frontend::execute("", 0, self.wire.outbox())?;
        flight.commands |= command;
        Ok(())
    }

    fn encode_begin(&mut self, flight: &mut Flight, orders: &Orders<'_>) -> std::io::Result<()> {
        let Some(isolation) = orders.isolation else {
            let name = match orders.access_mode {
                AccessMode::ReadWrite => "begin_write",
                AccessMode::ReadOnly => "begin_read",
            };
            return self.run_fixed(flight, command::BEGIN, name);
        };
        let access = match orders.access_mode {
            AccessMode::ReadWrite => "READ WRITE",
            AccessMode::ReadOnly => "READ ONLY",
        };
        let sql = format!("BEGIN ISOLATION LEVEL {} {access}", isolation.sql());
        frontend::parse("", &sql, std::iter::empty(), self.wire.outbox())?;
        flight.parses |= parse::BEGIN;
        self.run_fixed(flight, command::BEGIN, "")
    }

    fn encode_envelope(&mut self, flight: &mut Flight, orders: &Orders<'_>, explicit: bool) -> std::io::Result<()> {
        // Without BEGIN the access mode is a setting like the others; once the transaction has a
        // snapshot, and the envelope gives it one, the server refuses to turn it back.
        let read_only = !explicit && orders.access_mode == AccessMode::ReadOnly;
        let settings = || {
            let ordinary = orders.settings.iter().map(|(name, value)| [*name, value.as_ref()]);
            ordinary.chain(read_only.then_some(["transaction_read_only", "on"])).flatten()
        };
        let count = orders.settings.len() + usize::from(read_only);
        let name = format!("e{count}");
        let outbox = self.wire.outbox();
        if self.envelopes & (1_u128 << count) == 0 {
            frontend::parse(&name, &envelope_sql(count), std::iter::empty(), outbox)?;
            flight.parses |= parse::ENVELOPE;
            flight.envelope = count;
        }
        let write = |text: &str, outbox: &mut bytes::BytesMut| {
            outbox.put_slice(text.as_bytes());
            Ok(IsNull::No)
        };
        frontend::bind("", &name, [], settings(), write, [], outbox).map_err(bind_error)?;
        frontend::execute("", 0, outbox)?;
        flight.commands |= command::ENVELOPE;
        Ok(())
    }

    fn encode_statement(&mut self, flight: &mut Flight, statement: &Statement) -> std::io::Result<()> {
        let outbox = self.wire.outbox();
        let name = match (&flight.warm, &flight.cold) {
            (None, Some(cold)) => {
                frontend::parse(&cold.name, &cold.sql, std::iter::empty(), outbox)?;
                frontend::describe(b'S', &cold.name, outbox)?;
                flight.parses |= parse::MAIN;
                &cold.name
            }
            (Some(warm), _) => &warm.name,
            (None, None) => return Ok(()),
        };
        if flight.end == End::Describe {
            return Ok(());
        }
        let formats = flight.warm.iter().flat_map(|warm| warm.shape.result_formats());
        bind(outbox, name, &statement.parameters, formats)?;
        frontend::execute("", 0, outbox)?;
        flight.commands |= command::MAIN;
        Ok(())
    }

    /// The next event of `flight`. Cancel-safe. An error is final: either the server settled, and
    /// the connection can go on, or the connection is lost.
    pub(crate) async fn event(&mut self, flight: &mut Flight) -> Result<Event, Trouble> {
        loop {
            let message = match self.wire.message().await {
                Ok(message) => message,
                Err(error) => return Err(self.lost(error.to_string(), flight.is_repeatable(None))),
            };
            match message {
                Message::DataRow(row) => {
                    flight.answered = true;
                    if current(flight.commands) == command::MAIN {
                        return Ok(Event::Row(row));
                    }
                }
                Message::CommandComplete(body) => {
                    if let Some(event) = complete(flight, &body) {
                        return Ok(event);
                    }
                }
                Message::EmptyQueryResponse => {
                    if pop(&mut flight.commands) == command::MAIN {
                        return Ok(Event::Complete(0));
                    }
                }
                Message::ReadyForQuery(body) => return self.settle(flight, body.status()),
                Message::ErrorResponse(body) => self.take_error(flight, Report::read(&body))?,
                other => self.take_other(flight, other)?,
            }
        }
    }

    /// Messages that carry no event.
    fn take_other(&mut self, flight: &mut Flight, message: Message) -> Result<(), Trouble> {
        match message {
            Message::BindComplete => flight.answered = true,
            Message::ParseComplete => self.take_parsed(flight),
            Message::ParameterDescription(body) => {
                if let Some(cold) = &mut flight.cold {
                    cold.parameters = body.parameters().count().unwrap_or(0);
                }
            }
            Message::RowDescription(body) => self.take_shape(flight, shape_of(&body)),
            Message::NoData => self.take_shape(flight, Shape::default()),
            Message::CopyInResponse(_) | Message::CopyOutResponse(_) => {
                return Err(self.lost("the statement began a COPY".to_owned(), false));
            }
            Message::ParameterStatus(body) => {
                if matches!((body.name(), body.value()), (Ok("client_encoding"), Ok(value)) if value != "UTF8") {
                    self.spoiled.get_or_insert(Spoiled::Broken);
                }
            }
            // Notices go to nobody, as with PostgREST; notifications belong to the listening
            // connection; the rest says nothing that is acted upon.
            _ => {}
        }
        Ok(())
    }

    fn take_parsed(&mut self, flight: &mut Flight) {
        flight.answered = true;
        match pop(&mut flight.parses) {
            parse::ENVELOPE => self.envelopes |= 1 << flight.envelope,
            parse::MAIN => {
                if let Some(cold) = &mut flight.cold {
                    cold.parsed = true;
                }
            }
            _ => {}
        }
    }

    fn take_shape(&mut self, flight: &mut Flight, shape: Shape) {
        let Some(cold) = &mut flight.cold else { return };
        let shape = Arc::new(shape);
        cold.shape = Some(Arc::clone(&shape));
        let prepared =
            Prepared { name: cold.name.clone(), screening: cold.screening, parameters: cold.parameters, shape };
        self.statements.keep(Arc::clone(&cold.sql), Arc::new(prepared));
    }

    fn take_error(&mut self, flight: &mut Flight, report: Report) -> Result<(), Trouble> {
        if report.fatal {
            let repeatable = flight.is_repeatable(Some(&report));
            return Err(self.lost(report.error.to_string(), repeatable));
        }
        // An error before the first command's end is that command's; one after the last is the
        // commit's, e.g. a deferred constraint.
        flight.error.get_or_insert((current(flight.commands), report));
        flight.commands = 0;
        flight.parses = 0;
        flight.answered = true;
        if let Some(cold) = &flight.cold
            && cold.parsed
            && cold.shape.is_none()
        {
            self.statements.close_later(cold.name.clone());
        }
        Ok(())
    }

    fn settle(&mut self, flight: &mut Flight, status: u8) -> Result<Event, Trouble> {
        self.syncs_owed = self.syncs_owed.saturating_sub(1);
        self.status = match status {
            b'I' => Status::Idle,
            b'T' => Status::Open,
            _ => Status::Failed,
        };
        if let Some((_, report)) = &flight.error {
            let error = report.error.clone();
            return Err(self.judge(flight, error));
        }
        if flight.end == End::Stay && self.status != Status::Open {
            return Err(self.lost("the statement ended its transaction".to_owned(), false));
        }
        Ok(Event::Settled)
    }
}

/// The command whose answer comes next.
fn current(commands: u8) -> u8 {
    commands & commands.wrapping_neg()
}

/// Takes the first of a set of bits.
fn pop(bits: &mut u8) -> u8 {
    let first = current(*bits);
    *bits &= !first;
    first
}

fn complete(flight: &mut Flight, body: &CommandCompleteBody) -> Option<Event> {
    let tag = body.tag().unwrap_or_default();
    match pop(&mut flight.commands) {
        command::MAIN => Some(Event::Complete(affected(tag))),
        command::END if flight.end == End::Commit && tag == "ROLLBACK" => {
            // COMMIT of a failed transaction rolls back and says so only here.
            let error = crate::SqlError {
                sqlstate: "25P02".to_owned(),
                message: "the transaction had failed and was rolled back".to_owned(),
                ..Default::default()
            };
            flight.error = Some((command::END, Report { error, fatal: false }));
            None
        }
        _ => None,
    }
}

/// The count at the end of a command tag: `INSERT 0 3`, `SELECT 12`, none in `CREATE TABLE`.
fn affected(tag: &str) -> u64 {
    tag.rsplit(' ').next().and_then(|count| count.parse().ok()).unwrap_or(0)
}

fn shape_of(body: &RowDescriptionBody) -> Shape {
    let mut shape = Shape::default();
    let mut fields = body.fields();
    while let Ok(Some(field)) = fields.next() {
        shape.names.push(field.name().to_owned());
        shape.oids.push(field.type_oid());
    }
    shape
}

/// A `Bind` of the unnamed portal. Formats of parameters are said only where one is binary.
fn bind(
    outbox: &mut bytes::BytesMut,
    statement: &str,
    parameters: &[Parameter],
    result_formats: impl Iterator<Item = i16>,
) -> std::io::Result<()> {
    let any_binary = parameters.iter().any(|parameter| matches!(parameter, Parameter::Bytes(_)));
    let formats = parameters
        .iter()
        .filter(|_| any_binary)
        .map(|parameter| i16::from(matches!(parameter, Parameter::Bytes(_))));
    frontend::bind("", statement, formats, parameters, write_parameter, result_formats, outbox).map_err(bind_error)
}

fn write_parameter(
    parameter: &Parameter,
    outbox: &mut bytes::BytesMut,
) -> Result<IsNull, Box<dyn std::error::Error + Send + Sync>> {
    use std::fmt::Write;
    match parameter {
        Parameter::Null => return Ok(IsNull::Yes),
        Parameter::Boolean(value) => outbox.put_slice(if *value { b"true" } else { b"false" }),
        Parameter::Int32(value) => write!(outbox, "{value}")?,
        Parameter::Int64(value) => write!(outbox, "{value}")?,
        Parameter::Float64(value) if value.is_infinite() => {
            outbox.put_slice(if *value > 0.0 { b"Infinity" } else { b"-Infinity" });
        }
        Parameter::Float64(value) => write!(outbox, "{value}")?,
        Parameter::Text(bytes) | Parameter::Bytes(bytes) => outbox.put_slice(bytes),
    }
    Ok(IsNull::No)
}

fn bind_error(error: frontend::BindError) -> std::io::Error {
    match error {
        frontend::BindError::Conversion(error) => std::io::Error::other(error),
        frontend::BindError::Serialization(error) => error,
    }
}

#[cfg(test)]
mod tests {
    use super::affected;

    #[test]
    fn counts_are_read_from_command_tags() {
        for (tag, count) in [("INSERT 0 3", 3), ("SELECT 12", 12), ("UPDATE 0", 0), ("CREATE TABLE", 0), ("CALL", 0)] {
            assert_eq!(affected(tag), count, "{tag}");
        }
    }
}
