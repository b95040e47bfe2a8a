//! Encoding a flight: which messages precede and follow a statement.

use std::sync::Arc;

use bytes::BufMut;
use postgres_protocol::IsNull;
use postgres_protocol::message::frontend;

use super::bind::{bind, bind_error};
use super::flight::{Cold, End, Flight, Leg, Load, command, parse};
use super::orders::{Orders, envelope_sql};
use super::{Connection, Spoiled};
use crate::screen::{Screening, TransactionKind, screen};
use crate::session::AccessMode;
use crate::{Error, Statement};

impl Connection {
    /// Screens, encodes and counts a flight; nothing is sent yet.
    pub(crate) fn prepare_flight(&mut self, load: Load<'_>) -> Result<Flight, Error> {
        let legs = self.look_up_all(load)?;
        let any = |holds: fn(Screening) -> bool| legs.iter().any(|leg| holds(leg.screening()));
        if any(|screening| screening.lingers) && load.end != End::Describe {
            self.spoiled.get_or_insert(Spoiled::Lingering);
        }
        // An isolation level other than the server's default must be said before the first snapshot.
        let explicit = load.end == End::Stay
            || load.orders.is_some_and(|orders| orders.isolation.is_some())
            || legs.is_empty()
            || any(|screening| screening.transaction == TransactionKind::Explicit);
        let mut flight = Flight {
            commands: 0,
            parses: 0,
            end: load.end,
            envelope: 0,
            legs,
            current: 0,
            error: None,
            answered: false,
            read_only: load.orders.is_some_and(|orders| orders.access_mode == AccessMode::ReadOnly),
            row_bytes_max: usize::MAX,
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

    /// Finds what is parsed already. A statement that is refused leaves no trace of those before it but
    /// names that are never used.
    fn look_up_all(&mut self, load: Load<'_>) -> Result<Vec<Leg>, Error> {
        if let Some(orders) = load.orders {
            self.acts_as_service = orders.principal.role().as_str() == isobase_base::Role::SERVICE;
        }
        load.statements.iter().map(|statement| self.look_up(statement)).collect()
    }

    fn look_up(&mut self, statement: &Statement) -> Result<Leg, Error> {
        let warm = self.statements.get(&statement.sql);
        let screening = match &warm {
            Some(warm) => warm.screening,
            None => screen(&statement.sql).map_err(Error::Refused)?,
        };
        if let (Err(why), false) = (screening.callers, self.acts_as_service) {
            return Err(Error::Refused(why.to_owned()));
        }
        if let Some(warm) = warm {
            let (takes, given) = (warm.parameters, statement.parameters.len());
            if takes != given {
                return Err(Error::Refused(format!(
                    "the statement takes {takes} parameters, {given} were given"
                )));
            }
            return Ok(Leg::Warm(warm));
        }
        let name = self.statements.new_name();
        let sql = Arc::clone(&statement.sql);
        Ok(Leg::Cold(Cold { sql, name, screening, parsed: false, parameters: 0, shape: None }))
    }

    fn encode(&mut self, flight: &mut Flight, load: Load<'_>, explicit: bool) -> std::io::Result<()> {
        for name in self.statements.take_closing() {
            // Room for one statement of a flight may have been made at the expense of another.
            if flight.legs.iter().any(|leg| matches!(leg, Leg::Warm(warm) if warm.name == name)) {
                self.statements.close_later(name);
            } else {
                frontend::close(b'S', &name, self.wire.outbox())?;
            }
        }
        if let Some(orders) = load.orders {
            self.run_fixed(flight, command::RESET, "reset")?;
            if explicit && load.end != End::Describe {
                self.encode_begin(flight, orders)?;
            }
            self.encode_envelope(flight, orders, explicit)?;
        }
        for (index, statement) in load.statements.iter().enumerate() {
            self.encode_statement(flight, index, statement)?;
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

    fn encode_envelope(
        &mut self,
        flight: &mut Flight,
        orders: &Orders<'_>,
        explicit: bool,
    ) -> std::io::Result<()> {
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

    fn encode_statement(
        &mut self,
        flight: &mut Flight,
        index: usize,
        statement: &Statement,
    ) -> std::io::Result<()> {
        let outbox = self.wire.outbox();
        let (name, shape) = match &flight.legs[index] {
            Leg::Cold(cold) => {
                frontend::parse(&cold.name, &cold.sql, std::iter::empty(), outbox)?;
                frontend::describe(b'S', &cold.name, outbox)?;
                (&cold.name, None)
            }
            Leg::Warm(warm) => (&warm.name, Some(&warm.shape)),
        };
        if flight.end == End::Describe {
            return Ok(());
        }
        let formats = shape.into_iter().flat_map(|shape| shape.result_formats());
        bind(outbox, name, &statement.parameters, formats)?;
        frontend::execute("", 0, outbox)?;
        flight.commands |= command::MAIN;
        Ok(())
    }
}
