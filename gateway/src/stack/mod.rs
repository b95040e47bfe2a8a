//! What happens to a request, in order. The order is the design; each step says why it stands there.
//!
//! 1. **Access log**: first, so that whatever happens is observed, and dropped last.
//! 2. **Path**: before the route, which must not be chosen by what could be read in two ways.
//! 3. **Route**: from here on the surface's own words and bounds hold, for errors too.
//! 4. **CORS** and **head**: before keys, because browsers send preflights without any, and because
//!    a page can read a refusal only if it is marked. They follow the route
//!    because each surface has its own policy; finding the route has no effect of its own.
//! 5. **Key or token**: before the body, so that a stranger cannot make the host read one.
//!    A limit on a caller's rate belongs right after it, where the caller is known.
//! 6. **Body bound**: before the function, which must never see a byte too many.
//! 7. **Dispatch**.

mod access_log;
mod authenticate;
mod bound;
mod cors;
mod credentials;
mod dispatch;
mod forward;
mod head;
mod own;

use std::fmt::Display;
use std::time::Instant;

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::uri::Authority;
use http::{Request, Response};
use isobase_base::{Body, Client, Context, Target};

pub(crate) use access_log::Answer;

use crate::gateway::Gateway;
use crate::keys::ApiKeyKind;
use crate::path;
use crate::peer::Peer;
use crate::refusal::{Dialect, Refusal};
use crate::routes::{self, AccessMode, BodyBound, CrossOrigin, Destination, Route};
use access_log::AccessLog;
use authenticate::Caller;
use forward::Origin;

/// Tells a function which opaque key opened the door, as a token it can check.
const SB_API_KEY: HeaderName = HeaderName::from_static("sb-api-key");
const SB_REQUEST_ID: HeaderName = HeaderName::from_static("sb-request-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Where a request is bound for.
struct Place<'a> {
    route: &'static Route,
    /// What follows the route's prefix in the normalised path.
    rest: &'a str,
    authority: Authority,
}

/// What layers 5 and 6 make of a request.
enum Admission {
    /// A page of the gateway's own.
    Answered(Response<Body>),
    /// For a function.
    Admitted { target: Target, context: Context, bytes_max: u64, offers_upgrade: bool },
}

/// Answers one request.
pub(crate) async fn handle<B>(gateway: &Gateway, peer: &Peer, request: Request<B>) -> Response<Answer>
where
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Display,
{
    let (parts, body) = request.into_parts();
    // Boxed, because it goes through all layers and is no small thing to move.
    let parts = Box::new(parts);
    let mut log = AccessLog::begin(&gateway.observer, &parts);
    let uri = parts.uri.clone();
    let mut response = match path::normalise(uri.path()) {
        Ok(path) => match routes::find(&path) {
            Some((route, rest)) => answer_at(gateway, peer, route, rest, parts, body, &mut log).await,
            None => own::not_found().into_response(Dialect::Plain),
        },
        Err(path::Ambiguous) => own::invalid_url().into_response(Dialect::Plain),
    };
    log.status = response.status();
    response.headers_mut().insert(SB_REQUEST_ID, log.request_id_text.clone());
    response.map(|body| Answer::new(body, log))
}

/// Everything from the route on, in the words of its surface and readable for the page that asked.
async fn answer_at<B>(
    gateway: &Gateway,
    peer: &Peer,
    route: &'static Route,
    rest: &str,
    mut parts: Box<Parts>,
    body: B,
    log: &mut AccessLog,
) -> Response<Body>
where
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Display,
{
    log.surface = route.surface;
    let cross_origin = match route.cross_origin {
        CrossOrigin::Gateway => cors::decide(&parts.headers, &gateway.config.cors_origins),
        // Only for the gateway's own refusals: without it a page cannot read why it was refused.
        CrossOrigin::Function => cors::decide(&parts.headers, &[]),
    };
    if route.cross_origin == CrossOrigin::Gateway
        && let Some(response) = cors::preflight(&parts, &cross_origin)
    {
        return response;
    }
    let admission = head::check(&parts, gateway.config.limits.header_bytes_max)
        .and_then(|authority| admit(gateway, peer, Place { route, rest, authority }, &mut parts, log));
    let answered = match admission {
        Ok(Admission::Admitted { target, context, bytes_max, offers_upgrade }) => {
            let request = Request::from_parts(*parts, body);
            dispatch::dispatch(gateway, target, request, context, bytes_max, offers_upgrade).await
        }
        Ok(Admission::Answered(response)) => Ok(response),
        Err(refusal) => Err(refusal),
    };
    let (mut response, is_marked) = match answered {
        Ok(response) => (response, route.cross_origin == CrossOrigin::Gateway),
        Err(refusal) => (refusal.into_response(route.dialect), true),
    };
    if is_marked {
        cors::mark(response.headers_mut(), &cross_origin);
    }
    response
}

/// Layers 5 and 6: who asks, and what the function will see of the request.
fn admit(
    gateway: &Gateway,
    peer: &Peer,
    place: Place<'_>,
    parts: &mut Parts,
    log: &mut AccessLog,
) -> Result<Admission, Refusal> {
    let route = place.route;
    let target = match route.destination {
        Destination::Jwks => return Ok(Admission::Answered(own::jwks(gateway, parts))),
        Destination::FunctionsHealth => return Ok(Admission::Answered(own::health())),
        Destination::NotBuilt => return Err(own::not_built(route)),
        Destination::Builtin(name) => gateway.builtin(name),
        Destination::UserFunction => own::user_function(place.rest)?,
    };
    let caller = authenticate(gateway, route, &target, parts)?;
    log.principal = Some(caller.principal.clone());
    let is_function = route.destination == Destination::UserFunction;
    let offers_upgrade = route.offers_upgrade() && head::asks_for_upgrade(parts);
    let origin = Origin::of(&parts.headers, peer, &gateway.config);
    forward::clean_request(&mut parts.headers, offers_upgrade);
    origin.tell(&mut parts.headers, peer, &place.authority, route.prefix);
    tell_identity(gateway, &mut parts.headers, log, caller.api_key.filter(|_| is_function));
    parts.uri = forward::seen_uri(&parts.uri, place.rest, origin.scheme(), place.authority, !is_function)
        .map_err(|_| own::invalid_url())?;
    let context = Context {
        request_id: log.request_id,
        trace: log.trace,
        principal: caller.principal,
        deadline: Instant::now() + route.timeout.max(gateway.config.limits.request_timeout_min),
        client: Client { address: origin.address },
    };
    let bytes_max = match route.body {
        BodyBound::Data => gateway.config.limits.data_body_bytes_max,
        BodyBound::Deploy => gateway.config.limits.deploy_body_bytes_max,
        BodyBound::Function => gateway.config.limits.function_body_bytes_max,
    };
    Ok(Admission::Admitted { target, context, bytes_max, offers_upgrade })
}

/// Layer 5.
fn authenticate(gateway: &Gateway, route: &Route, target: &Target, parts: &Parts) -> Result<Caller, Refusal> {
    let keys = gateway.keys.load();
    match route.access {
        AccessMode::Open => Ok(Caller::anonymous()),
        AccessMode::DataApi => {
            let require_apikey = gateway.config.require_apikey;
            authenticate::for_data_api(&keys, &parts.headers, parts.uri.query(), require_apikey)
                .map_err(authenticate::data_api_refusal)
        }
        AccessMode::Keyed => authenticate::for_realtime(&keys, &parts.headers, parts.uri.query())
            .map_err(authenticate::realtime_refusal),
        AccessMode::PerFunction => {
            let access = gateway.invoker.access(target).ok_or_else(own::no_such_function)?;
            own::check_function_method(&parts.method)?;
            authenticate::for_function(&keys, &parts.headers, &parts.method, access)
                .map_err(authenticate::function_refusal)
        }
    }
}

/// Request id, trace and API key, which a function may log, pass on and check.
fn tell_identity(gateway: &Gateway, headers: &mut HeaderMap, log: &AccessLog, api_key: Option<ApiKeyKind>) {
    headers.insert(SB_REQUEST_ID, log.request_id_text.clone());
    if let Ok(value) = HeaderValue::try_from(log.trace.to_string()) {
        headers.insert(TRACEPARENT, value);
    }
    if let Some(kind) = api_key
        && let Some(legacy) = gateway.keys.load().legacy_key(kind)
    {
        headers.insert(SB_API_KEY, legacy.clone());
    }
}
