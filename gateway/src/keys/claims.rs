//! What a genuine token must say before it becomes a principal (RFC 7519 §4.1, PostgREST's rules
//! for `role`).

use isobase_base::{Principal, Role, limits};
use serde_json::{Map, Value};

use super::KeyConfig;
use super::token_error::Reason;

/// A token that passed: who it speaks for and until when.
#[derive(Clone, Debug)]
pub struct Verified {
    pub principal: Principal,
    /// Seconds since 1970. `None` only for a legacy API key without `exp`.
    pub expires_at: Option<u64>,
    /// Whether the token is a legacy API key (`anon` or `service_role`) rather than a user's token.
    pub is_api_key: bool,
}

/// The rules of one project.
pub(super) struct ClaimRules {
    allowed_roles: Vec<String>,
    audience: Option<String>,
    issuer: Option<String>,
}

/// 9999-12-31. Numbers above are not dates and would overflow sums.
const DATE_MAX: u64 = 253_402_300_799;

/// Issuers of legacy API keys: hosted projects and the CLI's local stack.
const LEGACY_ISSUERS: [&str; 2] = ["supabase", "supabase-demo"];

impl ClaimRules {
    pub(super) fn new(config: &KeyConfig) -> Self {
        Self {
            allowed_roles: config.allowed_roles.clone(),
            audience: config.audience.clone(),
            issuer: config.issuer.clone(),
        }
    }

    /// Checks the claims of a token whose signature was good. `by_secret` says whether it was made
    /// with the project's shared secret, as legacy API keys are; `now` is seconds since 1970.
    pub(super) fn check(
        &self,
        claims: Map<String, Value>,
        by_secret: bool,
        now: u64,
    ) -> Result<Verified, Reason> {
        let is_api_key = by_secret && is_legacy_api_key(&claims);
        let expires_at = check_times(&claims, is_api_key, now)?;
        let audience = check_audience_type(&claims)?;
        if !is_api_key {
            self.check_audience(audience)?;
            self.check_issuer(&claims)?;
        }
        if claims.get("sub").is_some_and(|subject| !subject.is_string()) {
            return Err(Reason::Claim("sub"));
        }
        let role = match claims.get("role") {
            // As PostgREST does: a token that names no role has the anonymous one.
            None => Role::ANON,
            Some(Value::String(name)) => name.as_str(),
            Some(_) => return Err(Reason::Claim("role")),
        };
        let role = Role::parse(role, &self.allowed_roles).map_err(|_| Reason::Role)?;
        Ok(Verified { principal: Principal::new(role, claims), expires_at, is_api_key })
    }

    fn check_audience(&self, audience: Option<&Value>) -> Result<(), Reason> {
        let Some(ours) = &self.audience else { return Ok(()) };
        let listed = match audience {
            Some(Value::String(name)) => name == ours,
            Some(Value::Array(names)) => names.iter().any(|name| name == ours),
            _ => false,
        };
        if listed { Ok(()) } else { Err(Reason::Audience) }
    }

    fn check_issuer(&self, claims: &Map<String, Value>) -> Result<(), Reason> {
        match &self.issuer {
            Some(ours) if claims.get("iss").and_then(Value::as_str) != Some(ours) => Err(Reason::Issuer),
            _ => Ok(()),
        }
    }
}

/// `{iss, ref?, role: anon | service_role, iat, exp}`: exactly what Supabase hands out, and no user.
fn is_legacy_api_key(claims: &Map<String, Value>) -> bool {
    let is_one_of = |name: &str, values: &[&str]| {
        claims.get(name).and_then(Value::as_str).is_some_and(|it| values.contains(&it))
    };
    is_one_of("iss", &LEGACY_ISSUERS)
        && is_one_of("role", &[Role::ANON, Role::SERVICE])
        && !claims.contains_key("sub")
        && !claims.contains_key("aud")
}

fn date(claims: &Map<String, Value>, name: &'static str) -> Result<Option<u64>, Reason> {
    match claims.get(name) {
        None => Ok(None),
        Some(value) => value.as_u64().filter(|date| *date <= DATE_MAX).map(Some).ok_or(Reason::Claim(name)),
    }
}

fn check_times(claims: &Map<String, Value>, is_api_key: bool, now: u64) -> Result<Option<u64>, Reason> {
    let skew = limits::TOKEN_CLOCK_SKEW.as_secs();
    let expires_at = date(claims, "exp")?;
    match expires_at {
        Some(date) if is_over(date, now) => return Err(Reason::Expired { expires_at: date }),
        None if !is_api_key => return Err(Reason::Claim("exp")),
        _ => {}
    }
    if date(claims, "nbf")?.is_some_and(|date| date > now + skew) {
        return Err(Reason::NotYetValid);
    }
    if date(claims, "iat")?.is_some_and(|date| date > now + skew) {
        return Err(Reason::IssuedInFuture);
    }
    Ok(expires_at)
}

/// "On or after" its `exp` a token is dead (RFC 7519 §4.1.4), give or take the clock skew.
pub(super) fn is_over(expires_at: u64, now: u64) -> bool {
    now >= expires_at + limits::TOKEN_CLOCK_SKEW.as_secs()
}

fn check_audience_type(claims: &Map<String, Value>) -> Result<Option<&Value>, Reason> {
    match claims.get("aud") {
        Some(Value::Array(names)) if names.iter().any(|name| !name.is_string()) => Err(Reason::Claim("aud")),
        None | Some(Value::String(_) | Value::Array(_)) => Ok(claims.get("aud")),
        Some(_) => Err(Reason::Claim("aud")),
    }
}
