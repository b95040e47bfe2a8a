//! One invocation: a future that runs the guest, first for the head of the response, then, as its
//! body, for the rest.
//!
//! The guest runs only while the invocation is polled. Whoever drops it, or the response's body,
//! stops the guest and frees its memory at once.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Request, Response, StatusCode};
use http_body::{Body as _, Frame};
use isobase_base::observe::GuestLevel;
use isobase_base::{Body, BodyError, Failure, FailureKind};
use isobase_bind_wasm::HostBody;
use isobase_engine::Usage;
use tokio::sync::oneshot;
use wasmtime_wasi_http::p2::body::HyperOutgoingBody;

use crate::cpu::CpuMeter;
use crate::guest_log::GuestLog;
use crate::instance::{Answer, Instance, Program, no_answer};
use crate::ticker::Ticking;
use crate::worker::Workshop;

/// A guest at work.
pub(crate) struct Invocation {
    call: BoxFuture<'static, Ended>,
    answer: oneshot::Receiver<Answer>,
    meter: Arc<CpuMeter>,
    log: GuestLog,
    usage: Usage,
    workshop: Arc<Workshop>,
    ended: bool,
    _ticking: Ticking,
}

/// What measures one invocation.
struct Instruments {
    meter: Arc<CpuMeter>,
    log: GuestLog,
    usage: Usage,
}

/// The guest has left its handler.
struct Ended {
    result: Result<(), Failure>,
    /// Where it may serve again.
    instance: Option<Instance>,
}

impl Invocation {
    pub(crate) fn begin(
        workshop: Arc<Workshop>,
        request: Request<Body>,
        context: isobase_base::Context,
    ) -> Self {
        let (out, answer) = oneshot::channel();
        let ticking = workshop.program.ticker.run();
        let reused = workshop.take_idle();
        let (meter, log) = match &reused {
            Some(instance) => (Arc::clone(&instance.meter), instance.log.clone()),
            None => workshop.program.instruments(),
        };
        meter.reset(workshop.program.function.limits.cpu_max);
        let usage = request.extensions().get::<Usage>().cloned().unwrap_or_default();
        let instruments = Instruments { meter: Arc::clone(&meter), log: log.clone(), usage: usage.clone() };
        let call = Box::pin(call(Arc::clone(&workshop), reused, request, context, out, instruments));
        Self { call, answer, meter, log, usage, workshop, ended: false, _ticking: ticking }
    }

    /// Runs the guest until it has answered.
    pub(crate) async fn head(mut self) -> Result<Response<Body>, Failure> {
        let (answer, ended) = std::future::poll_fn(|context| {
            let ended = match self.poll_call(context) {
                Poll::Ready(ended) => Some(ended),
                Poll::Pending => None,
            };
            match self.answer.try_recv() {
                Ok(answer) => Poll::Ready((Some(answer), ended)),
                Err(_) if ended.is_some() => Poll::Ready((None, ended)),
                Err(_) => Poll::Pending,
            }
        })
        .await;
        let running = match ended {
            // A guest that fails with its answer still in hand has not answered.
            Some(Err(failure)) => return Err(failure),
            Some(Ok(())) => None,
            None => Some(self),
        };
        let mut response = checked(answer.ok_or_else(no_answer)?)?;
        Ok(match (HostBody::take(&mut response), running) {
            (Some(body), None) => response.map(|_| body),
            (Some(body), running) => response.map(|_| body_of(HostBody::outgoing(body), running)),
            (None, running) => response.map(|body| body_of(body, running)),
        })
    }

    /// Lets the guest run. A panic of the host within a guest's call fails this invocation only.
    fn poll_call(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        self.meter.poll_begins();
        let polled = catch_unwind(AssertUnwindSafe(|| self.call.as_mut().poll(context)));
        let used = self.meter.poll_ends();
        self.usage.set_cpu(self.meter.used());
        self.workshop.program.sink.observer().cpu(used);
        match polled {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(Ended { result, instance })) => {
                // Before the instance, and with it the log, serves somebody else.
                self.ended = true;
                self.log.end();
                if let Some(instance) = instance {
                    self.workshop.give_back(instance);
                }
                Poll::Ready(result)
            }
            Err(_) => Poll::Ready(Err(Failure::new(
                FailureKind::Host,
                "a host function panicked; see the server's log",
            ))),
        }
    }
}

impl Drop for Invocation {
    fn drop(&mut self) {
        if !self.ended {
            self.log.end();
        }
    }
}

/// Shows that the function starts. Bound in CPU like a request.
pub(crate) async fn first_instance(
    program: &Program,
    context: isobase_base::Context,
) -> Result<Instance, Failure> {
    let _ticking = program.ticker.run();
    let (meter, log) = program.instruments();
    let starting = program.instantiate(context, Arc::clone(&meter), log.clone());
    let mut starting = std::pin::pin!(starting);
    let started = std::future::poll_fn(|context| {
        meter.poll_begins();
        let polled = starting.as_mut().poll(context);
        program.sink.observer().cpu(meter.poll_ends());
        polled
    })
    .await;
    log.end();
    started
}

async fn call(
    workshop: Arc<Workshop>,
    reused: Option<Instance>,
    request: Request<Body>,
    context: isobase_base::Context,
    out: oneshot::Sender<Answer>,
    Instruments { meter, log, usage }: Instruments,
) -> Ended {
    let program = &workshop.program;
    let instance = match reused {
        Some(mut instance) => {
            let doors = program.doors(&context);
            instance.begin(context, doors);
            Ok(instance)
        }
        None => {
            log.begin(context.request_id);
            program.instantiate(context, meter, log).await
        }
    };
    match instance {
        Ok(mut instance) => {
            let result = instance.handle(request, out).await;
            usage.set_memory(instance.memory_bytes());
            let keep = result.is_ok() && workshop.keeps_instances() && instance.is_reusable();
            Ended { result, instance: keep.then_some(instance) }
        }
        Err(failure) => Ended { result: Err(failure), instance: None },
    }
}

/// Statuses outside of HTTP's ranges are no answer.
fn checked(answer: Answer) -> Result<Response<HyperOutgoingBody>, Failure> {
    let response = answer.map_err(|code| {
        Failure::new(FailureKind::InvalidResponse, format!("the function answered with the error {code:?}"))
    })?;
    let status = response.status();
    if status == StatusCode::SWITCHING_PROTOCOLS || (200..600).contains(&status.as_u16()) {
        Ok(response)
    } else {
        Err(Failure::new(FailureKind::InvalidResponse, format!("the function answered with status {status}")))
    }
}

/// A body that is complete already leaves the guest's machinery behind.
fn body_of(mut body: HyperOutgoingBody, running: Option<Invocation>) -> Body {
    let mut ahead = VecDeque::new();
    if running.is_none() {
        let mut context = Context::from_waker(Waker::noop());
        loop {
            match Pin::new(&mut body).poll_frame(&mut context) {
                Poll::Ready(Some(Ok(frame))) => ahead.push_back(frame),
                Poll::Ready(None) if ahead.is_empty() => return Body::Empty,
                Poll::Ready(None) if ahead.len() == 1 && ahead[0].is_data() => {
                    return ahead
                        .pop_front()
                        .and_then(|frame| frame.into_data().ok())
                        .unwrap_or_default()
                        .into();
                }
                Poll::Ready(None) => break,
                Poll::Ready(Some(Err(error))) => {
                    return Body::wrap(GuestBody { ahead, body, running, failed: Some(error.to_string()) });
                }
                Poll::Pending => break,
            }
        }
    }
    Body::wrap(GuestBody { ahead, body, running, failed: None })
}

/// The rest of a response, and the guest that makes it.
struct GuestBody {
    /// Frames that were looked at already.
    ahead: VecDeque<Frame<Bytes>>,
    body: HyperOutgoingBody,
    running: Option<Invocation>,
    /// Why the body is not whole.
    failed: Option<String>,
}

impl GuestBody {
    fn run_guest(&mut self, context: &mut Context<'_>) {
        let Some(running) = &mut self.running else { return };
        let Poll::Ready(result) = running.poll_call(context) else { return };
        if let Err(failure) = result {
            running.log.host_line(GuestLevel::Error, &failure.to_string());
            self.failed = Some(failure.to_string());
        }
        self.running = None;
    }
}

impl http_body::Body for GuestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        if let Some(frame) = this.ahead.pop_front() {
            return Poll::Ready(Some(Ok(frame)));
        }
        this.run_guest(context);
        match Pin::new(&mut this.body).poll_frame(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(Ok(frame))) => Poll::Ready(Some(Ok(frame))),
            Poll::Ready(Some(Err(error))) => {
                this.running = None;
                let why = this.failed.take().unwrap_or_else(|| error.to_string());
                Poll::Ready(Some(Err(BodyError::Source(why))))
            }
            Poll::Ready(None) => {
                // The guest may go on after its last byte, but nobody waits for it any more.
                this.running = None;
                Poll::Ready(this.failed.take().map(|why| Err(BodyError::Source(why))))
            }
        }
    }
}
