//! A database at a distance: a proxy that holds back each byte for a while, in both directions.
//!
//! Threads, because the async runtime's timer counts whole milliseconds and half of one matters here.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;

/// What one write holds at most.
const CHUNK_BYTES: usize = 256 * 1024;
/// Chunks on their way in one direction; beyond it the sender waits, as on a wire.
const CHUNKS_MAX: usize = 64;

/// Listens on a port of its own until the program ends, and forwards to `server` with `delay` each way.
pub(super) fn start(server: u16, delay: Duration) -> anyhow::Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").context("no free port for the distant database")?;
    let port = listener.local_addr()?.port();
    thread::spawn(move || {
        for near in listener.incoming().flatten() {
            // A side that cannot be reached is a connection that ends: its client will tell.
            _ = connect(near, server, delay);
        }
    });
    Ok(port)
}

fn connect(near: TcpStream, server: u16, delay: Duration) -> std::io::Result<()> {
    let far = TcpStream::connect(("127.0.0.1", server))?;
    for stream in [&near, &far] {
        stream.set_nodelay(true)?;
    }
    forward(near.try_clone()?, far.try_clone()?, delay);
    forward(far, near, delay);
    Ok(())
}

/// One direction: a thread that reads, one that waits and writes.
fn forward(mut from: TcpStream, mut to: TcpStream, delay: Duration) {
    let (sender, receiver) = mpsc::sync_channel::<(Instant, Vec<u8>)>(CHUNKS_MAX);
    thread::spawn(move || {
        let mut buffer = vec![0; CHUNK_BYTES];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            if sender.send((Instant::now() + delay, buffer[..count].to_vec())).is_err() {
                break;
            }
        }
    });
    thread::spawn(move || {
        while let Ok((due, bytes)) = receiver.recv() {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if to.write_all(&bytes).is_err() {
                break;
            }
        }
        _ = to.shutdown(Shutdown::Both);
    });
}

#[cfg(test)]
mod tests {
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
