//! Tokens whose signature was checked already. A session sends one token for an hour; an ES256
//! check costs as much as the rest of the gateway many times over.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use isobase_base::limits;
use moka::Expiry;
use moka::sync::Cache;
use sha2::{Digest, Sha256};

use super::claims::{Verified, is_over};

/// Keyed by the token's SHA-256, so that no token lies in memory and no two tokens meet. Only
/// tokens that passed are kept: a flood of bad ones cannot push good ones out.
pub(super) struct TokenCache(Cache<[u8; 32], Verified>);

impl TokenCache {
    pub(super) fn new() -> Self {
        let cache = Cache::builder()
            .max_capacity(limits::TOKEN_CACHE_ENTRIES_MAX)
            .expire_after(AtTokenExpiry)
            .build();
        Self(cache)
    }

    pub(super) fn key(token: &str) -> [u8; 32] {
        Sha256::digest(token).into()
    }

    /// The remembered outcome, while it is still true at `now`, in seconds since 1970.
    pub(super) fn get(&self, key: &[u8; 32], now: u64) -> Option<Verified> {
        self.0.get(key).filter(|verified| !verified.expires_at.is_some_and(|date| is_over(date, now)))
    }

    pub(super) fn insert(&self, key: [u8; 32], verified: Verified) {
        self.0.insert(key, verified);
    }
}

/// Frees an entry when its token dies. [`TokenCache::get`] asks the wall clock besides, so a late
/// eviction costs memory, never safety.
struct AtTokenExpiry;

impl Expiry<[u8; 32], Verified> for AtTokenExpiry {
    fn expire_after_create(
        &self,
        _key: &[u8; 32],
        verified: &Verified,
        _created: Instant,
    ) -> Option<Duration> {
        let expires_at = UNIX_EPOCH + Duration::from_secs(verified.expires_at?) + limits::TOKEN_CLOCK_SKEW;
        Some(expires_at.duration_since(SystemTime::now()).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::TokenCache;
    use crate::keys::claims::Verified;
    use isobase_base::{Principal, limits};

    #[test]
    fn what_is_remembered_ends_with_its_token() {
        let cache = TokenCache::new();
        let key = TokenCache::key("a.b.c");
        let expires_at = 4_000_000_000;
        let verified =
            Verified { principal: Principal::anon(), expires_at: Some(expires_at), is_api_key: false };
        cache.insert(key, verified);
        let end = expires_at + limits::TOKEN_CLOCK_SKEW.as_secs();
        assert!(cache.get(&key, end - 1).is_some());
        assert!(cache.get(&key, end).is_none(), "asked with a clock that has moved on");
        assert!(cache.get(&TokenCache::key("a.b.d"), 0).is_none());
    }

    #[test]
    fn a_dead_token_is_not_kept() {
        let cache = TokenCache::new();
        let key = TokenCache::key("a.b.c");
        cache.insert(key, Verified { principal: Principal::anon(), expires_at: Some(1), is_api_key: false });
        assert!(cache.get(&key, 0).is_none(), "the cache's own clock is the real one");
    }
}
