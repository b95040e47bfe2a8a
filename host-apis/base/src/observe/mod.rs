//! One enum of things worth knowing; each becomes a log line, a metric, or both, in one place. What
//! happens with every invocation goes through a handle for each function instead, which needs no
//! look-up and no lock: [`FunctionObserver`].

mod allowance;
mod document;
mod figures;
mod function;
mod functions;
mod histogram;
mod journal;
mod metrics;
mod record;

use std::time::Duration;

use http::{Method, StatusCode};

use crate::{RequestId, TraceContext};

pub use figures::FunctionFigures;
pub use function::{FunctionObserver, InvocationEnd};
pub use histogram::DurationsRead;
pub use journal::{InvocationFigures, Journal, JournalEntry, JournalEvent};
pub use record::Observer;

/// Where log lines say whether a function can be served: `function`, what there is of `version` and `detail`,
/// and the message. At a terminal they are set apart.
pub const FUNCTION_STATE: &str = "isobase::function";
/// Where the lines are that functions log: `function`, `request_id` and the message.
pub const GUEST: &str = "isobase::guest";

/// Where the lines are about invocations that failed: `function`, `request_id`, `reason`, `millis`, `detail`.
pub const INVOCATION: &str = "isobase::invocation";

/// Where the lines are about requests: `surface`, `request_id`, `method`, `path`, `status`, `micros`.
pub const ACCESS: &str = "isobase::access";

/// Something that happened. Never holds a token, a key, a body or a query string.
#[derive(Debug)]
pub enum Observation<'a> {
    /// A request was answered: the one access-log line. `bytes` is of the response body as sent.
    Request {
        request_id: RequestId,
        trace: &'a TraceContext,
        surface: &'static str,
        method: &'a Method,
        path: &'a str,
        status: StatusCode,
        role: &'a str,
        duration: Duration,
        bytes: u64,
    },
    /// A connection was refused or cut by a limit of the gateway.
    Connection { event: ConnectionEvent },
    /// A worker of some function can take requests; [`FunctionObserver::booted`] says of which.
    WorkerBooted { engine: &'static str, duration: Duration },
    /// A worker will take no more requests.
    WorkerRetired { reason: &'static str },
    /// Entries for the functions' log were dropped: the queue was full, or Postgres refused them.
    FunctionLogDropped { event: &'static str, entries: u64 },
    /// A session got its connection after this wait, or did not.
    DatabaseAcquire { wait: Duration, outcome: AcquireOutcome },
    /// A pooled connection was opened, or lost with what the server or socket said.
    DatabaseConnection { event: DatabaseEvent<'a> },
    /// The data API's picture of the schema was read again.
    CatalogLoaded { duration: Duration, relations: usize, functions: usize },
    /// Messages of a queue were handed to their function, and this became of them.
    QueueSettled { queue: &'a str, outcome: QueueOutcome, messages: u64 },
    /// The managed Postgres process did something.
    Postgres { event: PostgresEvent<'a> },
    /// A realtime socket came, went or was given messages.
    Realtime { event: RealtimeEvent },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConnectionEvent {
    Opened,
    Closed,
    /// The connection cap was reached and accepting paused.
    CapReached,
    /// The head or body of a request came too slowly.
    TooSlow,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RealtimeEvent {
    SocketOpened,
    SocketClosed,
    /// A channel was joined.
    Joined,
    /// A message was handed to so many channels.
    Broadcast {
        deliveries: u64,
    },
    /// A socket was dropped, because it took messages more slowly than they came.
    TooSlow,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GuestLevel {
    Debug,
    Info,
    Warn,
    Error,
}

impl GuestLevel {
    /// In the order of their weight.
    pub const ALL: [Self; 4] = [Self::Debug, Self::Info, Self::Warn, Self::Error];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AcquireOutcome {
    Acquired,
    TimedOut,
    Refused,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum QueueOutcome {
    Acknowledged,
    /// Will be delivered again.
    Retried,
    /// Attempts used up: moved to the dead-letter queue or the archive.
    Dead,
}

#[derive(Clone, Copy, Debug)]
pub enum DatabaseEvent<'a> {
    Opened,
    Lost { why: &'a str },
    ConnectFailed { why: &'a str },
}

#[derive(Clone, Copy, Debug)]
pub enum PostgresEvent<'a> {
    Started { version: &'a str, port: u16 },
    Exited { why: &'a str },
    Restarting { after: Duration },
    Stopped,
}
