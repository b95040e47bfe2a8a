//! A topic that one socket has joined.

use std::time::{Duration, SystemTime};

use isobase_base::{Credential, Role, Unverified, limits};

use crate::hub::Membership;
use crate::protocol::Reference;
use crate::topic::Visibility;

pub(super) struct Channel {
    pub(super) join: Reference,
    pub(super) membership: Membership,
    pub(super) credential: Credential,
    pub(super) token: Option<String>,
    pub(super) wants_own: bool,
    pub(super) wants_acknowledgement: bool,
}

impl Channel {
    /// Why the channel must end now: its token is over, or may no longer read a private topic.
    pub(super) fn objection(&self, now: SystemTime) -> Option<String> {
        if let Some(past) = expired_for(&self.credential, now) {
            return Some(format!("Token has expired {} seconds ago", past.as_secs()));
        }
        let visibility = self.membership.visibility();
        let is_read = may_read(&self.credential, visibility);
        (!is_read).then(|| no_longer(self.membership.topic().name()))
    }
}

fn no_longer(topic: &str) -> String {
    format!("You no longer have permission to read from this Channel topic: {topic}")
}

/// How long ago a credential ended, give or take the clock difference that all tokens are allowed.
pub(super) fn expired_for(credential: &Credential, now: SystemTime) -> Option<Duration> {
    let past = now.duration_since(credential.expires_at?).ok()?;
    (past >= limits::TOKEN_CLOCK_SKEW).then_some(past)
}

/// Policies for private topics are not here yet, so those are for the role that none would bind.
pub(super) fn may_read(credential: &Credential, visibility: Visibility) -> bool {
    match visibility {
        Visibility::Public => true,
        Visibility::Private => credential.principal.role().as_str() == Role::SERVICE,
    }
}

/// Why a token is not believed, in the words that clients know.
pub(super) fn token_message(why: Unverified) -> String {
    match why {
        Unverified::Malformed => "The token provided is not a valid JWT".into(),
        Unverified::Signature => "Failed to validate JWT signature".into(),
        Unverified::Expired { seconds } => format!("Token has expired {seconds} seconds ago"),
        Unverified::Claims => "Fields `role` and `exp` are required in JWT".into(),
    }
}

/// The code before such a message.
pub(super) fn token_code(why: Unverified) -> &'static str {
    match why {
        Unverified::Malformed => "MalformedJWT",
        Unverified::Signature => "JwtSignatureError",
        Unverified::Expired { .. } | Unverified::Claims => "InvalidJWTToken",
    }
}
