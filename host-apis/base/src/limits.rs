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
/// A statement that reads for an operator's command. Beyond it, it would hold a session for long.
pub const OPERATOR_READ_TIMEOUT: Duration = Duration::from_secs(10);
/// Wait for another host that is changing the schema of the same database.
pub const MIGRATION_LOCK_TIMEOUT: Duration = Duration::from_secs(60);
/// One SQL file of a project, in bytes. It is sent as one message, which Postgres bounds at 1 GB.
pub const MIGRATION_FILE_BYTES_MAX: u64 = 256 * 1024 * 1024;

// ---- Realtime ---------------------------------------------------------------------------------

/// Channels one socket may have joined; the next join is refused. Supabase: 100.
pub const REALTIME_CHANNELS_PER_SOCKET_MAX: usize = 100;
/// Topics with members, over all sockets; each is an entry in one table.
pub const REALTIME_TOPICS_MAX: usize = 1_000_000;
/// Joins per second over all sockets, averaged over [`REALTIME_RATE_WINDOW`]; beyond it a join is
/// refused and its socket closed, so that a storm of clients that come back spreads. Supabase: 100.
pub const REALTIME_JOINS_PER_SECOND_MAX: u32 = 100;
/// Messages per second that one socket may send, averaged likewise; beyond it the channel is closed.
pub const REALTIME_EVENTS_PER_SECOND_MAX: u32 = 500;
/// Messages per second that requests and functions together may publish, averaged likewise; beyond
/// it the answer is 429. Supabase: 2,500 in its largest plan.
pub const REALTIME_PUBLISHED_PER_SECOND_MAX: u32 = 2_500;
/// What rates are averaged over: so much of a second's allowance may come in one burst.
pub const REALTIME_RATE_WINDOW: Duration = Duration::from_secs(60);
/// One frame or fragmented message of a client, in bytes; beyond it the socket is closed with 1009.
pub const REALTIME_FRAME_BYTES_MAX: usize = 5_000_000;
/// The payload of one message, in bytes; it is held once for all who get it. Supabase: 3,000 KB.
pub const REALTIME_PAYLOAD_BYTES_MAX: usize = 3_000_500;
/// A topic, with its prefix, and the name of an event, in bytes: the binary protocol counts them in
/// eight bits.
pub const REALTIME_NAME_BYTES_MAX: usize = 255;
/// Messages of one HTTP broadcast.
pub const REALTIME_BATCH_MESSAGES_MAX: usize = 1_000;
/// Messages that wait for one socket, and their bytes. A socket that falls behind further is
/// dropped; others do not wait for it.
pub const REALTIME_SOCKET_MESSAGES_MAX: usize = 4_096;
pub const REALTIME_SOCKET_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Messages are written to a socket in pieces of about this size; larger ones save system calls and
/// cost memory per busy socket.
pub const REALTIME_WRITE_BYTES: usize = 64 * 1024;
/// Without a socket taking a byte of what waits for it.
pub const REALTIME_WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// Without a frame from a client, which sends a heartbeat every 25 s; the peer is gone.
pub const REALTIME_IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// A socket that has joined nothing for so long holds a connection for nothing.
pub const REALTIME_UNJOINED_TIMEOUT: Duration = Duration::from_secs(600);
/// Rows of `realtime.messages` broadcast in one transaction; the next batch follows at once.
pub const REALTIME_SQL_BATCH_ROWS: i64 = 500;
/// How long a message of `realtime.send` is kept after it was sent. Supabase: 72 h.
pub const REALTIME_SQL_KEPT: Duration = Duration::from_secs(72 * 3600);
/// How often those that are older are looked for.
pub const REALTIME_SQL_SWEEP: Duration = Duration::from_secs(3600);
/// Pause after the database did not give out what `realtime.send` left there.
pub const REALTIME_SQL_RETRY: Duration = Duration::from_secs(1);

// ---- Webhooks ---------------------------------------------------------------------------------

/// Body of a webhook, in bytes, before 413: it is held whole while its signature is checked. GitHub
/// sends up to 25 MB, the others far less.
pub const WEBHOOK_BODY_BYTES_MAX: u64 = 25 * 1024 * 1024;
/// How old, or how far ahead, a webhook's signature may be said to be.
pub const WEBHOOK_TOLERANCE_SETTING_MAX: Duration = Duration::from_secs(24 * 3600);
/// Attempts to deliver a webhook from the inbox; then it is dead until somebody replays it. With the
/// pauses between them, nine hours: a night's outage.
pub const WEBHOOK_ATTEMPTS_MAX: u32 = 16;
/// Pause after the first failed attempt; each further one doubles it.
pub const WEBHOOK_RETRY_MIN: Duration = Duration::from_secs(1);
/// Longest pause between two attempts.
pub const WEBHOOK_RETRY_MAX: Duration = Duration::from_secs(6 * 3600);
/// Webhooks that one host delivers from the inbox at once.
pub const WEBHOOK_DELIVERIES_MAX: usize = 16;
/// A host that delivers says so this often, and one that has not for the length of a lease is taken
/// for gone: its deliveries begin again.
pub const WEBHOOK_LEASE: Duration = Duration::from_secs(15);
pub const WEBHOOK_LEASE_RENEWAL: Duration = Duration::from_secs(5);
/// Bytes of a function's answer that are read: only its status counts.
pub const WEBHOOK_ANSWER_BYTES_MAX: u64 = 64 * 1024;
/// How long a delivered webhook is kept: to be shown, replayed, and told from one sent again. Senders
/// try for up to three days.
pub const WEBHOOK_KEPT: Duration = Duration::from_secs(7 * 24 * 3600);
/// How often those that are older are looked for.
pub const WEBHOOK_SWEEP: Duration = Duration::from_secs(3600);
/// Webhooks in one list, and attempts shown of one webhook.
pub const WEBHOOKS_LISTED_MAX: u32 = 1_000;
/// Pause after the database could not be asked for webhooks that are due.
pub const WEBHOOK_DATABASE_RETRY: Duration = Duration::from_millis(500);

// ---- Functions -------------------------------------------------------------------------------

/// Memory of one isolate or instance, in bytes, where the manifest says nothing. Supabase: 256 MB.
pub const FUNCTION_MEMORY_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// What a function may keep in its `/tmp`, in bytes. It is memory and counts as such, so that the bound on
/// memory is usually met first; either way the write fails with `ENOSPC`.
pub const FUNCTION_TEMPORARY_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Files and folders in a function's `/tmp`; the next one fails with `ENOSPC`.
pub const FUNCTION_TEMPORARY_FILES_MAX: usize = 10_000;
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
/// Requests of a function that wait longer than this for its code to see them, on the average of the last
/// few, get it another worker, up to the number of cores.
pub const POOL_SCALE_DELAY: Duration = Duration::from_millis(1);
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
/// Compiled code of Node's modules and the web platform that isolates share, in bytes together. What comes
/// beyond it is compiled by each isolate again.
pub const V8_CODE_CACHE_BYTES_MAX: usize = 32 * 1024 * 1024;
/// A file in `/tmp` grows by doubling, and by no more than this at once, in bytes.
pub const V8_FILE_GROWTH_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Startup images kept in the cache folder, of this build and those before it.
pub const V8_SNAPSHOTS_MAX: usize = 4;
/// Transactions and row streams one request of an isolate may hold open. Each may hold a connection.
pub const DATABASE_HELD_PER_REQUEST_MAX: usize = 64;
/// A line a function logs, in bytes; the rest is cut. Supabase: 10,000 characters.
pub const GUEST_LOG_LINE_BYTES_MAX: usize = 10_000;
/// Lines one worker may log per ten seconds; the rest is counted and dropped. Supabase: 100.
pub const GUEST_LOG_LINES_PER_10S_MAX: u32 = 100;
/// Functions with figures of their own in the metrics; each has some fifty series. Those beyond it
/// share one label.
pub const FUNCTION_METRICS_MAX: usize = 500;
/// Share of a limit of a V8 worker, in percent, at which the function is told by `beforeunload` and
/// gets no more requests.
pub const FUNCTION_SOFT_LIMIT_PERCENT: u32 = 90;
/// Between two garbage collections that are forced to see whether a heap near its limit is really
/// full; each may take a tenth of a second.
pub const V8_FORCED_COLLECTION_INTERVAL: Duration = Duration::from_secs(10);

// ---- Function logs ----------------------------------------------------------------------------

/// Entries that wait to be written; beyond it they are counted and dropped, since a function never
/// waits for its log. At the longest line each, 40 MB.
pub const FUNCTION_LOG_QUEUE_MAX: usize = 4_096;
/// Entries in one batch to Postgres.
pub const FUNCTION_LOG_BATCH_MAX: usize = 1_000;
/// How long the first entry of a batch waits for more.
pub const FUNCTION_LOG_BATCH_WAIT: Duration = Duration::from_millis(100);
/// Entries about invocations of one function in a second, successes and failures apart; the rest is
/// counted and dropped. Figures count all of them.
pub const FUNCTION_LOG_INVOCATIONS_PER_SECOND_MAX: u32 = 100;
/// Days of log kept where the operator says nothing; older ones are dropped as whole tables.
pub const FUNCTION_LOG_DAYS: u32 = 7;
/// Days of log an operator may keep; each is a table.
pub const FUNCTION_LOG_DAYS_MAX: u32 = 366;
/// How often tables of days to come are made and old ones dropped.
pub const FUNCTION_LOG_UPKEEP_INTERVAL: Duration = Duration::from_secs(3_600);
/// Wait for readers of the log before making or dropping a day's table is put off.
pub const FUNCTION_LOG_LOCK_TIMEOUT: Duration = Duration::from_secs(5);
/// First and longest pause before a batch that Postgres did not take is sent again.
pub const FUNCTION_LOG_RETRY_MIN: Duration = Duration::from_millis(250);
pub const FUNCTION_LOG_RETRY_MAX: Duration = Duration::from_secs(10);
/// Entries read at once; a reader asks again for more.
pub const FUNCTION_LOG_READ_MAX: u32 = 1_000;
/// Reads of the log at once; more wait. Leases and deliveries need the host's other sessions.
pub const FUNCTION_LOG_READS_MAX: usize = 2;
/// Followers of the log on one host; each reads whenever something was written.
pub const FUNCTION_LOG_FOLLOWERS_MAX: usize = 32;
/// Pause of a follower between two reads, however much is written.
pub const FUNCTION_LOG_FOLLOW_PAUSE: Duration = Duration::from_millis(100);
/// In silence a follower is sent an empty line this often: whoever died without a word is noticed.
pub const FUNCTION_LOG_FOLLOW_BEAT: Duration = Duration::from_secs(15);
/// How long the last entries may take to be written when the host stops.
pub const FUNCTION_LOG_FLUSH_TIMEOUT: Duration = Duration::from_secs(3);

// ---- Secrets ----------------------------------------------------------------------------------

/// Secrets of a project, and of one function beside them. Supabase: 100.
pub const SECRETS_MAX: usize = 100;
/// A secret's name, in bytes. Supabase: 256.
pub const SECRET_NAME_BYTES_MAX: usize = 256;
/// A secret's value in UTF-16 code units, as a JavaScript string counts. Supabase: 24,576, 48 KiB.
pub const SECRET_VALUE_UNITS_MAX: usize = 24_576;
/// First and longest pause before secrets that could not be read are read again.
pub const SECRETS_RETRY_MIN: Duration = Duration::from_millis(100);
pub const SECRETS_RETRY_MAX: Duration = Duration::from_secs(5);

// ---- Queues ----------------------------------------------------------------------------------

/// A queue's name, in bytes: names of tables, indexes and notification channels are made of it, and
/// Postgres cuts those at 63. pgmq's own bound.
pub const QUEUE_NAME_BYTES_MAX: usize = 47;
/// One message or its headers, in bytes of JSON. Larger things belong into storage, their names into
/// a queue.
pub const QUEUE_MESSAGE_BYTES_MAX: usize = 1024 * 1024;
/// Messages of one call: sent as a batch, read, acknowledged.
pub const QUEUE_BATCH_MESSAGES_MAX: usize = 1_000;
/// A delay or a visibility timeout. Beyond a year a table of the function's own serves better.
pub const QUEUE_DELAY_MAX: Duration = Duration::from_secs(366 * 24 * 3600);
/// Single sends that leave in one insert and one commit, in messages and in bytes. Beyond it the last
/// waits longer for the first than for another commit.
pub const QUEUE_COMMIT_MESSAGES_MAX: usize = 512;
pub const QUEUE_COMMIT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How long a commit waits for company when the one before it had some.
pub const QUEUE_GATHER_WAIT: Duration = Duration::from_micros(300);
/// Single sends that wait for their commit, over all queues; the next is refused at once.
pub const QUEUE_SENDS_WAITING_MAX: usize = 20_000;
/// Queues that functions consume, on one host: each has a task and a channel to listen to.
pub const QUEUE_CONSUMERS_MAX: usize = 128;
/// Messages that a consumer claims at once, for all its free deliveries; they are held in memory.
pub const QUEUE_CLAIM_MESSAGES_MAX: usize = 1_000;
/// Bytes of the messages in one delivery; a batch is cut there, since the function reads it whole.
pub const QUEUE_DELIVERY_BYTES_MAX: usize = 16 * 1024 * 1024;
/// What a function answers to a delivery, in bytes: the ids of the messages to try again.
pub const QUEUE_ANSWER_BYTES_MAX: u64 = 1024 * 1024;
/// Longest pause between two attempts at a message, however often it has failed.
pub const QUEUE_RETRY_DELAY_MAX: Duration = Duration::from_secs(3_600);
/// Before a message is tried again that its function never saw: it is missing, or all its workers
/// are busy.
pub const QUEUE_UNDELIVERED_PAUSE: Duration = Duration::from_secs(1);
/// First and longest pause of a consumer whose queue or server cannot be reached.
pub const QUEUE_TROUBLE_PAUSE_MIN: Duration = Duration::from_millis(100);
pub const QUEUE_TROUBLE_PAUSE_MAX: Duration = Duration::from_secs(10);
/// Why a message failed, in bytes, as it is kept with the message.
pub const QUEUE_FAILURE_BYTES_MAX: usize = 1_000;
// ---- Schedules -------------------------------------------------------------------------------

/// Active jobs of one database that are kept in memory; those with the highest ids beyond it are not
/// run, and a warning says so.
pub const CRON_JOBS_MAX: usize = 10_000;
/// How long before it is due a run is claimed in the database, so that claiming costs no punctuality.
/// A longer time would start more runs of jobs that were changed meanwhile.
pub const CRON_CLAIM_AHEAD: Duration = Duration::from_millis(500);
/// Claims of this much time go into one statement.
pub const CRON_CLAIM_WINDOW: Duration = Duration::from_millis(250);
/// Runs claimed by one statement; more are claimed by the next.
pub const CRON_CLAIMS_MAX: usize = 2_000;
/// A run that could not begin by then (no host was up, the database was gone) was missed, and its
/// job's misfire policy decides.
pub const CRON_LATENESS_MAX: Duration = Duration::from_secs(5);
/// Missed runs of one job that are made up under `misfire = all`: the latest ones.
pub const CRON_MISFIRES_MAX: usize = 100;
/// Runs of one job that wait for the one before them, where the schedule names times of day. Of an
/// interval one waits, as in pg_cron.
pub const CRON_QUEUED_RUNS_MAX: usize = 16;
/// SQL jobs that run at once on one host; each holds a session.
pub const CRON_SQL_RUNS_MAX: usize = 16;
/// Functions called by schedules at once on one host.
pub const CRON_FUNCTION_RUNS_MAX: usize = 500;
/// A run's time where its job sets none. Beyond it something is stuck, and holds a session for good.
pub const CRON_RUN_TIMEOUT: Duration = Duration::from_secs(24 * 3600);
/// Pause between two attempts of a run, however often it has failed.
pub const CRON_BACKOFF_MAX: Duration = Duration::from_secs(3600);
/// Attempts after the first that a schedule may ask for.
pub const CRON_RETRIES_MAX: u64 = 100;
/// A host that has not renewed its lease for this long counts as dead and loses its runs to the
/// others. Shorter would take runs from a host that is only slow.
pub const CRON_LEASE: Duration = Duration::from_secs(10);
/// Between two renewals; three in a row may fail.
pub const CRON_LEASE_RENEWAL: Duration = Duration::from_millis(2_500);
/// A host stops to begin runs this long before others may take them over: clocks tick unevenly.
pub const CRON_LEASE_MARGIN: Duration = Duration::from_secs(2);
/// Runs taken over from dead hosts at once.
pub const CRON_RECOVERED_MAX: i64 = 1_000;
/// Longest time between two looks at the table of jobs; changes announce themselves before that.
pub const CRON_JOBS_POLL: Duration = Duration::from_secs(60);
/// Changes of jobs that come one after another are read together.
pub const CRON_JOBS_DEBOUNCE: Duration = Duration::from_millis(20);
/// Pause after the database could not be asked.
pub const CRON_DATABASE_RETRY: Duration = Duration::from_millis(250);
/// Pause before a run is claimed again that waits for its job's run on another host.
pub const CRON_BLOCKED_RETRY: Duration = Duration::from_secs(1);
/// What became of runs and is not yet written; beyond it ending a run waits for the database.
pub const CRON_HISTORY_WAITING_MAX: usize = 10_000;
/// Entries of the history are gathered for this long and written together: in the moment when a
/// thousand runs begin, writing about them would delay them.
pub const CRON_HISTORY_DELAY: Duration = Duration::from_millis(50);
/// A run's message in its history, in bytes; the rest is cut.
pub const CRON_MESSAGE_BYTES_MAX: usize = 4 * 1024;
/// Between two removals of old history.
pub const CRON_TRIM_INTERVAL: Duration = Duration::from_secs(60);
/// Sessions of SQL jobs that nobody used for this long are closed.
pub const CRON_SESSION_IDLE_MAX: Duration = Duration::from_secs(60);
/// Databases that SQL jobs run in; each has sessions of its own.
pub const CRON_DATABASES_MAX: usize = 32;
/// For runs that are at work when the host stops; then they are cut off and count as unfinished.
pub const CRON_DRAIN_TIMEOUT: Duration = Duration::from_secs(5);
// ---- Outbound HTTP ---------------------------------------------------------------------------

/// Entries in one function's egress list; each is looked at for every connection.
pub const EGRESS_ENTRIES_MAX: usize = 256;
/// Resolving a name and connecting to one of its addresses. Beyond it the peer counts as down.
pub const OUTBOUND_CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Names looked up at once with the system's resolver, which takes a thread for each and cannot be
/// interrupted; more wait.
pub const OUTBOUND_RESOLVING_MAX: usize = 64;
/// Addresses of one name that are tried; a name may have thousands.
pub const OUTBOUND_ADDRESSES_MAX: usize = 16;
/// An idle connection is kept this long for the next request to the same host.
pub const OUTBOUND_IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// Idle connections kept per host and client; more are closed after their request.
pub const OUTBOUND_IDLE_PER_HOST_MAX: usize = 64;
/// Calls of functions to their own project that one trace may make within [`OWN_CALLS_WINDOW`]: functions
/// that call each other in a circle end there. Supabase's documented least.
pub const OWN_CALLS_MAX: u32 = 5_000;
pub const OWN_CALLS_WINDOW: Duration = Duration::from_secs(60);
/// Traces counted one by one within a window; calls of further ones are not counted.
pub const OWN_CALLS_TRACES_MAX: usize = 50_000;
/// Redirects followed for a request from SQL; browsers and curl give up about there.
pub const OUTBOUND_REDIRECTS_MAX: usize = 20;
/// Requests from SQL being sent at once, over all hosts; more wait in their table.
pub const OUTBOUND_SENDING_MAX: usize = 512;
/// The same to one host. What a host that answers nobody can take away from the others.
pub const OUTBOUND_SENDING_PER_HOST_MAX: usize = 64;
/// Bytes of bodies being sent at once, beyond which no further request is taken from the queue: they are
/// held in the host's memory.
pub const OUTBOUND_SENDING_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Rows taken from the request queue in one transaction.
pub const OUTBOUND_CLAIM_ROWS_MAX: usize = 256;
/// Finished requests written in one transaction, by count and by bytes of their bodies: what the
/// writer holds in memory beside what is being sent.
pub const OUTBOUND_FINISH_ROWS_MAX: usize = 256;
pub const OUTBOUND_FINISH_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Body of a response to a request from SQL, in bytes, where it asks for nothing else; it becomes one
/// value in a table.
pub const OUTBOUND_RESPONSE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The most it may ask for.
pub const OUTBOUND_RESPONSE_BYTES_SETTING_MAX: usize = 64 * 1024 * 1024;
/// The timeout a request from SQL may ask for.
pub const OUTBOUND_TIMEOUT_MAX: Duration = Duration::from_secs(3_600);
/// A claimed request belongs to its worker for its timeout and this; then somebody else sends it.
pub const OUTBOUND_LEASE_MARGIN: Duration = Duration::from_secs(30);
/// First and longest pause between two attempts of a request that asked for retries.
pub const OUTBOUND_BACKOFF_MIN: Duration = Duration::from_millis(250);
pub const OUTBOUND_BACKOFF_MAX: Duration = Duration::from_secs(300);
/// The longest `Retry-After` that is heeded.
pub const OUTBOUND_RETRY_AFTER_MAX: Duration = Duration::from_secs(3_600);
/// Without a wake-up the request queue is looked at this often: for leases of hosts that died.
pub const OUTBOUND_POLL_INTERVAL: Duration = Duration::from_secs(15);
/// Old responses are removed this often, in portions of so many rows.
pub const OUTBOUND_CLEAN_INTERVAL: Duration = Duration::from_secs(60);
pub const OUTBOUND_CLEAN_ROWS_MAX: i64 = 10_000;
/// After a failed transaction of the worker; Postgres may be restarting.
pub const OUTBOUND_PAUSE: Duration = Duration::from_millis(200);

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
/// Messages in one delivery that a consumer may ask for.
pub const QUEUE_BATCH_SETTING_MAX: u64 = 1_000;
/// How long a consumer may wait for a batch to fill. Cloudflare Queues: 60 s.
pub const QUEUE_BATCH_WAIT_SETTING_MAX: Duration = Duration::from_secs(60);
/// The visibility timeout a consumer may ask for. Amazon SQS: 12 hours.
pub const QUEUE_VISIBILITY_SETTING_MAX: Duration = Duration::from_secs(12 * 3600);
/// Retries and deliveries at once that a consumer may ask for. Cloudflare Queues: 100 and 250.
pub const QUEUE_RETRIES_SETTING_MAX: u64 = 100;
pub const QUEUE_CONCURRENCY_SETTING_MAX: u64 = 250;

// ---- Deployed functions -----------------------------------------------------------------------

/// An upload to the management API, in bytes. The sources of one function and slack for the form.
pub const DEPLOY_BODY_BYTES_MAX: u64 = 160 * 1024 * 1024;
/// Files in one upload.
pub const DEPLOY_FILES_MAX: usize = 10_000;
/// Versions kept of one function, beside those that answer; older ones cannot be rolled back to.
pub const DEPLOY_VERSIONS_KEPT: i64 = 20;
/// Builds of uploads at once; each holds a compiler's memory.
pub const DEPLOY_BUILDS_MAX: usize = 2;
/// How long a version that lost its traffic stays ready, for requests that were on their way to it.
pub const DEPLOY_LINGER: Duration = Duration::from_secs(60);
/// Versions beside the live one that traffic is split over.
pub const DEPLOY_SHARES_MAX: usize = 8;
/// Pause before the table of deployed functions is read again after Postgres could not be asked.
pub const DEPLOY_SYNC_RETRY: Duration = Duration::from_millis(250);

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

/// Pause before a function is built again whose packages could not be fetched.
pub const SOURCE_RETRY: Duration = Duration::from_secs(3);

// ---- Packages of npm ---------------------------------------------------------------------------

/// What a registry says of one package, in bytes. The largest there are list thousands of versions.
pub const PACKAGE_METADATA_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How long it is believed without asking again; a version that is wanted and not in it is asked for at once.
pub const PACKAGE_METADATA_FRESH: Duration = Duration::from_secs(5 * 60);
/// One package as it is sent, in bytes; it is held in memory until its hash is checked.
pub const PACKAGE_ARCHIVE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// One package unpacked, in bytes and files. Beyond it an archive of a few kilobytes could fill the disk.
pub const PACKAGE_UNPACKED_BYTES_MAX: u64 = 512 * 1024 * 1024;
pub const PACKAGE_FILES_MAX: usize = 50_000;
/// Packages of one function, those that packages depend on included.
pub const PACKAGES_MAX: usize = 2_000;
/// Requests to registries at once, of one build.
pub const PACKAGE_FETCHES_MAX: usize = 16;
/// One request to a registry or for a remote module, body included.
pub const PACKAGE_FETCH_TIMEOUT: Duration = Duration::from_secs(120);
/// Attempts at it, where the failure may pass, and the pause after the first; it doubles.
pub const PACKAGE_FETCH_ATTEMPTS_MAX: usize = 3;
pub const PACKAGE_FETCH_PAUSE: Duration = Duration::from_millis(250);
/// Redirects followed.
pub const PACKAGE_FETCH_REDIRECTS_MAX: usize = 10;
/// Modules of packages in one function, by count and bytes. Beyond it a boot takes longer than it may.
pub const PACKAGE_MODULES_MAX: usize = 20_000;
pub const PACKAGE_MODULES_BYTES_MAX: u64 = 128 * 1024 * 1024;
/// What packages read from beside their code, and static files, in bytes for one function; they are
/// in the memory of every host that serves it.
pub const PACKAGE_DATA_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Modules of packages kept in memory between builds, in bytes of their text.
pub const PACKAGE_READ_BYTES_MAX: usize = 96 * 1024 * 1024;
/// A lock file, in bytes.
pub const PACKAGE_LOCK_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// An `.npmrc` or `package.json`, in bytes.
pub const PACKAGE_SETTINGS_BYTES_MAX: u64 = 4 * 1024 * 1024;
