//! Which version of a function answers which request.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};

use isobase_base::Context;
use serde::{Deserialize, Serialize};

/// How requests are shared out over the versions of a function.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Takes what no share takes.
    pub live: Option<u64>,
    /// Live before that: what a rollback goes back to.
    pub previous: Option<u64>,
    pub shares: Vec<Share>,
    /// Whether a caller stays with one version while the shares stay the same.
    pub sticky: bool,
}

/// A part of the requests for one version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    pub version: u64,
    /// Of all requests; the shares of a function are 100 at most together.
    pub percent: u8,
}

/// Counts requests, so that shares are met closely and not by luck.
#[derive(Debug, Default)]
pub(crate) struct Turn(AtomicU64);

/// 2⁶⁴ divided by the golden ratio: its multiples, modulo 2⁶⁴, fill the range evenly from the start.
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

impl Traffic {
    /// The version for the next request; `None` when there is none.
    pub(crate) fn choose(&self, turn: &Turn, context: &Context) -> Option<u64> {
        let live = self.live?;
        if self.shares.is_empty() {
            return Some(live);
        }
        let place = if self.sticky { of_caller(context) } else { turn.next() };
        // The place as hundredths of the whole range.
        let mut left = (u128::from(place) * 100) >> 64;
        for share in &self.shares {
            if left < u128::from(share.percent) {
                return Some(share.version);
            }
            left -= u128::from(share.percent);
        }
        Some(live)
    }

    /// The versions that requests may reach.
    pub(crate) fn versions(&self) -> impl Iterator<Item = u64> {
        self.live.into_iter().chain(self.shares.iter().map(|share| share.version))
    }
}

impl Turn {
    fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed).wrapping_mul(GOLDEN)
    }
}

/// The same for every request of a user, or of an address where there is no user, on every host.
fn of_caller(context: &Context) -> u64 {
    let mut hasher = DefaultHasher::new();
    match context.principal.subject() {
        Some(subject) => subject.hash(&mut hasher),
        None => context.client.address.hash(&mut hasher),
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::time::Instant;

    use isobase_base::{Client, Context, Principal, RequestId, TraceContext};

    use super::{Share, Traffic, Turn};

    fn context(address: [u8; 4]) -> Context {
        Context {
            request_id: RequestId::generate(),
            trace: TraceContext::generate(),
            principal: Principal::anon(),
            deadline: Instant::now(),
            client: Client { address: IpAddr::from(address) },
        }
    }

    fn split(sticky: bool) -> Traffic {
        let shares = vec![Share { version: 2, percent: 10 }, Share { version: 3, percent: 25 }];
        Traffic { live: Some(1), previous: None, shares, sticky }
    }

    #[test]
    fn shares_are_met_within_a_fraction_of_a_percent() {
        let (traffic, turn, context) = (split(false), Turn::default(), context([127, 0, 0, 1]));
        let mut counts = [0; 4];
        for _ in 0..10_000 {
            counts[traffic.choose(&turn, &context).unwrap() as usize] += 1;
        }
        for (version, expected) in [(1, 6_500), (2, 1_000), (3, 2_500)] {
            assert!(i32::abs(counts[version] - expected) <= 10, "{counts:?}");
        }
    }

    #[test]
    fn a_sticky_caller_stays() {
        let (traffic, turn) = (split(true), Turn::default());
        let mut seen = std::collections::BTreeSet::new();
        for last in 0..=255 {
            let context = context([10, 0, 0, last]);
            let version = traffic.choose(&turn, &context);
            assert_eq!(version, traffic.choose(&turn, &context));
            seen.insert(version);
        }
        assert_eq!(seen.len(), 3, "all versions have callers");
    }

    #[test]
    fn without_shares_all_goes_to_the_live_version() {
        let traffic = Traffic { live: Some(7), ..Traffic::default() };
        assert_eq!(traffic.choose(&Turn::default(), &context([1, 1, 1, 1])), Some(7));
        assert_eq!(Traffic::default().choose(&Turn::default(), &context([1, 1, 1, 1])), None);
    }
}
