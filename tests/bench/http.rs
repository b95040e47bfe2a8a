//! A client for single requests: checks before a run, first requests, waiting for a server.

use anyhow::Context;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, StatusCode};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

#[derive(Clone, Debug)]
pub(crate) struct Client {
    pool: Pool<HttpConnector, Full<Bytes>>,
    origin: String,
    authorization: Option<String>,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: String,
}

impl Client {
    pub(crate) fn new(port: u16, token: Option<&str>) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Self {
            pool: Pool::builder(TokioExecutor::new()).build(connector),
            origin: format!("http://127.0.0.1:{port}"),
            authorization: token.map(|token| format!("Bearer {token}")),
        }
    }

    /// Reads the answer to its end.
    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<Answer> {
        self.send(Method::GET, path, Bytes::new(), None).await
    }

    /// With a body of JSON.
    pub(crate) async fn post(&self, path: &str, body: &serde_json::Value) -> anyhow::Result<Answer> {
        self.send(Method::POST, path, body.to_string().into(), None).await
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        prefer: Option<&str>,
    ) -> anyhow::Result<Answer> {
        let request = Request::builder().method(method).uri(format!("{}{path}", self.origin));
        let mut request = request.header("content-type", "application/json");
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization);
        }
        if let Some(prefer) = prefer {
            request = request.header("prefer", prefer);
        }
        let response = self.pool.request(request.body(Full::new(body))?).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        Ok(Answer { status, body: String::from_utf8_lossy(&body).into_owned() })
    }

    pub(crate) async fn post_bytes(&self, path: &str, body: Vec<u8>) -> anyhow::Result<()> {
        let mut request = Request::post(format!("{}{path}", self.origin));
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization);
        }
        let response = self.pool.request(request.body(Full::from(body))?).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        anyhow::ensure!(
            status == StatusCode::OK,
            "{path} answered {status} {}",
            String::from_utf8_lossy(&body)
        );
        Ok(())
    }

    /// A speed without the right answer is none.
    pub(crate) async fn expect(
        &self,
        who: &str,
        path: &str,
        accept: impl Fn(&str) -> bool,
    ) -> anyhow::Result<()> {
        let answer = self.get(path).await.with_context(|| format!("{who} did not answer {path}"))?;
        anyhow::ensure!(
            answer.is_ok() && accept(&answer.body),
            "{who} answered {path} with {} {}",
            answer.status,
            answer.body.chars().take(300).collect::<String>()
        );
        Ok(())
    }
}

impl Answer {
    pub(crate) fn is_ok(&self) -> bool {
        self.status == StatusCode::OK
    }
}
