//! Gathering the rows of a result that is wanted whole, or as one body.

mod documents;
mod lines;
mod rest;

use std::sync::Arc;

use isobase_base::limits::{DATABASE_DOCUMENT_HELD_BYTES_MAX, DATABASE_RESULT_BYTES_MAX};
use postgres_protocol::message::backend::DataRowBody;

use crate::connection::{Connection, Event, Flight, Shape, Trouble};
use crate::decode;
use crate::spool::Spills;
use crate::{Error, Value};

pub(crate) use documents::{FirstRows, OneRow};
pub(crate) use lines::LinesInMaking;
pub(crate) use rest::{BrokenOff, Late};

/// What a caller wants of a statement's rows.
pub(crate) enum Harvest<'a> {
    Table(Rows),
    Document(OneRow<'a>),
    Documents(FirstRows<'a>),
    Lines(LinesInMaking<'a>),
}

#[derive(Debug, Default)]
pub(crate) struct Rows {
    pub(crate) rows: Vec<Vec<Value>>,
    pub(crate) affected: u64,
    bytes: usize,
}

/// What becomes of bodies that are too long to be held in memory.
#[derive(Clone, Copy)]
pub(crate) struct LongBodies<'a> {
    pub(crate) spills: &'a Arc<Spills>,
    pub(crate) when: When,
}

/// When a long body is handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// When the flight is over: it may have written, or others follow it.
    Settled,
    /// When it begins: whatever becomes of the flight, nothing was written.
    Begun,
}

impl<'a> Harvest<'a> {
    pub(crate) fn table() -> Self {
        Self::Table(Rows::default())
    }

    pub(crate) fn document(long: LongBodies<'a>) -> Self {
        Self::Document(OneRow::new(long))
    }

    pub(crate) fn documents(spills: &'a Arc<Spills>) -> Self {
        Self::Documents(FirstRows::new(LongBodies { spills, when: When::Settled }))
    }

    pub(crate) fn lines(long: LongBodies<'a>) -> Self {
        Self::Lines(LinesInMaking::new(long))
    }

    /// Reads a flight to its end, or to where a long body begins that is handed out then
    /// ([`Harvest::take_late`]). Whatever an earlier attempt brought is forgotten.
    pub(crate) async fn gather(
        &mut self,
        connection: &mut Connection,
        flight: &mut Flight,
    ) -> Result<(), Trouble> {
        self.begin_anew();
        if !matches!(self, Self::Table(_)) {
            flight.take_long_rows(DATABASE_DOCUMENT_HELD_BYTES_MAX);
        }
        if let Self::Lines(lines) = self {
            return lines.gather(connection, flight).await;
        }
        loop {
            match connection.event(flight).await? {
                Event::Row(row) => self.take(&row, flight)?,
                Event::LongRow => {
                    self.take_long(connection, flight).await?;
                    if matches!(self, Self::Document(document) if document.late.is_some()) {
                        return Ok(());
                    }
                }
                Event::Complete(affected) => match self {
                    Self::Table(table) => table.affected = affected,
                    Self::Document(_) | Self::Lines(_) => {}
                    Self::Documents(documents) => documents.next(),
                },
                Event::Settled => return Ok(()),
            }
        }
    }

    /// What is still to be read of the flight.
    pub(crate) fn take_late(&mut self) -> Option<Late> {
        match self {
            Self::Table(_) | Self::Documents(_) => None,
            Self::Document(document) => document.late.take(),
            Self::Lines(lines) => lines.late.take(),
        }
    }

    fn begin_anew(&mut self) {
        match self {
            Self::Table(table) => *table = Rows::default(),
            Self::Document(document) => *document = OneRow::new(document.long),
            Self::Documents(documents) => *documents = FirstRows::new(documents.long),
            Self::Lines(lines) => *lines = LinesInMaking::new(lines.long),
        }
    }

    fn take(&mut self, row: &DataRowBody, flight: &Flight) -> Result<(), Error> {
        let oids = flight.shape().map_or(&[][..], |shape| &shape.oids);
        match self {
            Self::Table(table) => {
                table.bytes += row.buffer().len();
                if table.bytes > DATABASE_RESULT_BYTES_MAX {
                    return Err(too_large());
                }
                table.rows.push(decode::row(row, oids, flight.bytea()).map_err(malformed)?);
                Ok(())
            }
            Self::Document(document) => document.take(row, oids, flight.bytea()),
            Self::Documents(documents) => documents.take(row, oids, flight.bytea()),
            Self::Lines(lines) => lines.take(row, oids, flight.bytea()),
        }
    }

    async fn take_long(&mut self, connection: &mut Connection, flight: &Flight) -> Result<(), Trouble> {
        match self {
            Self::Document(document) => document.take_long(connection, flight).await,
            Self::Documents(documents) => documents.take_long(connection, flight).await,
            // A table does not ask for them, lines have a loop of their own.
            Self::Table(_) | Self::Lines(_) => Ok(()),
        }
    }
}

/// Decodes one row of a stream.
pub(crate) fn stream_row(row: &DataRowBody, shape: &Shape, flight: &Flight) -> Result<Vec<Value>, Error> {
    decode::row(row, &shape.oids, flight.bytea()).map_err(malformed)
}

fn too_large() -> Error {
    Error::Refused(format!("the result is larger than {DATABASE_RESULT_BYTES_MAX} bytes; stream it"))
}

fn malformed(error: decode::Malformed) -> Error {
    Error::Unavailable(error.to_string())
}
