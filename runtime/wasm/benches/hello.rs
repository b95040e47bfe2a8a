//! Requests per second of a hello, with a fresh instance and with a reused one, against wasmtime
//! used as its documentation shows (what `wasmtime serve` does per request, without sockets), in
//! the same run. The ratio is the figure; the rates depend on the machine.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use http::Request;
use http_body_util::BodyExt;
use isobase_base::{
    Body, Capabilities, Client, Context, FunctionSlug, Grant, Principal, RequestId, Target, TraceContext,
};
use isobase_engine::{Artifact, Engine, Function, FunctionVersion, Limits, Reuse, Worker};
use isobase_guests::COMPONENT;
use isobase_wasm::{WasmConfig, WasmEngine};

const CALLERS: usize = 16;
const ROUND: Duration = Duration::from_secs(3);
const ROUNDS: usize = 3;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(run());
}

#[allow(clippy::print_stdout, reason = "a bench tells its figures")]
async fn run() {
    let peer = Arc::new(peer::Serve::new());
    let fresh = boot(Reuse::Fresh).await;
    let reused = boot(Reuse::Sequential).await;
    let mut rates = [Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        let peer = Arc::clone(&peer);
        rates[0].push(rate(move || answer_of_peer(Arc::clone(&peer))).await);
        for (at, worker) in [(1, &fresh), (2, &reused)] {
            let worker = Arc::clone(worker);
            rates[at].push(rate(move || answer(Arc::clone(&worker))).await);
        }
    }
    let [peer, fresh, reused] = rates.map(median);
    println!("wasmtime as documented, fresh instance: {peer:.0} requests/s");
    println!("isobase, fresh instance:                {fresh:.0} requests/s, {:.2} x", fresh / peer);
    println!("isobase, reused instance:               {reused:.0} requests/s, {:.2} x", reused / peer);
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

/// Calls from `CALLERS` tasks at once for the time of a round.
async fn rate<F>(call: impl Fn() -> F + Clone + Send + Sync + 'static) -> f64
where
    F: Future<Output = ()> + Send,
{
    let answered = Arc::new(AtomicUsize::new(0));
    let began = Instant::now();
    let (done, mut all_done) = tokio::sync::mpsc::channel::<()>(1);
    for _ in 0..CALLERS {
        let (call, answered, done) = (call.clone(), Arc::clone(&answered), done.clone());
        isobase_base::task::spawn(isobase_base::task::TaskKind::Request, "caller", async move {
            while began.elapsed() < ROUND {
                call().await;
                answered.fetch_add(1, Ordering::Relaxed);
                // As a caller behind a socket would.
                tokio::task::yield_now().await;
            }
            drop(done);
        });
    }
    drop(done);
    assert!(all_done.recv().await.is_none(), "every caller is done");
    answered.load(Ordering::Relaxed) as f64 / began.elapsed().as_secs_f64()
}

async fn boot(reuse: Reuse) -> Arc<dyn Worker> {
    let engine = WasmEngine::new(WasmConfig::default()).unwrap();
    let function = Function {
        target: Target::user(FunctionSlug::parse("hello").unwrap()),
        version: FunctionVersion(1),
        artifact: Artifact::Component { bytes: COMPONENT.into(), reuse },
        limits: Limits::default(),
        capabilities: Capabilities::all(Grant::None),
        isolation: isobase_base::Isolation::default(),
        environment: BTreeMap::new(),
    };
    engine.boot(Arc::new(function)).await.unwrap()
}

fn request<B>(body: B) -> Request<B> {
    Request::get("/hello")
        .header("host", "project.example")
        .header("user-agent", "bench")
        .header("accept", "*/*")
        .body(body)
        .unwrap()
}

fn context() -> Context {
    Context {
        request_id: RequestId::generate(),
        trace: TraceContext::generate(),
        principal: Principal::anon(),
        deadline: Instant::now() + Duration::from_secs(10),
        client: Client { address: IpAddr::V4(Ipv4Addr::LOCALHOST) },
    }
}

async fn answer(worker: Arc<dyn Worker>) {
    let response = worker.invoke(request(Body::Empty), context()).await.unwrap();
    assert_eq!(response.into_body().collect(1 << 20).await.unwrap(), "hello");
}

async fn answer_of_peer(serve: Arc<peer::Serve>) {
    let body = http_body_util::Empty::new().map_err(|never| match never {});
    let response = serve.handle(request(body)).await;
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "hello");
}

/// wasmtime-wasi-http's example server, with the settings that `wasmtime serve` chooses.
mod peer {
    use bytes::Bytes;
    use http::{Request, Response};
    use isobase_base::task::{self, TaskKind};
    use isobase_bind_wasm::{Doors, Host, HostView};
    use wasmtime::component::{Component, Linker, ResourceTable};
    use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store};
    use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
    use wasmtime_wasi_http::p2::bindings::ProxyPre;
    use wasmtime_wasi_http::p2::bindings::http::types::Scheme;
    use wasmtime_wasi_http::p2::body::{HyperIncomingBody, HyperOutgoingBody};
    use wasmtime_wasi_http::{Error, WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

    pub(super) struct Serve {
        pre: ProxyPre<State>,
    }

    struct State {
        wasi: WasiCtx,
        http: WasiHttpCtx,
        table: ResourceTable,
        host: Host,
    }

    impl WasiView for State {
        fn ctx(&mut self) -> WasiCtxView<'_> {
            WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
        }
    }

    impl WasiHttpView for State {
        fn http(&mut self) -> WasiHttpCtxView<'_> {
            WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks: Default::default() }
        }
    }

    impl Serve {
        pub(super) fn new() -> Self {
            let mut config = Config::new();
            config.wasm_component_model(true).epoch_interruption(true);
            let pool = PoolingAllocationConfig::new();
            config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
            let engine = Engine::new(&config).unwrap();
            let component = Component::new(&engine, super::COMPONENT).unwrap();
            let mut linker = Linker::<State>::new(&engine);
            wasmtime_wasi::p2::add_to_linker_async(&mut linker).unwrap();
            wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker).unwrap();
            isobase_bind_wasm::add_to_linker(&mut linker, |state: &mut State| HostView {
                host: &mut state.host,
                table: &mut state.table,
            })
            .unwrap();
            Self { pre: ProxyPre::new(linker.instantiate_pre(&component).unwrap()).unwrap() }
        }

        pub(super) async fn handle(
            &self,
            request: Request<impl http_body::Body<Data = Bytes, Error = Error> + Send + 'static>,
        ) -> Response<HyperOutgoingBody> {
            let state = State {
                wasi: WasiCtx::builder().build(),
                http: WasiHttpCtx::new(),
                table: ResourceTable::new(),
                host: Host::new(super::context(), Doors::default()),
            };
            let mut store = Store::new(self.pre.engine(), state);
            store.set_epoch_deadline(1_000_000);
            let (sender, receiver) = tokio::sync::oneshot::channel();
            let request = request.map(http_body_util::BodyExt::boxed_unsync);
            let request: Request<HyperIncomingBody> = request;
            let request = store.data_mut().http().new_incoming_request(Scheme::Http, request).unwrap();
            let out = store.data_mut().http().new_response_outparam(sender).unwrap();
            let pre = self.pre.clone();
            task::spawn(TaskKind::Request, "peer", async move {
                let proxy = pre.instantiate_async(&mut store).await.unwrap();
                proxy.wasi_http_incoming_handler().call_handle(&mut store, request, out).await.unwrap();
            });
            receiver.await.unwrap().unwrap()
        }
    }
}
