//! A plain HTTP client: one request per connection, whole bodies, nothing clever between a test and
//! the socket.

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

#[derive(Clone)]
pub(crate) struct HttpClient {
    inner: Client<HttpConnector, Full<Bytes>>,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("not JSON ({error}): {} {:?}", self.status, self.body))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

impl HttpClient {
    pub(crate) fn new() -> Self {
        Self { inner: Client::builder(TokioExecutor::new()).build_http() }
    }

    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Result<Answer, String> {
        let response: Response<_> =
            self.inner.request(request).await.map_err(|error| format!("{error:?}"))?;
        let (head, body) = response.into_parts();
        let body = body.collect().await.map_err(|error| format!("{error:?}"))?.to_bytes();
        Ok(Answer { status: head.status, headers: head.headers, body })
    }
}

/// A request under construction.
pub(crate) struct Call {
    client: HttpClient,
    builder: http::request::Builder,
    body: Bytes,
}

impl Call {
    pub(crate) fn new(client: HttpClient, method: &str, url: String) -> Self {
        Self { client, builder: Request::builder().method(method).uri(url), body: Bytes::new() }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.builder = self.builder.header(name, value);
        self
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    pub(crate) fn json(mut self, body: &Value) -> Self {
        self.body = body.to_string().into();
        self.header("content-type", "application/json")
    }

    pub(crate) fn bytes(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// The body as it is, byte for byte.
    pub(crate) fn text(mut self, body: &str) -> Self {
        self.body = body.to_owned().into();
        self
    }

    pub(crate) async fn send(self) -> Answer {
        self.try_send().await.expect("the server answers")
    }

    /// For tests in which the server may be gone.
    pub(crate) async fn try_send(self) -> Result<Answer, String> {
        let request = self.builder.body(Full::new(self.body)).expect("the test builds a valid request");
        self.client.send(request).await
    }
}
