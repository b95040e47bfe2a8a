//! Plays the scenarios of this folder against a running server.
//!
//! The database must hold `rest/fixture.sql`, the schemas `public` and `archive` must be exposed, and
//! at most 1,000 rows be given at once. Include it with `#[path]`, next to `scenario`.

use std::collections::BTreeMap;
use std::path::Path;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Method, Request};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;

use super::scenario::{Caller, Given, Scenario, load};

/// Credentials of the three callers.
pub(crate) struct Keys {
    /// Sent as `apikey` by all callers.
    pub(crate) anon: String,
    /// The token of the user 11111111-1111-1111-1111-111111111111, role `authenticated`.
    pub(crate) user: String,
    pub(crate) service: String,
}

/// How the run went.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) passed: usize,
    /// Need a setting that the server was not started with.
    pub(crate) skipped: Vec<String>,
    /// Failed, and a reason is on file.
    pub(crate) known: Vec<String>,
    /// Failed without a reason: name, and what was different.
    pub(crate) failed: Vec<(String, String)>,
    /// On file as failing but passed: to be taken off the list.
    pub(crate) healed: Vec<String>,
}

impl Report {
    pub(crate) fn is_good(&self) -> bool {
        self.failed.is_empty() && self.healed.is_empty()
    }
}

/// Plays all scenarios in `folder` against `base_url`, the API's root, e.g. `http://127.0.0.1:54321/rest/v1`.
///
/// `known_failures` maps names to reasons.
pub(crate) async fn run_all(
    base_url: &str,
    keys: &Keys,
    folder: &Path,
    known_failures: &BTreeMap<String, String>,
) -> anyhow::Result<Report> {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let mut report = Report::default();
    reset(&client, base_url, keys).await?;
    for scenario in load(folder) {
        if scenario.setting.is_some() {
            report.skipped.push(scenario.name);
            continue;
        }
        let given = play(&client, base_url, keys, &scenario).await?;
        if scenario.writes() {
            reset(&client, base_url, keys).await?;
        }
        match (scenario.mismatch(&given), known_failures.contains_key(&scenario.name)) {
            (None, false) => report.passed += 1,
            (None, true) => report.healed.push(scenario.name),
            (Some(_), true) => report.known.push(scenario.name),
            (Some(difference), false) => report.failed.push((scenario.name, difference)),
        }
    }
    Ok(report)
}

type HttpClient = Client<HttpConnector, Full<Bytes>>;

async fn play(
    client: &HttpClient,
    base_url: &str,
    keys: &Keys,
    scenario: &Scenario,
) -> anyhow::Result<Given> {
    let token = match scenario.caller {
        Caller::Anon => &keys.anon,
        Caller::User => &keys.user,
        Caller::Service => &keys.service,
    };
    let mut request = Request::builder()
        .method(Method::from_bytes(scenario.method().as_bytes())?)
        .uri(format!("{base_url}{}", scenario.target().replace('>', "%3E")))
        .header("apikey", &keys.anon)
        .header("authorization", format!("Bearer {token}"));
    if !scenario.body.is_empty()
        && !scenario.headers.keys().any(|name| name.eq_ignore_ascii_case("content-type"))
    {
        request = request.header("content-type", "application/json");
    }
    for (name, value) in &scenario.headers {
        request = request.header(name, value);
    }
    let response = client.request(request.body(Full::new(Bytes::from(scenario.body.clone())))?).await?;
    let status = response.status().as_u16();
    let headers = response
        .headers()
        .iter()
        .map(|(name, value)| {
            (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        })
        .collect();
    let body = response.into_body().collect().await?.to_bytes();
    Ok(Given { status, headers, body: String::from_utf8_lossy(&body).into_owned() })
}

/// Brings the rows back to what the fixture holds.
async fn reset(client: &HttpClient, base_url: &str, keys: &Keys) -> anyhow::Result<()> {
    let request = Request::post(format!("{base_url}/rpc/compat_reset"))
        .header("apikey", &keys.service)
        .header("authorization", format!("Bearer {}", keys.service))
        .header("content-type", "application/json");
    let response = client.request(request.body(Full::new(Bytes::from_static(b"{}")))?).await?;
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    anyhow::ensure!(status.is_success(), "compat_reset: {status} {}", String::from_utf8_lossy(&body));
    Ok(())
}
