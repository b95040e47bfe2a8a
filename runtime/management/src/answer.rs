//! Answers as Supabase's clients read them: JSON, and for errors an object with a `message`.

use std::error::Error;

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use isobase_base::Body;
use isobase_deploy::{BundleError, DeployError, ReleaseError, StoreError};
use serde_json::{Value, json};

/// A request that is not done, and what its sender is told.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) message: String,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }

    pub(crate) fn unauthorized(message: &str) -> Self {
        let hint = "`isobase status` shows the access token of a project that runs here";
        Self::new(StatusCode::UNAUTHORIZED, format!("{message}; {hint}"))
    }

    pub(crate) fn malformed(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    pub(crate) fn into_response(self) -> Response<Body> {
        with_status(self.status, &json!({ "message": self.message }))
    }
}

pub(crate) fn ok(value: &Value) -> Response<Body> {
    with_status(StatusCode::OK, value)
}

pub(crate) fn created(value: &Value) -> Response<Body> {
    with_status(StatusCode::CREATED, value)
}

fn with_status(status: StatusCode, value: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(value.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        tracing::error!(error = &error as &dyn Error, "the management API could not use its database");
        let status = match error {
            StoreError::Unreachable(_) => StatusCode::SERVICE_UNAVAILABLE,
            StoreError::Refused(_) | StoreError::Damaged => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, error.to_string())
    }
}

impl From<ReleaseError> for Refusal {
    fn from(error: ReleaseError) -> Self {
        let status = match error {
            ReleaseError::Store(error) => return error.into(),
            ReleaseError::NoFunction(_) | ReleaseError::NoVersion { .. } => StatusCode::NOT_FOUND,
            ReleaseError::NothingBefore(_) => StatusCode::CONFLICT,
            ReleaseError::Shares(..) => StatusCode::BAD_REQUEST,
            ReleaseError::Boot { ref source, .. } => {
                return Self::new(StatusCode::BAD_REQUEST, format!("{error}: {}", source.detail));
            }
        };
        Self::new(status, error.to_string())
    }
}

impl From<DeployError> for Refusal {
    fn from(error: DeployError) -> Self {
        let status = match error {
            DeployError::Store(error) => return error.into(),
            DeployError::Compile(_) | DeployError::Boot(_) | DeployError::Triggers(_) => {
                StatusCode::BAD_REQUEST
            }
            DeployError::Stopping => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self::new(status, error.to_string())
    }
}

impl From<BundleError> for Refusal {
    fn from(error: BundleError) -> Self {
        let status = match error {
            BundleError::TooLarge(_) | BundleError::TooMany => StatusCode::PAYLOAD_TOO_LARGE,
            BundleError::Outside(_) | BundleError::Damaged => StatusCode::BAD_REQUEST,
        };
        Self::new(status, error.to_string())
    }
}
