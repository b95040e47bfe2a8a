//! The Management API: what `supabase functions deploy` and the commands of `isobase` speak, beside the
//! host and from elsewhere.
//!
//! Supabase's paths below `/v1/projects`, with the members and statuses their CLI reads, and paths of our
//! own beside them: versions, rollback and traffic below `/functions/{slug}`, and `/logs`, `/stats` and
//! `/webhooks`, which are the project's, because `logs` is a good name for a function. It is a [`Service`]
//! and no function: it must answer when no function boots, because it is what repairs that.
//!
//! Callers prove themselves with a personal access token. In the order of a request: `lib.rs` checks the
//! token, `surface.rs` finds what the path means; `functions.rs`, `deploy.rs`, `secrets.rs`, `logs/`, `stats.rs`
//! and `webhooks.rs` act and answer; `upload/` reads what clients send.
//!
//! ```no_run
//! # fn example(rooms: isobase_management::Rooms) {
//! use isobase_management::{Management, ManagementConfig};
//!
//! let config = ManagementConfig {
//!     access_token: "sbp_0102030405060708090a0b0c0d0e0f1011121314".into(),
//!     project_ref: "abcdefghijklmnopqrst".into(),
//!     project_name: "todo".into(),
//! };
//! let _service = Management::new(config, rooms);
//! # }
//! ```

mod answer;
mod deploy;
mod functions;
mod logs;
mod secrets;
mod stats;
mod surface;
mod upload;
mod webhooks;

use std::sync::Arc;

use futures::future::BoxFuture;
use http::header::AUTHORIZATION;
use http::{HeaderMap, Request, Response};
use isobase_base::limits::FUNCTION_LOG_FOLLOWERS_MAX;
use isobase_base::observe::Observer;
use isobase_base::{Body, Context, Failure, Service};
use isobase_deploy::Releases;
use isobase_logs::LogReader;
use isobase_secrets::SecretStore;
use isobase_triggers::inbox::Inbox;
use subtle::ConstantTimeEq;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

use crate::answer::Refusal;

/// The Management API of one project.
pub struct Management {
    config: ManagementConfig,
    rooms: Rooms,
    /// A permit for each who follows the log.
    followers: Arc<Semaphore>,
}

/// What there is to manage.
pub struct Rooms {
    pub releases: Releases,
    pub secrets: SecretStore,
    pub logs: LogReader,
    /// Moves with [`isobase_logs::CHANNEL`].
    pub logs_changed: watch::Receiver<u64>,
    pub inbox: Inbox,
    /// Knows what functions did.
    pub observer: Observer,
    /// Ends responses that would go on for ever.
    pub stopping: CancellationToken,
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
    pub fn new(config: ManagementConfig, rooms: Rooms) -> Self {
        Self { config, rooms, followers: Arc::new(Semaphore::new(FUNCTION_LOG_FOLLOWERS_MAX)) }
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
