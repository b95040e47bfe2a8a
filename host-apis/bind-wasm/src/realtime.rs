//! `isobase:host/realtime`: messages to sockets.

use isobase_realtime::{Outgoing, Payload, PublishError, Visibility};

use crate::HostView;
use crate::bindings::realtime as wit;

impl wit::Host for HostView<'_> {
    fn publish(
        &mut self,
        topic: String,
        event: String,
        payload: wit::Payload,
        visibility: wit::Visibility,
    ) -> wasmtime::Result<Result<(), wit::Error>> {
        let Some(broadcaster) = &self.host.broadcaster else { return Ok(Err(wit::Error::Unavailable)) };
        let payload = match payload {
            wit::Payload::Json(text) => Payload::Json(text.into()),
            wit::Payload::Bytes(bytes) => Payload::Binary(bytes.into()),
        };
        let visibility = match visibility {
            wit::Visibility::Public => Visibility::Public,
            wit::Visibility::Private => Visibility::Private,
        };
        Ok(broadcaster.publish(Outgoing { topic, event, payload, visibility }).map_err(error))
    }
}

fn error(error: PublishError) -> wit::Error {
    match error {
        PublishError::Refused(why) => wit::Error::Refused(why),
        PublishError::TooLarge => wit::Error::TooLarge,
        PublishError::TooFast => wit::Error::TooFast,
    }
}
