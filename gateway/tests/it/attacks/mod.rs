//! The known ways to forge, bend or smuggle a credential, one table.
//!
//! Numbered by group as in the project's threat list. Left out, because they need sessions, users
//! or a socket that outlives its token, which the auth and realtime surfaces will bring: 34 (ended
//! session, banned user), 35 second half (an `id_token`'s audience is covered by 30, its `typ` by
//! 12), 36 (OAuth client tokens on user routes), 37 (assurance levels), 48 (in `cors`), 49 (sockets),
//! 50 (logs hold no header, query or body by construction: see `Observation`).

mod algorithms;
mod claims;
mod encodings;
mod neighbours;
mod requests;
mod signatures;
mod spellings;
mod weak_keys;

use jsonwebtoken::Algorithm;
use serde_json::json;

use crate::harness::TestGateway;
use crate::keyring::{self, api_key, ec, user, user_but, user_by};

/// Which project a request goes to.
#[derive(Clone, Copy, Debug)]
enum Project {
    /// Shared secret and asymmetric keys.
    Usual,
    AsymmetricOnly,
    /// With rules for audience and issuer.
    Strict,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Refused(u16),
    /// Let in, as this role.
    Role(&'static str),
}

struct Attack {
    group: u8,
    what: String,
    project: Project,
    target: &'static str,
    headers: Vec<String>,
    expected: Outcome,
}

/// A request to the data API with this token; refused with 401 unless said otherwise.
fn token(group: u8, what: &str, token: impl AsRef<str>) -> Attack {
    Attack {
        group,
        what: what.into(),
        project: Project::Usual,
        target: "GET /rest/v1/t",
        headers: vec![format!("Authorization: Bearer {}", token.as_ref())],
        expected: Outcome::Refused(401),
    }
}

/// A request to the data API with these headers.
fn headers(group: u8, what: &str, headers: &[String]) -> Attack {
    Attack { headers: headers.to_vec(), ..token(group, what, "") }
}

impl Attack {
    fn on(self, project: Project) -> Self {
        Self { project, ..self }
    }

    fn to(self, target: &'static str) -> Self {
        Self { target, ..self }
    }

    fn gets(self, status: u16) -> Self {
        Self { expected: Outcome::Refused(status), ..self }
    }

    fn is(self, role: &'static str) -> Self {
        Self { expected: Outcome::Role(role), ..self }
    }
}

/// Proof that the table does not pass because everything is refused.
fn honest() -> Vec<Attack> {
    vec![
        token(0, "a user by secret", user()).is("authenticated"),
        token(0, "a user by ES256", user_by(&ec(), Algorithm::ES256, "ec")).is("authenticated"),
        token(0, "a user by ES256 where no secret is", user_by(&ec(), Algorithm::ES256, "ec"))
            .on(Project::AsymmetricOnly)
            .is("authenticated"),
        token(0, "a user of this audience and issuer", user()).on(Project::Strict).is("authenticated"),
        token(0, "a role the operator allows", user_but(json!({ "role": "web_editor" })))
            .on(Project::Strict)
            .is("web_editor"),
        token(0, "the anon key", api_key("anon")).is("anon"),
        token(0, "the service key", api_key("service_role")).is("service_role"),
        token(0, "the service key has no audience", api_key("service_role"))
            .on(Project::Strict)
            .is("service_role"),
    ]
}

#[tokio::test]
async fn forged_and_bent_credentials_are_refused() {
    let usual = TestGateway::start().await;
    let asymmetric = TestGateway::with(|config| config.keys = keyring::asymmetric_only()).await;
    let strict = TestGateway::with(|config| config.keys = keyring::strict()).await;
    let groups = [
        honest(),
        algorithms::algorithms(),
        algorithms::key_ids(),
        signatures::signatures(),
        encodings::encodings(),
        claims::claims(),
        claims::names(),
        requests::requests(),
    ];
    let table: Vec<Attack> = groups.into_iter().flatten().collect();
    let mut wrong = Vec::new();
    for attack in &table {
        let gateway = match attack.project {
            Project::Usual => &usual,
            Project::AsymmetricOnly => &asymmetric,
            Project::Strict => &strict,
        };
        let before = gateway.invoked();
        let lines: Vec<&str> = attack.headers.iter().map(String::as_str).collect();
        let reply = gateway.send(attack.target, &lines).await;
        let outcome = match reply.status {
            200 => match reply.json()["role"].as_str() {
                Some(role) if attack.expected == Outcome::Role(leak(role)) => attack.expected,
                role => Outcome::Role(leak(role.unwrap_or("none"))),
            },
            status => Outcome::Refused(status),
        };
        let was_invoked = gateway.invoked() > before;
        if outcome != attack.expected || was_invoked != matches!(outcome, Outcome::Role(_)) {
            wrong.push(format!(
                "({}) {}: {outcome:?}, not {:?}; {}",
                attack.group,
                attack.what,
                attack.expected,
                reply.text()
            ));
        }
    }
    assert!(table.len() > 200, "the table has shrunk to {}", table.len());
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), table.len(), wrong.join("\n"));
}

/// A role seen in a reply, as a constant for comparison; there are only a handful.
fn leak(role: &str) -> &'static str {
    ["anon", "authenticated", "service_role", "web_editor"]
        .into_iter()
        .find(|known| *known == role)
        .unwrap_or("other")
}
