//! One client broadcasts to a thousand sockets: how much arrives in a second, and how late.
//!
//! All sockets are read by this one process on one thread, which costs about as much as writing to
//! them; the figures are what both do together.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Mutex, Notify};
use tokio::task::JoinSet;

use crate::options::Options;
use crate::product::Product;
use crate::report::{Figure, Goal, Measured, Unit, progress};

const SOCKETS: usize = 1_000;
/// Messages on their way while throughput is measured: enough that nobody waits for the other.
const WINDOW: u64 = 16;
/// Messages per second while lateness is measured: well below what throughput allows.
const PACE: Duration = Duration::from_millis(40);
/// Bytes of payload beside the time of sending.
const PADDING: usize = 200;
/// Milliseconds.
const LATE_GOAL: f64 = 50.0;

/// What all sockets together were given.
struct Tally {
    began: Instant,
    delivered: AtomicU64,
    /// Told after each message that has reached all.
    reached_all: Notify,
    is_timed: AtomicBool,
    /// From sending to reading, in microseconds.
    lateness: Mutex<Vec<u32>>,
}

pub(crate) async fn measure(product: &Product, options: &Options) -> anyhow::Result<Measured> {
    progress(&format!("broadcast to {SOCKETS} sockets"));
    let tally = Arc::new(Tally {
        began: Instant::now(),
        delivered: AtomicU64::new(0),
        reached_all: Notify::new(),
        is_timed: AtomicBool::new(false),
        lateness: Mutex::default(),
    });
    let mut readers = JoinSet::new();
    for _ in 0..SOCKETS {
        let socket = Socket::join(product).await?;
        let tally = tally.clone();
        readers.spawn(async move { socket.read_all(&tally).await });
    }
    let mut sender = Socket::join(product).await?;
    let per_second = throughput(&mut sender, &tally, options.run_length()).await?;
    let late = lateness(&mut sender, &tally, options.run_length()).await?;
    if let Some(ended) = readers.try_join_next() {
        ended?.context("a socket ended early")?;
    }
    let paced = SOCKETS as u128 * 1_000 / PACE.as_millis();
    let figure = |name: &str, ours, unit, goal, how: String| Figure {
        name: name.into(),
        ours,
        unit,
        peer: None,
        goal,
        how,
    };
    Ok(Measured {
        figures: vec![
            figure(
                "broadcast, deliveries",
                per_second,
                Unit::RequestsPerSecond,
                Goal::Information,
                format!("1 sender, {SOCKETS} sockets, {PADDING} B, {WINDOW} messages on their way"),
            ),
            figure(
                "broadcast, p99",
                late,
                Unit::Milliseconds,
                Goal::AtMost(LATE_GOAL),
                format!("from sending to reading, at {paced} deliveries/s"),
            ),
        ],
        left_out: Vec::new(),
    })
}

async fn throughput(sender: &mut Socket, tally: &Tally, length: Duration) -> anyhow::Result<f64> {
    let (begin, before) = (Instant::now(), tally.delivered.load(Ordering::Relaxed));
    let mut sent = before / SOCKETS as u64;
    while begin.elapsed() < length {
        while sent - tally.delivered.load(Ordering::Relaxed) / (SOCKETS as u64) < WINDOW {
            sender.broadcast(tally).await?;
            sent += 1;
        }
        tokio::time::timeout(length, tally.reached_all.notified()).await.context("nothing arrives")?;
    }
    let delivered = tally.delivered.load(Ordering::Relaxed) - before;
    let per_second = delivered as f64 / begin.elapsed().as_secs_f64();
    until_reached(tally, sent).await?;
    Ok(per_second)
}

async fn lateness(sender: &mut Socket, tally: &Tally, length: Duration) -> anyhow::Result<f64> {
    tally.is_timed.store(true, Ordering::Relaxed);
    let begin = Instant::now();
    let mut sent = tally.delivered.load(Ordering::Relaxed) / SOCKETS as u64;
    let mut ticks = tokio::time::interval(PACE);
    while begin.elapsed() < length {
        ticks.tick().await;
        sender.broadcast(tally).await?;
        sent += 1;
    }
    until_reached(tally, sent).await?;
    let mut lateness = tally.lateness.lock().await;
    lateness.sort_unstable();
    let p99 = lateness.get(lateness.len() * 99 / 100).context("nothing was timed")?;
    Ok(f64::from(*p99) / 1_000.0)
}

/// Until every message that was sent has reached every socket: none may be lost.
async fn until_reached(tally: &Tally, sent: u64) -> anyhow::Result<()> {
    let deadline = Instant::now() + Duration::from_secs(30);
    while tally.delivered.load(Ordering::Relaxed) < sent * SOCKETS as u64 {
        ensure!(Instant::now() < deadline, "messages were lost");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

/// A client's end of a WebSocket: as little as it takes.
struct Socket {
    stream: TcpStream,
    buffer: Vec<u8>,
}

const TOPIC: &str = "realtime:bench";
const EVENT: &str = "tick";

impl Socket {
    async fn join(product: &Product) -> anyhow::Result<Self> {
        let mut stream = TcpStream::connect(("127.0.0.1", product.port)).await?;
        stream.set_nodelay(true)?;
        let key = product.value("PUBLISHABLE_KEY")?;
        let handshake = format!(
            "GET /realtime/v1/websocket?apikey={key}&vsn=2.0.0 HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(handshake.as_bytes()).await?;
        let mut socket = Self { stream, buffer: Vec::new() };
        let head = loop {
            if let Some(end) = socket.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                break socket.buffer.drain(..end + 4).collect::<Vec<u8>>();
            }
            socket.fill().await?;
        };
        ensure!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
        let join = format!(r#"["1","1","{TOPIC}","phx_join",{{"config":{{}}}}]"#);
        socket.send(0x1, join.as_bytes()).await?;
        let reply = loop {
            if let Some(reply) = socket.take_frame() {
                break reply;
            }
            socket.fill().await?;
        };
        ensure!(reply.windows(4).any(|window| window == b"\"ok\""), "{}", String::from_utf8_lossy(&reply));
        Ok(socket)
    }

    async fn fill(&mut self) -> anyhow::Result<()> {
        if self.stream.read_buf(&mut self.buffer).await? == 0 {
            bail!("the server closed the socket");
        }
        Ok(())
    }

    /// A masked frame; the mask is zero, so that nothing has to be changed.
    async fn send(&mut self, opcode: u8, payload: &[u8]) -> anyhow::Result<()> {
        let mut frame = vec![0x80 | opcode];
        match u8::try_from(payload.len()) {
            Ok(short) if short <= 125 => frame.push(0x80 | short),
            _ => {
                frame.push(0x80 | 126);
                frame.extend_from_slice(&u16::try_from(payload.len())?.to_be_bytes());
            }
        }
        frame.extend_from_slice(&[0; 4]);
        frame.extend_from_slice(payload);
        Ok(self.stream.write_all(&frame).await?)
    }

    /// The time of sending, in microseconds, and padding.
    async fn broadcast(&mut self, tally: &Tally) -> anyhow::Result<()> {
        let micros = tally.began.elapsed().as_micros();
        let json = format!(r#"{{"at":"{micros:020}","padding":"{}"}}"#, "x".repeat(PADDING));
        let mut push = vec![3, 1, 0, u8::try_from(TOPIC.len())?, u8::try_from(EVENT.len())?, 0, 1];
        push.extend_from_slice(format!("1{TOPIC}{EVENT}{json}").as_bytes());
        self.send(0x2, &push).await
    }

    /// The payload of a whole frame of the server's, if one is there.
    fn take_frame(&mut self) -> Option<Vec<u8>> {
        let (head, length) = match self.buffer.as_slice() {
            [_, 126, high, low, ..] => (4, usize::from(u16::from_be_bytes([*high, *low]))),
            [_, 126, ..] | [] | [_] => return None,
            [_, length, ..] => (2, usize::from(*length)),
        };
        if self.buffer.len() < head + length {
            return None;
        }
        let frame = self.buffer[head..head + length].to_vec();
        self.buffer.drain(..head + length);
        Some(frame)
    }

    async fn read_all(mut self, tally: &Tally) -> anyhow::Result<()> {
        loop {
            self.fill().await?;
            while let Some(frame) = self.take_frame() {
                if tally.is_timed.load(Ordering::Relaxed) {
                    let now = tally.began.elapsed().as_micros();
                    let late = now.saturating_sub(sent_at(&frame).context("a foreign message")?);
                    tally.lateness.lock().await.push(u32::try_from(late).unwrap_or(u32::MAX));
                }
                let delivered = tally.delivered.fetch_add(1, Ordering::Relaxed) + 1;
                if delivered.is_multiple_of(SOCKETS as u64) {
                    tally.reached_all.notify_one();
                }
            }
        }
    }
}

fn sent_at(frame: &[u8]) -> Option<u128> {
    let json = &frame[frame.iter().position(|byte| *byte == b'{')?..];
    std::str::from_utf8(json.get(7..27)?).ok()?.parse().ok()
}
