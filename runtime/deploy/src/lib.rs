//! From a project's folder to functions at work.
//!
//! [`Sources`] watches `supabase/functions/`: what is saved is published within a few dozen
//! milliseconds. On the way of one function, in order:
//!
//! - `discovery.rs` finds the entrypoint: a script, a WASM component, or a Rust crate;
//! - `graph/` loads a script and what it imports, with `resolve.rs` and `import_map.rs` saying
//!   what a specifier means and `transpile.rs` turning TypeScript into JavaScript; `supply.rs` says where
//!   packages come from, `package_script.rs` reads their modules; `compiler/` does all of this that takes
//!   a parser, in processes of its own;
//! - `rust_crate.rs` has cargo build a crate to a component, without holding up anything else;
//! - `probes.rs` remembers every file looked at, existing or not, so that `watcher.rs` rebuilds
//!   exactly the functions that a change concerns.
//!
//! [`Releases`] serves what was deployed instead: immutable versions in the database (`store/`), tried
//! out before a pointer flips to them, rolled back by flipping it again, several at once where traffic
//! is split (`releases/`).
//! [`WithSecrets`] stands between whoever publishes and the pool: it adds the secrets of a function to
//! its variables and publishes it again when they change.
//!
//! A source that does not build is published too, as the failure its requests are answered with;
//! the next good save heals it. Nothing here runs guest code.
//!
//! ```no_run
//! use std::sync::Arc;
//! use isobase_base::project::{Project, process_variables};
//! use isobase_deploy::{Sources, SourcesConfig};
//! # async fn example(pool: Arc<dyn isobase_engine::Publish>) {
//! let project = Project::load(".".as_ref(), &process_variables()).unwrap();
//! let config = SourcesConfig::new(project);
//! let _sources = Sources::open(config, pool).await.unwrap();
//! # }
//! ```

mod compile;
mod compiler;
mod compiler_options;
mod config;
mod discovery;
mod fault;
mod form;
mod function;
mod gather;
mod graph;
mod import_map;
mod imports;
mod jsonc;
mod package_script;
mod plain_text;
mod probes;
mod releases;
mod resolve;
mod rust_crate;
mod secrets;
mod sources;
mod static_files;
mod store;
mod supply;
mod transpile;
mod watcher;
mod workshop;
mod workspace;

pub use compiler::{Compiler, serve as serve_compiler};
pub use config::{SourcesConfig, SourcesError, WasmBuild};
pub use form::form;
pub use gather::{GatherError, Gathered, deployable, gather};
pub use releases::{
    CheckTriggers, DeployError, Precedence, Release, ReleaseError, ReleaseVersion, Releases, ReleasesConfig,
    Share, Traffic, Upload,
};
pub use secrets::WithSecrets;
pub use sources::{SourceStatus, Sources};
pub use store::{
    Bundle, BundleError, BundleFile, Manifest, ManifestGrants, ManifestIsolation, ManifestLimits, StoreError,
};
