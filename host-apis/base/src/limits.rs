//! Every bound of the host in one place. Each line says what breaks beyond it. Units are in the
//! name (`_bytes_max`) or the type ([`Duration`]).

use std::time::Duration;

// ---- The gateway's sockets -------------------------------------------------------------------

/// Open client connections; the next one waits in the kernel's backlog. Beyond it file descriptors
/// run out and accepting fails for everybody.
pub const CONNECTIONS_MAX: usize = 10_000;
/// A request's head, in bytes, before 431. The size Kong and Envoy configurations of Supabase use.
pub const HEADER_BYTES_MAX: usize = 32 * 1024;
/// Header lines in a request before 431.
pub const HEADER_COUNT_MAX: usize = 100;
/// From accept, or from the end of the last request, until a request's head is complete. A slow
/// client beyond it would hold a connection for free.
pub const HEADER_READ_TIMEOUT: Duration = Duration::from_secs(15);
/// Without a byte of request body. Ends uploads whose peer went away without closing.
pub const BODY_IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// How long open requests may finish after a stop signal; then connections are cut.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);
/// Streams one HTTP/2 connection may have open; bounds the memory of one peer.
pub const HTTP2_STREAMS_MAX: u32 = 200;

// ---- Bodies ----------------------------------------------------------------------------------

/// Request body of the data API, in bytes, before 413: it is parsed in a guest's memory.
pub const DATA_BODY_BYTES_MAX: u64 = 50 * 1024 * 1024;
/// Request body of a function, in bytes, before 413. Streamed, so it costs no memory by itself.
pub const FUNCTION_BODY_BYTES_MAX: u64 = 100 * 1024 * 1024;

// ---- Tokens ----------------------------------------------------------------------------------

/// A bearer token or API key, in bytes. Longer ones are refused before any parsing.
pub const TOKEN_BYTES_MAX: usize = 8 * 1024;
/// Verified tokens remembered; the least used goes first. Beyond it signatures are checked again.
pub const TOKEN_CACHE_ENTRIES_MAX: u64 = 10_000;
/// Nesting of JSON inside a token.
pub const TOKEN_JSON_DEPTH_MAX: usize = 32;
/// Clock difference allowed in `exp`, `nbf` and `iat`, as PostgREST allows.
pub const TOKEN_CLOCK_SKEW: Duration = Duration::from_secs(30);

// ---- The database ----------------------------------------------------------------------------

/// Connections of the pool. Postgres' own default limit is 100 and migrations need some too.
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
/// Rows handed to a guest in one batch.
pub const DATABASE_BATCH_ROWS_MAX: u32 = 1_000;

// ---- The managed Postgres ---------------------------------------------------------------------

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
/// Wait for another host that is changing the schema of the same database.
pub const MIGRATION_LOCK_TIMEOUT: Duration = Duration::from_secs(60);
/// One SQL file of a project, in bytes. It is sent as one message, which Postgres bounds at 1 GB.
pub const MIGRATION_FILE_BYTES_MAX: u64 = 256 * 1024 * 1024;

// ---- Functions -------------------------------------------------------------------------------

/// Memory of one isolate or instance, in bytes, where the manifest says nothing. Supabase: 256 MB.
pub const FUNCTION_MEMORY_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// CPU time of one invocation where the manifest says nothing. Supabase: 2 s.
pub const FUNCTION_CPU_MAX: Duration = Duration::from_secs(2);
/// Wall clock of one invocation where the manifest says nothing. Supabase: 400 s.
pub const FUNCTION_WALL_CLOCK_MAX: Duration = Duration::from_secs(400);
/// Time to the head of the response where the manifest says nothing. Supabase: 150 s.
pub const FUNCTION_IDLE_TIMEOUT: Duration = Duration::from_secs(150);
/// Invocations one V8 isolate serves at once where the manifest says nothing.
pub const FUNCTION_CONCURRENCY_MAX: usize = 100;
/// Time to compile, evaluate and register a handler before the boot fails.
pub const FUNCTION_BOOT_TIMEOUT: Duration = Duration::from_secs(10);
/// Invocations waiting for a worker of one function; the next is refused with 503 at once.
pub const FUNCTION_WAITERS_MAX: usize = 1_000;
/// Wait for a worker before 503.
pub const FUNCTION_QUEUE_TIMEOUT: Duration = Duration::from_secs(10);
/// A worker without a request is retired after this; its memory goes back.
pub const WORKER_IDLE_MAX: Duration = Duration::from_secs(300);
/// WASM instances alive at once, over all functions: the slots of the pooling allocator. Each
/// reserves address space, not memory.
pub const WASM_INSTANCES_MAX: u32 = 1_000;
/// V8 isolates alive at once, over all functions: one OS thread each.
pub const V8_ISOLATES_MAX: usize = 1_000;
/// A line a function logs, in bytes; the rest is cut. Supabase: 10,000 characters.
pub const GUEST_LOG_LINE_BYTES_MAX: usize = 10_000;
/// Lines one worker may log per ten seconds; the rest is counted and dropped. Supabase: 100.
pub const GUEST_LOG_LINES_PER_10S_MAX: u32 = 100;

// ---- Settings of a project --------------------------------------------------------------------

/// A dotenv file, in bytes; a longer one is something else and is refused.
pub const DOTENV_BYTES_MAX: usize = 1024 * 1024;
/// One value in a dotenv file, in bytes. Supabase: 24,576 characters, 48 KiB.
pub const DOTENV_VALUE_BYTES_MAX: usize = 48 * 1024;
/// The memory a function may ask for; below it no isolate starts.
pub const FUNCTION_MEMORY_SETTING_MIN: u64 = 16 * 1024 * 1024;
/// The memory a function may ask for; beyond it 32-bit linear memory ends.
pub const FUNCTION_MEMORY_SETTING_MAX: u64 = 4 * 1024 * 1024 * 1024;
/// Any clock a function may ask for; a longer run belongs into a queue.
pub const FUNCTION_CLOCK_SETTING_MAX: Duration = Duration::from_secs(24 * 3600);
/// The concurrency a function may ask for in one worker.
pub const FUNCTION_CONCURRENCY_SETTING_MAX: u64 = 10_000;
