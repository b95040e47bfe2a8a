//! Opening connections in the background, so that a request which gives up does not undo the work.

use std::sync::Arc;
use std::time::{Duration, Instant};

use isobase_base::limits::{DATABASE_CONNECT_PATIENCE, DATABASE_CONNECT_TIMEOUT};
use isobase_base::observe::DatabaseEvent;

use super::{Pool, back_off};
use crate::Error;
use crate::connection::Connection;
use crate::wire::ConnectError;

/// First pause after a refused connection.
const PAUSE: Duration = Duration::from_millis(25);
/// Longest pause between attempts.
const PAUSE_MAX: Duration = Duration::from_millis(250);

/// Fills one opening slot: a connection for whoever waits longest, or the news that there is none.
pub(super) async fn open(pool: Arc<Pool>) {
    let mut slot = OpeningSlot { pool: Some(pool) };
    let Some(pool) = slot.pool.clone() else { return };
    match pool.connect_patiently().await {
        Ok(connection) => {
            slot.pool = None;
            pool.admit(Box::new(connection));
        }
        Err(error) => {
            slot.pool = None;
            pool.give_up(&error.to_string(), error.is_outage());
        }
    }
}

/// Gives the slot back when the task is dropped half-way.
struct OpeningSlot {
    pool: Option<Arc<Pool>>,
}

impl Drop for OpeningSlot {
    fn drop(&mut self) {
        if let Some(pool) = &self.pool {
            pool.give_up("the attempt to connect was abandoned", false);
        }
    }
}

impl Pool {
    /// One attempt, bounded in time.
    pub(crate) async fn connect_once(&self) -> Result<Connection, ConnectError> {
        let open = Connection::open(&self.login, self.config.statements_per_connection_max);
        tokio::time::timeout(DATABASE_CONNECT_TIMEOUT, open).await.unwrap_or(Err(ConnectError::TimedOut))
    }

    async fn connect_patiently(&self) -> Result<Connection, ConnectError> {
        let begun = Instant::now();
        let mut pause = PAUSE;
        loop {
            let error = match self.connect_once().await {
                Ok(connection) => return Ok(connection),
                Err(error) => error,
            };
            self.report(DatabaseEvent::ConnectFailed { why: &error.to_string() });
            let over = begun.elapsed() + pause > DATABASE_CONNECT_PATIENCE;
            if over || !error.may_pass() || self.state.lock().closed {
                return Err(error);
            }
            tokio::time::sleep(pause).await;
            pause = back_off(pause, PAUSE_MAX);
        }
    }

    fn admit(self: &Arc<Self>, connection: Box<Connection>) {
        {
            let mut state = self.state.lock();
            state.opening -= 1;
            state.live += 1;
        }
        self.report(DatabaseEvent::Opened);
        self.put_back(connection);
    }

    /// Adds a connection that was opened outside a slot.
    pub(crate) fn adopt(self: &Arc<Self>, connection: Connection) {
        self.state.lock().opening += 1;
        self.admit(Box::new(connection));
    }

    /// Those who wait are told now where no connection can come: none is left and none on its way,
    /// or the server is down and those in use will not come back either. Waiting on would only
    /// turn an outage into a pile of timeouts. The next request tries again.
    fn give_up(&self, why: &str, outage: bool) {
        let waiting = {
            let mut state = self.state.lock();
            state.opening -= 1;
            let none_left = state.live + state.opening == 0;
            if !none_left && !outage {
                return;
            }
            if none_left {
                self.emptied.notify_waiters();
            }
            std::mem::take(&mut state.waiting)
        };
        for waiter in waiting {
            let _ = waiter.send(Err(Error::Unavailable(why.to_owned())));
        }
    }
}
