//! Bringing a connection whose holder went away back to a clean session.

use postgres_protocol::message::frontend;

use super::{Connection, End, Event, Load, Spoiled, Status, Trouble};
use crate::wire::Arrival;

/// A row that nobody waits for any more is not gathered when it is longer than this, in bytes.
const PASSED_OVER_BYTES_MIN: usize = 64 * 1024;

impl Connection {
    /// Stops what still runs, reads what is still owed and rolls back what is still open.
    ///
    /// Fails when the session cannot be trusted again; it must be closed then. The caller bounds
    /// the time.
    pub(crate) async fn recover(&mut self) -> Result<(), Trouble> {
        if !self.wire.is_flushed() {
            // A statement was cut in the middle of its bytes.
            return Err(self.lost("a statement was only half sent".to_owned(), false));
        }
        if self.syncs_owed > 0 {
            self.cancel.cancel().await.map_err(|error| self.lost(error.to_string(), false))?;
            while self.syncs_owed > 0 {
                self.drain().await?;
            }
            // The signal may have come after the statement's end. One more exchange makes sure
            // that it meets an idle session and not the next caller's statement.
            frontend::sync(self.wire.outbox());
            self.syncs_owed += 1;
            self.wire.flush().await.map_err(|error| self.lost(error.to_string(), false))?;
            self.drain().await?;
        }
        if self.status != Status::Idle {
            self.roll_back().await?;
        }
        Ok(())
    }

    /// Undoes the open transaction.
    pub(crate) async fn roll_back(&mut self) -> Result<(), Trouble> {
        let load = Load { orders: None, statements: &[], end: End::Rollback };
        let mut flight = self.prepare_flight(load).map_err(|error| self.lost(error.to_string(), false))?;
        self.flush(&flight).await?;
        while !matches!(self.event(&mut flight).await?, Event::Settled) {}
        if self.status == Status::Idle {
            Ok(())
        } else {
            Err(self.lost("the transaction cannot be rolled back".to_owned(), false))
        }
    }

    /// Reads to the next `ReadyForQuery`; what came before it was for somebody who left.
    async fn drain(&mut self) -> Result<(), Trouble> {
        use postgres_protocol::message::backend::Message;
        loop {
            let message = match self.wire.arrival(PASSED_OVER_BYTES_MIN).await {
                Ok(Arrival::Message(message)) => message,
                // Passed over with the next one.
                Ok(Arrival::LongRow) => continue,
                Err(error) => return Err(self.lost(error.to_string(), false)),
            };
            match message {
                Message::ReadyForQuery(body) => {
                    self.syncs_owed -= 1;
                    self.status = if body.status() == b'I' { Status::Idle } else { Status::Failed };
                    return Ok(());
                }
                Message::ParseComplete | Message::RowDescription(_) | Message::NoData => {
                    // Statements parsed in a flight that nobody read to its end are unknown to the
                    // cache. Nothing is wrong, but the session's memory is not ours any more.
                    self.spoiled = Some(Spoiled::Lingering);
                    let why = "a statement was being prepared".to_owned();
                    return Err(Trouble::Lost { why, repeatable: false });
                }
                _ => {}
            }
        }
    }
}
