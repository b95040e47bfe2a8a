//! The words every room shares: who calls, what is asked, what went wrong.
//!
//! `isobase-base` knows no engine, no database and no server. It holds the *ports* that let the
//! gateway reach functions without naming the runtime ([`Invoker`]), the typed values that cross
//! those ports ([`Context`], [`Principal`], [`Body`]) and the habits that keep the host honest
//! ([`limits`], [`task`], [`observe`]).
//!
//! ```
//! use isobase_base::{FunctionSlug, Principal, Target};
//!
//! let target = Target::user(FunctionSlug::parse("hello-world").unwrap());
//! assert_eq!(target.slug().as_str(), "hello-world");
//! assert_eq!(Principal::anon().role().as_str(), "anon");
//! ```

mod body;
pub mod code_frame;
mod context;
mod egress;
mod environments;
mod failure;
mod grant;
mod hex;
mod ids;
mod invoke;
mod isolation;
pub mod limits;
pub mod observe;
mod principal;
pub mod progress;
pub mod project;
mod random;
mod secret_text;
mod switchboard;
pub mod task;
mod trace;
mod verifier;
pub mod websocket;

pub use body::{Body, BodyError, Upgrade, UpgradedIo};
pub use context::{Client, Context};
pub use egress::{EgressEntry, EgressPlace, InvalidEgressEntry};
pub use environments::Environments;
pub use failure::{Blame, Failure, FailureKind};
pub use grant::{Capabilities, Egress, Grant};
pub use hex::hex;
pub use ids::{FunctionSlug, InvalidSlug, RequestId};
pub use invoke::{Access, Invoker, Target, TargetKind};
pub use isolation::Isolation;
pub use principal::{InvalidRole, Principal, Role};
pub use secret_text::SecretText;
pub use switchboard::{Service, Switchboard};
pub use trace::TraceContext;
pub use verifier::{Credential, Unverified, Verifier};
