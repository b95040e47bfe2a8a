//! Rows whose last column is a body: one, or the first of each statement.

use postgres_protocol::Oid;
use postgres_protocol::message::backend::DataRowBody;

use super::rest::{Late, Rest, held};
use super::{LongBodies, When, malformed};
use crate::connection::{Connection, Flight, Trouble};
use crate::decode::{self, ByteaFormat};
use crate::spool::{Pace, spool};
use crate::{Content, Document, Error, Value};

pub(crate) struct OneRow<'a> {
    pub(super) long: LongBodies<'a>,
    row: Option<Document>,
    count: u64,
    /// The body is handed out before it is read.
    pub(super) late: Option<Late>,
}

/// The first row of each statement of a flight.
pub(crate) struct FirstRows<'a> {
    pub(super) long: LongBodies<'a>,
    done: Vec<Document>,
    row: Option<Document>,
}

impl<'a> OneRow<'a> {
    pub(super) fn new(long: LongBodies<'a>) -> Self {
        Self { long, row: None, count: 0, late: None }
    }

    pub(super) fn take(&mut self, row: &DataRowBody, oids: &[Oid], bytea: ByteaFormat) -> Result<(), Error> {
        self.count += 1;
        if self.row.is_none() {
            self.row = Some(document(row, oids, bytea)?);
        }
        Ok(())
    }

    pub(super) async fn take_long(
        &mut self,
        connection: &mut Connection,
        flight: &Flight,
    ) -> Result<(), Trouble> {
        self.count += 1;
        if self.row.is_some() {
            return Ok(());
        }
        if self.long.when == When::Settled {
            self.row = Some(long_document(connection, flight, self.long).await?);
            return Ok(());
        }
        let mut row = connection.long_row(flight).await?;
        let head = std::mem::take(&mut row.head);
        let Some(length) = row.length else {
            self.row = Some(Document { head, body: None });
            return Ok(());
        };
        let (writer, reader) = spool(self.long.spills, Pace::OfReader, Some(length));
        self.row = Some(Document { head, body: Some(Content::spooled(reader)) });
        self.late = Some(Late { writer, rest: Rest::Row(row) });
        Ok(())
    }

    /// The document, or a refusal when there was not exactly one row.
    pub(crate) fn finish(self) -> Result<Document, Error> {
        match (self.row, self.count) {
            (Some(row), 1) => Ok(row),
            (_, count) => Err(Error::Refused(format!(
                "a document is a statement of exactly one row; this one returned {count}"
            ))),
        }
    }
}

impl<'a> FirstRows<'a> {
    pub(super) fn new(long: LongBodies<'a>) -> Self {
        Self { long, done: Vec::new(), row: None }
    }

    pub(super) fn take(&mut self, row: &DataRowBody, oids: &[Oid], bytea: ByteaFormat) -> Result<(), Error> {
        if self.row.is_none() {
            self.row = Some(match oids.is_empty() {
                true => empty(),
                false => document(row, oids, bytea)?,
            });
        }
        Ok(())
    }

    pub(super) async fn take_long(
        &mut self,
        connection: &mut Connection,
        flight: &Flight,
    ) -> Result<(), Trouble> {
        if self.row.is_none() {
            self.row = Some(long_document(connection, flight, self.long).await?);
        }
        Ok(())
    }

    /// A statement is done.
    pub(super) fn next(&mut self) {
        self.done.push(self.row.take().unwrap_or_else(empty));
    }

    /// One document per statement, in their order.
    pub(crate) fn finish(self) -> Vec<Document> {
        self.done
    }
}

fn document(row: &DataRowBody, oids: &[Oid], bytea: ByteaFormat) -> Result<Document, Error> {
    let (head, body): (Vec<Value>, _) = decode::document(row, oids, bytea).map_err(malformed)?;
    Ok(Document { head, body: body.map(Content::from) })
}

/// A long row, read to its end.
async fn long_document(
    connection: &mut Connection,
    flight: &Flight,
    long: LongBodies<'_>,
) -> Result<Document, Trouble> {
    let mut row = connection.long_row(flight).await?;
    let head = std::mem::take(&mut row.head);
    let body = match row.length {
        Some(_) => Some(held(connection, row, long.spills).await?),
        None => None,
    };
    Ok(Document { head, body })
}

fn empty() -> Document {
    Document { head: Vec::new(), body: None }
}
