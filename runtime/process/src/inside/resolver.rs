//! Names are looked up by the host.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use futures::FutureExt as _;
use isobase_http::{Resolve, Resolving};
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

use crate::wire::Report;

type Found = Result<Vec<IpAddr>, String>;

pub(super) struct HostResolver {
    reports: mpsc::UnboundedSender<Report>,
    waiting: Arc<Mutex<HashMap<u32, oneshot::Sender<Found>>>>,
    next_id: AtomicU32,
}

impl HostResolver {
    pub(super) fn new(reports: mpsc::UnboundedSender<Report>) -> Arc<Self> {
        Arc::new(Self { reports, waiting: Arc::default(), next_id: AtomicU32::default() })
    }

    /// The host's answer to question `id`.
    pub(super) fn resolved(&self, id: u32, found: Found) {
        if let Some(waiting) = self.waiting.lock().remove(&id) {
            // Whoever asked may have given up.
            let _ = waiting.send(found);
        }
    }
}

impl Resolve for HostResolver {
    fn resolve(&self, name: &str) -> Resolving {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let (reply, found) = oneshot::channel();
        self.waiting.lock().insert(id, reply);
        let asked = self.reports.send(Report::Resolve { id, name: name.to_owned() });
        let forget = Forget { id, waiting: Arc::clone(&self.waiting) };
        async move {
            let _forget = forget;
            asked.map_err(|_| io::ErrorKind::BrokenPipe)?;
            found.await.map_err(|_| io::ErrorKind::BrokenPipe)?.map_err(io::Error::other)
        }
        .boxed()
    }
}

/// Nobody waits for the answer any more.
struct Forget {
    id: u32,
    waiting: Arc<Mutex<HashMap<u32, oneshot::Sender<Found>>>>,
}

impl Drop for Forget {
    fn drop(&mut self) {
        self.waiting.lock().remove(&self.id);
    }
}

impl fmt::Debug for HostResolver {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("HostResolver")
    }
}
