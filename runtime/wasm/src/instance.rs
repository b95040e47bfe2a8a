//! One instance of a function, and what all instances of it share.

use std::sync::Arc;

use http::Request;
use isobase_base::{Body, BodyError, Context, Failure, FailureKind};
use isobase_bind_wasm::Doors;
use isobase_database::Database;
use isobase_engine::Function;
use isobase_http::{HttpClient, Inward};
use isobase_queue::Queues;
use isobase_realtime::Hub;
use isobase_storage::Storage;
use tokio::sync::oneshot;
use wasmtime::Store;
use wasmtime_wasi_http::WasiHttpView;
use wasmtime_wasi_http::p2::bindings::http::types::{ErrorCode, Scheme};
use wasmtime_wasi_http::p2::bindings::{Proxy, ProxyPre};
use wasmtime_wasi_http::p2::body::HyperOutgoingBody;

use crate::cpu::CpuMeter;
use crate::environment::Environment;
use crate::fault;
use crate::guest_log::{GuestLog, LogSink};
use crate::memory::{MemoryBound, MemoryTotal};
use crate::state::{self, State};
use crate::ticker::Ticker;

/// What the guest answers with: the head, and a body that it may still be writing.
pub(crate) type Answer = Result<http::Response<HyperOutgoingBody>, ErrorCode>;

/// A reused instance that holds more than this share of its memory limit is replaced: memory of
/// WebAssembly never shrinks.
const REUSED_MEMORY_SHARE: u64 = 2;
/// Host resources that a reused instance may keep from one request to the next: what its language's
/// runtime holds on to, such as its standard streams.
const KEPT_RESOURCES_MAX: usize = 8;

/// A compiled function, ready to make instances of.
pub(crate) struct Program {
    pub(crate) function: Arc<Function>,
    pub(crate) pre: ProxyPre<State>,
    pub(crate) environment: Environment,
    pub(crate) database: Option<Database>,
    pub(crate) queues: Option<Queues>,
    pub(crate) realtime: Option<Hub>,
    pub(crate) storage: Option<Storage>,
    /// With connections and an egress policy of this function's own.
    /// To the outside, and to the project itself.
    pub(crate) client: (HttpClient, Inward),
    pub(crate) sink: Arc<LogSink>,
    pub(crate) memory: MemoryTotal,
    pub(crate) ticker: Arc<Ticker>,
}

/// A store with the function in it.
pub(crate) struct Instance {
    store: Store<State>,
    proxy: Proxy,
    pub(crate) meter: Arc<CpuMeter>,
    pub(crate) log: GuestLog,
}

impl Program {
    /// The host APIs as this request may use them.
    pub(crate) fn doors(&self, context: &Context) -> Doors {
        let grants = &self.function.capabilities;
        let database = self.database.as_ref();
        let queues = self.queues.as_ref();
        Doors {
            database: database.map(|database| database.session_door(context.clone(), grants.database)),
            queues: queues.map(|queues| queues.door(context.clone(), grants.queue)),
            broadcaster: self
                .realtime
                .as_ref()
                .map(|hub| hub.broadcaster(context.principal.clone(), grants.realtime)),
            storage: self.storage.as_ref().map(|storage| storage.door(context.clone(), grants.storage)),
        }
    }

    /// The meter and the log of a new instance.
    pub(crate) fn instruments(&self) -> (Arc<CpuMeter>, GuestLog) {
        let meter = CpuMeter::new(self.function.limits.cpu_max);
        (Arc::new(meter), GuestLog::new(Arc::clone(&self.sink)))
    }

    /// Makes a store and runs the component's start functions in it.
    pub(crate) async fn instantiate(
        &self,
        context: Context,
        meter: Arc<CpuMeter>,
        log: GuestLog,
    ) -> Result<Instance, Failure> {
        let memory = MemoryBound::new(self.function.limits.memory_bytes_max, self.memory.clone());
        let doors = self.doors(&context);
        let (client, environment) = (self.client.clone(), Arc::clone(&self.environment));
        let state = State::new(context, doors, client, memory, environment, Arc::clone(&meter), &log);
        let mut store = state::store(self.pre.engine(), state);
        match self.pre.instantiate_async(&mut store).await {
            Ok(proxy) => Ok(Instance { store, proxy, meter, log }),
            Err(error) => Err(fault::failure(&error, &mut store.data_mut().memory, &log)),
        }
    }
}

impl Instance {
    /// Makes the instance serve another request.
    pub(crate) fn begin(&mut self, context: Context, doors: Doors) {
        self.log.begin(context.request_id);
        self.store.data_mut().begin(context, doors);
        self.store.set_epoch_deadline(1);
    }

    /// Runs the guest's handler to its end; the answer leaves through `out` before.
    pub(crate) async fn handle(
        &mut self,
        request: Request<Body>,
        out: oneshot::Sender<Answer>,
    ) -> Result<(), Failure> {
        let handled = self.call(request, out).await;
        handled.map_err(|error| fault::failure(&error, &mut self.store.data_mut().memory, &self.log))
    }

    async fn call(&mut self, request: Request<Body>, out: oneshot::Sender<Answer>) -> wasmtime::Result<()> {
        let scheme = match request.uri().scheme() {
            Some(scheme) if *scheme == http::uri::Scheme::HTTPS => Scheme::Https,
            _ => Scheme::Http,
        };
        let mut http = self.store.data_mut().http();
        let request = http.new_incoming_request(scheme, incoming(request))?;
        let out = http.new_response_outparam(out)?;
        self.proxy.wasi_http_incoming_handler().call_handle(&mut self.store, request, out).await
    }

    /// Memory of WebAssembly never shrinks, so this is the most it held.
    pub(crate) fn memory_bytes(&self) -> u64 {
        self.store.data().memory.bytes()
    }

    /// Whether the instance may serve another request: it holds little memory, and nothing of the
    /// request it served.
    pub(crate) fn is_reusable(&mut self) -> bool {
        let state = self.store.data_mut();
        let small = state.memory.bytes() <= state.memory.bytes_max() / REUSED_MEMORY_SHARE;
        // A refusal that the guest lived with says nothing about its next request.
        state.memory.take_refused();
        small && state.resources() <= KEPT_RESOURCES_MAX
    }
}

/// A request without an authority gets one: HTTP demands it, and a trigger inside the host has none.
fn incoming(
    mut request: Request<Body>,
) -> Request<impl http_body::Body<Data = bytes::Bytes, Error = BrokenBody>> {
    if request.uri().authority().is_none() && !request.headers().contains_key(http::header::HOST) {
        request.headers_mut().insert(http::header::HOST, http::HeaderValue::from_static("localhost"));
    }
    request.map(|body| http_body_util::BodyExt::map_err(body, BrokenBody))
}

/// A request's body that broke off, in the guest's words.
pub(crate) struct BrokenBody(BodyError);

impl From<BrokenBody> for wasmtime_wasi_http::Error {
    fn from(BrokenBody(error): BrokenBody) -> Self {
        match error {
            BodyError::TooLarge { bytes_max } => Self::HttpRequestBodySize(Some(bytes_max)),
            BodyError::Peer(_) => Self::ConnectionTerminated,
            BodyError::Source(why) => Self::InternalError(Some(why)),
        }
    }
}

/// The guest left its handler and has not said what to answer.
pub(crate) fn no_answer() -> Failure {
    Failure::new(FailureKind::InvalidResponse, "the function ended without setting a response")
}
