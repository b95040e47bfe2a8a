//! Keys and tokens: who may call, and as whom.
//!
//! A [`KeySet`] is built once from a [`KeyConfig`] and never changes; [`Keys`] swaps whole sets, so
//! a rotation or a revocation holds from one request to the next and takes the cache of verified
//! tokens with it. The order of work for a token is fixed: size, form ([`compact`]), key by `kid`,
//! algorithm of *that key*, signature, claims ([`claims`]). Nothing a token says chooses how it is
//! verified (RFC 8725 §3.1).

mod algorithm;
mod cache;
mod claims;
mod compact;
mod config;
mod json;
mod jwk;
mod opaque;
mod set;
mod sign;
mod token_error;
mod verifier;

pub use algorithm::Algorithm;
pub use claims::Verified;
pub use config::{JwkConfig, KeyConfig, KeyError, KeyState, parse_jwks};
pub use opaque::ApiKeyKind;
pub(crate) use opaque::looks_opaque;
pub use set::{KeySet, Keys};
pub use sign::sign_hs256;
pub use token_error::{Reason, TokenError};
