//! The database host API: SQL as the caller of a request.
//!
//! Everything that reaches Postgres on behalf of a guest goes through a [`Door`]: it begins a
//! transaction that has switched to the caller's role and carries the verified claims, so row level
//! security decides what is seen. A guest hands over SQL, parameters and settings; it never holds a
//! connection or a password, and it cannot change who the session is.
//!
//! In the order of a statement's way: [`Door`] checks the grant, the pool lends a connection
//! (sticky by role), the connection encodes one *flight* (reset, settings, statement, one Sync) that
//! leaves in one write and is one transaction, rows are decoded from Postgres' text format, the
//! lease returns the connection. A result too long to be held is one body ([`Content`]): it goes from the
//! socket through a spool of constant size to its client, or waits for it on the disk. A dropped future at any point cancels what runs and brings the
//! session back to clean, or replaces it.
//!
//! ```no_run
//! # async fn example(context: isobase_base::Context) -> Result<(), Box<dyn std::error::Error>> {
//! use isobase_base::{Grant, observe::Observer};
//! use isobase_database::{Database, DatabaseConfig, Parameter, Session, Statement};
//!
//! let config = DatabaseConfig::from_url("postgres://authenticator@localhost:54322/postgres")?;
//! let database = Database::open(config, Observer::default()).await?;
//! let door = database.session_door(context, Grant::Caller);
//! let statement = Statement::new("select title from items where id = $1", vec![Parameter::Int32(7)]);
//! let table = door.query(&Session::default(), statement).await?;
//! println!("{} rows", table.rows.len());
//! # Ok(())
//! # }
//! ```
//!
//! The protocol is spoken directly, over `postgres-protocol`: tokio-postgres ends every statement
//! with a Sync of its own and hands it to another task, which makes four flushes of the server and
//! several wakes out of what can be one of each.

mod channels;
mod config;
mod connection;
mod content;
mod database;
mod decode;
mod door;
mod error;
mod harvest;
mod late;
mod pool;
mod roles;
mod row_stream;
mod screen;
mod session;
mod snapshot;
mod spool;
mod timeout;
mod transaction;
mod type_names;
mod value;
mod wire;

pub use config::{DatabaseConfig, OpenError};
pub use content::Content;
pub use database::Database;
pub use door::Door;
pub use error::{Error, Exhaustion, SqlError};
pub use pool::PoolStatus;
pub use row_stream::RowStream;
pub use session::{AccessMode, Identity, Session};
pub use snapshot::Snapshot;
pub use transaction::Transaction;
pub use value::{Column, Document, Lines, Parameter, Statement, Table, Value};
