//! So many a second and no more, counted without a lock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crate::limits::FUNCTION_LOG_INVOCATIONS_PER_SECOND_MAX;

/// Admits a bounded number of entries each second and counts the rest.
pub(super) struct Allowance {
    began: Instant,
    /// The second since `began` in the upper half, what it admitted in the lower.
    window: AtomicU64,
    left_out: AtomicU64,
}

impl Allowance {
    pub(super) fn new(began: Instant) -> Self {
        Self { began, window: AtomicU64::new(0), left_out: AtomicU64::new(0) }
    }

    /// `None`: no more in this second. Else how many were left out since the last one admitted.
    pub(super) fn take(&self) -> Option<u64> {
        self.take_in(self.began.elapsed().as_secs())
    }

    fn take_in(&self, second: u64) -> Option<u64> {
        let admit = |window: u64| {
            let admitted = if window >> 32 == second & 0xffff_ffff { window & 0xffff_ffff } else { 0 };
            let fits = admitted < u64::from(FUNCTION_LOG_INVOCATIONS_PER_SECOND_MAX);
            fits.then_some((second << 32) | (admitted + 1))
        };
        match self.window.fetch_update(Ordering::Relaxed, Ordering::Relaxed, admit) {
            Ok(_) if self.left_out.load(Ordering::Relaxed) == 0 => Some(0),
            Ok(_) => Some(self.left_out.swap(0, Ordering::Relaxed)),
            Err(_) => {
                self.left_out.fetch_add(1, Ordering::Relaxed);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::Allowance;
    use crate::limits::FUNCTION_LOG_INVOCATIONS_PER_SECOND_MAX as MAX;

    #[test]
    fn each_second_admits_its_share_and_the_next_tells_of_the_rest() {
        let allowance = Allowance::new(Instant::now());
        let admitted = (0..MAX + 7).filter(|_| allowance.take_in(3).is_some()).count();
        assert_eq!(admitted, MAX as usize);
        assert_eq!(allowance.take_in(4), Some(7));
        assert_eq!(allowance.take_in(4), Some(0));
    }
}
