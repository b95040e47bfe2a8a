//! The cancel request: a connection of its own that names another one.

use postgres_protocol::message::frontend;

use super::{Address, Wire, WireError};

/// What the server gave at log-in to cancel this session's statements by.
#[derive(Clone, Debug)]
pub(crate) struct CancelKey {
    pub(super) address: Address,
    pub(super) process_id: i32,
    pub(super) secret: i32,
}

impl CancelKey {
    /// Asks the server to stop what the session runs. Returns after the server has closed the
    /// connection, by when the signal is on its way to the session's process; whether it hit
    /// anything, nobody says.
    pub(crate) async fn cancel(&self) -> Result<(), WireError> {
        let mut wire = Wire::connect(&self.address).await?;
        frontend::cancel_request(self.process_id, self.secret, wire.outbox());
        wire.flush().await?;
        wire.until_closed().await;
        Ok(())
    }
}
