//! Rows as they arrive from the server.

use super::{Column, Error, Row, Value, host};

/// The rows of a running statement. Dropping it before the end cancels the statement and rolls
/// back; reading to the end commits.
#[derive(Debug)]
pub struct RowStream {
    host: host::RowStream,
    columns: Vec<Column>,
}

impl RowStream {
    pub(super) fn new(host: host::RowStream) -> Self {
        let columns = host.columns();
        Self { host, columns }
    }

    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Up to `count` rows; an empty vector is the end. The host bounds `count` too.
    pub fn next_values(&mut self, count: u32) -> Result<Vec<Vec<Value>>, Error> {
        Ok(self.host.next(count)?)
    }

    /// Calls `each` with every row that is left, a hundred in memory at a time.
    pub fn for_each<E: From<Error>>(
        mut self,
        mut each: impl FnMut(Row<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        const BATCH_ROWS: u32 = 100;
        loop {
            let batch = self.next_values(BATCH_ROWS)?;
            if batch.is_empty() {
                return Ok(());
            }
            for values in &batch {
                each(Row::new(&self.columns, values))?;
            }
        }
    }
}
