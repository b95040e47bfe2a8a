//! One socket's conversation: what each message of the client does. No I/O happens here; answers go
//! to the [`Outbox`], which the socket's task writes.

mod channel;
mod join;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use isobase_base::{Credential, Verifier, limits};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::Hub;
use crate::frame::CloseCode;
use crate::message::{Event, Message, Unsendable};
use crate::outbox::{Ending, Outbox};
use crate::protocol::{Content, Incoming, Reference, Version, binary, text};
use crate::rate::Rate;
use crate::topic::{NoTopic, Topic, Visibility};
use channel::{Channel, expired_for, may_read, token_code, token_message};
use join::JoinRequest;

/// What a client and the host have said so far.
pub(crate) struct Session {
    hub: Hub,
    verifier: Arc<dyn Verifier>,
    version: Version,
    /// Whom the socket was opened as; joins without a token of their own act as it.
    credential: Credential,
    /// By topic as clients write it.
    channels: HashMap<String, Channel>,
    received: Rate,
    outbox: Arc<Outbox>,
    heard_at: Instant,
    /// Since when nothing is joined.
    unjoined_since: Option<Instant>,
}

/// A message in one frame or several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Text,
    Binary,
}

impl Session {
    pub(crate) fn new(
        hub: Hub,
        verifier: Arc<dyn Verifier>,
        version: Version,
        credential: Credential,
    ) -> Self {
        let now = Instant::now();
        Self {
            hub,
            verifier,
            version,
            credential,
            channels: HashMap::new(),
            received: Rate::per_second(limits::REALTIME_EVENTS_PER_SECOND_MAX, now),
            outbox: Arc::default(),
            heard_at: now,
            unjoined_since: Some(now),
        }
    }

    pub(crate) fn outbox(&self) -> Arc<Outbox> {
        self.outbox.clone()
    }

    /// The peer is there, whatever it said.
    pub(crate) fn heard(&mut self) {
        self.heard_at = Instant::now();
    }

    /// Does what a message asks for. What cannot be read is dropped and the socket stays open.
    pub(crate) fn receive(&mut self, form: Form, bytes: &[u8]) {
        let incoming = match (form, self.version) {
            (Form::Text, version) => text::read(version, bytes),
            (Form::Binary, Version::Second) => binary::read(bytes),
            (Form::Binary, Version::First) => None,
        };
        let Some(Incoming { join, reference, topic, content }) = incoming else {
            tracing::debug!(bytes = bytes.len(), "a realtime message that could not be read was dropped");
            return;
        };
        match content {
            Content::Event { name, .. } if topic == "phoenix" && name == "heartbeat" => {
                self.reply(&Reference::none(), &reference, &topic, "ok", &json!({}));
            }
            Content::Event { name, payload } if name == "phx_join" => {
                // A join without a reference of its own is known by that of its message.
                let join = if join == Reference::none() { reference.clone() } else { join };
                self.join(join, &reference, &topic, payload);
            }
            content => self.speak(&reference, &topic, content),
        }
    }

    /// Ends what time has ended: channels whose token is over, the socket of a peer that is gone.
    pub(crate) fn tick(&mut self) {
        let (now, wall) = (Instant::now(), SystemTime::now());
        let objections: Vec<(String, String)> = self
            .channels
            .iter()
            .filter_map(|(topic, channel)| Some((topic.clone(), channel.objection(wall)?)))
            .collect();
        for (topic, objection) in objections {
            self.expel(&topic, &objection);
        }
        let is_idle = now.duration_since(self.heard_at) >= limits::REALTIME_IDLE_TIMEOUT;
        let is_useless = self
            .unjoined_since
            .is_some_and(|since| now.duration_since(since) >= limits::REALTIME_UNJOINED_TIMEOUT);
        if is_idle || is_useless {
            self.outbox.end(Ending::Close(CloseCode::Normal));
        }
    }

    fn join(&mut self, join: Reference, reference: &Reference, topic: &str, payload: Option<&RawValue>) {
        // A second join of a topic replaces the first.
        self.close(topic);
        let request = JoinRequest::read(payload);
        let refused = match self.admit(topic, &request) {
            Ok((topic, visibility, credential)) => {
                let joined = self.hub.join(topic, visibility, self.outbox.clone(), self.version);
                joined
                    .map(|membership| (membership, credential))
                    .ok_or_else(|| "ChannelRateLimitReached: Too many channels".to_owned())
            }
            Err(reason) => Err(reason),
        };
        let (membership, credential) = match refused {
            Ok(joined) => joined,
            Err(reason) => return self.reply(&join, reference, topic, "error", &json!({ "reason": reason })),
        };
        let channel = Channel {
            join: join.clone(),
            membership,
            credential,
            token: request.token,
            wants_own: request.wants_own,
            wants_acknowledgement: request.wants_acknowledgement,
        };
        self.channels.insert(topic.to_owned(), channel);
        self.unjoined_since = None;
        self.reply(&join, reference, topic, "ok", &json!({ "postgres_changes": [] }));
        if request.wants_readiness {
            self.system(topic, "ok", "Replication connection established");
        }
    }

    /// Checks a join; the error is the reason that the client reads.
    fn admit(
        &mut self,
        topic: &str,
        request: &JoinRequest,
    ) -> Result<(Topic, Visibility, Credential), String> {
        let parsed = Topic::parse(topic).map_err(|why| match why {
            NoTopic::Foreign => "unmatched topic".to_owned(),
            NoTopic::Nameless => "TopicNameRequired: You must provide a topic name".into(),
            NoTopic::TooLong => "TopicNameRequired: The topic name is longer than 246 bytes".into(),
        })?;
        if !self.hub.admits_join() {
            self.outbox.end(Ending::Close(CloseCode::TryAgainLater));
            return Err("ClientJoinRateLimitReached: Too many joins per second".into());
        }
        if self.channels.len() >= limits::REALTIME_CHANNELS_PER_SOCKET_MAX {
            return Err("ChannelRateLimitReached: Too many channels".into());
        }
        let credential = match request.token.as_deref().filter(|token| !token.starts_with("sb_")) {
            Some(token) => self
                .verifier
                .verify(token)
                .map_err(|why| format!("{}: {}", token_code(why), token_message(why)))?,
            None => self.credential.clone(),
        };
        if let Some(past) = expired_for(&credential, SystemTime::now()) {
            return Err(format!("InvalidJWTToken: Token has expired {} seconds ago", past.as_secs()));
        }
        if let Some(unsupported) = request.unsupported {
            return Err(unsupported.reason().into());
        }
        let visibility = if request.is_private { Visibility::Private } else { Visibility::Public };
        if !may_read(&credential, visibility) {
            return Err(format!(
                "Unauthorized: You do not have permissions to read from this Channel topic: {}; policies for private \
                 channels are not in this version of isobase yet, so only service_role may join them",
                parsed.name()
            ));
        }
        Ok((parsed, visibility, credential))
    }

    /// Everything but a join needs a channel.
    fn speak(&mut self, reference: &Reference, topic: &str, content: Content<'_>) {
        let Some(channel) = self.channels.get(topic) else {
            let is_leave = matches!(&content, Content::Event { name, .. } if name == "phx_leave");
            let (status, response) =
                if is_leave { ("ok", json!({})) } else { ("error", json!({ "reason": "unmatched topic" })) };
            return self.reply(&Reference::none(), reference, topic, status, &response);
        };
        let join = channel.join.clone();
        if !self.received.admits(1, Instant::now()) {
            return self.expel(topic, "Too many messages per second");
        }
        match content {
            Content::Broadcast { event, payload } => {
                let event = Event::new(event, payload.to_payload()).map(Message::Event);
                self.broadcast(reference, topic, event);
            }
            Content::Event { name, payload } => match name.as_ref() {
                "phx_leave" => {
                    self.reply(&join, reference, topic, "ok", &json!({}));
                    self.close(topic);
                }
                "access_token" => self.renew(topic, payload),
                "broadcast" => self.broadcast(reference, topic, text_message(payload)),
                "presence" => {
                    let reason = join::Unsupported::Presence.reason();
                    self.reply(&join, reference, topic, "error", &json!({ "reason": reason }));
                }
                _ => tracing::debug!("a realtime event of an unknown name was dropped"),
            },
        }
    }

    fn broadcast(&mut self, reference: &Reference, topic: &str, message: Result<Message, Unsendable>) {
        let Some(channel) = self.channels.get(topic) else { return };
        let (status, response) = match message {
            Ok(message) => {
                let membership = &channel.membership;
                let except = (!channel.wants_own).then(|| membership.id());
                self.hub.publish(membership.topic(), membership.visibility(), &message, except);
                ("ok", json!({}))
            }
            Err(Unsendable::TooLarge) => ("error", Value::from("payload_size_exceeded")),
            Err(Unsendable::Name | Unsendable::Malformed) => {
                ("error", json!({ "reason": "malformed message" }))
            }
        };
        if channel.wants_acknowledgement {
            self.reply(&channel.join, reference, topic, status, &response);
        }
    }

    /// A new token for a channel. Nothing is answered when it is good.
    fn renew(&mut self, topic: &str, payload: Option<&RawValue>) {
        let payload = payload.and_then(|payload| serde_json::from_str::<Value>(payload.get()).ok());
        let token = payload.as_ref().and_then(|payload| payload["access_token"].as_str());
        let Some(token) = token.filter(|token| !token.starts_with("sb_")) else { return };
        let Some(channel) = self.channels.get_mut(topic) else { return };
        if channel.token.as_deref() == Some(token) {
            return;
        }
        let objection = match self.verifier.verify(token) {
            Ok(credential) => {
                channel.credential = credential;
                channel.token = Some(token.to_owned());
                channel.objection(SystemTime::now())
            }
            Err(why) => Some(token_message(why)),
        };
        if let Some(objection) = objection {
            self.expel(topic, &objection);
        }
    }

    /// Ends a channel and says why.
    fn expel(&mut self, topic: &str, why: &str) {
        self.system(topic, "error", why);
        self.close(topic);
    }

    fn close(&mut self, topic: &str) {
        let Some(channel) = self.channels.remove(topic) else { return };
        let join = channel.join;
        self.outbox.push(text::message(self.version, &join, &join, topic, "phx_close", "{}"));
        if self.channels.is_empty() {
            self.unjoined_since = Some(Instant::now());
        }
    }

    /// The host's word on a channel.
    fn system(&self, topic: &str, status: &str, message: &str) {
        let Some(channel) = self.channels.get(topic) else { return };
        let name = channel.membership.topic().name();
        let payload = json!({ "extension": "system", "status": status, "message": message, "channel": name });
        let none = Reference::none();
        let frame = text::message(self.version, &channel.join, &none, topic, "system", &payload.to_string());
        self.outbox.push(frame);
    }

    fn reply(&self, join: &Reference, reference: &Reference, topic: &str, status: &str, response: &Value) {
        let payload = json!({ "status": status, "response": response }).to_string();
        self.outbox.push(text::message(self.version, join, reference, topic, "phx_reply", &payload));
    }
}

/// A broadcast in a text frame: its payload is passed on as it is.
fn text_message(payload: Option<&RawValue>) -> Result<Message, Unsendable> {
    let payload = payload.filter(|payload| payload.get().starts_with('{')).ok_or(Unsendable::Malformed)?;
    if payload.get().len() > limits::REALTIME_PAYLOAD_BYTES_MAX {
        return Err(Unsendable::TooLarge);
    }
    Ok(Message::Text(payload.to_owned()))
}

#[cfg(test)]
mod tests;
