//! Who a request acts as. A host API opens every session *as a principal*; a guest never sees
//! how the principal proved itself.

use std::fmt;
use std::sync::{Arc, LazyLock};

use serde_json::{Map, Value};

/// A Postgres role that a request may switch to.
///
/// A value of this type has passed the operator's allow-list: no other string reaches `SET ROLE`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Role(Arc<str>);

/// A role that is not on the allow-list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("role {0:?} may not be used by a request")]
pub struct InvalidRole(String);

impl Role {
    pub const ANON: &'static str = "anon";
    pub const AUTHENTICATED: &'static str = "authenticated";
    pub const SERVICE: &'static str = "service_role";

    /// Accepts the three API roles and those in `also_allowed`.
    pub fn parse(name: &str, also_allowed: &[String]) -> Result<Self, InvalidRole> {
        let known = [Self::ANON, Self::AUTHENTICATED, Self::SERVICE].contains(&name);
        if known || also_allowed.iter().any(|allowed| allowed == name) {
            Ok(Self(name.into()))
        } else {
            Err(InvalidRole(name.chars().take(64).collect()))
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Role({})", self.0)
    }
}

/// A caller whose key or token was verified: the role to act as and the claims that row level
/// security reads. Cheap to clone; made once per verified token and cached with it.
#[derive(Clone, Debug)]
pub struct Principal {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    role: Role,
    claims: Map<String, Value>,
    claims_json: String,
}

static ANON: LazyLock<Principal> = LazyLock::new(|| Principal::of_role(Role::ANON));
static SERVICE: LazyLock<Principal> = LazyLock::new(|| Principal::of_role(Role::SERVICE));

impl Principal {
    /// `claims` is the token's payload. Its `role` member is set to `role`, as PostgREST does, so
    /// that `auth.role()` and the session's role never disagree.
    pub fn new(role: Role, mut claims: Map<String, Value>) -> Self {
        claims.insert("role".into(), Value::String(role.as_str().into()));
        let claims_json = Value::Object(claims.clone()).to_string();
        Self { inner: Arc::new(Inner { role, claims, claims_json }) }
    }

    /// The caller without a token: role `anon`.
    pub fn anon() -> Self {
        ANON.clone()
    }

    /// The caller with the service key: role `service_role`, which bypasses row level security.
    pub fn service() -> Self {
        SERVICE.clone()
    }

    pub fn role(&self) -> &Role {
        &self.inner.role
    }

    pub fn claims(&self) -> &Map<String, Value> {
        &self.inner.claims
    }

    /// The claims as JSON text, serialised once: the value of `request.jwt.claims`.
    pub fn claims_json(&self) -> &str {
        &self.inner.claims_json
    }

    /// The `sub` claim: the user's id, when the caller is a user.
    pub fn subject(&self) -> Option<&str> {
        self.inner.claims.get("sub").and_then(Value::as_str)
    }

    fn of_role(name: &str) -> Self {
        Self::new(Role(name.into()), Map::new())
    }
}

#[cfg(test)]
mod tests {
    use super::{Principal, Role};

    #[test]
    fn only_listed_roles_pass() {
        assert!(Role::parse("authenticated", &[]).is_ok());
        assert!(Role::parse("web_editor", &["web_editor".into()]).is_ok());
        for bad in ["postgres", "supabase_admin", "authenticator", "anon\0", "\"anon\"", ""] {
            assert!(Role::parse(bad, &[]).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_role_claim_always_equals_the_role() {
        let claims = serde_json::from_str(r#"{"sub":"u","role":"service_role"}"#).unwrap();
        let principal = Principal::new(Role::parse("anon", &[]).unwrap(), claims);
        assert_eq!(principal.claims_json(), r#"{"sub":"u","role":"anon"}"#);
        assert_eq!(principal.subject(), Some("u"));
    }
}
