//! The life of a process behind its sandbox: orders from the host, reports to it.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use isobase_base::limits::{PROCESS_MESSAGE_BYTES_MAX, PROCESS_REPORT_INTERVAL};
use isobase_base::observe::{FunctionObserver, Observer};
use isobase_base::task::{self, TaskKind};
use isobase_base::{Failure, FailureKind};
use isobase_engine::{Engine, Function, Retirement, Worker};
use tokio::net::unix::OwnedWriteHalf;
use tokio::sync::mpsc;

use super::requests::{self, Desk};
use super::resolver::HostResolver;
use crate::descriptors::{self, Purpose};
use crate::wire::{self, Order, Report, SentFailure, State};

/// How often a process that was told to end looks whether its isolate has.
const END_INTERVAL: Duration = Duration::from_millis(5);
/// Reports without news until they become rare.
const QUIET_REPORTS_MAX: u32 = 20;
const QUIET_INTERVAL: Duration = Duration::from_secs(1);
/// A change of memory that is no news, in bytes.
const MEMORY_STEP: u64 = 256 * 1024;

pub(super) struct Life {
    pub(super) engine: Arc<dyn Engine>,
    pub(super) observer: Observer,
    pub(super) resolver: Arc<HostResolver>,
    pub(super) streams: UnixStream,
    pub(super) reports: mpsc::UnboundedSender<Report>,
}

impl Life {
    /// Until the host has no further use for it, or is gone.
    pub(super) async fn live(
        self,
        control: tokio::net::UnixStream,
        to_send: mpsc::UnboundedReceiver<Report>,
        listener: OwnedFd,
    ) -> io::Result<()> {
        let (mut orders, control) = control.into_split();
        let (take, mut inbox) = mpsc::unbounded_channel();
        let number = std::os::fd::AsRawFd::as_raw_fd(&listener);
        self.report(Report::Ready { listener: number });
        send_reports(control, to_send);
        let first = wire::receive::<Order>(&mut orders, PROCESS_MESSAGE_BYTES_MAX).await?;
        // The host has taken its copy. Whoever had this one could let itself connect anywhere.
        drop(listener);
        let Some(Order::Run(function)) = first else { return Ok(()) };
        let desk = Arc::new(Desk::default());
        let function = function.function();
        // Orders come meanwhile: answers to look-ups, or the end.
        self.boot(function, Arc::clone(&desk));
        task::spawn(TaskKind::Request, "orders", async move {
            // What cannot be read is no better than the end.
            while let Ok(Some(order)) = wire::receive::<Order>(&mut orders, PROCESS_MESSAGE_BYTES_MAX).await {
                if take.send(order).is_err() {
                    return;
                }
            }
        });
        self.obey(&mut inbox, &desk).await;
        Ok(())
    }

    fn report(&self, report: Report) {
        // Without a host there is nobody to tell.
        let _ = self.reports.send(report);
    }

    fn boot(&self, function: Function, desk: Arc<Desk>) {
        let (engine, reports) = (Arc::clone(&self.engine), self.reports.clone());
        let observer = self.observer.function(&function.target);
        let streams = self.streams.try_clone();
        task::spawn(TaskKind::Request, "boot", async move {
            let booted = match (engine.boot(Arc::new(function)).await, streams) {
                (Ok(worker), Ok(streams)) => {
                    desk.open(worker);
                    listen(streams, Arc::clone(&desk));
                    tell_state(desk, observer, reports.clone());
                    Ok(())
                }
                (Err(failure), _) => Err(SentFailure::new(failure)),
                (Ok(_), Err(error)) => {
                    Err(SentFailure::new(Failure::new(FailureKind::Host, error.to_string())))
                }
            };
            // Without a host there is nobody to tell.
            let _ = reports.send(Report::Booted(booted));
        });
    }

    async fn obey(&self, inbox: &mut mpsc::UnboundedReceiver<Order>, desk: &Desk) {
        let mut is_released = false;
        loop {
            let order = tokio::select! {
                order = inbox.recv() => order,
                () = tokio::time::sleep(END_INTERVAL), if is_released => {
                    if self.engine.workers_alive() == 0 {
                        return;
                    }
                    continue;
                }
            };
            match order {
                Some(Order::Retire(reason)) => {
                    if let (Some(worker), Some(reason)) = (desk.worker(), Retirement::numbered(reason)) {
                        worker.retire(reason);
                    }
                }
                Some(Order::Release) => {
                    desk.close();
                    is_released = true;
                }
                Some(Order::Resolved { id, found }) => self.resolver.resolved(id, found),
                // There is one function for each process.
                Some(Order::Run(_)) | None => return,
            }
        }
    }
}

fn send_reports(mut control: OwnedWriteHalf, mut reports: mpsc::UnboundedReceiver<Report>) {
    task::spawn(TaskKind::Request, "reports", async move {
        while let Some(report) = reports.recv().await {
            if wire::send(&mut control, &report).await.is_err() {
                return;
            }
        }
    });
}

/// Takes in what the host sends requests over.
fn listen(streams: UnixStream, desk: Arc<Desk>) {
    let (arrivals, mut arrived) = mpsc::unbounded_channel();
    let receiving = move || {
        while let Ok(Some((Purpose::Requests, descriptor))) = descriptors::receive(streams.as_fd()) {
            if arrivals.send(descriptor).is_err() {
                return;
            }
        }
    };
    let thread = std::thread::Builder::new().name("streams".to_owned()).spawn(receiving);
    task::spawn(TaskKind::Request, "streams", async move {
        // Without it the host's requests would wait for ever.
        let _thread = thread.expect("a thread can be had");
        while let Some(descriptor) = arrived.recv().await {
            if let Ok(stream) = tokio::net::UnixStream::from_std(UnixStream::from(descriptor)) {
                requests::serve(stream, Arc::clone(&desk));
            }
        }
    });
}

/// Tells what the pool asks of a worker, whenever it has changed.
fn tell_state(desk: Arc<Desk>, observer: FunctionObserver, reports: mpsc::UnboundedSender<Report>) {
    task::spawn(TaskKind::Request, "state", async move {
        let (mut told, mut quiet) = (State::default(), 0);
        while let Some(worker) = desk.worker() {
            let state = state(&*worker, &observer);
            drop(worker);
            if is_news(&state, &told) {
                (told, quiet) = (state, 0);
                if reports.send(Report::State(state)).is_err() {
                    return;
                }
            }
            quiet += 1;
            if quiet < QUIET_REPORTS_MAX {
                tokio::time::sleep(PROCESS_REPORT_INTERVAL).await;
            } else {
                // Over time, or by the next request.
                let _ = tokio::time::timeout(QUIET_INTERVAL, desk.activity.notified()).await;
            }
        }
    });
}

fn state(worker: &dyn Worker, observer: &FunctionObserver) -> State {
    State {
        retirement: worker.retirement().map(Retirement::number),
        memory_bytes: worker.memory_bytes(),
        queue_delay_micros: u32::try_from(worker.queue_delay().as_micros()).unwrap_or(u32::MAX),
        cpu_nanos: u64::try_from(observer.figures().cpu.as_nanos()).unwrap_or(u64::MAX),
    }
}

fn is_news(state: &State, told: &State) -> bool {
    state.retirement != told.retirement
        || state.memory_bytes.abs_diff(told.memory_bytes) > MEMORY_STEP
        || state.queue_delay_micros != told.queue_delay_micros
        || state.cpu_nanos != told.cpu_nanos
}
