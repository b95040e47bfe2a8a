//! Connecting and proving who we are: cleartext, MD5 or SCRAM-SHA-256 (RFC 5802, RFC 7677).

use std::fmt;
use std::io;

use fallible_iterator::FallibleIterator;
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};
use postgres_protocol::message::backend::{AuthenticationSaslBody, Message};
use postgres_protocol::message::frontend;

use super::{Address, CancelKey, Wire, WireError};
use crate::SqlError;
use crate::error::Report;

/// Where to connect, as whom. Never printed with its password.
#[derive(Clone)]
pub(crate) struct Login {
    /// Tried in order.
    pub(crate) addresses: Vec<Address>,
    pub(crate) user: String,
    pub(crate) password: Option<Vec<u8>>,
    pub(crate) database: String,
    /// Settings of the session from its first moment; `RESET ALL` goes back to these.
    pub(crate) settings: Vec<(&'static str, String)>,
}

impl fmt::Debug for Login {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Login")
            .field("addresses", &self.addresses)
            .field("user", &self.user)
            .field("database", &self.database)
            .finish_non_exhaustive()
    }
}

/// A session that has just begun.
pub(crate) struct Welcome {
    pub(crate) wire: Wire,
    pub(crate) cancel: CancelKey,
    /// `server_version` as the server prints it, e.g. `15.8 (Debian 15.8-1)`.
    pub(crate) server_version: String,
}

/// Why no session began.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error("cannot connect to {address}: {source}")]
    Unreachable { address: String, source: io::Error },
    #[error("the server refused the log-in: {0}")]
    Refused(Box<SqlError>),
    #[error("the log-in broke off: {0}")]
    Wire(#[from] WireError),
    #[error("the log-in failed: {0}")]
    Protocol(String),
    #[error("the server did not answer the log-in in time")]
    TimedOut,
}

impl From<io::Error> for ConnectError {
    fn from(error: io::Error) -> Self {
        Self::Protocol(error.to_string())
    }
}

impl ConnectError {
    /// Whether trying again soon can help: not where the password, the database or the role is
    /// wrong (SQLSTATE classes 28 and 3D).
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Refused(error) => !error.sqlstate.starts_with("28") && !error.sqlstate.starts_with("3D"),
            Self::Unreachable { .. } | Self::Wire(_) | Self::TimedOut => true,
            Self::Protocol(_) => false,
        }
    }

    /// Whether no session at all can be expected to work: the server does not answer, or says that
    /// it is not (or no longer) serving (57P01 to 57P03). Not where it has too many connections.
    pub(crate) fn is_outage(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Wire(_) | Self::TimedOut => true,
            Self::Refused(error) => error.sqlstate.starts_with("57P"),
            Self::Protocol(_) => false,
        }
    }
}

impl Login {
    /// Connects to the first address that takes us and waits until the session is ready.
    pub(crate) async fn connect(&self) -> Result<Welcome, ConnectError> {
        let mut failure = ConnectError::Protocol("no address is configured".to_owned());
        for address in &self.addresses {
            match Wire::connect(address).await {
                Ok(wire) => return self.log_in(wire, address).await,
                Err(source) => failure = ConnectError::Unreachable { address: address.to_string(), source },
            }
        }
        Err(failure)
    }

    async fn log_in(&self, mut wire: Wire, address: &Address) -> Result<Welcome, ConnectError> {
        let fixed = [("user", self.user.as_str()), ("database", self.database.as_str())];
        let settings = self.settings.iter().map(|(name, value)| (*name, value.as_str()));
        frontend::startup_message(fixed.into_iter().chain(settings), wire.outbox())?;
        wire.flush().await?;
        self.authenticate(&mut wire).await?;
        let mut key = None;
        let mut server_version = String::new();
        loop {
            match next(&mut wire).await? {
                Message::BackendKeyData(body) => key = Some((body.process_id(), body.secret_key())),
                Message::ParameterStatus(body) if body.name()? == "server_version" => {
                    body.value()?.clone_into(&mut server_version);
                }
                Message::ReadyForQuery(_) => break,
                _ => {}
            }
        }
        let (process_id, secret) = key.ok_or_else(|| unexpected("no cancel key"))?;
        let cancel = CancelKey { address: address.clone(), process_id, secret };
        Ok(Welcome { wire, cancel, server_version })
    }

    async fn authenticate(&self, wire: &mut Wire) -> Result<(), ConnectError> {
        match next(wire).await? {
            Message::AuthenticationOk => return Ok(()),
            Message::AuthenticationCleartextPassword => {
                frontend::password_message(self.password()?, wire.outbox())?;
            }
            Message::AuthenticationMd5Password(body) => {
                let hash = md5_hash(self.user.as_bytes(), self.password()?, body.salt());
                frontend::password_message(hash.as_bytes(), wire.outbox())?;
            }
            Message::AuthenticationSasl(body) => self.scram(wire, &body).await?,
            _ => return Err(unexpected("the server asks for a kind of log-in that is not supported")),
        }
        wire.flush().await?;
        match next(wire).await? {
            Message::AuthenticationOk => Ok(()),
            _ => Err(unexpected("the log-in did not end")),
        }
    }

    async fn scram(&self, wire: &mut Wire, offer: &AuthenticationSaslBody) -> Result<(), ConnectError> {
        if !offer.mechanisms().any(|mechanism| Ok(mechanism == SCRAM_SHA_256))? {
            return Err(unexpected("the server offers no SCRAM-SHA-256"));
        }
        let mut scram = ScramSha256::new(self.password()?, ChannelBinding::unsupported());
        frontend::sasl_initial_response(SCRAM_SHA_256, scram.message(), wire.outbox())?;
        wire.flush().await?;
        let Message::AuthenticationSaslContinue(challenge) = next(wire).await? else {
            return Err(unexpected("SCRAM broke off"));
        };
        scram.update(challenge.data())?;
        frontend::sasl_response(scram.message(), wire.outbox())?;
        wire.flush().await?;
        let Message::AuthenticationSaslFinal(last) = next(wire).await? else {
            return Err(unexpected("SCRAM broke off"));
        };
        Ok(scram.finish(last.data())?)
    }

    fn password(&self) -> Result<&[u8], ConnectError> {
        self.password
            .as_deref()
            .ok_or_else(|| unexpected("the server asks for a password and none is configured"))
    }
}

fn unexpected(what: &str) -> ConnectError {
    ConnectError::Protocol(what.to_owned())
}

/// The next message that is no mere notice; an error of the server becomes ours.
async fn next(wire: &mut Wire) -> Result<Message, ConnectError> {
    loop {
        match wire.message().await? {
            Message::NoticeResponse(_) => {}
            Message::ErrorResponse(body) => {
                return Err(ConnectError::Refused(Box::new(Report::read(&body).error)));
            }
            message => return Ok(message),
        }
    }
}
