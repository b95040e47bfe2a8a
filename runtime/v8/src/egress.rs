//! The function's egress policy, at the three places where Deno's extensions let it in.
//!
//! - `fetch`: every request, redirects included, passes [`judge`] before it is sent.
//! - Names: [`PolicyResolver`] gives a connection only addresses that the policy admits; Deno connects to
//!   exactly those.
//! - Everything else that opens a connection (`WebSocket`, `Deno.connect`, `Deno.connectTls`, clients made
//!   by `Deno.createHttpClient`) asks the isolate's permissions ([`crate::permissions`]).
//!
//! Permissions know addresses without ports or names, so where they alone decide they are stricter: the
//! project's own API, for one, is open to `fetch` and `WebSocket` only.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use deno_core::OpState;
use deno_error::JsErrorBox;
use deno_fetch::dns::{Resolve as DenoResolve, Resolver, Resolving};
use deno_fetch::{Client, Options, ReqBody};
use http::Uri;
use hyper_util::client::legacy::connect::dns::Name;
use isobase_http::{Destination, EgressPolicy, Resolve};

use crate::files::Disk;
use crate::permissions;

thread_local! {
    /// An isolate has its thread to itself, and Deno's hook is a plain function.
    static POLICY: RefCell<Option<EgressPolicy>> = const { RefCell::new(None) };
}

/// Puts `policy` in force for the isolate of this thread, for good.
pub(crate) fn apply(
    state: &mut OpState,
    policy: &EgressPolicy,
    resolver: &Arc<dyn Resolve>,
) -> Result<(), String> {
    POLICY.with_borrow_mut(|current| *current = Some(policy.clone()));
    let mut options = state.borrow::<Options>().clone();
    options.resolver =
        Resolver::custom(Arc::new(PolicyResolver { policy: policy.clone(), resolver: resolver.clone() }));
    options.request_builder_hook = Some(judge);
    let is_open = policy.closed().is_empty();
    let disk = state.borrow::<Arc<Disk>>().clone();
    state.put(permissions::under(policy, &disk));
    if !is_open {
        // Its addresses were judged with their names, by the resolver, so that it may be sent where
        // permissions alone would have to refuse. Otherwise the client is made by the first fetch.
        let own_ports = permissions::own_ports_closed(policy);
        let client = deno_fetch::create_client_from_options(&options, Some(own_ports));
        state.put::<Client>(client.map_err(|error| error.to_string())?);
    }
    state.put(options);
    Ok(())
}

/// Whether `uri` is of the project's own API, in the policy of this thread's isolate.
pub(crate) fn is_own(uri: &Uri) -> bool {
    POLICY.with_borrow(|policy| policy.as_ref().is_some_and(|policy| policy.is_gateway(uri)))
}

/// Lets a request of `fetch` pass, sends it to the project's API, or says why not.
fn judge(request: &mut http::Request<ReqBody>) -> Result<(), JsErrorBox> {
    let Some(policy) = POLICY.with_borrow(Clone::clone) else { return Ok(()) };
    let uri = request.uri();
    let Some(host) = uri.host() else { return Ok(()) };
    let destination = policy.check_host(host, port(uri)).map_err(|refusal| {
        tracing::debug!(%refusal, "a request of a function was refused");
        JsErrorBox::type_error(format!("fetch failed: {refusal}"))
    })?;
    if let Destination::Gateway(gateway) = destination
        && let Some(there) = moved(uri, gateway)
    {
        *request.uri_mut() = there;
    }
    Ok(())
}

/// Deno resolves names, not ports, so an alias of the project's API becomes its address.
fn moved(uri: &Uri, gateway: SocketAddr) -> Option<Uri> {
    if uri.scheme_str() != Some("http") || uri.authority()?.as_str() == gateway.to_string() {
        return None;
    }
    let mut parts = uri.clone().into_parts();
    parts.authority = gateway.to_string().parse().ok();
    Uri::from_parts(parts).ok()
}

/// With the port that the scheme implies.
fn port(uri: &Uri) -> u16 {
    uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 })
}

/// Looks names up once and hands out what the policy admits.
#[derive(Debug)]
struct PolicyResolver {
    policy: EgressPolicy,
    resolver: Arc<dyn Resolve>,
}

impl DenoResolve for PolicyResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let policy = self.policy.clone();
        let name = name.as_str().trim_end_matches('.').to_ascii_lowercase();
        let found = self.resolver.resolve(&name);
        Box::pin(async move {
            let found = found.await?;
            for address in &found {
                policy
                    .admits_at_any_port(&name, *address)
                    .map_err(|refusal| io::Error::new(io::ErrorKind::PermissionDenied, refusal))?;
            }
            Ok(found.into_iter().map(|ip| SocketAddr::new(ip, 0)).collect::<Vec<_>>().into_iter())
        })
    }
}
