//! Descriptors that go from the host to a process, over a Unix socket: one byte that says what it is for, and the
//! descriptor beside it (`SCM_RIGHTS`).

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// What a descriptor is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Purpose {
    /// Messages between the host and the process.
    Control = b'c',
    /// HTTP/2 from the process to the project's own API.
    Inward = b'i',
    /// HTTP/1.1 to the function.
    Requests = b'r',
}

/// Room for one descriptor beside a message, aligned as its header.
#[repr(C, align(8))]
struct Beside([u8; 24]);

const DESCRIPTOR_BYTES: u32 = size_of::<libc::c_int>() as u32;

/// Sends a copy of `descriptor`. Waits for room where `socket` does.
pub(crate) fn send(socket: BorrowedFd<'_>, purpose: Purpose, descriptor: BorrowedFd<'_>) -> io::Result<()> {
    let mut byte = purpose as u8;
    let mut part = libc::iovec { iov_base: (&raw mut byte).cast(), iov_len: 1 };
    let mut beside = Beside([0; 24]);
    let message = message(&mut part, &mut beside);
    // SAFETY: the control buffer is aligned, and has room for a header and one descriptor.
    unsafe {
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        (*header).cmsg_level = libc::SOL_SOCKET;
        (*header).cmsg_type = libc::SCM_RIGHTS;
        (*header).cmsg_len = libc::CMSG_LEN(DESCRIPTOR_BYTES) as _;
        libc::CMSG_DATA(header).cast::<libc::c_int>().write_unaligned(descriptor.as_raw_fd());
    }
    // SAFETY: everything that `message` points to is alive.
    let sent = unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const message, libc::MSG_NOSIGNAL) };
    if sent == 1 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Waits for the next descriptor; `None` when the host has closed its end.
pub(crate) fn receive(socket: BorrowedFd<'_>) -> io::Result<Option<(Purpose, OwnedFd)>> {
    let mut byte = 0_u8;
    let mut part = libc::iovec { iov_base: (&raw mut byte).cast(), iov_len: 1 };
    let mut beside = Beside([0; 24]);
    let mut message = message(&mut part, &mut beside);
    // SAFETY: everything that `message` points to is alive, and as long as it says.
    let received = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, libc::MSG_CMSG_CLOEXEC) };
    match received {
        0 => return Ok(None),
        1 => {}
        _ => return Err(io::Error::last_os_error()),
    }
    // SAFETY: the kernel has filled in the header, if there is one; the descriptor in it is now this
    // process's own, and nobody else knows of it.
    let descriptor = unsafe {
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        if header.is_null() || (*header).cmsg_type != libc::SCM_RIGHTS {
            return Err(io::ErrorKind::InvalidData.into());
        }
        OwnedFd::from_raw_fd(libc::CMSG_DATA(header).cast::<libc::c_int>().read_unaligned())
    };
    let purposes = [Purpose::Control, Purpose::Inward, Purpose::Requests];
    let purpose = purposes.into_iter().find(|purpose| *purpose as u8 == byte);
    purpose.map(|purpose| Some((purpose, descriptor))).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

fn message(part: &mut libc::iovec, beside: &mut Beside) -> libc::msghdr {
    // SAFETY: a structure of numbers and pointers, for which zeros are valid.
    let mut message: libc::msghdr = unsafe { MaybeUninit::zeroed().assume_init() };
    message.msg_iov = part;
    message.msg_iovlen = 1;
    message.msg_control = beside.0.as_mut_ptr().cast();
    message.msg_controllen = beside.0.len() as _;
    message
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::os::fd::AsFd as _;
    use std::os::unix::net::UnixStream;

    use super::{Purpose, receive, send};

    #[test]
    fn a_descriptor_arrives_with_its_purpose() {
        let (near, far) = UnixStream::pair().unwrap();
        let (mut kept, given) = UnixStream::pair().unwrap();
        send(near.as_fd(), Purpose::Requests, given.as_fd()).unwrap();
        drop(given);
        let (purpose, arrived) = receive(far.as_fd()).unwrap().unwrap();
        assert_eq!(purpose, Purpose::Requests);
        kept.write_all(b"hello").unwrap();
        let mut text = [0; 5];
        UnixStream::from(arrived).read_exact(&mut text).unwrap();
        assert_eq!(&text, b"hello");
        drop(near);
        assert!(receive(far.as_fd()).unwrap().is_none());
    }
}
