//! The queue host API: messages sent and read as the caller of a request.
//!
//! A queue is a table of schema `pgmq`, so row level security and grants decide who may do what, and
//! whatever other programs do with pgmq's SQL functions they do to the same queues. The statements
//! here are prepared ones on the table itself: pgmq's functions build theirs anew for each call, which
//! costs half of the speed.
//!
//! In the order of a message's way: [`QueueDoor::send`] checks it, [`commits`] puts it into one insert
//! with those that other requests of the same principal send meanwhile, and answers after the commit;
//! [`QueueDoor::read`] hides it for a while; [`QueueDoor::ack`], [`QueueDoor::archive`] or
//! [`QueueDoor::extend`] settle it.
//!
//! ```no_run
//! # async fn example(context: isobase_base::Context, database: isobase_database::Database)
//! # -> Result<(), isobase_queue::Error> {
//! use isobase_base::Grant;
//! use isobase_queue::{Identity, Outgoing, Queues};
//!
//! let queues = Queues::new(database);
//! let door = queues.door(context, Grant::Caller);
//! let message = Outgoing { message: r#"{"to": "ada@example.com"}"#.into(), ..Outgoing::default() };
//! let id = door.send("mails", Identity::Caller, message).await?;
//! door.ack("mails", Identity::Caller, &[id]).await?;
//! # Ok(())
//! # }
//! ```

mod commits;
mod door;
mod message;
mod name;
mod queues;
mod sql;

pub use door::QueueDoor;
pub use isobase_database::{Error, Identity};
pub use message::{Message, Metrics, Outgoing};
pub use name::QueueName;
pub use queues::Queues;
pub use sql::read as read_statement;
