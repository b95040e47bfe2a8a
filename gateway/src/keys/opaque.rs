//! Opaque API keys: `sb_publishable_…` and `sb_secret_…`.

use isobase_base::{Principal, limits};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::KeyError;

/// What an opaque key opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApiKeyKind {
    /// Acts as `anon`; may be in a browser.
    Publishable,
    /// Acts as `service_role`; for servers only.
    Secret,
}

/// Longest opaque key. Supabase's own have 46 and 41 bytes.
const API_KEY_BYTES_MAX: usize = 128;

impl ApiKeyKind {
    pub(super) const fn prefix(self) -> &'static str {
        match self {
            Self::Publishable => "sb_publishable_",
            Self::Secret => "sb_secret_",
        }
    }

    /// Whom a request with such a key and no user's token acts as.
    pub fn principal(self) -> Principal {
        match self {
            Self::Publishable => Principal::anon(),
            Self::Secret => Principal::service(),
        }
    }
}

/// Whether `text` claims to be an opaque key, of this project or not.
pub(crate) fn looks_opaque(text: &str) -> bool {
    text.starts_with("sb_")
}

/// The project's opaque keys. Holds digests only: a memory dump has no key in it.
pub(super) struct OpaqueKeys(Vec<(ApiKeyKind, [u8; 32])>);

impl OpaqueKeys {
    pub(super) fn new(publishable: &[String], secret: &[String]) -> Result<Self, KeyError> {
        if publishable.len() + secret.len() > limits::API_KEYS_MAX {
            return Err(KeyError::TooMany { max: limits::API_KEYS_MAX });
        }
        let mut digests = Vec::new();
        for (kind, keys) in [(ApiKeyKind::Publishable, publishable), (ApiKeyKind::Secret, secret)] {
            for (index, key) in keys.iter().enumerate() {
                if !is_plausible(kind, key) {
                    return Err(KeyError::ApiKeyPrefix { index, prefix: kind.prefix() });
                }
                digests.push((kind, Sha256::digest(key).into()));
            }
        }
        Ok(Self(digests))
    }

    /// Looks `key` up in time that does not depend on how much of it is right.
    pub(super) fn find(&self, key: &str) -> Option<ApiKeyKind> {
        if ![ApiKeyKind::Publishable, ApiKeyKind::Secret].iter().any(|kind| is_plausible(*kind, key)) {
            return None;
        }
        let presented: [u8; 32] = Sha256::digest(key).into();
        let mut found = None;
        for (kind, digest) in &self.0 {
            if bool::from(digest.ct_eq(&presented)) {
                found = Some(*kind);
            }
        }
        found
    }
}

/// The shape alone: prefix, alphabet, length. How Supabase computes the last eight characters (a
/// checksum) is not published, so it is not checked.
fn is_plausible(kind: ApiKeyKind, key: &str) -> bool {
    key.len() <= API_KEY_BYTES_MAX
        && key.strip_prefix(kind.prefix()).is_some_and(|rest| {
            !rest.is_empty()
                && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
        })
}

#[cfg(test)]
mod tests {
    use super::{ApiKeyKind, OpaqueKeys};

    const PUBLISHABLE: &str = "sb_publishable_AAAAAAAAAAAAAAAAAAAAAA_BBBBBBBB";
    const SECRET: &str = "sb_secret_CCCCCCCCCCCCCCCCCCCCCC_DDDDDDDD";

    #[test]
    fn only_configured_keys_are_found() {
        let keys = OpaqueKeys::new(&[PUBLISHABLE.into()], &[SECRET.into()]).unwrap();
        assert_eq!(keys.find(PUBLISHABLE), Some(ApiKeyKind::Publishable));
        assert_eq!(keys.find(SECRET), Some(ApiKeyKind::Secret));
        let long = format!("sb_secret_{}", "C".repeat(4_000));
        for near_miss in [
            "",
            "sb_",
            "sb_secret_",
            "sb_publishable_AAAAAAAAAAAAAAAAAAAAAA_BBBBBBBC",
            "sb_publishable_AAAAAAAAAAAAAAAAAAAAAA_BBBBBBB",
            "sb_publishable_AAAAAAAAAAAAAAAAAAAAAA_BBBBBBBBB",
            "SB_PUBLISHABLE_AAAAAAAAAAAAAAAAAAAAAA_BBBBBBBB",
            "sb_secret_AAAAAAAAAAAAAAAAAAAAAA_BBBBBBBB",
            " sb_secret_CCCCCCCCCCCCCCCCCCCCCC_DDDDDDDD",
            &long,
        ] {
            assert_eq!(keys.find(near_miss), None, "{near_miss}");
        }
    }

    #[test]
    fn a_key_of_the_wrong_kind_is_refused_at_load() {
        assert!(OpaqueKeys::new(&[SECRET.into()], &[]).is_err());
        assert!(OpaqueKeys::new(&[], &["service_role".into()]).is_err());
    }
}
