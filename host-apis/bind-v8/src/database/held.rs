//! What one invocation holds open: transactions and row streams.

use std::collections::HashMap;
use std::rc::Rc;

use deno_core::AsyncRefCell;
use deno_core::RcRef;
use isobase_base::limits::DATABASE_HELD_PER_REQUEST_MAX;
use isobase_database::{RowStream, Transaction};

use super::QueryError;

/// Statements of one transaction run one after another, in the order they were asked for: the cell
/// queues them.
pub(super) type SharedTransaction = RcRef<AsyncRefCell<Option<Transaction>>>;
pub(super) type SharedStream = RcRef<AsyncRefCell<RowStream>>;

#[derive(Default)]
pub(crate) struct Held {
    next: u32,
    transactions: HashMap<u32, Rc<AsyncRefCell<Option<Transaction>>>>,
    streams: HashMap<u32, Rc<AsyncRefCell<RowStream>>>,
}

impl Held {
    pub(super) fn keep_transaction(&mut self, transaction: Transaction) -> Result<u32, QueryError> {
        let handle = self.handle()?;
        self.transactions.insert(handle, AsyncRefCell::new_rc(Some(transaction)));
        Ok(handle)
    }

    pub(super) fn transaction(&self, handle: u32) -> Result<SharedTransaction, QueryError> {
        self.transactions.get(&handle).map(|cell| RcRef::from(cell.clone())).ok_or_else(QueryError::ended)
    }

    /// Statements that were asked for earlier still run; later ones are refused.
    pub(super) fn end_transaction(&mut self, handle: u32) -> Result<SharedTransaction, QueryError> {
        self.transactions.remove(&handle).map(RcRef::from).ok_or_else(QueryError::ended)
    }

    pub(super) fn keep_stream(&mut self, stream: RowStream) -> Result<u32, QueryError> {
        let handle = self.handle()?;
        self.streams.insert(handle, AsyncRefCell::new_rc(stream));
        Ok(handle)
    }

    pub(super) fn stream(&self, handle: u32) -> Result<SharedStream, QueryError> {
        let stream = self.streams.get(&handle).map(|cell| RcRef::from(cell.clone()));
        stream.ok_or_else(|| QueryError::refused("the row stream is closed"))
    }

    pub(super) fn close_stream(&mut self, handle: u32) {
        self.streams.remove(&handle);
    }

    fn handle(&mut self) -> Result<u32, QueryError> {
        if self.transactions.len() + self.streams.len() >= DATABASE_HELD_PER_REQUEST_MAX {
            return Err(QueryError::refused(
                "too many transactions and row streams are open in this request",
            ));
        }
        self.next += 1;
        Ok(self.next)
    }
}
