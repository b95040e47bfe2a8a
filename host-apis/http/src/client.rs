//! The pooled client: HTTP/1.1 and HTTP/2, TLS with the web's roots, under one policy.

use std::error::Error as StdError;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use http::{Request, Response, Version};
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use isobase_base::limits::{OUTBOUND_IDLE_PER_HOST_MAX, OUTBOUND_IDLE_TIMEOUT};

use crate::connect::{ConnectError, Connector, host_and_port};
use crate::policy::{EgressPolicy, Refusal};
use crate::resolve::{Resolve, SystemResolver};

/// A request's body.
pub type ClientBody = UnsyncBoxBody<Bytes, Box<dyn StdError + Send + Sync>>;

/// Sends requests, follows no redirects. Cheap to clone; clones share connections.
#[derive(Clone)]
pub struct HttpClient {
    policy: EgressPolicy,
    client: Client<HttpsConnector<Connector>, ClientBody>,
}

/// Why there is no response. `Display` is fit for a guest.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    #[error(transparent)]
    Refused(Refusal),
    #[error("the URL is not one that can be requested")]
    BadUrl,
    #[error("the host name could not be resolved")]
    Name,
    #[error("the connection was refused or could not be made")]
    Connect,
    #[error("the connection could not be made in time")]
    ConnectTimeout,
    #[error("the TLS handshake failed")]
    Tls,
    #[error("the request could not be sent or its response not be read")]
    Broken,
}

impl HttpClient {
    pub fn new(policy: EgressPolicy) -> Self {
        Self::with_resolver(policy, Arc::new(SystemResolver))
    }

    pub fn with_resolver(policy: EgressPolicy, resolver: Arc<dyn Resolve>) -> Self {
        static TLS: LazyLock<rustls::ClientConfig> = LazyLock::new(tls);
        Self::with_tls(policy, resolver, TLS.clone())
    }

    /// For peers whose certificates others than the web's roots have signed.
    pub fn with_tls(policy: EgressPolicy, resolver: Arc<dyn Resolve>, tls: rustls::ClientConfig) -> Self {
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .enable_http2()
            .wrap_connector(Connector::new(policy.clone(), resolver));
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(OUTBOUND_IDLE_TIMEOUT)
            .pool_max_idle_per_host(OUTBOUND_IDLE_PER_HOST_MAX)
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .build(connector);
        Self { policy, client }
    }

    pub fn policy(&self) -> &EgressPolicy {
        &self.policy
    }

    /// Sends to the absolute URI of `request`. The response's head is here when this returns; its body
    /// is read as it comes.
    pub async fn send(&self, mut request: Request<ClientBody>) -> Result<Response<Incoming>, SendError> {
        let uri = request.uri();
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err(SendError::BadUrl);
        }
        let (host, port) = host_and_port(uri).ok_or(SendError::BadUrl)?;
        // Checked here too: a connection that is open already is asked for nothing.
        self.policy.check_host(host, port).map_err(SendError::Refused)?;
        // What the guest was asked with says nothing about what the peer speaks.
        *request.version_mut() = Version::HTTP_11;
        self.client.request(request).await.map_err(|error| classified(&error))
    }
}

fn classified(error: &hyper_util::client::legacy::Error) -> SendError {
    let mut cause: Option<&(dyn StdError + 'static)> = error.source();
    while let Some(found) = cause {
        if let Some(found) = found.downcast_ref::<ConnectError>() {
            return match found {
                ConnectError::Refused(refusal) => SendError::Refused(refusal.clone()),
                ConnectError::Name(_) => SendError::Name,
                ConnectError::Connect(_) => SendError::Connect,
                ConnectError::Timeout => SendError::ConnectTimeout,
                ConnectError::NoHost => SendError::BadUrl,
            };
        }
        cause = found.source();
    }
    if error.is_connect() { SendError::Tls } else { SendError::Broken }
}

/// TLS as the host speaks it to the outside: the roots that browsers trust.
pub fn tls() -> rustls::ClientConfig {
    tls_with(&[])
}

/// The same with roots of the operator's own.
pub fn tls_with(more: &[rustls::pki_types::CertificateDer<'static>]) -> rustls::ClientConfig {
    let mut roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.into() };
    roots.add_parsable_certificates(more.iter().cloned());
    // Named, not the process's default: who installs that, and when, is not known here.
    rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring speaks TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth()
}
