//! What the kernel keeps from a process that runs a function, in the order in which it is laid on:
//!
//! 1. [`begin`], while there is one thread: descriptors of nobody are closed, the process ends with the thread
//!    of the host that started it, gains no rights by what it runs, has no capabilities, writes no core and no
//!    file.
//! 2. [`close_disk`], still one thread: of all files it may open those of V8's startup, and for reading only.
//! 3. [`close_kernel`], once V8 has made an isolate: of all calls those of [`filter`] are left, in all threads.
//!    From here on nothing can be opened, and `connect` is answered by the host.
//!
//! Then the function comes.

mod filter;
mod landlock;

use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use isobase_base::limits::PROCESS_DESCRIPTORS_MAX;

pub(crate) use landlock::{owned, succeeded};

/// Why this machine can have no such processes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsupported {
    #[error("processes for functions need Linux on x86-64 or 64-bit ARM")]
    Machine,
    #[error("the kernel has no Landlock (Linux 5.13, and \"landlock\" in the kernel's lsm= list): {0}")]
    Landlock(String),
    #[error(
        "the kernel cannot hand calls of a process to another one (SECCOMP_RET_USER_NOTIF, Linux 5.8): {0}"
    )]
    Seccomp(String),
    #[error(
        "the kernel does not let the host take descriptors of its own children (pidfd_getfd, Linux 5.6; \
         kernel.yama.ptrace_scope below 2): {0}"
    )]
    Descriptors(String),
}

/// Looks what the kernel has. Whether it lets the host take a child's descriptors is seen with the first child.
pub(crate) fn check() -> Result<(), Unsupported> {
    if !filter::is_known() {
        return Err(Unsupported::Machine);
    }
    landlock::version().map_err(|error| Unsupported::Landlock(error.to_string()))?;
    let action = libc::SECCOMP_RET_USER_NOTIF;
    // SAFETY: `action` is alive, and the kernel only reads it.
    let known = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_GET_ACTION_AVAIL,
            0 as libc::c_ulong,
            &raw const action,
        )
    };
    succeeded(known).map_err(|error| Unsupported::Seccomp(error.to_string()))
}

/// The first thing such a process does. `keep` descriptors, from zero on, are left open.
///
/// # Errors
/// Where the kernel refuses; then the process must not go on.
pub fn begin(keep: u32) -> io::Result<()> {
    // SAFETY: closes descriptors by number. Nothing in this process has opened any yet but the first ones.
    succeeded(unsafe { libc::syscall(libc::SYS_close_range, keep, u32::MAX, 0 as libc::c_ulong) })?;
    control(libc::PR_SET_PDEATHSIG, libc::SIGKILL as libc::c_ulong)?;
    control(libc::PR_SET_NO_NEW_PRIVS, 1)?;
    drop_capabilities()?;
    let limits = [
        (libc::RLIMIT_CORE, 0),
        (libc::RLIMIT_FSIZE, 0),
        (libc::RLIMIT_MEMLOCK, 0),
        (libc::RLIMIT_MSGQUEUE, 0),
        (libc::RLIMIT_NOFILE, PROCESS_DESCRIPTORS_MAX),
    ];
    for (kind, bound) in limits {
        let limit = libc::rlimit { rlim_cur: bound, rlim_max: bound };
        // SAFETY: `limit` is alive, and the kernel only reads it.
        succeeded(unsafe { libc::setrlimit(kind, &raw const limit) }.into())?;
    }
    Ok(())
}

/// # Errors
/// Where the kernel refuses, or one of the files is not there; then the process must not go on.
pub fn close_disk(readable: &[PathBuf]) -> io::Result<()> {
    landlock::restrict(readable)
}

/// Gives where the host hears of `connect`. Whoever holds it can answer, so the process must let go of it before
/// it runs a function.
///
/// # Errors
/// Where the kernel refuses; then the process must not go on.
pub fn close_kernel() -> io::Result<OwnedFd> {
    let mut instructions = filter::program();
    let length = u16::try_from(instructions.len()).map_err(io::Error::other)?;
    let program = libc::sock_fprog { len: length, filter: instructions.as_mut_ptr() };
    let flags = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER
        | libc::SECCOMP_FILTER_FLAG_TSYNC
        | libc::SECCOMP_FILTER_FLAG_TSYNC_ESRCH;
    // SAFETY: `program` and the instructions it points to are alive during the call, which copies them.
    let listener =
        unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program) };
    owned(listener)
}

fn control(option: libc::c_int, value: libc::c_ulong) -> io::Result<()> {
    let unused: libc::c_ulong = 0;
    // SAFETY: these options take numbers.
    succeeded(unsafe { libc::prctl(option, value, unused, unused, unused) }.into())
}

/// A host that was started by root has all of them.
fn drop_capabilities() -> io::Result<()> {
    #[repr(C)]
    struct Header {
        version: u32,
        process: i32,
    }
    let header = Header { version: 0x2008_0522, process: 0 };
    let none = [0_u32; 6];
    // SAFETY: both have the layout of the third version of this call, and the kernel only reads them.
    succeeded(unsafe { libc::syscall(libc::SYS_capset, &raw const header, none.as_ptr()) })
}
