//! The pool's end of a process.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::{Request, Response};
use isobase_base::limits::{
    FUNCTION_BOOT_TIMEOUT, PROCESS_END_GRACE, PROCESS_OWN_BYTES_MAX, V8_HEAP_HEADROOM_BYTES,
};
use isobase_base::observe::FunctionObserver;
use isobase_base::task::{self, TaskKind};
use isobase_base::{Body, Context, Failure, FailureKind};
use isobase_engine::{Function, Program, Retirement, Worker};
use isobase_http::Network;
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

use super::connects;
use super::inward;
use super::names::Names;
use super::process::{Prepared, Process};
use super::reports::{Log, Reports, Sent, is_own_end, send_orders};
use super::requests::{Requests, Unanswered};
use crate::wire::{Order, SentFunction};

/// How long the host waits to learn how a process ended that broke off.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A function in its process. Dropping it ends the process: at once, unless it was retired; then when it has
/// finished what it began, within the limits of its function.
pub(super) struct ProcessWorker {
    shared: Arc<Shared>,
    requests: Requests,
    orders: mpsc::UnboundedSender<Sent>,
    /// What a process may need to finish.
    end: Duration,
}

/// What the worker and those who listen to the process share.
pub(super) struct Shared {
    process: Process,
    function: String,
    retirement: Mutex<Option<Retirement>>,
    /// The host has no further use for it.
    is_let_go: AtomicBool,
    memory_bytes: AtomicU64,
    queue_delay_micros: AtomicU64,
}

/// One process among those of an engine, until it has ended.
pub(super) struct Alive(Arc<AtomicUsize>);

impl Alive {
    pub(super) fn among(all: &Arc<AtomicUsize>) -> Self {
        all.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(all))
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl ProcessWorker {
    /// Gives `function` to the process, and waits until it can take requests.
    pub(super) async fn boot(
        prepared: Prepared,
        function: &Function,
        program: &Program,
        network: &Network,
        observer: FunctionObserver,
        alive: Alive,
    ) -> Result<Self, Failure> {
        let Prepared { process, streams, control, inward: inward_stream, listener } = prepared;
        let name = function.target.to_string();
        process.belongs_to(&name);
        let limit = function.limits.memory_bytes_max;
        let bound = limit.saturating_mul(2) + V8_HEAP_HEADROOM_BYTES as u64 + PROCESS_OWN_BYTES_MAX;
        process.bound_memory(bound).map_err(|error| host("its memory could not be bounded", &error))?;
        let policy = network.policy(&function.capabilities.egress);
        let names = Arc::new(Names::new(policy, Arc::clone(network.resolver())));
        answer_connects(&process, listener, &names)?;
        inward::serve(inward_stream, network.inward().clone());
        let mut end = process.end();
        task::spawn(TaskKind::Request, "end of a process", async move {
            let _alive = alive;
            // An error: nobody watches any more.
            let _ = end.wait_for(Option::is_some).await;
        });
        let shared = Arc::new(Shared {
            process,
            function: name,
            retirement: Mutex::default(),
            is_let_go: AtomicBool::default(),
            memory_bytes: AtomicU64::default(),
            queue_delay_micros: AtomicU64::default(),
        });
        let (orders, inbox) = mpsc::unbounded_channel();
        let (control, their_orders) = control.into_split();
        send_orders(their_orders, inbox);
        let (booted, outcome) = oneshot::channel();
        let reports = Reports {
            shared: Arc::clone(&shared),
            names,
            orders: orders.downgrade(),
            log: Log::new(observer, function.version.0),
            booted: Some(booted),
            cpu_nanos: 0,
        };
        reports.take_in(control);
        let end = function.limits.wall_clock_max + PROCESS_END_GRACE;
        let worker = Self { shared, requests: Requests::new(streams), orders, end };
        worker.run(function, program, outcome).await.map(|()| worker)
    }

    async fn run(
        &self,
        function: &Function,
        program: &Program,
        outcome: oneshot::Receiver<Result<(), Failure>>,
    ) -> Result<(), Failure> {
        // Whether it is still there the outcome tells.
        let _ = self.orders.send(Order::Run(Box::new(SentFunction::new(function, program))).into());
        // The engine in there has the same bound, and says more.
        let bound = FUNCTION_BOOT_TIMEOUT + PROCESS_END_GRACE;
        match tokio::time::timeout(bound, outcome).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => {
                let text =
                    format!("its process ended while it loaded the function, {}", self.shared.how().await);
                Err(Failure::new(FailureKind::Boot, text))
            }
            Err(_) => Err(Failure::new(FailureKind::Boot, "its process did not answer")),
        }
    }
}

fn answer_connects(process: &Process, listener: OwnedFd, names: &Arc<Names>) -> Result<(), Failure> {
    let handle = process.handle().map_err(|error| host("its handle could not be copied", &error))?;
    connects::answer(listener, handle, Arc::clone(names))
        .map_err(|error| host("its connections could not be answered", &error))
}

fn host(what: &str, error: &std::io::Error) -> Failure {
    Failure::new(FailureKind::Host, format!("the process of the function cannot be used: {what}: {error}"))
}

impl Shared {
    pub(super) fn note(&self, memory_bytes: u64, queue_delay: Duration) {
        self.memory_bytes.store(memory_bytes, Ordering::Relaxed);
        self.queue_delay_micros.store(queue_delay.as_micros() as u64, Ordering::Relaxed);
    }

    pub(super) fn name(&self) -> &str {
        &self.function
    }

    /// The first reason stays. True for the call that gave it.
    pub(super) fn is_leaving(&self, reason: Retirement) -> bool {
        let mut retirement = self.retirement.lock();
        let is_first = retirement.is_none();
        retirement.get_or_insert(reason);
        is_first
    }

    /// The process says nothing any more.
    pub(super) async fn has_ended(&self) {
        if self.is_let_go.load(Ordering::Acquire) || is_own_end(*self.retirement.lock()) {
            return;
        }
        self.is_leaving(Retirement::Crashed);
        let how = self.how().await;
        // One that has only stopped to speak is of no use either.
        self.process.kill();
        tracing::error!(
            function = self.function,
            how = &*how,
            "the process of a function ended; its requests have failed, and the next one gets another process"
        );
    }

    /// It cannot be trusted any more.
    async fn broke_off(&self, why: &str) -> Failure {
        self.is_leaving(Retirement::Crashed);
        let how = match tokio::time::timeout(LAST_WORDS, self.process.ended()).await {
            Ok(how) => format!("ended {how}"),
            Err(_) => {
                self.process.kill();
                format!("broke off: {why}")
            }
        };
        Failure::new(FailureKind::Crashed, format!("the function's process {how}"))
    }

    async fn how(&self) -> Arc<str> {
        tokio::time::timeout(LAST_WORDS, self.process.ended()).await.unwrap_or_else(|_| "unseen".into())
    }
}

impl Worker for ProcessWorker {
    fn invoke(
        &self,
        request: Request<Body>,
        context: Context,
    ) -> BoxFuture<'_, Result<Response<Body>, Failure>> {
        async move {
            let (answer, outcome) = match self.requests.send(request, &context).await {
                Ok((response, outcome)) => (Ok(response), outcome),
                Err((unanswered, outcome)) => (Err(unanswered), outcome),
            };
            if let Some(reason) = outcome.retirement.and_then(Retirement::numbered) {
                self.shared.is_leaving(reason);
            }
            match answer {
                Ok(response) => Ok(response),
                Err(Unanswered::Failed(failure)) => Err(failure),
                Err(Unanswered::Broken(why)) => Err(self.shared.broke_off(&why).await),
            }
        }
        .boxed()
    }

    fn retirement(&self) -> Option<Retirement> {
        *self.shared.retirement.lock()
    }

    fn retire(&self, reason: Retirement) {
        if self.shared.is_leaving(reason) {
            // It may have ended by itself; then there is nobody to tell.
            let _ = self.orders.send(Order::Retire(reason.number()).into());
        }
    }

    fn queue_delay(&self) -> Duration {
        Duration::from_micros(self.shared.queue_delay_micros.load(Ordering::Relaxed))
    }

    /// Of the whole process, as far as the kernel tells.
    fn memory_bytes(&self) -> u64 {
        let said = self.shared.memory_bytes.load(Ordering::Relaxed);
        self.shared.process.memory_bytes().map_or(said, |held| held.max(said))
    }
}

impl Drop for ProcessWorker {
    fn drop(&mut self) {
        let retired = self.retirement();
        let is_lost = matches!(retired, None | Some(Retirement::Crashed));
        // Outside of a runtime nobody could see to its end.
        let is_alone = tokio::runtime::Handle::try_current().is_err();
        if is_lost || is_alone || self.orders.send(Order::Release.into()).is_err() {
            // Nobody waits for what a script does that runs right now.
            self.is_over();
            return;
        }
        let (shared, orders, end) = (Arc::clone(&self.shared), self.orders.clone(), self.end);
        task::spawn(TaskKind::Request, "leaving process", async move {
            // Names are still looked up for it.
            let _orders = orders;
            if tokio::time::timeout(end, shared.process.ended()).await.is_err() {
                tracing::warn!(
                    function = shared.function,
                    "the process of a function did not end; it is killed"
                );
                shared.process.kill();
            }
        });
    }
}

impl ProcessWorker {
    fn is_over(&self) {
        // What it says from now on is no news.
        self.shared.is_let_go.store(true, Ordering::Release);
        self.shared.process.kill();
    }
}
