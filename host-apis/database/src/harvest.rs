//! Gathering the rows of a result that is wanted whole.

use bytes::Bytes;
use isobase_base::limits::DATABASE_RESULT_BYTES_MAX;
use postgres_protocol::message::backend::DataRowBody;

use crate::connection::{Connection, Event, Flight, Shape, Trouble};
use crate::decode;
use crate::{Document, Error, Value};

/// What a caller wants of a statement's rows.
#[derive(Debug)]
pub(crate) enum Harvest {
    Table(Rows),
    Document(OneRow),
    Documents(FirstRows),
}

#[derive(Debug, Default)]
pub(crate) struct Rows {
    pub(crate) rows: Vec<Vec<Value>>,
    pub(crate) affected: u64,
    bytes: usize,
}

#[derive(Debug, Default)]
pub(crate) struct OneRow {
    row: Option<(Vec<Value>, Option<Bytes>)>,
    count: u64,
}

/// The first row of each statement of a flight.
#[derive(Debug, Default)]
pub(crate) struct FirstRows {
    done: Vec<Document>,
    row: Option<Document>,
    bytes: usize,
}

impl Harvest {
    pub(crate) fn table() -> Self {
        Self::Table(Rows::default())
    }

    pub(crate) fn document() -> Self {
        Self::Document(OneRow::default())
    }

    pub(crate) fn documents() -> Self {
        Self::Documents(FirstRows::default())
    }

    /// Reads a flight to its end. Whatever an earlier attempt brought is forgotten.
    pub(crate) async fn gather(
        &mut self,
        connection: &mut Connection,
        flight: &mut Flight,
    ) -> Result<(), Trouble> {
        *self = match self {
            Self::Table(_) => Self::table(),
            Self::Document(_) => Self::document(),
            Self::Documents(_) => Self::documents(),
        };
        loop {
            match connection.event(flight).await? {
                Event::Row(row) => self.take(&row, flight)?,
                Event::Complete(affected) => match self {
                    Self::Table(table) => table.affected = affected,
                    Self::Document(_) => {}
                    Self::Documents(documents) => documents.next(),
                },
                Event::Settled => return Ok(()),
            }
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
            }
            Self::Document(document) => {
                document.count += 1;
                if document.row.is_none() {
                    document.row = Some(decode::document(row, oids, flight.bytea()).map_err(malformed)?);
                }
            }
            Self::Documents(documents) if documents.row.is_none() => {
                documents.bytes += row.buffer().len();
                if documents.bytes > DATABASE_RESULT_BYTES_MAX {
                    return Err(too_large());
                }
                let (head, body) = match oids.is_empty() {
                    true => (Vec::new(), None),
                    false => decode::document(row, oids, flight.bytea()).map_err(malformed)?,
                };
                documents.row = Some(Document { head, body });
            }
            Self::Documents(_) => {}
        }
        Ok(())
    }
}

impl OneRow {
    /// The document, or a refusal when there was not exactly one row.
    pub(crate) fn finish(self) -> Result<Document, Error> {
        match (self.row, self.count) {
            (Some((head, body)), 1) => Ok(Document { head, body }),
            (_, count) => Err(Error::Refused(format!(
                "a document is a statement of exactly one row; this one returned {count}"
            ))),
        }
    }
}

impl FirstRows {
    /// A statement is done.
    fn next(&mut self) {
        let empty = || Document { head: Vec::new(), body: None };
        self.done.push(self.row.take().unwrap_or_else(empty));
    }

    /// One document per statement, in their order.
    pub(crate) fn finish(self) -> Vec<Document> {
        self.done
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
