//! Sockets, channels and messages.

use std::time::Duration;

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
