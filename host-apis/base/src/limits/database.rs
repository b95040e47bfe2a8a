//! What Postgres is asked, and what it is given.

use std::time::Duration;

// ---- The database ----------------------------------------------------------------------------------

/// Connections of the pool, beside one that listens. Postgres' own default limit is 100 and
/// migrations need some too.
pub const DATABASE_CONNECTIONS_MAX: usize = 20;
/// Requests waiting for a connection; the next is refused with 503 at once.
pub const DATABASE_WAITERS_MAX: usize = 2_000;
/// Wait for a connection before 504, PostgREST's `db-pool-acquisition-timeout`.
pub const DATABASE_ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
/// A statement's run time where the role sets none.
pub const DATABASE_STATEMENT_TIMEOUT: Duration = Duration::from_secs(60);
/// Prepared statements kept per connection; the least used is closed first. Each costs Postgres
/// some tens of kilobytes.
pub const DATABASE_STATEMENTS_PER_CONNECTION_MAX: usize = 256;
/// Text of one SQL statement, in bytes.
pub const DATABASE_SQL_BYTES_MAX: usize = 1024 * 1024;
/// Parameters of one statement; Postgres' protocol counts them in 16 bits.
pub const DATABASE_PARAMETERS_MAX: usize = u16::MAX as usize;
/// Statements that leave in one flush: their answers wait in the host until the last one is done.
pub const DATABASE_STATEMENTS_PER_FLUSH_MAX: usize = 32;
/// Rows handed to a guest in one batch.
pub const DATABASE_BATCH_ROWS_MAX: u32 = 1_000;
/// Bytes of row values handed to a guest in one batch; fewer rows come where they are wide.
pub const DATABASE_BATCH_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of one result that is not streamed, and of one message of the server: it is held in the
/// host's memory.
pub const DATABASE_RESULT_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Bytes of one document that are held in memory until it is whole. A longer one is handed on as it comes.
pub const DATABASE_DOCUMENT_HELD_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of a longer document that wait in memory for its client. What the client leaves there goes to the
/// disk.
pub const DATABASE_SPOOL_BYTES_MAX: usize = 512 * 1024;
/// How long one document may hold its connection back for a client that is slower than the server, all waits
/// together. Beyond it the client is read for from the disk, and the connection serves others.
pub const DATABASE_BACKPRESSURE_MAX: Duration = Duration::from_millis(500);
/// Bytes written to the disk, and read from it, at once.
pub const DATABASE_SPILL_PIECE_BYTES: usize = 256 * 1024;
/// Bytes of documents on the disk that wait for their clients, all together. Beyond it the disk fills up, so
/// the next ones wait for these.
pub const DATABASE_SPILLED_BYTES_MAX: u64 = 8 * 1024 * 1024 * 1024;
/// How long they wait, with their connections; then they break off.
pub const DATABASE_SPILL_WAIT_MAX: Duration = Duration::from_secs(5);
/// Settings of one session beside the host's own; each is a parameter of the statement that
/// applies them.
pub const DATABASE_SETTINGS_MAX: usize = 48;
/// Names and values of one session's settings together, in bytes: headers and cookies fit.
pub const DATABASE_SETTINGS_BYTES_MAX: usize = 256 * 1024;
/// One attempt to connect and log in. Beyond it the server counts as down.
pub const DATABASE_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long failed attempts to connect are repeated before those who wait get 503: long enough
/// for a restart of the server to pass unseen, short enough that an outage is told.
pub const DATABASE_CONNECT_PATIENCE: Duration = Duration::from_secs(1);
/// Time for a statement whose caller went away to stop after a cancel request; then its connection
/// is closed and replaced.
pub const DATABASE_RECOVERY_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection is replaced after this; the memory its server process gathered goes back.
/// PostgREST's `db-pool-max-lifetime`.
pub const DATABASE_CONNECTION_AGE_MAX: Duration = Duration::from_secs(1_800);
/// Channels listened to. Guests name them, so they must not grow without end.
pub const DATABASE_CHANNELS_MAX: usize = 256;
/// Longest pause between attempts to connect for listening.
pub const DATABASE_LISTEN_BACKOFF_MAX: Duration = Duration::from_secs(5);
/// Snapshots kept, one for each pair of channel and statement.
pub const DATABASE_SNAPSHOTS_MAX: usize = 64;
/// Pause before a snapshot that could not be read again is tried once more.
pub const DATABASE_SNAPSHOT_RETRY: Duration = Duration::from_millis(250);
/// Names of types that are not built in, remembered by number; beyond it all are asked for again.
pub const DATABASE_TYPE_NAMES_MAX: usize = 4_096;

// ---- The managed Postgres --------------------------------------------------------------------------

/// From starting Postgres until it takes sessions, crash recovery included. Beyond it something
/// else is wrong and waiting hides it.
pub const POSTGRES_START_TIMEOUT: Duration = Duration::from_secs(120);
/// For a fast shutdown (open transactions are rolled back, a checkpoint is written); then Postgres
/// is told to quit at once, which costs a recovery at the next start.
pub const POSTGRES_STOP_TIMEOUT: Duration = Duration::from_secs(15);
/// After being told to quit at once; then the process is killed.
pub const POSTGRES_QUIT_TIMEOUT: Duration = Duration::from_secs(5);
/// First pause before a crashed Postgres is started again; each further crash doubles it.
pub const POSTGRES_RESTART_DELAY_MIN: Duration = Duration::from_millis(100);
/// Longest pause between two starts; a server that cannot stay up must not eat the machine.
pub const POSTGRES_RESTART_DELAY_MAX: Duration = Duration::from_secs(30);
/// A Postgres that ran this long is healthy: the next crash starts again at the first pause.
pub const POSTGRES_STEADY_AFTER: Duration = Duration::from_secs(60);
/// Postgres' log file, in bytes, before it is turned over; one older file is kept.
pub const POSTGRES_LOG_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// Server connections of the managed Postgres; each costs some megabytes when used.
pub const POSTGRES_CONNECTIONS_MAX: u16 = 100;
/// WAL a replication slot may hold back, in megabytes. Beyond it a forgotten slot fills the disk.
pub const POSTGRES_SLOT_WAL_MEGABYTES_MAX: u32 = 4096;
/// Opening one session for schema work, handshake included.
pub const POSTGRES_CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Sessions for the host's own work: triggers, deliveries, deployed versions.
pub const OWN_SESSIONS_MAX: usize = 16;
/// A statement that reads for an operator's command. Beyond it, it would hold a session for long.
pub const OPERATOR_READ_TIMEOUT: Duration = Duration::from_secs(10);
/// Wait for another host that is changing the schema of the same database.
pub const MIGRATION_LOCK_TIMEOUT: Duration = Duration::from_secs(60);
/// One SQL file of a project, in bytes. It is sent as one message, which Postgres bounds at 1 GB.
pub const MIGRATION_FILE_BYTES_MAX: u64 = 256 * 1024 * 1024;
