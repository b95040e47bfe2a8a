//! Connections, bodies and tokens.

use std::time::Duration;

// ---- The gateway's sockets -------------------------------------------------------------------------

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

// ---- Bodies ----------------------------------------------------------------------------------------

/// Request body of the data API, in bytes, before 413: it is parsed in a guest's memory.
pub const DATA_BODY_BYTES_MAX: u64 = 50 * 1024 * 1024;
/// Request body of a function, in bytes, before 413. Streamed, so it costs no memory by itself.
pub const FUNCTION_BODY_BYTES_MAX: u64 = 100 * 1024 * 1024;

// ---- Tokens ----------------------------------------------------------------------------------------

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
