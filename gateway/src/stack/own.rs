//! What the gateway answers without asking a function.

use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH};
use http::request::Parts;
use http::{Method, Response, StatusCode};
use isobase_base::{Body, Failure, FailureKind, FunctionSlug, Target};

use crate::gateway::Gateway;
use crate::refusal::Refusal;
use crate::routes::Route;

/// The public keys of the project. Clients cache them for ten minutes, as Supabase tells them to.
pub(super) fn jwks(gateway: &Gateway, parts: &Parts) -> Response<Body> {
    let keys = gateway.keys.load();
    let (content, tag) = keys.published();
    let is_known = parts.headers.get(IF_NONE_MATCH).is_some_and(|known| known == tag);
    let mut response = if is_known { Response::new(Body::Empty) } else { json(content.clone().into()) };
    if is_known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=600"));
    response.headers_mut().insert(ETAG, tag.clone());
    response
}

/// What the local functions server of the Supabase CLI answers.
pub(super) fn health() -> Response<Body> {
    json(r#"{"message":"ok"}"#.into())
}

fn json(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// 404 and not 501: Supabase's clients take 5xx for trouble that passes, and would try again.
pub(super) fn not_built(route: &Route) -> Refusal {
    let message = format!("This version of isobase has no {} API yet", route.surface);
    Refusal::new(StatusCode::NOT_FOUND, "feature_disabled", message)
}

pub(super) fn not_found() -> Refusal {
    let message = "No API is at this path; there are /rest/v1 and /functions/v1";
    Refusal::new(StatusCode::NOT_FOUND, "NOT_FOUND", message)
}

pub(super) fn invalid_url() -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, "INVALID_URL", "The path of the request is not valid")
}

/// The function named by the first segment of `rest`.
pub(super) fn user_function(rest: &str) -> Result<Target, Refusal> {
    let slug = rest.split('/').nth(1).unwrap_or_default();
    FunctionSlug::parse(slug).map(Target::user).map_err(|_| no_such_function())
}

pub(super) fn no_such_function() -> Refusal {
    Refusal::from(&Failure::new(FailureKind::NotFound, ""))
}

/// The methods Supabase's functions accept, and HEAD, which every GET implies.
pub(super) fn check_function_method(method: &Method) -> Result<(), Refusal> {
    const ACCEPTED: [Method; 7] = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::OPTIONS,
    ];
    if ACCEPTED.contains(method) { Ok(()) } else { Err(method_not_allowed()) }
}

/// RFC 9110 §15.5.6 wants the accepted methods named.
pub(super) fn method_not_allowed() -> Refusal {
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", "Method not allowed")
        .with_header(ALLOW, HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"))
}
