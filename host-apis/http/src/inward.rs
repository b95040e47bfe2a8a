//! Requests of functions to their own project: through the gateway, without a socket.
//!
//! The same checks and bounds hold as for a request from outside; only the way is shorter. Such calls
//! are counted by the trace they belong to, so that functions which call each other in a circle are
//! stopped while they are still few.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use http::header::CONTENT_LENGTH;
use http::{HeaderValue, Request, Response};
use http_body::Body as _;
use isobase_base::limits::{OWN_CALLS_MAX, OWN_CALLS_TRACES_MAX, OWN_CALLS_WINDOW};
use isobase_base::task::{self, TaskKind};
use isobase_base::{Body, TraceContext};
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// Answers a request as the gateway does.
pub type OwnApi = Arc<dyn Fn(Request<Body>) -> BoxFuture<'static, Response<Body>> + Send + Sync>;

/// The way from functions to their own project. Closed until somebody opens it. Clones share it.
#[derive(Clone, Default)]
pub struct Inward {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    entrance: OnceLock<Entrance>,
    budget: Mutex<Budget>,
}

struct Entrance {
    api: OwnApi,
    /// Where requests are worked on: the caller's own runtime may end with the caller.
    runtime: Handle,
}

/// Too many calls within one trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the functions of this project have called each other {OWN_CALLS_MAX} times within {OWN_CALLS_WINDOW:?} for one request"
)]
pub struct OverBudget {
    pub retry_after: Duration,
}

/// The host is going down.
#[derive(Debug, thiserror::Error)]
#[error("the request was given up before there was a response")]
pub struct GivenUp;

impl Inward {
    /// From now on requests reach `api`, worked on by the runtime that this is called on. The first to
    /// open it wins.
    pub fn open(&self, api: OwnApi) {
        let entrance = Entrance { api, runtime: Handle::current() };
        _ = self.shared.entrance.set(entrance);
    }

    pub fn is_open(&self) -> bool {
        self.shared.entrance.get().is_some()
    }

    /// Sends `request`, whose URI is absolute, on behalf of an invocation that belongs to `trace`. Dropping
    /// the future gives the request up.
    ///
    /// # Errors
    /// At once when the trace's calls are used up.
    pub fn send(
        &self,
        trace: Option<&TraceContext>,
        mut request: Request<Body>,
    ) -> Result<impl Future<Output = Result<Response<Body>, GivenUp>> + Send + use<>, OverBudget> {
        let id = trace.map(TraceContext::trace_id_bytes).unwrap_or_default();
        self.shared.budget.lock().take(id, Instant::now())?;
        if let Some(trace) = trace
            && let Ok(value) = HeaderValue::try_from(trace.to_string())
        {
            request.headers_mut().insert("traceparent", value);
        }
        let shared = Arc::clone(&self.shared);
        Ok(async move {
            let Some(entrance) = shared.entrance.get() else { return Err(GivenUp) };
            let (sender, answered) = oneshot::channel();
            let answering = (entrance.api)(request);
            let working = {
                let _runtime = entrance.runtime.enter();
                task::spawn(TaskKind::Request, "call within the project", async move {
                    _ = sender.send(with_length(answering.await));
                })
            };
            let _given_up = AbortOnDrop(working);
            answered.await.map_err(|_| GivenUp)
        })
    }
}

struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// As the server would write it.
fn with_length(mut response: Response<Body>) -> Response<Body> {
    if let Some(length) = response.body().size_hint().exact()
        && !response.headers().contains_key(CONTENT_LENGTH)
    {
        response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    response
}

/// Calls by trace, in windows that all traces share.
struct Budget {
    began: Instant,
    calls: HashMap<[u8; 16], u32>,
}

impl Default for Budget {
    fn default() -> Self {
        Self { began: Instant::now(), calls: HashMap::new() }
    }
}

impl Budget {
    fn take(&mut self, trace: [u8; 16], now: Instant) -> Result<(), OverBudget> {
        let elapsed = now.saturating_duration_since(self.began);
        if elapsed >= OWN_CALLS_WINDOW {
            self.calls.clear();
            self.began = now;
        }
        // Those beyond what is remembered share one count.
        let is_known = self.calls.len() < OWN_CALLS_TRACES_MAX || self.calls.contains_key(&trace);
        let calls = self.calls.entry(if is_known { trace } else { [0; 16] }).or_default();
        if is_known && *calls >= OWN_CALLS_MAX {
            return Err(OverBudget { retry_after: OWN_CALLS_WINDOW.saturating_sub(elapsed) });
        }
        *calls = calls.saturating_add(1);
        Ok(())
    }
}

impl fmt::Debug for Inward {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Inward").field("is_open", &self.is_open()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use isobase_base::limits::{OWN_CALLS_MAX, OWN_CALLS_WINDOW};

    use super::Budget;

    #[test]
    fn a_trace_has_so_many_calls_and_another_one_has_its_own() {
        let (mut budget, began) = (Budget::default(), Instant::now());
        for _ in 0..OWN_CALLS_MAX {
            budget.take([1; 16], began).unwrap();
        }
        let over = budget.take([1; 16], began + Duration::from_secs(20)).unwrap_err();
        assert!(over.retry_after > Duration::from_secs(39) && over.retry_after <= Duration::from_secs(40));
        budget.take([2; 16], began).unwrap();
        budget.take([1; 16], began + OWN_CALLS_WINDOW * 2).unwrap();
    }
}
