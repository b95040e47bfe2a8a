//! `isobase:host/realtime`: one operation for each kind of payload.

use std::borrow::Cow;

use bytes::Bytes;
use deno_core::{OpState, op2};
use deno_error::{AdditionalProperties, JsErrorClass, PropertyValue};
use isobase_realtime::{Outgoing, Payload, PublishError, Visibility};

use crate::Callers;

/// Becomes the class `RealtimeError` of `js/realtime.js`, with a `kind` named as in the WIT variant.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BroadcastError {
    #[error(transparent)]
    Publish(#[from] PublishError),
    #[error("this host runs without realtime")]
    Unavailable,
    #[error("{0}")]
    NoRequest(deno_error::JsErrorBox),
}

impl BroadcastError {
    fn kind(&self) -> &'static str {
        match self {
            Self::Publish(PublishError::Refused(_)) | Self::NoRequest(_) => "refused",
            Self::Publish(PublishError::TooLarge) => "too-large",
            Self::Publish(PublishError::TooFast) => "too-fast",
            Self::Unavailable => "unavailable",
        }
    }
}

impl JsErrorClass for BroadcastError {
    fn get_class(&self) -> Cow<'static, str> {
        "RealtimeError".into()
    }

    fn get_message(&self) -> Cow<'static, str> {
        self.to_string().into()
    }

    fn get_additional_properties(&self) -> AdditionalProperties {
        Box::new(std::iter::once(("kind".into(), PropertyValue::String(self.kind().into()))))
    }

    fn get_ref(&self) -> &(dyn std::error::Error + Send + Sync + 'static) {
        self
    }
}

fn publish(
    state: &OpState,
    id: u32,
    topic: &str,
    event: &str,
    payload: Payload,
    is_private: bool,
) -> Result<(), BroadcastError> {
    let broadcaster = state.borrow::<Callers>().broadcaster(id).map_err(BroadcastError::NoRequest)?;
    let broadcaster = broadcaster.ok_or(BroadcastError::Unavailable)?;
    let visibility = if is_private { Visibility::Private } else { Visibility::Public };
    let message = Outgoing { topic: topic.to_owned(), event: event.to_owned(), payload, visibility };
    Ok(broadcaster.publish(message)?)
}

#[op2(fast)]
pub(crate) fn op_isobase_realtime_publish_json(
    state: &OpState,
    #[smi] id: u32,
    #[string] topic: &str,
    #[string] event: &str,
    #[string] json: &str,
    is_private: bool,
) -> Result<(), BroadcastError> {
    let payload = Payload::Json(Bytes::copy_from_slice(json.as_bytes()));
    publish(state, id, topic, event, payload, is_private)
}

#[op2(fast)]
pub(crate) fn op_isobase_realtime_publish_bytes(
    state: &OpState,
    #[smi] id: u32,
    #[string] topic: &str,
    #[string] event: &str,
    #[buffer] bytes: &[u8],
    is_private: bool,
) -> Result<(), BroadcastError> {
    publish(state, id, topic, event, Payload::Binary(Bytes::copy_from_slice(bytes)), is_private)
}
