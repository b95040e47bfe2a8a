//! The isolates that a debugger can attach to.

use std::sync::Arc;

use deno_core::InspectorSessionProxy;
use futures::channel::mpsc::UnboundedSender;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{InspectMode, Inspector};

/// One isolate.
pub(crate) struct Target {
    pub(crate) id: String,
    /// The function and its version.
    pub(crate) title: String,
    /// Its main module.
    pub(crate) url: String,
    pub(crate) mode: InspectMode,
    /// Where the isolate takes new sessions from.
    pub(crate) sessions: UnboundedSender<InspectorSessionProxy>,
    /// Cancelled once a debugger says that it is ready; nobody waits for it in [`InspectMode::Run`].
    pub(crate) released: CancellationToken,
    /// The session of the debugger that said so, until its breakpoint is set. Held no longer: a session lasts as
    /// long as anybody holds it, and what it has paused stays paused.
    pub(super) releaser: Mutex<Option<UnboundedSender<String>>>,
}

impl Target {
    pub(crate) fn new(
        title: String,
        url: String,
        mode: InspectMode,
        sessions: UnboundedSender<InspectorSessionProxy>,
    ) -> Self {
        // Nobody guesses it: a page that gets past the other checks still does not know where to connect.
        let id = Uuid::new_v4().to_string();
        let (released, releaser) = Default::default();
        Self { id, title, url, mode, sessions, released, releaser }
    }

    /// Whether its code still waits for a debugger.
    pub(super) fn is_held(&self) -> bool {
        self.mode != InspectMode::Run && !self.released.is_cancelled()
    }

    /// Lets its code run, now that `session` is ready.
    pub(super) fn release(&self, session: UnboundedSender<String>) {
        if self.mode == InspectMode::Break {
            *self.releaser.lock() = Some(session);
        }
        self.released.cancel();
    }
}

/// In the order in which they came.
#[derive(Default)]
pub(super) struct Targets(Vec<Arc<Target>>);

impl Targets {
    pub(super) fn add(&mut self, target: Arc<Target>) {
        self.0.push(target);
    }

    pub(super) fn all(&self) -> Vec<Arc<Target>> {
        self.0.clone()
    }

    pub(super) fn find(&self, id: &str) -> Option<Arc<Target>> {
        self.0.iter().find(|target| target.id == id).cloned()
    }

    fn remove(&mut self, id: &str) {
        self.0.retain(|target| target.id != id);
    }
}

/// An isolate's place on the list. Dropped when the isolate ends.
pub(crate) struct Registration {
    pub(super) inspector: Inspector,
    pub(super) target: Arc<Target>,
}

impl Registration {
    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    pub(crate) fn stopping(&self) -> &CancellationToken {
        self.inspector.stopping()
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.inspector.shared.targets.lock().remove(&self.target.id);
    }
}
