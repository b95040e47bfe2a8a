//! HTTP to a host: the one that runs in a project's folder, or one elsewhere.

use anyhow::{Context, anyhow, bail};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use crate::args::HostArguments;
use crate::run_state::RunState;

/// A host, and the right to manage it.
pub(crate) struct Remote {
    url: String,
    access_token: String,
    /// Of the host that runs in the folder, if that is the one.
    pub(crate) local: Option<RunState>,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    project_ref: Option<String>,
}

/// An answer, read.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Runs `work` on a small runtime of its own.
pub(crate) fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("could not start the asynchronous runtime")?.block_on(work)
}

impl Remote {
    pub(crate) fn of(arguments: &HostArguments) -> anyhow::Result<Self> {
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(isobase_http::tls())
            .https_or_http()
            .enable_http1()
            .build();
        let client = Client::builder(TokioExecutor::new()).build(connector);
        if let Some(url) = &arguments.url {
            let token = arguments.access_token.clone().ok_or_else(|| {
                anyhow!("--url needs --access-token; `isobase status` shows it where that host runs")
            })?;
            let url = url.trim_end_matches('/').to_owned();
            return Ok(Self { url, access_token: token, local: None, client, project_ref: None });
        }
        let workdir = &arguments.project.workdir;
        let Some(state) = RunState::of_running(workdir)? else {
            bail!(
                "nothing runs in {}; start it with: isobase start --workdir {0}, or name a host with --url",
                workdir.display()
            );
        };
        Ok(Self {
            url: state.api_url.clone(),
            access_token: state.access_token.clone(),
            project_ref: Some(state.project_ref.clone()),
            local: Some(state),
            client,
        })
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// A call of the Management API; `path` is below the project. The answer is JSON.
    pub(crate) async fn manage(
        &self,
        method: Method,
        path: &str,
        content: Option<(&str, Bytes)>,
    ) -> anyhow::Result<Value> {
        let project_ref = match &self.project_ref {
            Some(known) => known.clone(),
            None => self.ask_ref().await?,
        };
        self.managed(method, &format!("/v1/projects/{project_ref}{path}"), content).await
    }

    /// A host has one project; its ref need not be typed.
    async fn ask_ref(&self) -> anyhow::Result<String> {
        let projects = self.managed(Method::GET, "/v1/projects", None).await?;
        let name = projects[0]["ref"].as_str().map(str::to_owned);
        name.ok_or_else(|| anyhow!("{} does not answer as an isobase does; check the URL", self.url))
    }

    async fn managed(
        &self,
        method: Method,
        path: &str,
        content: Option<(&str, Bytes)>,
    ) -> anyhow::Result<Value> {
        let mut headers = HeaderMap::new();
        let bearer = format!("Bearer {}", self.access_token);
        headers.insert(AUTHORIZATION, bearer.parse().context("the access token is not usable")?);
        let mut body = Bytes::new();
        if let Some((kind, bytes)) = content {
            headers.insert(CONTENT_TYPE, kind.parse().context("a content type")?);
            body = bytes;
        }
        let answer = self.call(method, path, headers, body).await?;
        let json: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        if !answer.status.is_success() {
            let said = json["message"].as_str().map(str::to_owned);
            bail!(said.unwrap_or_else(|| format!("{} answered {}", self.url, answer.status)));
        }
        Ok(json)
    }

    /// Any request to the host; `path` begins with a slash.
    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> anyhow::Result<Answer> {
        let uri: Uri = format!("{}{path}", self.url).parse().context("the URL is not usable")?;
        let mut request = Request::builder().method(method).uri(uri).body(Full::new(body))?;
        *request.headers_mut() = headers;
        let agent = concat!("isobase/", env!("CARGO_PKG_VERSION"));
        request.headers_mut().insert(USER_AGENT, agent.parse().expect("visible characters"));
        let response = self.client.request(request).await;
        let response = response.with_context(|| format!("cannot reach {}; does it run?", self.url))?;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.context("the answer broke off")?.to_bytes();
        Ok(Answer { status: parts.status, headers: parts.headers, body })
    }
}
