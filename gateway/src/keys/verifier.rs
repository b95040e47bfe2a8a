//! The keys as a port: for surfaces whose clients send tokens after the request that let them in.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use isobase_base::{Credential, Unverified, Verifier};

use super::{Keys, Reason, TokenError, looks_opaque};

impl Verifier for Keys {
    fn verify(&self, token: &str) -> Result<Credential, Unverified> {
        let keys = self.load();
        if looks_opaque(token) {
            let kind = keys.api_key(token).ok_or(Unverified::Signature)?;
            return Ok(Credential { principal: kind.principal(), expires_at: None });
        }
        let verified = keys.verify(token).map_err(unverified)?;
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        Ok(Credential { principal: verified.principal, expires_at: verified.expires_at.map(at) })
    }
}

fn unverified(error: TokenError) -> Unverified {
    match error.reason {
        Reason::Expired { expires_at } => {
            let since = SystemTime::now().duration_since(UNIX_EPOCH + Duration::from_secs(expires_at));
            Unverified::Expired { seconds: since.unwrap_or_default().as_secs() }
        }
        Reason::UnknownKey | Reason::Signature => Unverified::Signature,
        Reason::NotYetValid
        | Reason::IssuedInFuture
        | Reason::Audience
        | Reason::Issuer
        | Reason::Claim(_)
        | Reason::Role => Unverified::Claims,
        Reason::TooLong
        | Reason::Empty
        | Reason::Parts(_)
        | Reason::Encoding
        | Reason::Json
        | Reason::Header(_)
        | Reason::Algorithm => Unverified::Malformed,
    }
}
