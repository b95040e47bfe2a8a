//! When a connection last did something: what the idle and write timeouts are measured by.
//!
//! One timer per connection looks at these few words now and then. That is cheaper than a timer per
//! request, and covers what none of hyper's own covers: a client that connects and says nothing, an
//! idle HTTP/2 connection, and a client that stops reading.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use isobase_base::BodyError;

use crate::config::GatewayLimits;

/// Shared by a connection's socket, its requests and its watch.
pub(super) struct Activity {
    began: Instant,
    open_requests: AtomicUsize,
    /// Milliseconds from `began` to the end of the last request or the last write.
    last: AtomicU64,
    /// Milliseconds from `began` since when the peer takes no bytes; 0 when it does.
    blocked_since: AtomicU64,
    /// Whether bytes came that belong to no request yet.
    has_partial_head: AtomicBool,
}

/// What the watch makes of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Look again then.
    Fine { next_look: Instant },
    /// No request is open and none came for long: the end of keep-alive.
    Idle,
    /// The peer began a request and did not finish it, or stopped reading.
    TooSlow,
}

impl Activity {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            began: Instant::now(),
            open_requests: AtomicUsize::new(0),
            last: AtomicU64::new(0),
            blocked_since: AtomicU64::new(0),
            has_partial_head: AtomicBool::new(false),
        })
    }

    fn millis(&self) -> u64 {
        self.began.elapsed().as_millis() as u64
    }

    pub(super) fn begin_request(self: &Arc<Self>) -> OpenRequest {
        self.open_requests.fetch_add(1, Ordering::Relaxed);
        self.has_partial_head.store(false, Ordering::Relaxed);
        OpenRequest(self.clone())
    }

    pub(super) fn has_read(&self) {
        if self.open_requests.load(Ordering::Relaxed) == 0 {
            self.has_partial_head.store(true, Ordering::Relaxed);
        }
    }

    pub(super) fn has_written(&self) {
        self.blocked_since.store(0, Ordering::Relaxed);
        self.last.store(self.millis(), Ordering::Relaxed);
    }

    pub(super) fn is_blocked(&self) {
        if self.blocked_since.load(Ordering::Relaxed) == 0 {
            self.blocked_since.store(self.millis().max(1), Ordering::Relaxed);
        }
    }

    pub(super) fn judge(&self, limits: &GatewayLimits) -> Verdict {
        let now = self.millis();
        let blocked_since = self.blocked_since.load(Ordering::Relaxed);
        let millis_of = |limit: Duration| limit.as_millis() as u64;
        if blocked_since > 0 && now >= blocked_since + millis_of(limits.response_write_timeout) {
            return Verdict::TooSlow;
        }
        let is_idle = self.open_requests.load(Ordering::Relaxed) == 0 && blocked_since == 0;
        let idle_until = self.last.load(Ordering::Relaxed) + millis_of(limits.header_read_timeout);
        if is_idle && now >= idle_until {
            let is_slow = self.has_partial_head.load(Ordering::Relaxed);
            return if is_slow { Verdict::TooSlow } else { Verdict::Idle };
        }
        let soonest = limits.header_read_timeout.min(limits.response_write_timeout);
        let next = if is_idle { idle_until } else { now + millis_of(soonest) };
        Verdict::Fine { next_look: self.began + Duration::from_millis(next) }
    }
}

/// Counts as open until its response is gone.
pub(super) struct OpenRequest(Arc<Activity>);

impl Drop for OpenRequest {
    fn drop(&mut self) {
        self.0.last.store(self.0.millis(), Ordering::Relaxed);
        self.0.open_requests.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A response body that keeps its request open.
pub(super) struct Tracked<B> {
    pub(super) body: B,
    pub(super) _open: OpenRequest,
}

impl<B: http_body::Body<Data = Bytes, Error = BodyError> + Unpin> http_body::Body for Tracked<B> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
