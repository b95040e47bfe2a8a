//! From sources and packages to deployed versions.

use std::time::Duration;

// ---- Deployed functions ----------------------------------------------------------------------------

/// An upload to the management API, in bytes. The sources of one function and slack for the form.
pub const DEPLOY_BODY_BYTES_MAX: u64 = 160 * 1024 * 1024;
/// Files in one upload.
pub const DEPLOY_FILES_MAX: usize = 10_000;
/// Versions kept of one function, beside those that answer; older ones cannot be rolled back to.
pub const DEPLOY_VERSIONS_KEPT: i64 = 20;
/// Builds of uploads at once; each holds a compiler's memory.
pub const DEPLOY_BUILDS_MAX: usize = 2;
/// How long a version that lost its traffic stays ready, for requests that were on their way to it.
pub const DEPLOY_LINGER: Duration = Duration::from_secs(60);
/// Versions beside the live one that traffic is split over.
pub const DEPLOY_SHARES_MAX: usize = 8;
/// Pause before the table of deployed functions is read again after Postgres could not be asked.
pub const DEPLOY_SYNC_RETRY: Duration = Duration::from_millis(250);

// ---- Sources ---------------------------------------------------------------------------------------

/// One source file of a function, in bytes. Supabase: 20 MB for a whole bundle.
pub const SOURCE_FILE_BYTES_MAX: u64 = 20 * 1024 * 1024;
/// All source files of one function, in bytes; beyond it a boot takes longer than it may.
pub const SOURCE_GRAPH_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Modules of one function.
pub const SOURCE_MODULES_MAX: usize = 10_000;
/// A WASM component, in bytes; compiling a larger one holds up the processor for minutes.
pub const SOURCE_COMPONENT_BYTES_MAX: u64 = 128 * 1024 * 1024;
/// Folders watched inside one Rust crate; changes in the rest go unseen.
pub const SOURCE_CRATE_FOLDERS_MAX: usize = 1_000;
/// Folders watched in all; Linux allows 8,192 watches by default, on old kernels.
pub const SOURCE_FOLDERS_MAX: usize = 4_096;
/// Changes that wait to be looked at; beyond it everything is looked at.
pub const SOURCE_CHANGES_MAX: usize = 1_024;

/// Pause before a function is built again whose packages could not be fetched.
pub const SOURCE_RETRY: Duration = Duration::from_secs(3);

// ---- The compiler ----------------------------------------------------------------------------------

/// Compiling one file; the largest that people have take a few seconds on a busy machine.
pub const COMPILER_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a compiler's process waits for more to do.
pub const COMPILER_REST: Duration = Duration::from_secs(30);
/// Stack that it may use, in bytes: about twenty thousand brackets in each other.
pub const COMPILER_STACK_BYTES: usize = 64 * 1024 * 1024;

// ---- Packages of npm -------------------------------------------------------------------------------

/// What a registry says of one package, in bytes. The largest there are list thousands of versions.
pub const PACKAGE_METADATA_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How long it is believed without asking again; a version that is wanted and not in it is asked for at once.
pub const PACKAGE_METADATA_FRESH: Duration = Duration::from_secs(5 * 60);
/// One package as it is sent, in bytes; it is held in memory until its hash is checked.
pub const PACKAGE_ARCHIVE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// One package unpacked, in bytes and files. Beyond it an archive of a few kilobytes could fill the disk.
pub const PACKAGE_UNPACKED_BYTES_MAX: u64 = 512 * 1024 * 1024;
pub const PACKAGE_FILES_MAX: usize = 50_000;
/// Packages of one function, those that packages depend on included.
pub const PACKAGES_MAX: usize = 2_000;
/// Requests to registries at once, of one build.
pub const PACKAGE_FETCHES_MAX: usize = 16;
/// One request to a registry or for a remote module, body included.
pub const PACKAGE_FETCH_TIMEOUT: Duration = Duration::from_secs(120);
/// Attempts at it, where the failure may pass, and the pause after the first; it doubles.
pub const PACKAGE_FETCH_ATTEMPTS_MAX: usize = 3;
pub const PACKAGE_FETCH_PAUSE: Duration = Duration::from_millis(250);
/// Redirects followed.
pub const PACKAGE_FETCH_REDIRECTS_MAX: usize = 10;
/// Modules of packages in one function, by count and bytes. Beyond it a boot takes longer than it may.
pub const PACKAGE_MODULES_MAX: usize = 20_000;
pub const PACKAGE_MODULES_BYTES_MAX: u64 = 128 * 1024 * 1024;
/// What packages read from beside their code, and static files, in bytes for one function; they are
/// in the memory of every host that serves it.
pub const PACKAGE_DATA_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Modules of packages kept in memory between builds, in bytes of their text.
pub const PACKAGE_READ_BYTES_MAX: usize = 96 * 1024 * 1024;
/// A lock file, in bytes.
pub const PACKAGE_LOCK_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// An `.npmrc` or `package.json`, in bytes.
pub const PACKAGE_SETTINGS_BYTES_MAX: u64 = 4 * 1024 * 1024;
