//! A connection on loan. Whatever happens to its holder, dropping the lease returns the connection:
//! to the pool when it is clean, to recovery when it is not, to nobody when it is broken.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use isobase_base::limits::DATABASE_RECOVERY_TIMEOUT;

use super::Pool;
use crate::connection::{Connection, Spoiled};

pub(crate) struct Lease {
    /// `None` only while it is being taken apart.
    connection: Option<Box<Connection>>,
    pool: Arc<Pool>,
}

impl Lease {
    pub(super) fn new(connection: Box<Connection>, pool: &Arc<Pool>) -> Self {
        Self { connection: Some(connection), pool: Arc::clone(pool) }
    }

    pub(super) fn into_connection(mut self) -> Option<Box<Connection>> {
        self.connection.take()
    }
}

impl Deref for Lease {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection.as_deref().expect("a lease holds its connection until it is dropped")
    }
}

impl DerefMut for Lease {
    fn deref_mut(&mut self) -> &mut Connection {
        self.connection.as_deref_mut().expect("a lease holds its connection until it is dropped")
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        let settled = connection.is_settled();
        match connection.spoiled() {
            None if settled => self.pool.put_back(connection),
            Some(Spoiled::Lingering) if settled => self.pool.discard(connection, None),
            Some(Spoiled::Broken) => self.pool.discard(connection, Some("it broke during a request")),
            None | Some(Spoiled::Lingering) => {
                let pool = Arc::clone(&self.pool);
                self.pool.spawn("database recovery", recover(pool, connection));
            }
        }
    }
}

async fn recover(pool: Arc<Pool>, connection: Box<Connection>) {
    // A slot is kept even if this task is dropped: the guard gives the connection up.
    let mut patient = Patient { pool, connection: Some(connection) };
    let Some(connection) = patient.connection.as_mut() else { return };
    let recovered = tokio::time::timeout(DATABASE_RECOVERY_TIMEOUT, connection.recover()).await;
    let healthy =
        matches!(recovered, Ok(Ok(()))) && connection.spoiled().is_none() && connection.is_settled();
    if healthy && let Some(connection) = patient.connection.take() {
        patient.pool.put_back(connection);
    }
}

/// A connection in recovery; discarded unless it was taken out healthy.
struct Patient {
    pool: Arc<Pool>,
    connection: Option<Box<Connection>>,
}

impl Drop for Patient {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            let by_choice = connection.spoiled() == Some(Spoiled::Lingering);
            let why = "its caller went away and it could not be brought back";
            self.pool.discard(connection, (!by_choice).then_some(why));
        }
    }
}
