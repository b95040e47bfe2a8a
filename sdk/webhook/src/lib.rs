//! Was this webhook sent by who it says, just now, and is its body what they sent?
//!
//! A [`Verifier`] is made of a provider's scheme and a secret; it checks the exact bytes of a body
//! against the headers they came with. Signatures are compared in constant time, and a signature that
//! is older than the tolerance is refused, so that what was overheard cannot be played again later.
//! Within the tolerance, [`Delivery::id`] tells a second delivery of the same event from a new one.
//!
//! The host checks by this code what a function's `[functions.<slug>.webhook]` declares; functions that
//! check for themselves use the same code, from Rust and from TypeScript.
//!
//! ```
//! use isobase_webhook::{Provider, Verifier};
//!
//! let verifier = Verifier::new(Provider::GitHub, "It's a Secret to Everybody").unwrap();
//! let headers = |name: &str| match name {
//!     "x-hub-signature-256" => {
//!         Some("sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17")
//!     }
//!     _ => None,
//! };
//! assert!(verifier.verify(headers, b"Hello, World!", 0).is_ok());
//! ```

mod error;
mod identity;
mod provider;
mod scheme;
mod signature;

use std::time::Duration;

pub use error::{Error, UnusableSecret};
pub use provider::{Encoding, Hmac, Provider};

use scheme::Scheme;

/// How old, or how far ahead, a signature may be where nothing else is said. What Stripe, Slack and
/// the Standard Webhooks libraries take.
pub const TOLERANCE: Duration = Duration::from_secs(5 * 60);

/// Checks the webhooks of one sender.
#[derive(Clone)]
pub struct Verifier {
    scheme: Scheme,
    keys: Vec<Vec<u8>>,
    tolerance: Duration,
}

/// A webhook that is genuine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The sender's name for the event, the same whenever it is sent again. `None` where the scheme
    /// has none.
    pub id: Option<String>,
    /// When it was signed, in seconds since 1970; `None` where the scheme does not say.
    pub signed_at: Option<u64>,
}

impl Verifier {
    /// `secret` is as the sender shows it: `whsec_…` for Stripe and Standard Webhooks. Several, set
    /// off by spaces, are tried in turn, for the time of a rotation.
    pub fn new(provider: Provider, secret: &str) -> Result<Self, UnusableSecret> {
        let scheme = Scheme::of(provider);
        let keys: Vec<Vec<u8>> = match scheme.secrets_have_spaces() {
            true => vec![scheme.key(secret)?],
            false => secret.split_whitespace().map(|one| scheme.key(one)).collect::<Result<_, _>>()?,
        };
        if keys.is_empty() || keys.iter().any(Vec::is_empty) {
            return Err(UnusableSecret::Empty);
        }
        Ok(Self { scheme, keys, tolerance: TOLERANCE })
    }

    /// How old, or how far ahead, a signature may be. Schemes without a time have none.
    #[must_use]
    pub fn tolerance(mut self, tolerance: Duration) -> Self {
        self.tolerance = tolerance;
        self
    }

    /// Checks `body`, the exact bytes that were received. `header` finds a header by its name in lower
    /// case; `now` is in seconds since 1970.
    pub fn verify<'h>(
        &self,
        header: impl Fn(&str) -> Option<&'h str>,
        body: &[u8],
        now: u64,
    ) -> Result<Delivery, Error> {
        let claim = self.scheme.claim(&header)?;
        // The signature first: what a stranger says of the time means nothing.
        let is_genuine = self.keys.iter().any(|key| claim.is_signed_by(key, body));
        if !is_genuine {
            return Err(Error::Signature);
        }
        if let Some(signed_at) = claim.signed_at {
            let tolerance = self.tolerance.as_secs();
            if now > signed_at.saturating_add(tolerance) {
                return Err(Error::TooOld);
            }
            if signed_at > now.saturating_add(tolerance) {
                return Err(Error::TooNew);
            }
        }
        Ok(Delivery { id: identity::of(&self.scheme, &header, body), signed_at: claim.signed_at })
    }
}

/// Never shows a key.
impl std::fmt::Debug for Verifier {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Verifier")
            .field("scheme", &self.scheme)
            .field("keys", &self.keys.len())
            .field("tolerance", &self.tolerance)
            .finish()
    }
}

#[cfg(test)]
mod tests;
