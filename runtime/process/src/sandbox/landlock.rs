//! Landlock: no path of the disk, no port, no other process, whatever becomes of the filter of calls.
//!
//! Of the thread that calls and those it starts, so it comes first of all.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::PathBuf;

/// Linux 5.13.
const FILES_V1: u64 = (1 << 13) - 1;
/// Renaming between folders.
const REFER: u64 = 1 << 13;
const TRUNCATE: u64 = 1 << 14;
const DEVICE_IOCTL: u64 = 1 << 15;
const READ_FILE: u64 = 1 << 2;
/// Binding and connecting with TCP. The host connects, which this does not bind.
const NETWORK: u64 = 0b11;
/// Abstract Unix sockets and signals.
const SCOPES: u64 = 0b11;

const VERSION: libc::c_ulong = 1;
const PATH_BENEATH: libc::c_int = 1;

#[repr(C)]
struct Ruleset {
    files: u64,
    network: u64,
    scopes: u64,
}

#[repr(C, packed)]
struct PathBeneath {
    allowed: u64,
    parent: i32,
}

/// What the kernel knows of Landlock; an error where it is missing or turned off.
pub(super) fn version() -> io::Result<i64> {
    let unused: libc::c_ulong = 0;
    // SAFETY: with this flag the kernel takes no pointer.
    let version = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, unused, unused, VERSION) };
    if version < 1 { Err(io::Error::last_os_error()) } else { Ok(version) }
}

/// From now on this thread, and those it starts, may open the files at `readable` to read them, and nothing
/// else. The process must be past `PR_SET_NO_NEW_PRIVS`.
pub(super) fn restrict(readable: &[PathBuf]) -> io::Result<()> {
    let version = version()?;
    let mut ruleset = Ruleset { files: FILES_V1, network: 0, scopes: 0 };
    for (since, right) in [(2, REFER), (3, TRUNCATE), (5, DEVICE_IOCTL)] {
        if version >= since {
            ruleset.files |= right;
        }
    }
    if version >= 4 {
        ruleset.network = NETWORK;
    }
    if version >= 6 {
        ruleset.scopes = SCOPES;
    }
    // Older kernels take the beginning of the structure.
    let length = match version {
        ..4 => 8,
        4..6 => 16,
        _ => size_of::<Ruleset>(),
    };
    // SAFETY: `ruleset` is alive and at least `length` bytes long.
    let made = unsafe {
        libc::syscall(libc::SYS_landlock_create_ruleset, &raw const ruleset, length, 0 as libc::c_ulong)
    };
    let rules = owned(made)?;
    for path in readable {
        let file = std::fs::File::open(path)?;
        let rule = PathBeneath { allowed: READ_FILE, parent: file.as_raw_fd() };
        // SAFETY: `rule` has the layout that the kernel expects for this type of rule; `file` is open.
        let added = unsafe {
            let (rules, rule) = (rules.as_raw_fd(), &raw const rule);
            libc::syscall(libc::SYS_landlock_add_rule, rules, PATH_BENEATH, rule, 0 as libc::c_ulong)
        };
        succeeded(added)?;
    }
    // SAFETY: takes a descriptor, which is open, and no pointer.
    let restricted =
        unsafe { libc::syscall(libc::SYS_landlock_restrict_self, rules.as_raw_fd(), 0 as libc::c_ulong) };
    succeeded(restricted)
}

pub(crate) fn succeeded(returned: libc::c_long) -> io::Result<()> {
    if returned < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

pub(crate) fn owned(returned: libc::c_long) -> io::Result<OwnedFd> {
    succeeded(returned)?;
    let number = i32::try_from(returned).map_err(io::Error::other)?;
    // SAFETY: the kernel has just opened it for the caller, and nobody else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}
