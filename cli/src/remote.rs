//! HTTP to a host: the one that runs in a project's folder, or one elsewhere.

use std::fmt;

use anyhow::{Context, anyhow, bail};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::BadConfig;
use crate::args::HostArguments;
use crate::run_state::RunState;

/// The content type of what commands send.
pub(crate) const JSON: &str = "application/json";

/// What RFC 3986 lets stand as it is.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

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

/// The Management API did not do what it was asked, and said why.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) status: StatusCode,
    message: String,
}

impl fmt::Display for Refused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Refused {}

impl Refused {
    /// A 400 marked as the caller's fault, where nothing but arguments can be wrong with a request.
    pub(crate) fn blamed(error: anyhow::Error) -> anyhow::Error {
        let is_bad = error.downcast_ref::<Self>().is_some_and(|told| told.status == StatusCode::BAD_REQUEST);
        if is_bad { error.context(BadConfig) } else { error }
    }
}

/// Runs `work` on a small runtime of its own.
pub(crate) fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("could not start the asynchronous runtime")?.block_on(work)
}

/// Text as one segment of a path, or one value in a query.
pub(crate) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, UNRESERVED).to_string()
}

/// `path` with those of the parameters that have a value.
pub(crate) fn with_query(path: &str, parameters: &[(&str, Option<&str>)]) -> String {
    let given = parameters.iter().filter_map(|(name, value)| Some(format!("{name}={}", encoded((*value)?))));
    let query = given.collect::<Vec<_>>().join("&");
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
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
        let path = self.below_project(path).await?;
        self.managed(method, &path, content).await
    }

    /// The same for an answer that is read as it comes, perhaps without an end.
    pub(crate) async fn stream(&self, path: &str) -> anyhow::Result<Response<Incoming>> {
        let path = self.below_project(path).await?;
        let response = self.respond(Method::GET, &path, self.credentials()?, Bytes::new()).await?;
        if response.status().is_success() {
            return Ok(response);
        }
        Err(self.refusal(&read(response).await?).into())
    }

    async fn below_project(&self, path: &str) -> anyhow::Result<String> {
        let project_ref = match &self.project_ref {
            Some(known) => known.clone(),
            None => self.ask_ref().await?,
        };
        Ok(format!("/v1/projects/{project_ref}{path}"))
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
        let mut headers = self.credentials()?;
        let mut body = Bytes::new();
        if let Some((kind, bytes)) = content {
            headers.insert(CONTENT_TYPE, kind.parse().context("a content type")?);
            body = bytes;
        }
        let answer = self.call(method, path, headers, body).await?;
        if !answer.status.is_success() {
            return Err(self.refusal(&answer).into());
        }
        Ok(serde_json::from_slice(&answer.body).unwrap_or_default())
    }

    fn credentials(&self) -> anyhow::Result<HeaderMap> {
        let bearer = format!("Bearer {}", self.access_token);
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, bearer.parse().context("the access token is not usable")?);
        Ok(headers)
    }

    fn refusal(&self, answer: &Answer) -> Refused {
        let json: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let said = json["message"].as_str().map(str::to_owned);
        let message = said.unwrap_or_else(|| format!("{} answered {}", self.url, answer.status));
        Refused { status: answer.status, message }
    }

    /// Any request to the host; `path` begins with a slash.
    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> anyhow::Result<Answer> {
        read(self.respond(method, path, headers, body).await?).await
    }

    async fn respond(
        &self,
        method: Method,
        path: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> anyhow::Result<Response<Incoming>> {
        let uri: Uri = format!("{}{path}", self.url).parse().context("the URL is not usable")?;
        let mut request = Request::builder().method(method).uri(uri).body(Full::new(body))?;
        *request.headers_mut() = headers;
        let agent = concat!("isobase/", env!("CARGO_PKG_VERSION"));
        request.headers_mut().insert(USER_AGENT, agent.parse().expect("visible characters"));
        let response = self.client.request(request).await;
        response.with_context(|| format!("cannot reach {}; does it run?", self.url))
    }
}

async fn read(response: Response<Incoming>) -> anyhow::Result<Answer> {
    let (parts, body) = response.into_parts();
    let body = body.collect().await.context("the answer broke off")?.to_bytes();
    Ok(Answer { status: parts.status, headers: parts.headers, body })
}

#[cfg(test)]
mod tests {
    use super::with_query;

    #[test]
    fn what_is_not_given_is_not_in_the_query_and_the_rest_is_encoded() {
        assert_eq!(with_query("/logs", &[("since", None)]), "/logs");
        let given = [("since", Some("2026-01-31T12:00:00+01:00")), ("level", None), ("function", Some("*"))];
        assert_eq!(with_query("/logs", &given), "/logs?since=2026-01-31T12%3A00%3A00%2B01%3A00&function=%2A");
    }
}
