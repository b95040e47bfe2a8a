//! File descriptors: how many the process may have, and how many it has.
//!
//! Each isolate takes a few, and each connection of a function one. When they run out, nobody can connect or
//! be accepted any more, so functions are refused before.

use isobase_base::limits;

/// Raises the limit of the process as far as it may: the usual one, 1,024, is for programs that use `select`.
pub(crate) fn raise() {
    let limit = limit();
    let raised = libc::rlimit { rlim_cur: limit.rlim_max, ..limit };
    // SAFETY: `raised` is valid to read; who may not raise the limit keeps the one there is.
    unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const raised) };
}

/// How many the process may have.
fn allowed() -> u64 {
    limit().rlim_cur
}

fn limit() -> libc::rlimit {
    let mut limit = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: `limit` is a valid place to write to; where the kernel does not say, it stays as it is.
    unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) };
    limit
}

/// How many isolates there may be at once.
pub(crate) fn isolates_max() -> usize {
    let share = allowed() / 100 * limits::V8_DESCRIPTORS_PERCENT / limits::V8_DESCRIPTORS_PER_ISOLATE;
    usize::try_from(share).unwrap_or(usize::MAX).clamp(1, limits::V8_ISOLATES_MAX)
}

/// Whether so many are open that functions should open no further ones.
///
/// The kernel gives out the lowest number that is free, so at least as many are open as the number says that
/// a new descriptor gets: two calls, however many there are.
pub(crate) fn are_scarce() -> bool {
    // SAFETY: the call takes no pointers. It fails when there are no descriptors left, for instance.
    let next = unsafe { libc::fcntl(0, libc::F_DUPFD_CLOEXEC, 0) };
    if next < 0 {
        // Nothing to copy is another reason to fail, and tells nothing.
        return std::io::Error::last_os_error().raw_os_error() != Some(libc::EBADF);
    }
    // SAFETY: `next` was opened above, and nobody else knows of it.
    unsafe { libc::close(next) };
    u64::from(next.unsigned_abs()) >= allowed() / 100 * limits::GUEST_DESCRIPTORS_PERCENT
}

#[cfg(test)]
mod tests {
    use super::{allowed, are_scarce, isolates_max};

    #[test]
    fn a_fresh_process_has_plenty() {
        assert!(allowed() >= 1024 && isolates_max() > 1);
        assert!(!are_scarce());
    }
}
