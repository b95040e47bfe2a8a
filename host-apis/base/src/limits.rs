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
/// Bytes of one HTTP/2 stream on their way to a function that has not read them yet.
pub const HTTP2_STREAM_WINDOW_BYTES: u32 = 256 * 1024;
/// The same, over all streams of a connection: what one peer can make the host hold.
pub const HTTP2_CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;
/// Between two pings on a busy HTTP/2 connection, and the wait for each answer; a peer that died
/// without a word is noticed after both.
pub const HTTP2_PING_INTERVAL: Duration = Duration::from_secs(20);
/// Without the peer taking a byte of a response. Beyond it a reader that stopped would hold a
/// function's invocation for free.
pub const RESPONSE_WRITE_TIMEOUT: Duration = Duration::from_secs(60);
/// How long, and for how many bytes, a closing connection still takes what the client was sending:
/// closing on unread bytes resets the connection, and the client would lose the answer (a 413, say)
/// that it has not read yet.
pub const LINGER_TIMEOUT: Duration = Duration::from_secs(2);
pub const LINGER_BYTES_MAX: usize = 16 * 1024 * 1024;
/// First and longest pause of the accept loop after the process ran out of file descriptors.
pub const ACCEPT_BACKOFF_MIN: Duration = Duration::from_millis(5);
pub const ACCEPT_BACKOFF_MAX: Duration = Duration::from_secs(1);
/// Open connections of the admin port: a few scrapers and probes, never the public.
pub const ADMIN_CONNECTIONS_MAX: usize = 64;
/// From a request's head to the head of the data API's response: the wait for a connection, the
/// statement and some slack. Beyond it the answer is 504.
pub const DATA_REQUEST_TIMEOUT: Duration = Duration::from_secs(75);
/// From a request's head to the head of a function's response. Above the wall clock of a function,
/// so that its own limits decide first. Supabase's Envoy: 410 s.
pub const FUNCTION_REQUEST_TIMEOUT: Duration = Duration::from_secs(410);

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
/// A `kid` in a token or key set, in bytes.
pub const TOKEN_KEY_ID_BYTES_MAX: usize = 256;
/// Verification keys in one key set, and opaque API keys of one project: each opaque key is
/// compared with every presented one.
pub const VERIFICATION_KEYS_MAX: usize = 64;
pub const API_KEYS_MAX: usize = 256;
/// A shared signing secret, in bytes; HS256 wants at least the size of its hash (RFC 7518 §3.2).
pub const JWT_SECRET_BYTES_MIN: usize = 32;

// ---- The database ----------------------------------------------------------------------------

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
/// Rows handed to a guest in one batch.
pub const DATABASE_BATCH_ROWS_MAX: u32 = 1_000;
/// Bytes of row values handed to a guest in one batch; fewer rows come where they are wide.
pub const DATABASE_BATCH_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of one result that is not streamed, and of one message of the server: it is held in the
/// host's memory.
pub const DATABASE_RESULT_BYTES_MAX: usize = 256 * 1024 * 1024;
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

// ---- Storage ----------------------------------------------------------------------------------

/// An object, in bytes, where `[storage]` says nothing: the Supabase CLI's default.
pub const STORAGE_OBJECT_BYTES_MAX: u64 = 50 * 1024 * 1024;
/// What `[storage]` may allow for one object; beyond it offsets no longer fit every client's numbers.
pub const STORAGE_OBJECT_SETTING_MAX: u64 = 5 * 1024 * 1024 * 1024 * 1024;
/// An object's name, in bytes; S3's bound. Indexes on names break beyond 2,700.
pub const STORAGE_NAME_BYTES_MAX: usize = 1024;
/// A bucket's name, in characters, as Supabase's own trigger has it.
pub const STORAGE_BUCKET_NAME_CHARS_MAX: usize = 100;
/// An object's own metadata, as JSON text, in bytes: it is read with every row.
pub const STORAGE_METADATA_BYTES_MAX: usize = 1024 * 1024;
/// Objects named in one call that deletes.
pub const STORAGE_DELETE_MAX: usize = 1_000;
/// Entries of one page of a list; all of a page is held in memory.
pub const STORAGE_LIST_MAX: u32 = 1_000;
/// Entries of one page where the caller says nothing, as upstream.
pub const STORAGE_LIST_DEFAULT: u32 = 100;
/// Of an object on its way to the disk, what is gathered before one write: twice as much is held per
/// upload.
pub const STORAGE_WRITE_BYTES: usize = 512 * 1024;
/// Of an object on its way from the disk, what one read takes; it is what a slow reader holds.
pub const STORAGE_READ_BYTES: usize = 256 * 1024;
/// An upload longer than this, or of unknown length, is tried against the policies before its body is
/// read: refusing it later would have cost the disk more than the question does.
pub const STORAGE_TRIAL_BYTES_MIN: u64 = 256 * 1024;
/// Chunks that a guest has written to an upload and the disk has not taken yet; then the guest waits.
pub const STORAGE_UPLOAD_CHUNKS_WAITING_MAX: usize = 4;
/// An object that a function reads whole in one call, in bytes: the host holds it meanwhile.
pub const STORAGE_COLLECT_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Settings of buckets remembered; beyond it they are asked for again.
pub const STORAGE_BUCKETS_CACHED_MAX: usize = 10_000;
/// How long the content of deleted and overwritten objects stays where `[storage]` says nothing. It
/// must outlast every upload and every transaction under way.
pub const STORAGE_KEEP_DELETED: Duration = Duration::from_secs(3_600);
/// The longest that `[storage]` may keep it: a month of backups.
pub const STORAGE_KEEP_DELETED_SETTING_MAX: Duration = Duration::from_secs(31 * 24 * 3_600);
/// After an upload that was given up while its row was being written: by then every statement has
/// ended, and it is known whether there is a row.
pub const STORAGE_DOUBT: Duration = Duration::from_secs(150);
/// Uploads in doubt before those that no longer are get forgotten.
pub const STORAGE_DOUBTS_REMEMBERED: usize = 4_096;
/// Shortest and longest pause between two sweeps.
pub const STORAGE_SWEEP_INTERVAL_MIN: Duration = Duration::from_secs(1);
pub const STORAGE_SWEEP_INTERVAL_MAX: Duration = Duration::from_secs(3_600);
/// Blobs that one statement of a sweep asks about.
pub const STORAGE_SWEEP_BATCH: usize = 1_000;
/// The longest validity of a signed URL; beyond it nobody remembers having given it away.
pub const STORAGE_SIGNED_FOR_MAX: Duration = Duration::from_secs(10 * 365 * 24 * 3_600);
/// Objects being read or written that one request of an isolate may hold open; each holds a file.
pub const STORAGE_HELD_PER_REQUEST_MAX: usize = 64;

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
/// Sessions for the host's own work: triggers, deliveries, deployed versions.
pub const OWN_SESSIONS_MAX: usize = 16;
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
/// Workers of all functions alive at once; the one idle longest makes room. Beyond it the memory
/// that idle isolates hold starves those at work.
pub const POOL_WORKERS_MAX: usize = 256;
/// A boot that failed by the host's fault, or by time, is tried again after this.
pub const POOL_BOOT_RETRY_AFTER: Duration = Duration::from_secs(1);
/// How often a boot that found the host full looks for a worker that became idle.
pub const POOL_ROOM_RETRY: Duration = Duration::from_millis(50);
/// WASM instances alive at once, over all functions: the slots of the pooling allocator. Each
/// reserves address space, not memory.
pub const WASM_INSTANCES_MAX: u32 = 1_000;
/// Linear memory of one WASM instance, whatever its manifest asks for: what 32 bits can address is
/// reserved for each, a quarter of it may be used.
pub const WASM_MEMORY_BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// Slots of WASM instances that stay warm, with some pages of memory each, for functions that are
/// not running. Beyond it the slot used longest ago is given to another function.
pub const WASM_WARM_SLOTS_MAX: u32 = 100;
/// Host resources (streams, bodies, headers, transactions) that one WASM instance may hold. The
/// next one ends the invocation.
pub const WASM_RESOURCES_MAX: usize = 10_000;
/// Compiled WASM functions kept on disk, in bytes together; the oldest go first.
pub const WASM_CACHE_BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// V8 isolates alive at once, over all functions: one OS thread each.
pub const V8_ISOLATES_MAX: usize = 1_000;
/// Stack of an isolate's thread, in bytes. V8 uses up to 1 MiB of it for scripts; the rest is for the
/// host's own calls beneath and above.
pub const V8_STACK_BYTES: usize = 4 * 1024 * 1024;
/// Granted to V8 above its heap limit, in bytes, while a script is being ended for it. The largest
/// single object V8 makes is 1 GiB; with a smaller grant it would abort the process.
pub const V8_HEAP_HEADROOM_BYTES: usize = 1280 * 1024 * 1024;
/// Threads of one isolate for calls that block: resolving names, making keys. More wait.
pub const V8_BLOCKING_THREADS_MAX: usize = 4;
/// Chunks of a function's response that may wait for the client; then its stream is not read on.
pub const V8_RESPONSE_CHUNKS_WAITING_MAX: usize = 4;
/// Startup snapshots kept in the cache folder, of this build and those before it.
pub const V8_SNAPSHOTS_MAX: usize = 4;
/// Transactions and row streams one request of an isolate may hold open. Each may hold a connection.
pub const DATABASE_HELD_PER_REQUEST_MAX: usize = 64;
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

// ---- Sources ----------------------------------------------------------------------------------

/// One source file of a function, in bytes. Supabase: 20 MB for a whole bundle.
pub const SOURCE_FILE_BYTES_MAX: u64 = 20 * 1024 * 1024;
/// All source files of one function, in bytes; beyond it a boot takes longer than it may.
pub const SOURCE_GRAPH_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Modules of one function.
pub const SOURCE_MODULES_MAX: usize = 10_000;
/// A WASM component, in bytes; compiling a larger one holds up the processor for minutes.
pub const SOURCE_COMPONENT_BYTES_MAX: u64 = 128 * 1024 * 1024;
/// Folders watched inside one Rust crate; changes in the rest go unseen.
pub const SOURCE_CRATE_FOLDERS_MAX: usize = 1_000;
/// Folders watched in all; Linux allows 8,192 watches by default, on old kernels.
pub const SOURCE_FOLDERS_MAX: usize = 4_096;
/// Changes that wait to be looked at; beyond it everything is looked at.
pub const SOURCE_CHANGES_MAX: usize = 1_024;
