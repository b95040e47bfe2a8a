//! Requests of a build: bounded, redirected, tried again.
//!
//! What the operator's own settings name may be anywhere, a registry in the private network for one. All
//! other addresses come out of sources that somebody sent, so they obey the egress rule of functions.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use bytes::{Bytes, BytesMut};
use http::header::{AUTHORIZATION, HeaderMap, LOCATION};
use http::{HeaderValue, Method, Request};
use http_body_util::{BodyExt as _, Empty};
use isobase_base::Egress;
use isobase_base::limits::{
    PACKAGE_FETCH_ATTEMPTS_MAX, PACKAGE_FETCH_PAUSE, PACKAGE_FETCH_REDIRECTS_MAX, PACKAGE_FETCH_TIMEOUT,
};
use isobase_http::{ClientBody, EgressPolicy, HttpClient, Network, Surroundings};
use rustls::pki_types::CertificateDer;
use url::Url;

use crate::error::FetchError;

pub(crate) struct Client {
    /// Made for the first request: reading the system's certificates takes a while, and most starts of a
    /// host fetch nothing.
    clients: LazyLock<Clients, Box<dyn FnOnce() -> Clients + Send>>,
    /// Origins that the operator's settings name.
    trusted: BTreeSet<String>,
}

struct Clients {
    own: HttpClient,
    guests: HttpClient,
}

/// What was answered.
pub(crate) struct Fetched {
    /// After redirects.
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Client {
    pub(crate) fn new(
        network: Network,
        roots: impl FnOnce() -> Vec<CertificateDer<'static>> + Send + 'static,
        trusted: BTreeSet<String>,
    ) -> Self {
        let make = move || {
            let tls = isobase_http::tls_with(&roots());
            let client = |policy| HttpClient::with_tls(policy, Arc::clone(network.resolver()), tls.clone());
            let open = EgressPolicy::development(Surroundings::default(), &Egress::Host);
            Clients { own: client(open), guests: client(network.policy(&Egress::Host)) }
        };
        Self { clients: LazyLock::new(Box::new(make)), trusted }
    }

    /// The body behind `url`. `credentials` go to its origin only.
    pub(crate) async fn get(
        &self,
        url: &Url,
        headers: &HeaderMap,
        credentials: Option<&HeaderValue>,
        bytes_max: usize,
    ) -> Result<Fetched, FetchError> {
        let mut pause = PACKAGE_FETCH_PAUSE;
        for attempt in 1.. {
            let once = self.follow(url, headers, credentials, bytes_max);
            let once = tokio::time::timeout(PACKAGE_FETCH_TIMEOUT, once).await;
            match once.unwrap_or(Err(FetchError::Timeout(PACKAGE_FETCH_TIMEOUT.as_secs()))) {
                Err(problem) if attempt < PACKAGE_FETCH_ATTEMPTS_MAX && problem.may_pass() => {
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                }
                done => return done,
            }
        }
        unreachable!("the last attempt returns")
    }

    async fn follow(
        &self,
        url: &Url,
        headers: &HeaderMap,
        credentials: Option<&HeaderValue>,
        bytes_max: usize,
    ) -> Result<Fetched, FetchError> {
        let mut at = url.clone();
        for _ in 0..=PACKAGE_FETCH_REDIRECTS_MAX {
            let mut request = Request::new(nothing());
            *request.method_mut() = Method::GET;
            *request.uri_mut() =
                at.as_str().parse().map_err(|_| FetchError::Malformed("its URL is none".into()))?;
            request.headers_mut().clone_from(headers);
            if let Some(credentials) = credentials.filter(|_| at.origin() == url.origin()) {
                request.headers_mut().insert(AUTHORIZATION, credentials.clone());
            }
            let client = if self.is_trusted(&at) { &self.clients.own } else { &self.clients.guests };
            let response =
                client.send(request).await.map_err(|problem| FetchError::Send(problem.to_string()))?;
            let (head, body) = response.into_parts();
            match head.status.as_u16() {
                200 => {
                    let body = collect(body, bytes_max).await?;
                    return Ok(Fetched { url: at, headers: head.headers, body });
                }
                301 | 302 | 303 | 307 | 308 => {
                    let target = head.headers.get(LOCATION).and_then(|target| target.to_str().ok());
                    let target = target.and_then(|target| at.join(target).ok());
                    let target = target.filter(|target| at.scheme() != "https" || target.scheme() == "https");
                    at = target.ok_or_else(|| FetchError::Malformed("it redirects to nowhere".into()))?;
                }
                status @ (401 | 403) => return Err(FetchError::Denied(status)),
                status => return Err(FetchError::Status(status)),
            }
        }
        Err(FetchError::Redirects)
    }

    fn is_trusted(&self, url: &Url) -> bool {
        self.trusted.contains(&url.origin().ascii_serialization())
    }
}

fn nothing() -> ClientBody {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

async fn collect(
    mut body: impl http_body::Body<Data = Bytes, Error: std::fmt::Debug> + Unpin,
    bytes_max: usize,
) -> Result<Bytes, FetchError> {
    let mut collected = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| FetchError::Send("the connection broke".into()))?;
        let Ok(data) = frame.into_data() else { continue };
        if collected.len() + data.len() > bytes_max {
            return Err(FetchError::TooLarge(bytes_max));
        }
        collected.extend_from_slice(&data);
    }
    Ok(collected.freeze())
}
