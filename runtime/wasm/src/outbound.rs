//! HTTP from a guest to the outside.

use std::time::{Duration, Instant};

use wasmtime_wasi_http::{Error, RequestOptions, Result, WasiBody, WasiHttpHooks, default_send_request};

/// Sends what guests ask for, and lets nothing outlive the request being served.
pub(crate) struct Outbound {
    pub(crate) deadline: Instant,
}

type Sent = (http::Response<WasiBody>, Box<dyn Future<Output = Result<(), Error>> + Send>);

impl WasiHttpHooks for Outbound {
    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _ended: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Result<Sent>> + Send> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        let options = bounded(options.unwrap_or_default(), left);
        Box::new(async move {
            use http_body_util::BodyExt;

            let sending = default_send_request(request, Some(options));
            let (response, io) =
                tokio::time::timeout(left, sending).await.map_err(|_| Error::ConnectionTimeout)??;
            Ok((response.map(BodyExt::boxed_unsync), Box::new(io) as _))
        })
    }
}

fn bounded(mut options: RequestOptions, left: Duration) -> RequestOptions {
    for timeout in
        [&mut options.connect_timeout, &mut options.first_byte_timeout, &mut options.between_bytes_timeout]
    {
        *timeout = Some(timeout.map_or(left, |asked| asked.min(left)));
    }
    options
}
