//! Realtime: messages from one client, function or request to all sockets that joined a topic.
//!
//! A [`Hub`] knows who has joined what and hands messages out; a message is written once for each
//! version of the protocol, whatever the number of sockets, and a socket that does not keep up is
//! dropped instead of waited for. [`Realtime`] is the surface: the WebSocket that realtime-js opens
//! (Phoenix channels, versions 1.0.0 and 2.0.0) and the HTTP endpoints that publish. Functions
//! publish through a [`Broadcaster`], under what their manifest grants them.
//!
//! [`hand_out::run`] does the same for messages that SQL left in `realtime.messages`.
//!
//! Only *broadcast* is here. A join that asks for database changes, presence or a private channel
//! for anybody but `service_role` is refused and told so.
//!
//! ```
//! use isobase_base::{Grant, Principal};
//! use isobase_realtime::{Hub, Outgoing, Payload, Visibility};
//!
//! let hub = Hub::new(Default::default());
//! let broadcaster = hub.broadcaster(Principal::anon(), Grant::Caller);
//! let message = Outgoing {
//!     topic: "room".into(),
//!     event: "greeting".into(),
//!     payload: Payload::Json(r#"{"text":"hello"}"#.into()),
//!     visibility: Visibility::Public,
//! };
//! broadcaster.publish(message).unwrap();
//! ```

mod broadcaster;
mod frame;
pub mod hand_out;
mod hub;
mod message;
mod outbox;
mod protocol;
mod rate;
mod rest;
mod service;
mod session;
mod socket;
mod topic;

pub use broadcaster::{Broadcaster, Outgoing, PublishError};
pub use hub::Hub;
pub use message::Payload;
pub use service::Realtime;
pub use topic::Visibility;
