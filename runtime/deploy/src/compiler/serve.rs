//! The side that answers: a process that compiles one text after another.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use isobase_base::limits::COMPILER_STACK_BYTES;

use super::{Job, wire};

/// Compiles what comes over the socket that is the standard input, until it is closed.
///
/// # Errors
/// When the standard input is no socket, or breaks.
pub fn serve() -> io::Result<()> {
    let socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    // More stack than a first thread has: what people write is nested deeper in generated code.
    let thread = std::thread::Builder::new().stack_size(COMPILER_STACK_BYTES);
    let served = thread.spawn(move || answer_all(&socket))?.join();
    served.unwrap_or_else(|_| Err(io::Error::other("the compiler panicked")))
}

fn answer_all(socket: &UnixStream) -> io::Result<()> {
    while let Some(job) = wire::receive::<Job>(socket)? {
        wire::send(socket, &job.run()?)?;
    }
    Ok(())
}
