//! Packages of npm, and modules behind URLs, for functions in TypeScript.
//!
//! [`Packages`] belongs to a host; a [`Session`] is one build. It is told what the sources ask for and
//! gives [`Installed`]: every package they need, unpacked, and the rules by which Node finds files in them.
//! On the way, in order: `registries.rs` reads npm's configuration, `packuments.rs` asks registries,
//! `solve.rs` chooses versions, bound by `lock.rs`, `fetch.rs` checks and `store.rs` keeps archives,
//! `installed.rs` gives each package its folder, `lookup.rs` and `exports.rs` find modules. `remote.rs`
//! has modules behind URLs.
//!
//! Nothing of a package is ever run here, and scripts that packages bring for their installation never
//! are. What was fetched once is in the cache of the machine, so a build whose lock is known asks nobody.
//!
//! ```no_run
//! use isobase_packages::{Asked, Origin, Packages, PackagesConfig};
//! # fn example(config: PackagesConfig) {
//! let packages = Packages::new(config);
//! let mut session = packages.session(&[], Origin::Local, None).unwrap();
//! let installed = session.install(&["zod@3".into()]).unwrap();
//! println!("{:?}", installed.entry("zod@3", None, Asked::Import));
//! # }
//! ```

mod archive;
mod client;
mod error;
mod exports;
mod fetch;
mod installed;
mod integrity;
mod lock;
mod lookup;
mod package_json;
mod packuments;
mod registries;
mod remote;
mod session;
mod solve;
mod store;

pub use error::{FetchError, PackagesError};
pub use exports::Asked;
pub use installed::{Installed, PackageFile};
pub use lock::LockFile;
pub use lookup::{Found, LookupError, builtin};
pub use package_json::ModuleKind;
pub use registries::{Origin, SettingsFile, default_registry, without_credentials};
pub use remote::Remote;
pub use session::{InstallError, Packages, PackagesConfig, Reference, Session, reference};
