//! What one function may use, what it may log, and its secrets.

use std::time::Duration;

// ---- Functions -------------------------------------------------------------------------------------

/// Memory of one isolate or instance, in bytes, where the manifest says nothing. Supabase: 256 MB.
pub const FUNCTION_MEMORY_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// What a function may keep in its `/tmp`, in bytes. It is memory and counts as such, so that the bound on
/// memory is usually met first; either way the write fails with `ENOSPC`.
pub const FUNCTION_TEMPORARY_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Files and folders in a function's `/tmp`; the next one fails with `ENOSPC`.
pub const FUNCTION_TEMPORARY_FILES_MAX: usize = 10_000;
/// CPU time of one invocation where the manifest says nothing. Supabase: 2 s.
pub const FUNCTION_CPU_MAX: Duration = Duration::from_secs(2);
/// Memory of one instance of the data API, in bytes: its picture of a schema of 70,000 tables, and the
/// text that it makes the next one from, take a third of it.
pub const DATA_API_MEMORY_BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// CPU time of one request to the data API. The first one after a change of such a schema pays for the new
/// picture.
pub const DATA_API_CPU_MAX: Duration = Duration::from_secs(10);
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
/// Workers of all functions alive at once, however much memory there is; the one idle longest makes room.
/// Memory is the usual bound ([`FUNCTIONS_MEMORY_PERCENT`]); beyond this one the kernel runs out of threads
/// and maps of memory.
pub const POOL_WORKERS_MAX: usize = 4_096;
/// What all functions may hold together where the operator says nothing, in percent of the machine's memory
/// or of what its container may use. Beyond it workers that nobody uses are retired, the one idle longest
/// first; when those at work alone hold as much, no further one is started. The rest is for Postgres, the
/// host and the kernel's caches.
pub const FUNCTIONS_MEMORY_PERCENT: u64 = 60;
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
/// V8 isolates alive at once, over all functions: one OS thread each. More than the pool has workers, since
/// some are ready for the next function and some finish what they began.
pub const V8_ISOLATES_MAX: usize = POOL_WORKERS_MAX + 256;
/// File descriptors that an isolate takes for itself, those of its reactor among them. Where the process may
/// not have as many, it has fewer isolates.
pub const V8_DESCRIPTORS_PER_ISOLATE: u64 = 6;
/// What isolates may take for themselves of the file descriptors of the process, in percent.
pub const V8_DESCRIPTORS_PERCENT: u64 = 50;
/// Resources that one isolate may hold: connections, requests under way, bodies, files. The next connection
/// or request fails with `Deno.errors.Busy`: one function must not take the descriptors of all.
pub const V8_RESOURCES_MAX: usize = 1_000;
/// Open file descriptors of the process, in percent of what it may have, from which on functions open no
/// further connection. The rest is for the gateway and Postgres.
pub const GUEST_DESCRIPTORS_PERCENT: u64 = 80;
/// Connections that one isolate keeps open to one host for its next request, and for how long.
pub const V8_IDLE_CONNECTIONS_PER_HOST_MAX: usize = 16;
pub const V8_IDLE_CONNECTION_TIMEOUT: Duration = Duration::from_secs(30);
/// Header lines in a function's response, and in one of its requests. HTTP's own data structure panics at
/// 32,768.
pub const GUEST_HEADERS_MAX: usize = 1_000;
/// Headers of a function's response, in bytes together. Proxies and clients take far less.
pub const GUEST_HEADER_BYTES_MAX: usize = 256 * 1024;
/// Messages that one isolate's ports were sent and have not received, in bytes together. They lie outside of
/// its heap; `postMessage` throws beyond it.
pub const V8_MESSAGES_BYTES_MAX: u32 = 32 * 1024 * 1024;
/// Responses at least this long, in bytes, count as memory of their function until the client has them.
pub const V8_COUNTED_RESPONSE_BYTES_MIN: usize = 64 * 1024;
/// Stack of an isolate's thread, in bytes. V8 uses up to 1 MiB of it for scripts; the rest is for the
/// host's own calls beneath and above.
pub const V8_STACK_BYTES: usize = 4 * 1024 * 1024;
/// Granted to V8 above its heap limit, in bytes, while a script is being ended for it. The largest
/// single object V8 makes is 1 GiB; with a smaller grant it would abort the process.
pub const V8_HEAP_HEADROOM_BYTES: usize = 1280 * 1024 * 1024;
/// Threads of one isolate for calls that block: resolving names, making keys. More wait.
pub const V8_BLOCKING_THREADS_MAX: usize = 4;
/// Rounds of a hash that one call of PBKDF2 may take, over all blocks of the key, and the length of a block in
/// bytes that is counted with. The call cannot be ended: it may take seconds of a core, not hours.
pub const V8_KEY_ITERATIONS_MAX: u64 = 5_000_000;
pub const V8_KEY_BLOCK_BYTES: u64 = 20;
/// Bytes that one call of scrypt or Argon2 may fill, over all passes; likewise.
pub const V8_KEY_FILLED_BYTES_MAX: u64 = 4 * 1024 * 1024 * 1024;
/// An RSA key that is read, as text or bytes: one of 8,192 bits has 7 KiB. Likewise.
pub const V8_KEY_TEXT_BYTES_MAX: u64 = 16 * 1024;
/// A prime that is looked for, in bits: RSA keys of 4,096 bits have two of half their length. Likewise.
pub const V8_PRIME_BITS_MAX: u64 = 2_048;
/// A safe prime that is looked for, in bits, as for Diffie-Hellman groups of one's own. Likewise.
pub const V8_SAFE_PRIME_BITS_MAX: u64 = 1_024;
/// Numbers that are raised to a power or checked for being prime, in bytes, and how many checks one may ask
/// for. Likewise.
pub const V8_POWER_BYTES_MAX: u64 = 1_024;
pub const V8_PRIME_CHECKS_MAX: u64 = 128;
/// Chunks of a function's response that may wait for the client; then its stream is not read on.
pub const V8_RESPONSE_CHUNKS_WAITING_MAX: usize = 4;
/// Compiled code of Node's modules and the web platform that isolates share, in bytes together. What comes
/// beyond it is compiled by each isolate again.
pub const V8_CODE_CACHE_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Compiled code of functions' modules that isolates share, in bytes together. What comes beyond it is
/// compiled by each isolate again.
pub const V8_MODULE_CODE_BYTES_MAX: usize = 128 * 1024 * 1024;
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
/// Every clock of a function that a debugger may pause, and of the requests to it. Whoever leaves it paused
/// for longer finds it ended.
pub const INSPECTED_CLOCK: Duration = Duration::from_secs(24 * 60 * 60);
/// Connections to the inspector at once; the next one is closed. DevTools keeps one for each target it shows.
pub const INSPECTOR_CONNECTIONS_MAX: usize = 64;
/// The head of a request to the inspector must come within this.
pub const INSPECTOR_HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// One message of a debugger, in bytes; a longer one ends its session. Sources that it replaces come in one.
pub const INSPECTOR_MESSAGE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Between two garbage collections that are forced to see whether a heap near its limit is really
/// full; each may take a tenth of a second.
pub const V8_FORCED_COLLECTION_INTERVAL: Duration = Duration::from_secs(10);

// ---- Functions in processes of their own -----------------------------------------------------------

/// Processes that wait for a function, once there is one that wants a process. Each holds some 30 MB.
pub const PROCESSES_READY: usize = 1;
/// A new process is given up when it has not made an isolate after this.
pub const PROCESS_START_TIMEOUT: Duration = Duration::from_secs(10);
/// What a process may hold beyond twice the memory of its function (its own, and responses on their way) and
/// V8's headroom, in bytes: V8 itself, its compiled code, stacks, and what allocators take ahead of use. Beyond it
/// the process ends.
pub const PROCESS_OWN_BYTES_MAX: u64 = 2 * 1024 * 1024 * 1024;
/// File descriptors of such a process: connections of requests, and the resources its function may hold.
pub const PROCESS_DESCRIPTORS_MAX: u64 = 2 * V8_RESOURCES_MAX as u64;
/// One message between the host and a process, in bytes. The longest is the function itself, modules and files.
pub const PROCESS_MESSAGE_BYTES_MAX: u32 = 1024 * 1024 * 1024;
/// One message from a process, in bytes: a line of its log is the longest.
pub const PROCESS_ANSWER_BYTES_MAX: u32 = 256 * 1024;
/// Names that a process has looked up at once; more wait.
pub const PROCESS_RESOLVING_MAX: usize = 16;
/// Look-ups of a process that are not answered yet, or whose answer it has not read; then it is given up.
pub const PROCESS_NAMES_WAITING_MAX: usize = 4 * V8_RESOURCES_MAX;
/// Addresses that are remembered with the names that led to them; the oldest are forgotten, and connecting
/// there needs another look-up.
pub const PROCESS_NAMED_ADDRESSES_MAX: usize = 4_096;
/// Lines of a process's standard error that reach the host's log, and bytes of each. V8's last words are ten.
pub const PROCESS_ERROR_LINES_MAX: usize = 100;
pub const PROCESS_ERROR_LINE_BYTES_MAX: usize = 1_000;
/// How often a process at work tells what it holds.
pub const PROCESS_REPORT_INTERVAL: Duration = Duration::from_millis(100);
/// What a process that was told to end may take beyond the clocks of its function; then it is killed.
pub const PROCESS_END_GRACE: Duration = Duration::from_secs(5);

// ---- Function logs ---------------------------------------------------------------------------------

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

// ---- Secrets ---------------------------------------------------------------------------------------

/// Secrets of a project, and of one function beside them. Supabase: 100.
pub const SECRETS_MAX: usize = 100;
/// A secret's name, in bytes. Supabase: 256.
pub const SECRET_NAME_BYTES_MAX: usize = 256;
/// A secret's value in UTF-16 code units, as a JavaScript string counts. Supabase: 24,576, 48 KiB.
pub const SECRET_VALUE_UNITS_MAX: usize = 24_576;
/// First and longest pause before secrets that could not be read are read again.
pub const SECRETS_RETRY_MIN: Duration = Duration::from_millis(100);
pub const SECRETS_RETRY_MAX: Duration = Duration::from_secs(5);
