//! An engine without code: each request's path says what its worker does. Gates make every
//! interleaving a decision of the test.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use http::{Request, Response, StatusCode};
use isobase_base::observe::Observer;
use isobase_base::{
    Access, Body, Capabilities, Client, Context, Failure, FailureKind, FunctionSlug, Grant, Invoker,
    Principal, RequestId, Target, TraceContext, Upgrade, UpgradedIo,
};
use isobase_engine::{
    Absent, Artifact, Engine, Function, FunctionVersion, Limits, Publication, Publish, Retirement, Reuse,
    Worker,
};
use isobase_pool::{Pool, PoolConfig};
use parking_lot::Mutex;
use tokio::io::DuplexStream;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

/// What the workers of one engine share with the test.
pub(crate) struct Stage {
    /// A boot takes one; plenty unless the test closes it.
    pub(crate) boot_gate: Semaphore,
    pub(crate) boots_begun: AtomicUsize,
    pub(crate) boots_done: AtomicUsize,
    /// Outcome of the next boots, in order; success when empty.
    pub(crate) boot_script: Mutex<Vec<BootStep>>,
    /// A `/hold` request takes one before it answers.
    pub(crate) hold_gate: Semaphore,
    pub(crate) holding: AtomicUsize,
    /// Calls that were dropped before they had an answer.
    pub(crate) cancelled: AtomicUsize,
    pub(crate) retired: Mutex<Vec<Retirement>>,
    pub(crate) workers_alive: AtomicUsize,
    /// Most calls that were in one worker at the same time.
    pub(crate) crowd_max: AtomicUsize,
    /// What each worker says of itself.
    pub(crate) queue_delay_micros: AtomicU64,
    /// What each worker holds.
    pub(crate) memory_bytes: AtomicU64,
    /// Whether a debugger may pause them.
    pub(crate) may_pause: bool,
}

#[derive(Clone)]
pub(crate) enum BootStep {
    Fail(Failure),
    Panic,
    Never,
}

pub(crate) struct Scripted(pub(crate) Arc<Stage>);

struct ScriptedWorker {
    stage: Arc<Stage>,
    function: Arc<Function>,
    number: usize,
    crowd: AtomicUsize,
    retirement: Mutex<Option<Retirement>>,
}

impl Engine for Scripted {
    fn name(&self) -> &'static str {
        "scripted"
    }

    fn runs(&self, artifact: &Artifact) -> bool {
        matches!(artifact, Artifact::Component { .. })
    }

    fn may_pause(&self) -> bool {
        self.0.may_pause
    }

    fn boot(&self, function: Arc<Function>) -> BoxFuture<'_, Result<Arc<dyn Worker>, Failure>> {
        let stage = Arc::clone(&self.0);
        async move {
            let number = stage.boots_begun.fetch_add(1, Ordering::SeqCst);
            stage.boot_gate.acquire().await.unwrap().forget();
            let step = {
                let mut script = stage.boot_script.lock();
                if script.is_empty() { None } else { Some(script.remove(0)) }
            };
            match step {
                Some(BootStep::Fail(failure)) => return Err(failure),
                Some(BootStep::Panic) => panic!("scripted"),
                Some(BootStep::Never) => std::future::pending().await,
                None => {}
            }
            stage.boots_done.fetch_add(1, Ordering::SeqCst);
            stage.workers_alive.fetch_add(1, Ordering::SeqCst);
            let worker = ScriptedWorker {
                stage,
                function,
                number,
                crowd: AtomicUsize::new(0),
                retirement: Mutex::new(None),
            };
            Ok(Arc::new(worker) as Arc<dyn Worker>)
        }
        .boxed()
    }
}

impl Worker for ScriptedWorker {
    fn invoke(&self, request: Request<Body>, _: Context) -> BoxFuture<'_, Result<Response<Body>, Failure>> {
        let crowd = self.crowd.fetch_add(1, Ordering::SeqCst) + 1;
        self.stage.crowd_max.fetch_max(crowd, Ordering::SeqCst);
        let visit = Visit { worker: self, answered: false };
        async move {
            // Names the whole: the block would capture the field alone.
            let mut visit = visit;
            let answer = self.act(request).await;
            visit.answered = true;
            answer
        }
        .boxed()
    }

    fn retirement(&self) -> Option<Retirement> {
        *self.retirement.lock()
    }

    fn retire(&self, reason: Retirement) {
        self.stage.retired.lock().push(reason);
    }

    fn queue_delay(&self) -> Duration {
        Duration::from_micros(self.stage.queue_delay_micros.load(Ordering::SeqCst))
    }

    fn memory_bytes(&self) -> u64 {
        self.stage.memory_bytes.load(Ordering::SeqCst)
    }
}

impl ScriptedWorker {
    async fn act(&self, request: Request<Body>) -> Result<Response<Body>, Failure> {
        let stage = &self.stage;
        match request.uri().path() {
            "/ok" => {}
            "/hold" => {
                stage.holding.fetch_add(1, Ordering::SeqCst);
                stage.hold_gate.acquire().await.unwrap().forget();
                stage.holding.fetch_sub(1, Ordering::SeqCst);
            }
            "/crash-held" => {
                stage.holding.fetch_add(1, Ordering::SeqCst);
                stage.hold_gate.acquire().await.unwrap().forget();
                stage.holding.fetch_sub(1, Ordering::SeqCst);
                *self.retirement.lock() = Some(Retirement::CpuLimit);
                return Err(Failure::new(FailureKind::CpuLimit, "scripted"));
            }
            "/never" => std::future::pending().await,
            "/echo" => return Ok(Response::new(request.into_body())),
            "/endless" => {
                let chunks = futures::stream::repeat_with(|| Ok(Bytes::from_static(b"x")));
                return Ok(Response::new(Body::from_stream(chunks)));
            }
            "/silent" => {
                let chunks = futures::stream::once(async { Ok(Bytes::from_static(b"x")) });
                return Ok(Response::new(Body::from_stream(chunks.chain(futures::stream::pending()))));
            }
            "/upgrade" => {
                let pending =
                    request.extensions().get::<Upgrade>().and_then(Upgrade::take).expect("an offer");
                #[expect(
                    clippy::disallowed_methods,
                    reason = "ends with the connection, which the test closes"
                )]
                tokio::spawn(async move {
                    let (mut reader, mut writer) = tokio::io::split(pending.await.expect("a connection"));
                    _ = tokio::io::copy(&mut reader, &mut writer).await;
                });
                let mut response = Response::new(Body::Empty);
                *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
                return Ok(response);
            }
            path => panic!("no script for {path}"),
        }
        Ok(Response::new(format!("v{} w{}", self.function.version, self.number).into()))
    }
}

impl Drop for ScriptedWorker {
    fn drop(&mut self) {
        self.stage.workers_alive.fetch_sub(1, Ordering::SeqCst);
    }
}

struct Visit<'a> {
    worker: &'a ScriptedWorker,
    answered: bool,
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        self.worker.crowd.fetch_sub(1, Ordering::SeqCst);
        if !self.answered {
            self.worker.stage.cancelled.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// A pool on a stage.
pub(crate) struct Theatre {
    pub(crate) pool: Pool,
    pub(crate) stage: Arc<Stage>,
    pub(crate) observer: Observer,
}

/// Short enough that a test of a timeout is quick, long enough that none fires by accident.
pub(crate) fn config() -> PoolConfig {
    PoolConfig {
        scale_delay: Duration::from_millis(1),
        workers_per_function_max: 2,
        workers_total_max: 8,
        memory_bytes_max: u64::MAX,
        resident_bytes: || 0,
        waiters_per_function_max: 4,
        queue_timeout: Duration::from_secs(20),
        boot_timeout: Duration::from_secs(20),
        boot_retry_after: Duration::from_secs(3600),
        idle_max: Duration::from_secs(3600),
        housekeeping_interval: Duration::from_millis(5),
    }
}

pub(crate) fn theatre(config: PoolConfig) -> Theatre {
    open(config, false)
}

/// One whose workers may be paused.
pub(crate) fn theatre_that_pauses(config: PoolConfig) -> Theatre {
    open(config, true)
}

fn open(config: PoolConfig, may_pause: bool) -> Theatre {
    let stage = Arc::new(Stage {
        boot_gate: Semaphore::new(1000),
        boots_begun: AtomicUsize::new(0),
        boots_done: AtomicUsize::new(0),
        boot_script: Mutex::default(),
        hold_gate: Semaphore::new(0),
        holding: AtomicUsize::new(0),
        cancelled: AtomicUsize::new(0),
        retired: Mutex::default(),
        workers_alive: AtomicUsize::new(0),
        crowd_max: AtomicUsize::new(0),
        queue_delay_micros: AtomicU64::new(0),
        memory_bytes: AtomicU64::new(1000),
        may_pause,
    });
    let observer = Observer::default();
    let pool = Pool::new(vec![Arc::new(Scripted(Arc::clone(&stage)))], config, observer.clone());
    Theatre { pool, stage, observer }
}

pub(crate) fn target(slug: &str) -> Target {
    Target::user(FunctionSlug::parse(slug).unwrap())
}

pub(crate) fn limits(concurrency_max: usize) -> Limits {
    Limits { concurrency_max, ..Limits::default() }
}

pub(crate) fn function(slug: &str, version: u64, limits: Limits) -> Arc<Function> {
    Arc::new(Function {
        target: target(slug),
        version: FunctionVersion(version),
        artifact: Artifact::Component { bytes: Bytes::new(), reuse: Reuse::Fresh },
        limits,
        capabilities: Capabilities::all(Grant::None),
        isolation: isobase_base::Isolation::default(),
        environment: BTreeMap::new(),
    })
}

impl Theatre {
    pub(crate) fn publish(&self, slug: &str, version: u64, limits: Limits) {
        self.publish_source(slug, Ok(function(slug, version, limits)));
    }

    pub(crate) fn publish_source(&self, slug: &str, function: Result<Arc<Function>, Absent>) {
        let access = Access { verify_jwt: true };
        self.pool.publish(Publication { target: target(slug), access, function });
    }

    pub(crate) async fn ask(&self, slug: &str, path: &str) -> Result<Response<Body>, Failure> {
        self.ask_with(slug, path, Body::Empty, Duration::from_secs(60)).await
    }

    pub(crate) async fn ask_with(
        &self,
        slug: &str,
        path: &str,
        body: Body,
        deadline: Duration,
    ) -> Result<Response<Body>, Failure> {
        let request = Request::builder().uri(path).body(body).unwrap();
        self.send(slug, request, deadline).await
    }

    /// A request that offers to leave HTTP, and the client's end of the connection it would leave on.
    pub(crate) async fn offer_upgrade(
        &self,
        slug: &str,
        path: &str,
    ) -> (Result<Response<Body>, Failure>, DuplexStream) {
        let (client, server) = tokio::io::duplex(64);
        let server: Box<dyn UpgradedIo> = Box::new(server);
        let mut request = Request::builder().uri(path).body(Body::Empty).unwrap();
        request.extensions_mut().insert(Upgrade::new(std::future::ready(Ok(server)).boxed()));
        (self.send(slug, request, Duration::from_secs(60)).await, client)
    }

    async fn send(
        &self,
        slug: &str,
        request: Request<Body>,
        deadline: Duration,
    ) -> Result<Response<Body>, Failure> {
        let context = Context {
            request_id: RequestId::generate(),
            trace: TraceContext::generate(),
            principal: Principal::anon(),
            deadline: Instant::now() + deadline,
            client: Client { address: IpAddr::V4(Ipv4Addr::LOCALHOST) },
        };
        self.pool.invoke(target(slug), request, context).await
    }

    /// The answer's text, or the failure's reason.
    pub(crate) async fn answer(&self, slug: &str, path: &str) -> String {
        text(self.ask(slug, path).await).await
    }

    /// The same in the background.
    pub(crate) fn asking(self: &Arc<Self>, slug: &'static str, path: &'static str) -> JoinHandle<String> {
        let theatre = Arc::clone(self);
        #[expect(clippy::disallowed_methods, reason = "the test awaits its outcome")]
        tokio::spawn(async move { theatre.answer(slug, path).await })
    }

    pub(crate) async fn holding(&self, count: usize) {
        until("requests are being held", || self.stage.holding.load(Ordering::SeqCst) == count).await;
    }

    pub(crate) async fn waiting(&self, count: usize) {
        let waiting = || self.pool.status().iter().map(|lane| lane.waiting).sum::<usize>();
        until("requests are waiting", || waiting() == count).await;
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.pool.status().iter().map(|lane| lane.in_flight).sum()
    }

    pub(crate) fn workers(&self) -> usize {
        self.pool.status().iter().map(|lane| lane.workers).sum()
    }

    /// How often an outcome was recorded for a function.
    pub(crate) fn recorded(&self, slug: &str, outcome: &str) -> u64 {
        let line = format!("isobase_invocations_total{{function=\"{slug}\",outcome=\"{outcome}\"}} ");
        let text = self.observer.openmetrics();
        text.lines().find_map(|each| each.strip_prefix(&line)).map_or(0, |count| count.parse().unwrap())
    }
}

pub(crate) async fn text(answer: Result<Response<Body>, Failure>) -> String {
    match answer {
        Ok(response) => match response.into_body().collect(1 << 20).await {
            Ok(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
            Err(error) => format!("body: {error}"),
        },
        Err(failure) => failure.kind.reason().to_owned(),
    }
}

/// Waits for a condition; the bound only ends a test that has failed.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let give_up = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < give_up, "never true: {what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
