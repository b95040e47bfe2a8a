//! Engines boot workers; workers answer requests.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use http::{Request, Response};
use isobase_base::{Body, Context, Failure};

use crate::{Artifact, Function};

/// Turns functions into workers.
pub trait Engine: Send + Sync {
    /// `"v8"` or `"wasm"`: the label in metrics.
    fn name(&self) -> &'static str;

    /// Whether this engine runs `artifact`.
    fn runs(&self, artifact: &Artifact) -> bool;

    /// Loads the function and runs it up to the point where it can take a request. Fails with
    /// [`isobase_base::FailureKind::Boot`] and a detail that names file, line and column where the
    /// fault lies in the guest's code.
    fn boot(&self, function: Arc<Function>) -> BoxFuture<'_, Result<Arc<dyn Worker>, Failure>>;

    /// Whether a person may pause its workers, with a debugger. Then no clock may end their functions, and a
    /// function has one worker at a time, so that what is looked at is what answers.
    fn may_pause(&self) -> bool {
        false
    }

    /// How many workers still run, those included that were retired, and dropped since, and finish what
    /// they have begun: a stopping host waits for them.
    fn workers_alive(&self) -> usize {
        0
    }
}

/// A booted function.
///
/// The pool calls [`Worker::invoke`] at most `limits.concurrency_max` times at once, bounds the
/// wait for the response by the idle timeout and the whole by the wall clock.
pub trait Worker: Send + Sync {
    /// Answers one request. Cancel-safe: dropping the future, or the body of the response, ends
    /// the invocation. The engine enforces memory and CPU and fails with the matching kind, and fills
    /// in the [`crate::Usage`] among the request's extensions.
    fn invoke(
        &self,
        request: Request<Body>,
        context: Context,
    ) -> BoxFuture<'_, Result<Response<Body>, Failure>>;

    /// Why no further request may be sent here; `None` while the worker is well. Requests in
    /// flight may go on where the reason allows it.
    fn retirement(&self) -> Option<Retirement>;

    /// Asks the worker to end once nobody holds it any more and its requests in flight have ended, and
    /// what they left to be done after their responses (`waitUntil`), within the function's limits.
    /// Idempotent. Dropping the last reference to a worker that was not retired ends it at once.
    fn retire(&self, reason: Retirement);

    /// How long requests lately waited in here before the function saw them: another worker would have taken
    /// them sooner. Zero where requests do not share a thread.
    fn queue_delay(&self) -> Duration {
        Duration::ZERO
    }

    /// Memory the worker holds now, in bytes, for figures and for eviction.
    fn memory_bytes(&self) -> u64;
}

/// Why a worker takes no more requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retirement {
    /// A newer version of the function took its place.
    Replaced,
    /// Nobody asked for it for a while.
    Idle,
    /// Nobody asks for it now, and the functions hold more memory than they may together.
    MemoryPressure,
    /// A limit was hit; its state cannot be trusted.
    CpuLimit,
    MemoryLimit,
    WallClockLimit,
    /// It threw where nothing catches, trapped or panicked.
    Crashed,
    /// The host stops.
    Shutdown,
}

impl Retirement {
    /// In the order of their numbers.
    const ALL: [Self; 8] = [
        Self::Replaced,
        Self::Idle,
        Self::MemoryPressure,
        Self::CpuLimit,
        Self::MemoryLimit,
        Self::WallClockLimit,
        Self::Crashed,
        Self::Shutdown,
    ];

    /// What stands for it in an atomic or on a wire between parts of one host; never [`u8::MAX`].
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The one of this [`Retirement::number`].
    pub fn numbered(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// The label in metrics and logs.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Replaced => "replaced",
            Self::Idle => "idle",
            Self::MemoryPressure => "memory_pressure",
            Self::CpuLimit => "cpu",
            Self::MemoryLimit => "memory",
            Self::WallClockLimit => "wall_clock",
            Self::Crashed => "crashed",
            Self::Shutdown => "shutdown",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Retirement;

    #[test]
    fn numbers_name_one_each() {
        for (number, retirement) in (0..).zip(Retirement::ALL) {
            assert_eq!((retirement.number(), Retirement::numbered(number)), (number, Some(retirement)));
        }
        assert_eq!(Retirement::numbered(u8::MAX), None);
    }
}
