//! Rows that are too long to be held: read column by column as they come, the last one in pieces.

use bytes::{Buf, Bytes};

use super::{Connection, Flight, Trouble};
use crate::decode::{self, BYTEA, ByteaFormat, HexPieces, Malformed};
use crate::wire::WireError;
use crate::{Error, Value};

/// A row of which the last column is still to come.
pub(crate) struct LongRow {
    /// All columns but the last.
    pub(crate) head: Vec<Value>,
    /// Bytes that the pieces of the last column will be together; none for SQL null.
    pub(crate) length: Option<u64>,
    hex: Option<HexPieces>,
}

impl Connection {
    /// Reads the row that [`super::Event::LongRow`] told of, up to the bytes of its last column.
    pub(crate) async fn long_row(&mut self, flight: &Flight) -> Result<LongRow, Trouble> {
        let bytea = flight.bytea();
        let oids = flight.shape().map(|shape| shape.oids.clone()).unwrap_or_default();
        let Some((&last, oids)) = oids.split_last() else { return Err(malformed("row")) };
        let columns = self.bytes_of_row(size_of::<u16>()).await?.get_u16();
        if usize::from(columns) != oids.len() + 1 {
            return Err(malformed("row"));
        }
        let mut head = Vec::with_capacity(oids.len());
        for &oid in oids {
            head.push(match self.column_length().await? {
                None => Value::Null,
                Some(length) => {
                    let bytes = self.bytes_of_row(length).await?;
                    decode::value(&bytes, oid, bytea)
                        .map_err(|error| Error::Unavailable(error.to_string()))?
                }
            });
        }
        let mut length = self.column_length().await?;
        let mut hex = None;
        if let Some(bytes) = length.filter(|_| last == BYTEA && bytea == ByteaFormat::Text) {
            let prefix = self.bytes_of_row(bytes.min(HexPieces::PREFIX.len())).await?;
            if prefix != HexPieces::PREFIX {
                return Err(
                    Error::Refused("a bytea so long is only read in the format hex".to_owned()).into()
                );
            }
            length = Some((bytes - HexPieces::PREFIX.len()) / 2);
            hex = Some(HexPieces::default());
        }
        Ok(LongRow { head, length: length.map(|length| length as u64), hex })
    }

    /// The next bytes of the row's last column; none at its end.
    ///
    /// Not cancel-safe: what a dropped call had taken is missing.
    pub(crate) async fn piece(&mut self, row: &mut LongRow) -> Result<Option<Bytes>, Trouble> {
        let piece = self.wire.part().await.map_err(|error| self.row_broke_off(&error))?;
        match (piece, &mut row.hex) {
            (Some(piece), Some(hex)) => Ok(Some(hex.decode(&piece).map_err(|_| malformed("bytea"))?)),
            (piece, _) => Ok(piece),
        }
    }

    /// Whether the next event is here already.
    pub(crate) fn has_event(&self) -> bool {
        self.wire.has_message()
    }

    async fn column_length(&mut self) -> Result<Option<usize>, Trouble> {
        let length = self.bytes_of_row(size_of::<i32>()).await?.get_i32();
        Ok(usize::try_from(length).ok())
    }

    async fn bytes_of_row(&mut self, count: usize) -> Result<Bytes, Trouble> {
        self.wire.part_of(count).await.map_err(|error| self.row_broke_off(&error))
    }

    fn row_broke_off(&mut self, error: &WireError) -> Trouble {
        self.lost(error.to_string(), false)
    }
}

fn malformed(what: &'static str) -> Trouble {
    Error::Unavailable(Malformed::of(what).to_string()).into()
}
