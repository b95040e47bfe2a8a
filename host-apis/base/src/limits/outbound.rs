//! Requests to the outside.

use std::time::Duration;

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
