//! The Management API: what `supabase functions deploy` and `isobase functions …` speak.
//!
//! Supabase's paths below `/v1/projects`, with the members and statuses their CLI reads, and a few of
//! our own for versions, rollback and traffic. It is a [`Service`] and no function: it must answer when
//! no function boots, because it is what repairs that.
//!
//! Callers prove themselves with a personal access token. In the order of a request: `lib.rs` checks the
//! token, `surface.rs` finds what the path means, `functions.rs`, `deploy.rs` and `secrets.rs` act and answer;
//! `upload/` reads what clients send.
//!
//! ```no_run
//! # fn example(releases: isobase_deploy::Releases, secrets: isobase_secrets::SecretStore) {
//! use isobase_management::{Management, ManagementConfig};
//!
//! let config = ManagementConfig {
//!     access_token: "sbp_0102030405060708090a0b0c0d0e0f1011121314".into(),
//!     project_ref: "abcdefghijklmnopqrst".into(),
//!     project_name: "todo".into(),
//! };
//! let _service = Management::new(config, releases, secrets);
//! # }
//! ```

mod answer;
mod deploy;
mod functions;
mod secrets;
mod surface;
mod upload;

use futures::future::BoxFuture;
use http::header::AUTHORIZATION;
use http::{HeaderMap, Request, Response};
use isobase_base::{Body, Context, Failure, Service};
use isobase_deploy::Releases;
use isobase_secrets::SecretStore;
use subtle::ConstantTimeEq;

use crate::answer::Refusal;

/// The Management API of one project.
pub struct Management {
    config: ManagementConfig,
    releases: Releases,
    secrets: SecretStore,
}

/// Who may manage which project.
#[derive(Clone)]
pub struct ManagementConfig {
    /// `sbp_` and 40 hex digits, the form that Supabase's CLI accepts.
    pub access_token: String,
    /// Twenty lower case letters, the form that Supabase's CLI accepts.
    pub project_ref: String,
    pub project_name: String,
}

impl Management {
    pub fn new(config: ManagementConfig, releases: Releases, secrets: SecretStore) -> Self {
        Self { config, releases, secrets }
    }

    fn check_token(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let bearer = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = bearer.and_then(|bearer| bearer.split_once(' ')).map(|(_, token)| token.trim());
        let token = token.ok_or_else(|| Refusal::unauthorized("Missing access token"))?;
        let is_ours: bool = token.as_bytes().ct_eq(self.config.access_token.as_bytes()).into();
        if is_ours { Ok(()) } else { Err(Refusal::unauthorized("Invalid access token")) }
    }
}

impl Service for Management {
    fn serve(
        &self,
        request: Request<Body>,
        _context: Context,
    ) -> BoxFuture<'_, Result<Response<Body>, Failure>> {
        Box::pin(async move {
            let answer = match self.check_token(request.headers()) {
                Ok(()) => self.answer(request).await,
                Err(refusal) => Err(refusal),
            };
            Ok(answer.unwrap_or_else(Refusal::into_response))
        })
    }
}
