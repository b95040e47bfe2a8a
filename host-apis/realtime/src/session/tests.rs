use std::sync::Arc;
use std::time::{Duration, SystemTime};

use expect_test::{Expect, expect};
use futures::FutureExt;
use isobase_base::{Credential, Principal, Unverified, Verifier, limits};

use super::{Form, Session};
use crate::Hub;
use crate::outbox::Next;
use crate::protocol::Version;

/// Believes `good…`, and `dying` for a moment.
struct Words;

impl Verifier for Words {
    fn verify(&self, token: &str) -> Result<Credential, Unverified> {
        let dying = SystemTime::now() - limits::TOKEN_CLOCK_SKEW + Duration::from_millis(50);
        match token {
            "dying" => Ok(Credential { principal: Principal::anon(), expires_at: Some(dying) }),
            "service" => Ok(Credential { principal: Principal::service(), expires_at: None }),
            "old" => Err(Unverified::Expired { seconds: 99 }),
            "forged" => Err(Unverified::Signature),
            "roleless" => Err(Unverified::Claims),
            _ if token.starts_with("good") => {
                Ok(Credential { principal: Principal::anon(), expires_at: None })
            }
            _ => Err(Unverified::Malformed),
        }
    }
}

struct Peer(Session);

impl Peer {
    fn new(hub: &Hub, version: Version) -> Self {
        let credential = Credential { principal: Principal::anon(), expires_at: None };
        Self(Session::new(hub.clone(), Arc::new(Words), version, credential))
    }

    fn says(&mut self, text: &str) -> &mut Self {
        self.0.receive(Form::Text, text.as_bytes());
        self
    }

    fn joins(&mut self, topic: &str, config: &str) -> &mut Self {
        self.says(&format!(r#"["1","1","realtime:{topic}","phx_join",{{"config":{config}}}]"#))
    }

    /// What was sent to the client, a line each; bytes are shown as text.
    fn hears(&mut self) -> String {
        let mut lines = Vec::new();
        while let Some(next) = self.0.outbox.next().now_or_never() {
            match next {
                Next::Write(bytes) => lines.extend(payloads(&bytes)),
                Next::End(ending) => {
                    lines.push(format!("{ending:?}"));
                    break;
                }
            }
        }
        lines.join("\n")
    }

    fn check(&mut self, expected: &Expect) {
        expected.assert_eq(&self.hears());
    }
}

/// The payloads of frames shorter than 64 KiB.
fn payloads(mut bytes: &[u8]) -> Vec<String> {
    let mut payloads = Vec::new();
    while let [_, length, rest @ ..] = bytes {
        let (length, rest) = match length {
            126 => (usize::from(u16::from_be_bytes([rest[0], rest[1]])), &rest[2..]),
            length => (usize::from(*length), rest),
        };
        let text = String::from_utf8_lossy(&rest[..length]).into_owned();
        payloads.push(text.replace(|letter: char| letter.is_control(), "."));
        bytes = &rest[length..];
    }
    payloads
}

fn push(topic: &str, event: &str, encoding: u8, payload: &[u8]) -> Vec<u8> {
    let topic = format!("realtime:{topic}");
    let length = |text: &str| u8::try_from(text.len()).unwrap();
    let mut bytes = vec![3, 1, 1, length(&topic), length(event), 0, encoding];
    bytes.extend_from_slice(format!("17{topic}{event}").as_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

#[test]
fn joins_are_answered() {
    let hub = Hub::new(Default::default());
    let mut peer = Peer::new(&hub, Version::Second);
    peer.says(r#"[null,"9","phoenix","heartbeat",{}]"#)
        .joins("room", "{}")
        .joins("", "{}")
        .joins("t", r#"{"postgres_changes":[{"event":"*","schema":"public"}]}"#)
        .joins("t", r#"{"presence":{"enabled":true}}"#)
        .joins("t", r#"{"private":true}"#)
        .says(r#"["1","2","other","phx_join",{"config":{}}]"#)
        .says(r#"["1","2","realtime:public:todos","phx_join",{}]"#)
        .says("nonsense")
        .says(r#"["1","3","realtime:t","broadcast",{}]"#)
        .says(r#"["1","4","realtime:t","phx_leave",{}]"#)
        .says(r#"["1","5","realtime:room","phx_leave",{}]"#);
    peer.check(&expect![[r#"
        [null,"9","phoenix","phx_reply",{"status":"ok","response":{}}]
        ["1","1","realtime:room","phx_reply",{"status":"ok","response":{"postgres_changes":[]}}]
        ["1","1","realtime:","phx_reply",{"status":"error","response":{"reason":"TopicNameRequired: You must provide a topic name"}}]
        ["1","1","realtime:t","phx_reply",{"status":"error","response":{"reason":"FeatureNotAvailable: this version of isobase does not have postgres_changes yet"}}]
        ["1","1","realtime:t","phx_reply",{"status":"error","response":{"reason":"FeatureNotAvailable: this version of isobase does not have presence yet"}}]
        ["1","1","realtime:t","phx_reply",{"status":"error","response":{"reason":"Unauthorized: You do not have permissions to read from this Channel topic: t; policies for private channels are not in this version of isobase yet, so only service_role may join them"}}]
        ["1","2","other","phx_reply",{"status":"error","response":{"reason":"unmatched topic"}}]
        ["1","2","realtime:public:todos","phx_reply",{"status":"error","response":{"reason":"FeatureNotAvailable: a join without config subscribes to database changes, which this version of isobase does not have yet; send config for a broadcast channel"}}]
        [null,"3","realtime:t","phx_reply",{"status":"error","response":{"reason":"unmatched topic"}}]
        [null,"4","realtime:t","phx_reply",{"status":"ok","response":{}}]
        ["1","5","realtime:room","phx_reply",{"status":"ok","response":{}}]
        ["1","1","realtime:room","phx_close",{}]"#]]);
}

#[test]
fn tokens_of_a_join_are_verified() {
    let hub = Hub::new(Default::default());
    let mut peer = Peer::new(&hub, Version::First);
    let mut joins = |token: &str| {
        let text = format!(
            r#"{{"topic":"realtime:r","event":"phx_join","payload":{{"config":{{"private":{}}},"access_token":"{token}"}},"ref":"1"}}"#,
            token == "service"
        );
        peer.says(&text);
    };
    for token in ["good", "sb_publishable_x", "old", "forged", "roleless", "nonsense", "service"] {
        joins(token);
    }
    peer.check(&expect![[r#"
        {"topic":"realtime:r","event":"phx_reply","payload":{"status":"ok","response":{"postgres_changes":[]}},"ref":"1"}
        {"topic":"realtime:r","event":"phx_close","payload":{},"ref":"1"}
        {"topic":"realtime:r","event":"phx_reply","payload":{"status":"ok","response":{"postgres_changes":[]}},"ref":"1"}
        {"topic":"realtime:r","event":"phx_close","payload":{},"ref":"1"}
        {"topic":"realtime:r","event":"phx_reply","payload":{"status":"error","response":{"reason":"InvalidJWTToken: Token has expired 99 seconds ago"}},"ref":"1"}
        {"topic":"realtime:r","event":"phx_reply","payload":{"status":"error","response":{"reason":"JwtSignatureError: Failed to validate JWT signature"}},"ref":"1"}
        {"topic":"realtime:r","event":"phx_reply","payload":{"status":"error","response":{"reason":"InvalidJWTToken: Fields `role` and `exp` are required in JWT"}},"ref":"1"}
        {"topic":"realtime:r","event":"phx_reply","payload":{"status":"error","response":{"reason":"MalformedJWT: The token provided is not a valid JWT"}},"ref":"1"}
        {"topic":"realtime:r","event":"phx_reply","payload":{"status":"ok","response":{"postgres_changes":[]}},"ref":"1"}"#]]);
}

#[test]
fn a_broadcast_reaches_the_others_in_their_own_words() {
    let hub = Hub::new(Default::default());
    let [mut sender, mut echo, mut silent] = [(); 3].map(|()| Peer::new(&hub, Version::Second));
    let mut old = Peer::new(&hub, Version::First);
    sender.joins("room", r#"{"broadcast":{"ack":true}}"#).hears();
    echo.joins("room", r#"{"broadcast":{"self":true}}"#).hears();
    silent.joins("elsewhere", "{}").hears();
    old.says(r#"{"topic":"realtime:room","event":"phx_join","payload":{"config":{}},"ref":1}"#).hears();

    sender.0.receive(Form::Binary, &push("room", "ping", 1, br#"{"a":1}"#));
    sender.0.receive(Form::Binary, &push("room", "bytes", 0, b"xyz"));
    sender.0.receive(Form::Binary, &push("room", "broken", 1, b"{"));
    sender.says(r#"["1","8","realtime:room","broadcast",{"type":"broadcast","event":"text","payload":[1]}]"#);
    sender.says(r#"["1","9","realtime:room","broadcast",7]"#);
    echo.0.receive(Form::Binary, &push("room", "own", 1, b"2"));
    old.says(r#"{"topic":"realtime:room","event":"broadcast","payload":{"event":"first"},"ref":2}"#);

    sender.check(&expect![[r#"
        ["1","7","realtime:room","phx_reply",{"status":"ok","response":{}}]
        ["1","7","realtime:room","phx_reply",{"status":"ok","response":{}}]
        ["1","7","realtime:room","phx_reply",{"status":"error","response":{"reason":"malformed message"}}]
        ["1","8","realtime:room","phx_reply",{"status":"ok","response":{}}]
        ["1","9","realtime:room","phx_reply",{"status":"error","response":{"reason":"malformed message"}}]
        .....realtime:roomown2
        [null,null,"realtime:room","broadcast",{"event":"first"}]"#]]);
    echo.check(&expect![[r#"
        .....realtime:roomping{"a":1}
        .....realtime:roombytesxyz
        [null,null,"realtime:room","broadcast",{"type":"broadcast","event":"text","payload":[1]}]
        .....realtime:roomown2
        [null,null,"realtime:room","broadcast",{"event":"first"}]"#]]);
    old.check(&expect![[r#"
        {"topic":"realtime:room","event":"broadcast","payload":{"type":"broadcast","event":"ping","payload":{"a":1}},"ref":null}
        {"topic":"realtime:room","event":"broadcast","payload":{"type":"broadcast","event":"text","payload":[1]},"ref":null}
        {"topic":"realtime:room","event":"broadcast","payload":{"type":"broadcast","event":"own","payload":2},"ref":null}"#]]);
    silent.check(&expect![[""]]);
}

#[test]
fn a_second_join_replaces_the_first() {
    let hub = Hub::new(Default::default());
    let mut peer = Peer::new(&hub, Version::Second);
    peer.joins("room", "{}").hears();
    peer.says(r#"["2","2","realtime:room","phx_join",{"config":{"broadcast":{"self":true}}}]"#);
    peer.0.receive(Form::Binary, &push("room", "once", 1, b"1"));
    peer.check(&expect![[r#"
        ["1","1","realtime:room","phx_close",{}]
        ["2","2","realtime:room","phx_reply",{"status":"ok","response":{"postgres_changes":[]}}]
        .....realtime:roomonce1"#]]);
}

#[test]
fn tokens_are_renewed_or_end_their_channel() {
    let hub = Hub::new(Default::default());
    let mut peer = Peer::new(&hub, Version::Second);
    let renew = |peer: &mut Peer, token: &str| {
        peer.says(&format!(r#"["1",null,"realtime:room","access_token",{{"access_token":{token}}}]"#));
    };
    peer.joins("room", "{}").hears();
    for ignored in ["null", r#""sb_publishable_x""#, r#""good-2""#, r#""good-2""#] {
        renew(&mut peer, ignored);
    }
    assert_eq!(peer.hears(), "", "good news is no news");
    renew(&mut peer, r#""forged""#);
    peer.check(&expect![[r#"
        ["1",null,"realtime:room","system",{"extension":"system","status":"error","message":"Failed to validate JWT signature","channel":"room"}]
        ["1","1","realtime:room","phx_close",{}]"#]]);

    peer.joins("room", "{}").hears();
    renew(&mut peer, r#""dying""#);
    peer.0.tick();
    assert_eq!(peer.hears(), "", "it is good for a moment");
    while !peer.0.channels.is_empty() {
        peer.0.tick();
    }
    peer.check(&expect![[r#"
        ["1",null,"realtime:room","system",{"extension":"system","status":"error","message":"Token has expired 30 seconds ago","channel":"room"}]
        ["1","1","realtime:room","phx_close",{}]"#]]);

    peer.says(r#"["1","1","realtime:room","phx_join",{"config":{"private":true},"access_token":"service"}]"#);
    peer.hears();
    renew(&mut peer, r#""good""#);
    peer.check(&expect![[r#"
        ["1",null,"realtime:room","system",{"extension":"system","status":"error","message":"You no longer have permission to read from this Channel topic: room","channel":"room"}]
        ["1","1","realtime:room","phx_close",{}]"#]]);
}

#[test]
fn a_socket_has_so_many_channels_and_messages() {
    let hub = Hub::new(Default::default());
    let mut peer = Peer::new(&hub, Version::Second);
    for index in 0..limits::REALTIME_CHANNELS_PER_SOCKET_MAX {
        peer.joins(&format!("room-{index}"), "{}");
    }
    peer.hears();
    peer.joins("one-more", "{}");
    peer.check(&expect![[r#"["1","1","realtime:one-more","phx_reply",{"status":"error","response":{"reason":"ChannelRateLimitReached: Too many channels"}}]"#]]);

    let is_joined = |peer: &Peer| peer.0.channels.contains_key("realtime:room-1");
    while is_joined(&peer) {
        peer.0.receive(Form::Binary, &push("room-1", "e", 1, b"1"));
    }
    let heard = peer.hears();
    assert!(heard.contains("Too many messages per second") && heard.contains("phx_close"), "{heard}");
}
