//! The compact serialisation of a signed token (RFC 7515 §7.1), taken apart before any key is used.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use isobase_base::limits;
use serde_json::{Map, Value};

use super::token_error::{Reason, TokenError};
use super::{Algorithm, json};

/// A token that is well formed. Nothing in it is trusted yet.
pub(super) struct Compact<'a> {
    pub(super) algorithm: Algorithm,
    pub(super) key_id: Option<String>,
    pub(super) payload: Map<String, Value>,
    /// What was signed: header, dot, payload, as they came.
    pub(super) signed: &'a str,
    /// Canonical base64url, not empty.
    pub(super) signature: &'a str,
}

/// Header members that would make a verifier fetch a key, trust one from the token, or read the
/// token in another way. None is needed here, so all are refused rather than ignored (RFC 8725 §3.10).
const REFUSED_HEADER_MEMBERS: [&str; 9] = ["crit", "b64", "zip", "enc", "jku", "x5u", "x5c", "jwk", "cty"];

impl<'a> Compact<'a> {
    pub(super) fn parse(token: &'a str) -> Result<Self, TokenError> {
        let (signed, header, payload, signature) = split(token).map_err(Reason::early)?;
        let header = decode(header).and_then(|text| json::object(&text).ok_or(Reason::Json));
        let header = header.map_err(Reason::early)?;
        let algorithm = algorithm(&header).map_err(Reason::early)?;
        let rest = || {
            let key_id = key_id(&header)?;
            check_members(&header)?;
            let payload = json::object(&decode(payload)?).ok_or(Reason::Json)?;
            decode(signature)?;
            Ok(Self { algorithm, key_id, payload, signed, signature })
        };
        rest().map_err(|reason: Reason| reason.of(algorithm))
    }
}

fn split(token: &str) -> Result<(&str, &str, &str, &str), Reason> {
    if token.is_empty() {
        return Err(Reason::Empty);
    }
    if token.len() > limits::TOKEN_BYTES_MAX {
        return Err(Reason::TooLong);
    }
    let mut parts = token.split('.');
    match (parts.next(), parts.next(), parts.next(), parts.count()) {
        (Some(header), Some(payload), Some(signature), 0) => {
            Ok((&token[..header.len() + 1 + payload.len()], header, payload, signature))
        }
        _ => Err(Reason::Parts(token.split('.').count())),
    }
}

/// The engine refuses padding, the other alphabet, whitespace and non-zero trailing bits.
fn decode(part: &str) -> Result<Vec<u8>, Reason> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| Reason::Encoding)
}

fn algorithm(header: &Map<String, Value>) -> Result<Algorithm, Reason> {
    let name = header.get("alg").and_then(Value::as_str).ok_or(Reason::Header("alg"))?;
    Algorithm::parse(name).ok_or(Reason::Algorithm)
}

fn key_id(header: &Map<String, Value>) -> Result<Option<String>, Reason> {
    match header.get("kid") {
        None => Ok(None),
        Some(Value::String(id)) if !id.is_empty() && id.len() <= limits::TOKEN_KEY_ID_BYTES_MAX => {
            Ok(Some(id.clone()))
        }
        Some(_) => Err(Reason::Header("kid")),
    }
}

fn check_members(header: &Map<String, Value>) -> Result<(), Reason> {
    if let Some(refused) = REFUSED_HEADER_MEMBERS.into_iter().find(|name| header.contains_key(*name)) {
        return Err(Reason::Header(refused));
    }
    match header.get("typ") {
        None => Ok(()),
        // `at+jwt` marks an OAuth access token (RFC 9068); anything else is a token for another use.
        Some(Value::String(kind))
            if ["JWT", "at+jwt", "application/at+jwt"].iter().any(|ours| kind.eq_ignore_ascii_case(ours)) =>
        {
            Ok(())
        }
        Some(_) => Err(Reason::Header("typ")),
    }
}
