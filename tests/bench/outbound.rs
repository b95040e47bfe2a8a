//! HTTP requests from SQL: how many leave in a second, and how soon one leaves while another host hangs.
//!
//! pg_net sends a batch of 200, waits for the slowest of them and a second more, so it is bound by 200
//! requests a second and by the worst receiver. It cannot be installed beside the managed Postgres; the
//! goals are absolute.

use std::convert::Infallible;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, bail};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::process::Command;

use crate::load::{is_installed, median};
use crate::product::Product;
use crate::report::{Figure, Goal, Measured, Unit, progress};

const REQUESTS: usize = 10_000;
/// Requests a second, over a loopback receiver that answers at once.
const RATE_GOAL: f64 = 2_000.0;
/// Requests to a host that never answers, queued before the others.
const HANGING: usize = 10_000;
const TIMED: usize = 300;
/// Milliseconds from the statement to the receiver, at the 99th percentile.
const START_GOAL: f64 = 50.0;
const PATIENCE: Duration = Duration::from_secs(120);
const POLL_INTERVAL: Duration = Duration::from_millis(2);

pub(crate) async fn measure(product: &Product) -> anyhow::Result<Measured> {
    progress("HTTP requests from SQL");
    let mut measured = Measured::default();
    if !is_installed("psql") {
        measured.left_out.push("outbound: needs psql; ./setup.sh bench installs it".into());
        return Ok(measured);
    }
    let database = product.value("DB_URL")?;
    let receiver = Receiver::start().await?;
    let mut rates = Vec::new();
    for _ in 0..3 {
        rates.push(rate(database, &receiver).await?);
    }
    measured.figures.push(Figure {
        name: "requests from SQL".into(),
        ours: median(rates),
        unit: Unit::RequestsPerSecond,
        peer: None,
        goal: Goal::AtLeast(RATE_GOAL),
        how: format!("{REQUESTS} net.http_post in one statement, from its commit until all have arrived"),
    });
    measured.figures.push(Figure {
        name: "request from SQL, another host hangs".into(),
        ours: start_latency(database, &receiver).await?,
        unit: Unit::Milliseconds,
        peer: None,
        goal: Goal::AtMost(START_GOAL),
        how: format!(
            "p99 of {TIMED}, statement until arrival, {HANGING} queued to a host that never answers"
        ),
    });
    Ok(measured)
}

async fn rate(database: &str, receiver: &Receiver) -> anyhow::Result<f64> {
    receiver.forget();
    let url = receiver.url("/rate");
    psql(
        database,
        &format!("select count(net.http_post('{url}', '{{}}')) from generate_series(1, {REQUESTS})"),
    )
    .await?;
    let since = Instant::now();
    receiver.until(REQUESTS).await?;
    Ok(REQUESTS as f64 / since.elapsed().as_secs_f64())
}

async fn start_latency(database: &str, receiver: &Receiver) -> anyhow::Result<f64> {
    let silent = TcpListener::bind("127.0.0.1:0").await?;
    let hang = format!("http://{}/", silent.local_addr()?);
    psql(
        database,
        &format!("select count(net.http_get('{hang}', timeout_milliseconds => 60000)) from generate_series(1, {HANGING})"),
    )
    .await?;
    receiver.forget();
    let one = format!(
        "select net.http_post('{}', jsonb_build_object('at', extract(epoch from clock_timestamp())));\n",
        receiver.url("/timed")
    );
    psql(database, &one.repeat(TIMED)).await?;
    receiver.until(TIMED).await?;
    psql(database, &format!("delete from net.http_request_queue where url = '{hang}'")).await?;
    let mut delays = receiver.delays();
    delays.sort_by(f64::total_cmp);
    delays.get(TIMED * 99 / 100).copied().context("every request has a time")
}

/// Each statement in a transaction of its own.
async fn psql(database: &str, sql: &str) -> anyhow::Result<()> {
    let mut command = Command::new("psql");
    command.args([database, "--quiet", "--no-psqlrc", "--set", "ON_ERROR_STOP=1"]);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn()?;
    let mut input = child.stdin.take().context("it has an input")?;
    input.write_all(sql.as_bytes()).await?;
    input.write_all(b";\n").await?;
    drop(input);
    let output = child.wait_with_output().await?;
    if !output.status.success() {
        bail!("psql: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

/// Answers everything at once and notes when it came, with the delay its body tells.
struct Receiver {
    address: std::net::SocketAddr,
    delays: Arc<Mutex<Vec<f64>>>,
}

impl Receiver {
    #[allow(clippy::disallowed_methods, reason = "a bench has no host whose tasks need names")]
    async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let delays = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&delays);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let delays = Arc::clone(&shared);
                tokio::spawn(async move {
                    let service = service_fn(move |request| answer(request, Arc::clone(&delays)));
                    let connection = hyper::server::conn::http1::Builder::new();
                    _ = connection.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Ok(Self { address, delays })
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn delays(&self) -> Vec<f64> {
        self.delays.lock().map(|delays| delays.clone()).unwrap_or_default()
    }

    fn forget(&self) {
        if let Ok(mut delays) = self.delays.lock() {
            delays.clear();
        }
    }

    async fn until(&self, count: usize) -> anyhow::Result<()> {
        let since = Instant::now();
        while self.delays.lock().map_or(0, |delays| delays.len()) < count {
            if since.elapsed() > PATIENCE {
                bail!("{} of {count} requests arrived in {PATIENCE:?}", self.delays().len());
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        Ok(())
    }
}

async fn answer(
    request: Request<Incoming>,
    delays: Arc<Mutex<Vec<f64>>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let told: Option<serde_json::Value> = serde_json::from_slice(&body).ok();
    let at = told.and_then(|told| told["at"].as_f64());
    let delay = at.map_or(0.0, |at| (now.as_secs_f64() - at) * 1000.0);
    if let Ok(mut delays) = delays.lock() {
        delays.push(delay);
    }
    Ok(Response::new(Full::from("ok")))
}
