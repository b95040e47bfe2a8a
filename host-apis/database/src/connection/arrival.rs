//! Reading a flight's answer, message by message.

use std::sync::Arc;

use fallible_iterator::FallibleIterator;
use postgres_protocol::message::backend::{CommandCompleteBody, Message, RowDescriptionBody};

use super::flight::{End, Event, Flight, command, current, parse, pop};
use super::statements::{Prepared, Shape};
use super::{Connection, Spoiled, Status, Trouble};
use crate::error::Report;
use crate::wire::Arrival;

impl Connection {
    /// The next event of `flight`. Cancel-safe. An error is final: either the server settled, and
    /// the connection can go on, or the connection is lost.
    pub(crate) async fn event(&mut self, flight: &mut Flight) -> Result<Event, Trouble> {
        loop {
            let message = match self.wire.arrival(flight.row_bytes_max).await {
                Ok(Arrival::Message(message)) => message,
                Ok(Arrival::LongRow) => {
                    flight.answered = true;
                    if current(flight.commands) == command::MAIN {
                        return Ok(Event::LongRow);
                    }
                    continue;
                }
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
                    if current(flight.commands) == command::MAIN {
                        finish_leg(flight);
                        return Ok(Event::Complete(0));
                    }
                    pop(&mut flight.commands);
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
                if let Some(cold) = flight.cold() {
                    cold.parameters = body.parameters().count().unwrap_or(0);
                }
            }
            Message::RowDescription(body) => self.take_shape(flight, shape_of(&body)),
            Message::NoData => self.take_shape(flight, Shape::default()),
            Message::CopyInResponse(_) | Message::CopyOutResponse(_) => {
                return Err(self.lost("the statement began a COPY".to_owned(), false));
            }
            Message::ParameterStatus(body) => {
                if matches!((body.name(), body.value()), (Ok("client_encoding"), Ok(value)) if value != "UTF8")
                {
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
            parse::BEGIN => {}
            _ => {
                if let Some(cold) = flight.cold() {
                    cold.parsed = true;
                }
            }
        }
    }

    fn take_shape(&mut self, flight: &mut Flight, shape: Shape) {
        let Some(cold) = flight.cold() else { return };
        let shape = Arc::new(shape);
        cold.shape = Some(Arc::clone(&shape));
        let prepared = Prepared {
            name: cold.name.clone(),
            screening: cold.screening,
            parameters: cold.parameters,
            shape,
        };
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
        if let Some(cold) = flight.cold()
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
            let error = Box::new(report.error.clone());
            return Err(self.judge(flight, error));
        }
        if flight.end == End::Stay && self.status != Status::Open {
            return Err(self.lost("the statement ended its transaction".to_owned(), false));
        }
        Ok(Event::Settled)
    }
}

fn complete(flight: &mut Flight, body: &CommandCompleteBody) -> Option<Event> {
    let tag = body.tag().unwrap_or_default();
    if current(flight.commands) == command::MAIN {
        finish_leg(flight);
        return Some(Event::Complete(affected(tag)));
    }
    match pop(&mut flight.commands) {
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

/// Notes the end of the current statement. What was learnt of the next one's columns comes with it, so
/// the last one stays current.
fn finish_leg(flight: &mut Flight) {
    if !flight.next_leg() {
        pop(&mut flight.commands);
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

#[cfg(test)]
mod tests {
    use super::affected;

    #[test]
    fn counts_are_read_from_command_tags() {
        for (tag, count) in
            [("INSERT 0 3", 3), ("SELECT 12", 12), ("UPDATE 0", 0), ("CREATE TABLE", 0), ("CALL", 0)]
        {
            assert_eq!(affected(tag), count, "{tag}");
        }
    }
}
