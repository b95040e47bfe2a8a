//! Rows as they arrive.
//!
//! The whole statement is on its way in one flush like any other; rows wait in the sockets' buffers
//! until they are asked for, and once these are full the server waits. So back-pressure costs no
//! round trip.

use std::sync::Arc;
use std::time::Instant;

use isobase_base::limits::{DATABASE_BATCH_BYTES_MAX, DATABASE_BATCH_ROWS_MAX};
use postgres_protocol::message::backend::DataRowBody;

use crate::connection::{Connection, End, Event, Flight, Load, Shape, Trouble};
use crate::door::{Attempts, check_statement, explain};
use crate::harvest::stream_row;
use crate::pool::Lease;
use crate::timeout::Bound;
use crate::{Column, Door, Error, Session, Statement, Value};

/// The rows of one statement. Dropping it cancels the statement and rolls back.
pub struct RowStream {
    door: Door,
    columns: Vec<Column>,
    /// `None` after the end or an error.
    flow: Option<Flow>,
}

struct Flow {
    lease: Lease,
    flight: Flight,
    shape: Arc<Shape>,
    /// A row that was read to see whether the statement works.
    first: Option<DataRowBody>,
    bound: Bound,
    begun: Instant,
}

impl RowStream {
    pub(crate) async fn open(door: &Door, session: &Session, statement: &Statement) -> Result<Self, Error> {
        check_statement(statement)?;
        let principal = door.principal(session)?;
        let roles = door.core.roles.load_full();
        let orders = door.orders(&principal, session, &roles)?;
        let statements = std::slice::from_ref(statement);
        let load = Load { orders: Some(&orders), statements, end: End::Commit };
        let mut attempts = Attempts::default();
        loop {
            let mut lease = door.lease(&principal, statements).await?;
            let begun = Instant::now();
            let trouble = match begin(door, &mut lease, load, &statement.sql).await {
                Ok(begun_well) => {
                    let Beginning { flight, shape, columns, first } = begun_well;
                    let flow = Flow { lease, flight, shape, first, bound: orders.bound, begun };
                    return Ok(Self { door: door.clone(), columns, flow: Some(flow) });
                }
                Err(trouble) => trouble,
            };
            if attempts.are_over(&trouble) {
                return Err(explain(trouble, orders.bound, begun));
            }
            lease.forget_statement(&statement.sql);
        }
    }

    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Up to `count` rows (at least one is asked for, at most
    /// [`DATABASE_BATCH_ROWS_MAX`]; fewer where rows are wide). An empty answer is the end, and
    /// the transaction is committed. After an error the stream is at its end.
    pub async fn next(&mut self, count: u32) -> Result<Vec<Vec<Value>>, Error> {
        let Some(mut flow) = self.flow.take() else { return Ok(Vec::new()) };
        let count = count.clamp(1, DATABASE_BATCH_ROWS_MAX) as usize;
        let begun = flow.begun;
        let bound = flow.bound;
        // Not in `self` while it runs: an error, the deadline or a drop ends the stream.
        let (rows, flow) = self
            .door
            .bounded(async move {
                let (rows, ended) =
                    flow.batch(count).await.map_err(|trouble| explain(trouble, bound, begun))?;
                Ok((rows, (!ended).then_some(flow)))
            })
            .await?;
        self.flow = flow;
        Ok(rows)
    }
}

struct Beginning {
    flight: Flight,
    shape: Arc<Shape>,
    columns: Vec<Column>,
    first: Option<DataRowBody>,
}

async fn begin(
    door: &Door,
    connection: &mut Connection,
    load: Load<'_>,
    sql: &str,
) -> Result<Beginning, Trouble> {
    // The columns, with the names of their types, must be known before the first row is handed
    // out, and while rows flow nothing else can be asked.
    let shape = match connection.shape_of(sql) {
        Some(shape) => shape,
        None => {
            let mut parse = connection.prepare_flight(Load { end: End::Describe, ..load })?;
            connection.flush(&parse).await?;
            while !matches!(connection.event(&mut parse).await?, Event::Settled) {}
            parse.shape().cloned().unwrap_or_default()
        }
    };
    let columns = door.core.type_names.columns(&shape, connection).await?;
    let mut flight = connection.prepare_flight(load)?;
    connection.flush(&flight).await?;
    let first = match connection.event(&mut flight).await? {
        Event::Row(row) => Some(row),
        Event::Complete(_) | Event::Settled | Event::LongRow => None,
    };
    Ok(Beginning { flight, shape, columns, first })
}

impl Flow {
    /// The next rows, and whether they are the last ones.
    async fn batch(&mut self, count: usize) -> Result<(Vec<Vec<Value>>, bool), Trouble> {
        let mut rows = Vec::new();
        let mut bytes = 0;
        while rows.len() < count && bytes < DATABASE_BATCH_BYTES_MAX {
            let row = match self.first.take() {
                Some(row) => row,
                None if self.lease.is_settled() => return Ok((rows, true)),
                None => match self.lease.event(&mut self.flight).await? {
                    Event::Row(row) => row,
                    // Long rows are not asked for.
                    Event::Complete(_) | Event::LongRow => continue,
                    // Rows that are left are handed out first; the end is an answer of its own.
                    Event::Settled if rows.is_empty() => return Ok((rows, true)),
                    Event::Settled => break,
                },
            };
            bytes += row.buffer().len();
            rows.push(stream_row(&row, &self.shape, &self.flight)?);
        }
        Ok((rows, false))
    }
}
