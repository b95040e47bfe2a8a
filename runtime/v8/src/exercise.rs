//! Running what most functions do first, while an image is written (`js/exercise.js`).
//!
//! An image holds the compiled code of what was called until it was written. Without this, every isolate would
//! compile the way of a request, of URLs and of headers again, which is a third of a small function's start.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use deno_core::{JsRuntime, PollEventLoopOptions};
use http::{Method, Request};
use isobase_base::{Body, Client, Context, Principal, RequestId, TraceContext, limits};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

use crate::cpu::{CpuMeter, Turns};
use crate::ender::Ender;
use crate::invocation::{Arrival, Invocations};
use crate::memory::MemoryMeter;
use crate::sources;

/// The requests, by their ids: methods, and statuses of the answers.
const REQUESTS: [(Method, u16); 4] =
    [(Method::GET, 200), (Method::POST, 200), (Method::POST, 201), (Method::OPTIONS, 204)];

/// Leaves nothing behind but compiled code. What fails does so for every build of this platform.
pub(crate) fn run(runtime: &mut JsRuntime, reactor: &Runtime) -> Result<(), String> {
    let memory = MemoryMeter::new(limits::FUNCTION_MEMORY_BYTES_MAX);
    let meter = CpuMeter::of_this_thread(Ender::new(runtime), memory.clone(), Arc::default());
    let turns = Turns::new(meter);
    let mut invocations = Invocations::new(turns.clock(), memory);
    let mut answers = Vec::with_capacity(REQUESTS.len());
    for (id, (method, status)) in (1..).zip(REQUESTS) {
        let (reply, answer) = oneshot::channel();
        let request = request(method)?;
        let arrival = Arrival { id, request, context: context(), reply, sent: Instant::now() };
        invocations.admit(arrival, turns.shared());
        answers.push((answer, status));
    }
    runtime.op_state().borrow_mut().put(invocations);
    let ran = runtime.execute_script("ext:isobase_runtime/exercise.js", sources::EXERCISE);
    let promise = ran.map_err(|error| error.to_string())?;
    let ended = runtime.resolve(promise);
    let all = runtime.with_event_loop_promise(ended, PollEventLoopOptions::default());
    reactor.block_on(all).map_err(|error| error.to_string())?;
    drop(runtime.op_state().borrow_mut().take::<Invocations>());
    Ender::leave(runtime);
    for (mut answer, expected) in answers {
        let answer = answer.try_recv().map_err(|_| "a request was not answered".to_owned())?;
        let answer = answer.map_err(|failure| failure.to_string())?;
        if answer.status().as_u16() != expected {
            return Err(format!("a request was answered with {} instead of {expected}", answer.status()));
        }
    }
    Ok(())
}

fn request(method: Method) -> Result<Request<Body>, String> {
    let body = match method {
        Method::POST => Body::Full(Bytes::from_static(br#"{"name":"you"}"#)),
        _ => Body::Empty,
    };
    let request = Request::builder()
        .method(method)
        .uri("http://127.0.0.1/")
        .header("content-type", "application/json")
        .header("authorization", "Bearer none");
    request.body(body).map_err(|error| error.to_string())
}

fn context() -> Context {
    Context {
        request_id: RequestId::generate(),
        trace: TraceContext::generate(),
        principal: Principal::anon(),
        deadline: Instant::now() + limits::FUNCTION_BOOT_TIMEOUT,
        client: Client { address: std::net::Ipv4Addr::LOCALHOST.into() },
    }
}
