//! What a process says, taken in.

use std::sync::Arc;
use std::time::{Duration, Instant};

use isobase_base::limits::{GUEST_LOG_LINE_BYTES_MAX, GUEST_LOG_LINES_PER_10S_MAX, PROCESS_ANSWER_BYTES_MAX};
use isobase_base::observe::{FunctionObserver, GuestLevel};
use isobase_base::task::{self, TaskKind};
use isobase_base::{Failure, RequestId};
use isobase_engine::Retirement;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use super::names::Names;
use super::worker::Shared;
use crate::wire::{self, Order, Report, State};

/// An order on its way, with the room that it takes until it is written.
pub(super) struct Sent {
    order: Order,
    _room: Option<OwnedSemaphorePermit>,
}

impl From<Order> for Sent {
    fn from(order: Order) -> Self {
        Self { order, _room: None }
    }
}

/// Sends orders, until there is nobody to give any.
pub(super) fn send_orders(mut control: OwnedWriteHalf, mut orders: mpsc::UnboundedReceiver<Sent>) {
    task::spawn(TaskKind::Request, "orders to a process", async move {
        while let Some(sent) = orders.recv().await {
            if wire::send(&mut control, &sent.order).await.is_err() {
                return;
            }
        }
    });
}

/// Takes reports in until the process has ended.
pub(super) struct Reports {
    pub(super) shared: Arc<Shared>,
    pub(super) names: Arc<Names>,
    pub(super) orders: mpsc::WeakUnboundedSender<Sent>,
    pub(super) log: Log,
    pub(super) booted: Option<oneshot::Sender<Result<(), Failure>>>,
    pub(super) cpu_nanos: u64,
}

impl Reports {
    pub(super) fn take_in(mut self, mut control: OwnedReadHalf) {
        task::spawn(TaskKind::Request, "reports of a process", async move {
            // What cannot be read is no better than the end.
            while let Ok(Some(report)) = wire::receive(&mut control, PROCESS_ANSWER_BYTES_MAX).await {
                if self.take(report).is_none() {
                    tracing::warn!(function = self.shared.name(), "the process of a function asks too much");
                    break;
                }
            }
            // What is left in the channel of the boot says that there was no answer.
            drop(self.booted.take());
            self.shared.has_ended().await;
        });
    }

    /// `None`: nothing more is taken in.
    fn take(&mut self, report: Report) -> Option<()> {
        match report {
            // Once, and then the process had no function.
            Report::Ready { .. } => {}
            Report::Booted(outcome) => {
                if let Some(booted) = self.booted.take() {
                    // Whoever waited may have given up; then the process is being ended.
                    let _ = booted.send(outcome.map_err(wire::SentFailure::failure));
                }
            }
            Report::Line { version, request_id, level, message } => {
                self.log.write(version, request_id, level, &message);
            }
            Report::State(state) => self.note(state),
            Report::Resolve { id, name } => {
                let room = self.names.room()?;
                let (names, orders) = (Arc::clone(&self.names), self.orders.clone());
                task::spawn(TaskKind::Request, "name for a process", async move {
                    let found = names.resolve(&name).await;
                    if let Some(orders) = orders.upgrade() {
                        // It may have ended meanwhile.
                        let _ = orders.send(Sent { order: Order::Resolved { id, found }, _room: Some(room) });
                    }
                });
            }
        }
        Some(())
    }

    fn note(&mut self, state: State) {
        // A figure that goes back is no figure.
        let used = state.cpu_nanos.saturating_sub(self.cpu_nanos);
        self.cpu_nanos = self.cpu_nanos.max(state.cpu_nanos);
        self.log.observer.cpu(Duration::from_nanos(used));
        self.shared.note(state.memory_bytes, Duration::from_micros(state.queue_delay_micros.into()));
        if let Some(reason) = state.retirement.and_then(Retirement::numbered) {
            self.shared.is_leaving(reason);
        }
    }
}

/// The function's log, under the bounds that hold for every function: the process's own may be broken.
pub(super) struct Log {
    pub(super) observer: FunctionObserver,
    version: u64,
    began: Instant,
    lines: u32,
    dropped: u64,
}

const WINDOW: Duration = Duration::from_secs(10);
/// A process that keeps the bound may say of each period that lines are gone, and its clock is not this one's.
const LINES_MAX: u32 = 2 * GUEST_LOG_LINES_PER_10S_MAX;

impl Log {
    pub(super) fn new(observer: FunctionObserver, version: u64) -> Self {
        Self { observer, version, began: Instant::now(), lines: 0, dropped: 0 }
    }

    fn write(&mut self, version: Option<u64>, request_id: Option<[u8; 16]>, level: u8, message: &str) {
        if self.began.elapsed() >= WINDOW {
            self.tell_dropped();
            (self.began, self.lines) = (Instant::now(), 0);
        }
        self.lines += 1;
        if self.lines > LINES_MAX {
            self.dropped += 1;
            return;
        }
        if version.is_none() {
            let lines = message.split(' ').next().and_then(|count| count.parse().ok());
            return self.observer.lines_dropped(lines.unwrap_or(1));
        }
        let request_id = request_id.map(|bytes| RequestId::from(uuid::Uuid::from_bytes(bytes)));
        let level = GuestLevel::ALL.get(usize::from(level)).copied().unwrap_or(GuestLevel::Error);
        let message = &message[..message.floor_char_boundary(GUEST_LOG_LINE_BYTES_MAX)];
        self.observer.line(self.version, request_id, level, message);
    }

    fn tell_dropped(&mut self) {
        let lines = std::mem::take(&mut self.dropped);
        if lines > 0 {
            self.observer.lines_dropped(lines);
        }
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.tell_dropped();
    }
}

/// The label of the worker's end in the log.
pub(super) fn is_own_end(reason: Option<Retirement>) -> bool {
    !matches!(reason, None | Some(Retirement::Crashed))
}
