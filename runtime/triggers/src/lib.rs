//! What starts a function besides a request: schedules, queues, the webhook inbox.
//!
//! A trigger reads what is due from Postgres, takes a lease on it, and hands it to an
//! [`isobase_base::Invoker`], the same port that the gateway uses. It delivers at least once, with an
//! idempotency key that stays the same over all attempts, and writes down what became of each.
//! What functions declare comes from the server's settings and from the versions that are live; [`live`]
//! brings it to the schedulers, consumers and receivers whenever it changes.
//!
//! A trigger knows no engine and no gateway; what it keeps survives `kill -9`.

pub mod cron;
pub mod inbox;
pub mod live;
mod queue;

pub use queue::{QueueConsumer, QueueConsumers, QueueError, QueueHost, Subscribe};
