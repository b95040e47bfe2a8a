//! The debugger's door: the Chrome DevTools protocol for functions, on a port of its own.
//!
//! V8 speaks the protocol itself. What is here carries it: a list of isolates over HTTP, as Chrome and
//! editors ask Node for it (`server.rs`, `listing.rs`), and a WebSocket for each debugger, whose messages go
//! to the isolate's own thread and back (`session.rs`). A paused isolate parks its thread there and takes
//! messages until it goes on. Scripts get their source maps appended, so that a debugger shows TypeScript
//! (`sources.rs`).
//!
//! Whoever reaches the port runs code as the function, so it is never open unless asked for, and refuses
//! what a web page could send (`guard.rs`). Without an [`Inspector`] no isolate has any of this.

mod guard;
mod listing;
mod server;
mod session;
mod sources;
mod targets;

use std::sync::Arc;

use isobase_base::task::{self, TaskKind};
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use sources::SourceFolders;

pub(crate) use sources::with_source_map;
use targets::Targets;
pub(crate) use targets::{Registration, Target};

/// Whether a function waits for its debugger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InspectMode {
    /// It runs; a debugger may come at any time.
    Run,
    /// It waits for a debugger before any of its code runs, and pauses at the first statement of its main module.
    Break,
    /// It waits for a debugger before any of its code runs.
    Wait,
}

/// The open door. Cheap to clone; clones are the same door.
#[derive(Clone)]
pub struct Inspector {
    shared: Arc<Shared>,
}

struct Shared {
    mode: InspectMode,
    folders: SourceFolders,
    targets: Mutex<Targets>,
    stopping: CancellationToken,
}

impl Inspector {
    /// Serves debuggers on `listener` until [`Inspector::close`]. `folders` says where on this machine the
    /// sources lie, for editors. Must be called inside a tokio runtime.
    pub fn serve(listener: TcpListener, mode: InspectMode, folders: SourceFolders) -> Self {
        let (targets, stopping) = Default::default();
        let inspector = Self { shared: Arc::new(Shared { mode, folders, targets, stopping }) };
        task::spawn(TaskKind::Service, "inspector", server::run(inspector.clone(), listener));
        inspector
    }

    /// Sends all debuggers away. What they paused goes on, and what waits for one gives up.
    pub fn close(&self) {
        self.shared.stopping.cancel();
    }

    pub(crate) fn folders(&self) -> &SourceFolders {
        &self.shared.folders
    }

    pub(crate) fn mode(&self) -> InspectMode {
        self.shared.mode
    }

    pub(crate) fn stopping(&self) -> &CancellationToken {
        &self.shared.stopping
    }

    /// Puts an isolate on the list until the registration is dropped.
    pub(crate) fn register(&self, target: Target) -> Registration {
        let target = Arc::new(target);
        self.shared.targets.lock().add(target.clone());
        Registration { inspector: self.clone(), target }
    }

    fn all(&self) -> Vec<Arc<Target>> {
        self.shared.targets.lock().all()
    }

    fn find(&self, id: &str) -> Option<Arc<Target>> {
        self.shared.targets.lock().find(id)
    }
}
