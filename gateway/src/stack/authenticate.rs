//! From credentials to a principal, and how each surface words a refusal.

use http::header::{HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use http::{Method, StatusCode};
use isobase_base::{Access, Principal};

use super::credentials::{Bearer, Credentials, Unclear};
use crate::keys::{Algorithm, ApiKeyKind, KeySet, Reason, TokenError, looks_opaque};
use crate::refusal::Refusal;

/// Why a caller is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Denied {
    Unclear(Unclear),
    /// No credential where one is needed.
    Missing,
    UnknownApiKey,
    Token(TokenError),
}

/// A caller that was let in.
#[derive(Debug)]
pub(super) struct Caller {
    pub(super) principal: Principal,
    /// The opaque key that was presented, whatever else was.
    pub(super) api_key: Option<ApiKeyKind>,
}

impl Caller {
    pub(super) fn anonymous() -> Self {
        Self { principal: Principal::anon(), api_key: None }
    }
}

/// The opaque key among the credentials. Two different ones are refused: which was meant?
fn opaque_key(keys: &KeySet, credentials: &Credentials<'_>) -> Result<Option<ApiKeyKind>, Denied> {
    let in_apikey = credentials.apikey.as_deref().filter(|key| looks_opaque(key));
    let in_bearer = match credentials.bearer {
        Bearer::Token(token) if looks_opaque(token) => Some(token),
        Bearer::Token(_) | Bearer::Absent => None,
    };
    if in_apikey.is_some() && in_bearer.is_some() && in_apikey != in_bearer {
        return Err(Denied::Unclear(Unclear::ApiKeys));
    }
    match in_apikey.or(in_bearer) {
        Some(key) => keys.api_key(key).map(Some).ok_or(Denied::UnknownApiKey),
        None => Ok(None),
    }
}

/// The data API: a token decides the role; an API key opens the door, and decides only where there
/// is no token. With neither the caller is anonymous, unless `require_apikey`.
pub(super) fn for_data_api(
    keys: &KeySet,
    headers: &HeaderMap,
    query: Option<&str>,
    require_apikey: bool,
) -> Result<Caller, Denied> {
    let credentials = Credentials::find(headers, query).map_err(Denied::Unclear)?;
    let opaque = opaque_key(keys, &credentials)?;
    if require_apikey && opaque.is_none() {
        let key = credentials.apikey.as_deref().ok_or(Denied::Missing)?;
        if !keys.verify(key).is_ok_and(|verified| verified.is_api_key) {
            return Err(Denied::UnknownApiKey);
        }
    }
    // As Kong does for the local stack: an API key that is a token counts as one where no other is.
    let token = match credentials.bearer {
        Bearer::Token(_) => credentials.token(),
        Bearer::Absent => credentials.apikey.as_deref().filter(|key| !looks_opaque(key)),
    };
    Ok(caller(keys, token, opaque)?.unwrap_or_else(Caller::anonymous))
}

/// Realtime: a key or token, in a header or, because browsers cannot set headers on a WebSocket, in
/// the query. A user's token wins over a key.
pub(super) fn for_realtime(
    keys: &KeySet,
    headers: &HeaderMap,
    query: Option<&str>,
) -> Result<Caller, Denied> {
    let credentials = Credentials::find(headers, query).map_err(Denied::Unclear)?;
    let opaque = opaque_key(keys, &credentials)?;
    let in_apikey = || credentials.apikey.as_deref().filter(|key| !looks_opaque(key));
    caller(keys, credentials.token().or_else(in_apikey), opaque)?.ok_or(Denied::Missing)
}

/// The caller that a token or, without one, an opaque key makes.
fn caller(keys: &KeySet, token: Option<&str>, opaque: Option<ApiKeyKind>) -> Result<Option<Caller>, Denied> {
    let principal = match (token, opaque) {
        (Some(token), _) => keys.verify(token).map_err(Denied::Token)?.principal,
        (None, Some(kind)) => kind.principal(),
        (None, None) => return Ok(None),
    };
    Ok(Some(Caller { principal, api_key: opaque }))
}

/// A function: with `verify_jwt` a token of this project in `Authorization`, the anonymous key
/// included, or an opaque key in either header. Without it, or for `OPTIONS` (browsers send
/// preflights bare), anybody; a good token still makes its principal.
pub(super) fn for_function(
    keys: &KeySet,
    headers: &HeaderMap,
    method: &Method,
    access: Access,
) -> Result<Caller, Denied> {
    let is_checked = access.verify_jwt && method != Method::OPTIONS;
    let outcome = Credentials::find(headers, None).map_err(Denied::Unclear).and_then(|credentials| {
        let opaque = opaque_key(keys, &credentials)?;
        caller(keys, credentials.token(), opaque)?.ok_or(Denied::Missing)
    });
    match outcome {
        Err(denied) if is_checked => Err(denied),
        // A false API key is a mistake worth telling even where none is needed; anything else in
        // `Authorization` may be between the function and its caller, such as a webhook's secret.
        Err(Denied::UnknownApiKey | Denied::Unclear(Unclear::ApiKeys)) if method != Method::OPTIONS => {
            Err(Denied::UnknownApiKey)
        }
        Err(_) => Ok(Caller::anonymous()),
        Ok(caller) => Ok(caller),
    }
}

/// A refusal in PostgREST's words (its error groups PGRST3xx).
pub(super) fn data_api_refusal(denied: Denied) -> Refusal {
    match denied {
        Denied::Missing => {
            Refusal::new(StatusCode::UNAUTHORIZED, "NO_API_KEY", "No API key found in request")
                .with_hint("No `apikey` request header or url param was found.")
        }
        Denied::UnknownApiKey | Denied::Unclear(Unclear::ApiKeys) => {
            Refusal::new(StatusCode::UNAUTHORIZED, "INVALID_API_KEY", "Invalid API key")
                .with_hint("Double check your Supabase `anon` or `service_role` API key.")
        }
        Denied::Unclear(Unclear::Authorization) => challenge(Refusal::new(
            StatusCode::UNAUTHORIZED,
            "PGRST301",
            "Expected one Authorization header of the form Bearer {token}",
        )),
        Denied::Token(TokenError { reason: Reason::TooLong, .. }) => too_long(),
        Denied::Token(TokenError { reason, .. }) => {
            let code = if reason.is_about_claims() { "PGRST303" } else { "PGRST301" };
            let refusal = match reason {
                Reason::Parts(parts) => Refusal::new(
                    StatusCode::UNAUTHORIZED,
                    code,
                    format!("Expected 3 parts in JWT; got {parts}"),
                ),
                Reason::UnknownKey | Reason::Signature => {
                    Refusal::new(StatusCode::UNAUTHORIZED, code, "No suitable key or wrong key type")
                        .with_details("None of the keys was able to decode the JWT")
                }
                _ => Refusal::new(StatusCode::UNAUTHORIZED, code, postgrest_message(reason)),
            };
            challenge(refusal)
        }
    }
}

fn postgrest_message(reason: Reason) -> &'static str {
    match reason {
        Reason::Empty => "Empty JWT is sent in Authorization header",
        Reason::Algorithm => "Wrong or unsupported encoding algorithm",
        Reason::Expired { .. } => "JWT expired",
        Reason::NotYetValid => "JWT not yet valid",
        Reason::IssuedInFuture => "JWT issued at future",
        Reason::Audience => "JWT not in audience",
        Reason::Issuer => "JWT from another issuer",
        Reason::Role => "JWT role is not allowed",
        Reason::Claim("exp") => "The JWT 'exp' claim must be a number",
        Reason::Claim("nbf") => "The JWT 'nbf' claim must be a number",
        Reason::Claim("iat") => "The JWT 'iat' claim must be a number",
        Reason::Claim("aud") => "The JWT 'aud' claim must be a string or an array of strings",
        Reason::Claim(_) => "Parsing claims failed",
        Reason::Encoding | Reason::Json | Reason::Header(_) => "JWT couldn't be decoded",
        Reason::TooLong | Reason::Parts(_) | Reason::UnknownKey | Reason::Signature => {
            "JWT cryptographic operation failed"
        }
    }
}

/// RFC 6750 §3, as PostgREST fills it in.
fn challenge(refusal: Refusal) -> Refusal {
    let text = format!("Bearer error=\"invalid_token\", error_description=\"{}\"", refusal.message);
    match HeaderValue::try_from(text) {
        Ok(value) => refusal.with_header(WWW_AUTHENTICATE, value),
        Err(_) => refusal,
    }
}

fn too_long() -> Refusal {
    Refusal::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "HEADERS_TOO_LARGE", "The token is too long")
}

/// A refusal of Realtime: 401 with a sentence, whatever it is about.
pub(super) fn realtime_refusal(denied: Denied) -> Refusal {
    let message = match denied {
        Denied::Missing => "Missing API key",
        Denied::UnknownApiKey | Denied::Unclear(Unclear::ApiKeys) => "Invalid API key",
        Denied::Unclear(Unclear::Authorization) => "Expected one Authorization header: Bearer {token}",
        Denied::Token(TokenError { reason: Reason::Expired { .. }, .. }) => "Token has expired",
        Denied::Token(TokenError { reason: Reason::TooLong, .. }) => return too_long(),
        Denied::Token(TokenError { reason, .. }) if reason.is_about_claims() => "Invalid claims in the token",
        Denied::Token(_) => "Invalid token",
    };
    Refusal::new(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", message)
}

/// A refusal in the words of Supabase's functions gateway.
pub(super) fn function_refusal(denied: Denied) -> Refusal {
    const FORMAT: &str = "UNAUTHORIZED_INVALID_JWT_FORMAT";
    let (code, message) = match denied {
        Denied::Missing => ("UNAUTHORIZED_NO_AUTH_HEADER", "Missing authorization header"),
        Denied::UnknownApiKey | Denied::Unclear(Unclear::ApiKeys) => (FORMAT, "Invalid API key"),
        Denied::Unclear(Unclear::Authorization) => (FORMAT, "Auth header is not 'Bearer {token}'"),
        Denied::Token(TokenError { reason: Reason::TooLong, .. }) => return too_long(),
        Denied::Token(TokenError { reason: Reason::Algorithm, algorithm: None }) => {
            ("UNAUTHORIZED_UNSUPPORTED_TOKEN_ALGORITHM", "Unsupported JWT algorithm")
        }
        Denied::Token(TokenError { algorithm: None, .. }) => {
            (FORMAT, "Invalid Token or Protected Header formatting")
        }
        Denied::Token(TokenError { algorithm: Some(Algorithm::Hs256), .. }) => {
            ("UNAUTHORIZED_LEGACY_JWT", "Invalid JWT")
        }
        Denied::Token(TokenError { algorithm: Some(_), .. }) => {
            ("UNAUTHORIZED_ASYMMETRIC_JWT", "Invalid JWT")
        }
    };
    let mut refusal = Refusal::new(StatusCode::UNAUTHORIZED, code, message);
    refusal.repeats_message = true;
    refusal
}
