//! A database at a distance: a proxy that holds back each byte for a while, in both directions.
//!
//! Two threads whatever the number of connections, for each one more is one that the measured processes wait for:
//! one reads and writes all sockets, one waits. The async runtime's own timer cannot, since it counts whole
//! milliseconds and half of one matters here.

use std::net::TcpListener;
use std::sync::{Arc, mpsc as waits};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::join;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// What one write holds at most.
const CHUNK_BYTES: usize = 256 * 1024;
/// Chunks on their way in one direction; beyond it the sender waits, as on a wire.
const CHUNKS_MAX: usize = 64;

/// Bytes of one direction, with their place among [`CHUNKS_MAX`].
type Chunk = (Vec<u8>, OwnedSemaphorePermit);

/// A chunk that is held back, and who writes it then.
struct Held {
    due: Instant,
    chunk: Chunk,
    writer: mpsc::UnboundedSender<Chunk>,
}

/// Listens on a port of its own until the program ends, and forwards to `server` with `delay` each way.
pub(super) fn start(server: u16, delay: Duration) -> anyhow::Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").context("no free port for the distant database")?;
    listener.set_nonblocking(true)?;
    let port = listener.local_addr()?.port();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let (hold, held) = waits::channel();
    thread::spawn(move || hand_on(&held));
    thread::spawn(move || runtime.block_on(serve(listener, server, delay, hold)));
    Ok(port)
}

async fn serve(listener: TcpListener, server: u16, delay: Duration, hold: waits::Sender<Held>) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    let mut connections = FuturesUnordered::new();
    loop {
        tokio::select! {
            near = listener.accept() => match near {
                Ok((near, _)) => connections.push(connect(near, server, delay, hold.clone())),
                Err(_) => return,
            },
            // One that is over, or could not be made: its client will tell.
            Some(_) = connections.next() => {}
        }
    }
}

async fn connect(
    near: TcpStream,
    server: u16,
    delay: Duration,
    hold: waits::Sender<Held>,
) -> std::io::Result<()> {
    let far = TcpStream::connect(("127.0.0.1", server)).await?;
    for stream in [&near, &far] {
        stream.set_nodelay(true)?;
    }
    let ((from_near, to_near), (from_far, to_far)) = (near.into_split(), far.into_split());
    let (there, chunks_there) = mpsc::unbounded_channel();
    let (back, chunks_back) = mpsc::unbounded_channel();
    join!(
        read(from_near, delay, hold.clone(), there),
        write(to_far, chunks_there),
        read(from_far, delay, hold, back),
        write(to_near, chunks_back),
    );
    Ok(())
}

/// Hands over what arrives, to be held back.
async fn read(
    mut from: OwnedReadHalf,
    delay: Duration,
    hold: waits::Sender<Held>,
    writer: mpsc::UnboundedSender<Chunk>,
) {
    let room = Arc::new(Semaphore::new(CHUNKS_MAX));
    let mut buffer = vec![0; CHUNK_BYTES];
    while let Ok(permit) = Arc::clone(&room).acquire_owned().await
        && let Ok(count @ 1..) = from.read(&mut buffer).await
    {
        let chunk = (buffer[..count].to_vec(), permit);
        if hold.send(Held { due: Instant::now() + delay, chunk, writer: writer.clone() }).is_err() {
            break;
        }
    }
}

/// Waits for each chunk in turn: all are held back equally long, so the first that came is the first due.
fn hand_on(held: &waits::Receiver<Held>) {
    while let Ok(Held { due, chunk, writer }) = held.recv() {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        // A writer that is gone has lost its socket.
        _ = writer.send(chunk);
    }
}

/// Writes what is due, and closes when the reader has ended and nothing is held back any more.
async fn write(mut to: OwnedWriteHalf, mut chunks: mpsc::UnboundedReceiver<Chunk>) {
    while let Some((bytes, _permit)) = chunks.recv().await {
        if to.write_all(&bytes).await.is_err() {
            break;
        }
    }
    _ = to.shutdown().await;
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;

    use super::*;

    #[test]
    fn bytes_arrive_late_and_in_order() {
        let echo = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = echo.local_addr().unwrap().port();
        thread::spawn(move || {
            let (mut stream, _) = echo.accept().unwrap();
            let mut buffer = [0; 64];
            while let Ok(count @ 1..) = stream.read(&mut buffer) {
                stream.write_all(&buffer[..count]).unwrap();
            }
        });
        let delay = Duration::from_millis(20);
        let port = start(server, delay).unwrap();
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let mut answer = [0; 4];
        for word in [b"ping", b"pong"] {
            let since = Instant::now();
            stream.write_all(word).unwrap();
            stream.read_exact(&mut answer).unwrap();
            assert_eq!(&answer, word);
            assert!(since.elapsed() >= delay * 2, "{:?}", since.elapsed());
        }
    }
}
