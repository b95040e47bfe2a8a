//! Publishing as one invocation of a function may.

use std::time::Instant;

use isobase_base::{Grant, Principal, Role};

use crate::Hub;
use crate::message::{Event, Message, Payload, Unsendable};
use crate::topic::{Topic, Visibility};

/// Realtime as one invocation sees it: who it acts for and what its manifest grants.
#[derive(Clone)]
pub struct Broadcaster {
    hub: Hub,
    principal: Principal,
    grant: Grant,
}

/// A message to publish.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// Without `realtime:`; at most 246 bytes.
    pub topic: String,
    /// At most 255 bytes.
    pub event: String,
    pub payload: Payload,
    pub visibility: Visibility,
}

/// Why a message was not published.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// The call itself is wrong, or not granted.
    #[error("{0}")]
    Refused(String),
    #[error("the payload is longer than a message may be")]
    TooLarge,
    #[error("too many messages are published per second")]
    TooFast,
}

impl Broadcaster {
    pub(crate) fn new(hub: Hub, principal: Principal, grant: Grant) -> Self {
        Self { hub, principal, grant }
    }

    /// Hands the message to the sockets that have joined its topic now. Nothing is kept for those
    /// that join later.
    pub fn publish(&self, message: Outgoing) -> Result<(), PublishError> {
        let Outgoing { topic, event, payload, visibility } = message;
        self.check_grant(visibility)?;
        let topic = Topic::named(&topic).map_err(|_| refused("a topic has 1 to 246 bytes"))?;
        let event = Event::new(&event, payload).map_err(|why| match why {
            Unsendable::TooLarge => PublishError::TooLarge,
            Unsendable::Name => refused("an event has 1 to 255 bytes"),
            Unsendable::Malformed => refused("the payload is not JSON"),
        })?;
        if !self.hub.published().lock().admits(1, Instant::now()) {
            return Err(PublishError::TooFast);
        }
        self.hub.publish(&topic, visibility, &Message::Event(event), None);
        Ok(())
    }

    fn check_grant(&self, visibility: Visibility) -> Result<(), PublishError> {
        let is_service = self.principal.role().as_str() == Role::SERVICE;
        match (self.grant, visibility) {
            (Grant::None, _) => Err(refused("the function's manifest grants no realtime")),
            (Grant::Caller, Visibility::Private) if !is_service => {
                Err(refused("only service_role, or a function granted it, may publish to private topics"))
            }
            (Grant::Caller | Grant::Service, _) => Ok(()),
        }
    }
}

fn refused(why: &str) -> PublishError {
    PublishError::Refused(why.into())
}
