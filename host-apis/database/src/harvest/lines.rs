//! The last columns of any number of rows as one body.

use bytes::{Bytes, BytesMut};
use isobase_base::limits::DATABASE_DOCUMENT_HELD_BYTES_MAX;
use postgres_protocol::Oid;
use postgres_protocol::message::backend::DataRowBody;

use super::rest::{Late, Rest};
use super::{LongBodies, When, malformed};
use crate::connection::{Connection, Event, Flight, LongRow, Trouble};
use crate::decode::{self, ByteaFormat};
use crate::spool::{Pace, spool};
use crate::{Content, Error, Lines, Value};

pub(crate) struct LinesInMaking<'a> {
    pub(super) long: LongBodies<'a>,
    /// Of the first row.
    head: Option<Vec<Value>>,
    text: BytesMut,
    count: u64,
    /// More than is held in memory, whole or still coming.
    many: Option<Content>,
    pub(super) late: Option<Late>,
}

impl<'a> LinesInMaking<'a> {
    pub(super) fn new(long: LongBodies<'a>) -> Self {
        Self { long, head: None, text: BytesMut::new(), count: 0, many: None, late: None }
    }

    /// Reads to the end, or until it is known that there is more than is held in memory.
    pub(super) async fn gather(
        &mut self,
        connection: &mut Connection,
        flight: &mut Flight,
    ) -> Result<(), Trouble> {
        loop {
            match connection.event(flight).await? {
                Event::Row(row) => {
                    let oids = flight.shape().map_or(&[][..], |shape| &shape.oids);
                    self.take(&row, oids, flight.bytea())?;
                    if self.text.len() >= DATABASE_DOCUMENT_HELD_BYTES_MAX {
                        return self.go_on(None, connection, flight).await;
                    }
                }
                Event::LongRow => {
                    let mut row = connection.long_row(flight).await?;
                    let head = std::mem::take(&mut row.head);
                    self.head.get_or_insert(head);
                    return self.go_on(Some(row), connection, flight).await;
                }
                Event::Complete(_) => {}
                Event::Settled => return Ok(()),
            }
        }
    }

    pub(super) fn take(&mut self, row: &DataRowBody, oids: &[Oid], bytea: ByteaFormat) -> Result<(), Error> {
        self.count += 1;
        if self.head.is_none() {
            let (head, first) = decode::document(row, oids, bytea).map_err(malformed)?;
            self.head = Some(head);
            self.text.extend_from_slice(&first.unwrap_or_default());
            return Ok(());
        }
        if let Some(line) = decode::last(row, oids, bytea).map_err(malformed)? {
            self.text.extend_from_slice(&line);
        }
        Ok(())
    }

    async fn go_on(
        &mut self,
        row: Option<LongRow>,
        connection: &mut Connection,
        flight: &mut Flight,
    ) -> Result<(), Trouble> {
        let pace = match self.long.when {
            When::Settled => Pace::OfWriter,
            When::Begun => Pace::OfReader,
        };
        let (mut writer, reader) = spool(self.long.spills, pace, None);
        self.many = Some(Content::spooled(reader));
        let rest = Rest::Lines { text: std::mem::take(&mut self.text), row };
        match self.long.when {
            When::Settled => {
                rest.read(connection, flight, &mut writer).await?;
                writer.finish();
            }
            When::Begun => self.late = Some(Late { writer, rest }),
        }
        Ok(())
    }

    pub(crate) fn finish(self) -> Lines {
        let rows = self.many.is_none().then_some(self.count);
        let text = self.text.freeze();
        let body = self.many.or_else(|| self.head.is_some().then(|| Content::from(text)));
        Lines { head: self.head.unwrap_or_default(), body, rows }
    }
}

/// Adds the last column of `row`.
pub(super) fn append(text: &mut BytesMut, row: &DataRowBody, flight: &Flight) -> Result<(), Error> {
    let oids = flight.shape().map_or(&[][..], |shape| &shape.oids);
    let line: Option<Bytes> = decode::last(row, oids, flight.bytea()).map_err(malformed)?;
    text.extend_from_slice(&line.unwrap_or_default());
    Ok(())
}
