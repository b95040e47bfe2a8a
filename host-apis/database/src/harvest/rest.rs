//! Reading the rest of a result into a spool.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::lines;
use crate::connection::{Connection, Event, Flight, LongRow, Trouble};
use crate::spool::{Pace, Spills, SpoolError, SpoolWriter, spool};
use crate::{Content, Error};

/// Lines are gathered to so many bytes before they are handed on, unless the server has no more of them.
const LINES_BYTES: usize = 64 * 1024;

/// A result whose body was handed out before it was read.
pub(crate) struct Late {
    pub(crate) writer: SpoolWriter,
    pub(crate) rest: Rest,
}

/// What is to be read.
pub(crate) enum Rest {
    /// The last column of the only row.
    Row(LongRow),
    /// Last columns of any number of rows, after those in `text`; of the one at hand the pieces.
    Lines { text: BytesMut, row: Option<LongRow> },
}

/// Why a body broke off.
#[derive(Debug)]
pub(crate) enum BrokenOff {
    BySource(Trouble),
    BySpool(SpoolError),
}

impl Rest {
    /// Reads to the end of the flight. The last bytes are handed on after it, so that nobody takes for whole
    /// what failed in the end.
    pub(crate) async fn read(
        self,
        connection: &mut Connection,
        flight: &mut Flight,
        writer: &mut SpoolWriter,
    ) -> Result<(), BrokenOff> {
        match self {
            Self::Row(row) => {
                let last = pieces(connection, row, writer).await?;
                loop {
                    match connection.event(flight).await? {
                        Event::Row(_) | Event::LongRow => return Err(second_row()),
                        Event::Complete(_) => {}
                        Event::Settled => break,
                    }
                }
                Ok(writer.push(last).await?)
            }
            Self::Lines { mut text, mut row } => {
                loop {
                    if let Some(row) = row.take().filter(|row| row.length.is_some()) {
                        writer.push(text.split().freeze()).await?;
                        text.extend_from_slice(&pieces(connection, row, writer).await?);
                    }
                    if text.len() >= LINES_BYTES || !connection.has_event() {
                        writer.push(text.split().freeze()).await?;
                    }
                    match connection.event(flight).await? {
                        Event::Row(body) => lines::append(&mut text, &body, flight)?,
                        Event::LongRow => row = Some(connection.long_row(flight).await?),
                        Event::Complete(_) => {}
                        Event::Settled => break,
                    }
                }
                Ok(writer.push(text.freeze()).await?)
            }
        }
    }
}

/// Hands on what is in the last column of `row`, but for the last piece.
async fn pieces(
    connection: &mut Connection,
    mut row: LongRow,
    writer: &mut SpoolWriter,
) -> Result<Bytes, BrokenOff> {
    let mut last = Bytes::new();
    while let Some(piece) = connection.piece(&mut row).await? {
        writer.push(std::mem::replace(&mut last, piece)).await?;
    }
    Ok(last)
}

/// The last column of `row`, read to its end before anybody sees it.
pub(super) async fn held(
    connection: &mut Connection,
    row: LongRow,
    spills: &Arc<Spills>,
) -> Result<Content, Trouble> {
    let (mut writer, reader) = spool(spills, Pace::OfWriter, row.length);
    let last = pieces(connection, row, &mut writer).await?;
    writer.push(last).await.map_err(BrokenOff::from)?;
    writer.finish();
    Ok(Content::spooled(reader))
}

fn second_row() -> BrokenOff {
    let why = "a document is a statement of exactly one row; this one returned more".to_owned();
    BrokenOff::BySource(Error::Refused(why).into())
}

impl From<Trouble> for BrokenOff {
    fn from(trouble: Trouble) -> Self {
        Self::BySource(trouble)
    }
}

impl From<Error> for BrokenOff {
    fn from(error: Error) -> Self {
        Self::BySource(error.into())
    }
}

impl From<SpoolError> for BrokenOff {
    fn from(error: SpoolError) -> Self {
        Self::BySpool(error)
    }
}

/// What the caller is told who has not been given the body yet.
impl From<BrokenOff> for Trouble {
    fn from(broken: BrokenOff) -> Self {
        match broken {
            BrokenOff::BySource(trouble) => trouble,
            BrokenOff::BySpool(error) => Self::Other(Error::Unavailable(error.to_string())),
        }
    }
}
