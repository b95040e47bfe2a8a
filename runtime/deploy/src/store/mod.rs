//! What is kept of a deployed function, and in what form.
//!
//! A version is a [`Manifest`] and two artifacts: what an engine loads, and the [`Bundle`] of sources
//! it was made from. Artifacts are named by the SHA-256 of their content and live in Postgres beside
//! the versions, so that one transaction makes a deploy, and every host of a database can serve it.

mod artifact;
mod bundle;
mod ledger;
mod manifest;

pub(crate) use artifact::{Digest, decode, digest, encode};
pub(crate) use bundle::relative;
pub use bundle::{Bundle, BundleError, BundleFile};
pub use ledger::StoreError;
pub(crate) use ledger::{Ledger, NewVersion, Reservation, StoredFunction, StoredVersion};
pub use manifest::{Manifest, ManifestGrants, ManifestIsolation, ManifestLimits};
