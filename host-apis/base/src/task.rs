//! Background tasks with a name. A naked `tokio::spawn` is refused by lint: a task that dies
//! unseen is a feature that stops working unseen.

use std::future::Future;

use tokio::task::JoinHandle;
use tracing::Instrument;

/// What a task's end means for the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskKind {
    /// Serves one connection or request; its end, and even its panic, concerns nobody else.
    Request,
    /// Runs as long as the host does; ending early is an error a person must see.
    Service,
}

/// Spawns `future` on the current runtime under a span called `name`. A panic is logged, never
/// lost; aborting the handle is a normal end.
#[allow(clippy::disallowed_methods, reason = "the one place that spawns")]
pub fn spawn<F>(kind: TaskKind, name: &'static str, future: F) -> JoinHandle<()>
where
    F: Future<Output = ()> + Send + 'static,
{
    let guarded = async move {
        let guard = EndGuard { kind, name, ended: false };
        future.await;
        guard.ended_by_itself();
    };
    match kind {
        TaskKind::Request => tokio::spawn(guarded),
        TaskKind::Service => tokio::spawn(guarded.instrument(tracing::info_span!("task", name))),
    }
}

/// Notices the end of a task: by itself, by panic, or by abort (which is silent).
struct EndGuard {
    kind: TaskKind,
    name: &'static str,
    ended: bool,
}

impl EndGuard {
    fn ended_by_itself(mut self) {
        self.ended = true;
        if self.kind == TaskKind::Service {
            tracing::debug!(task = self.name, "service task ended");
        }
    }
}

impl Drop for EndGuard {
    fn drop(&mut self) {
        if !self.ended && std::thread::panicking() {
            tracing::error!(task = self.name, kind = ?self.kind, "a background task panicked; restart the host if the feature it serves has stopped");
        }
    }
}
