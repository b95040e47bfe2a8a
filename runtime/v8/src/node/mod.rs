//! Node's modules: those of `deno_node`, on the isolate's own disk and network, with what would reach the
//! host cut ([`judged`]) or answered by stand-ins (`js/node/`).
//!
//! Nothing of it is evaluated before a function touches a `node:` module or one of Node's globals.

mod commonjs;
mod compile;
pub(crate) mod judged;
mod operations;
mod ops;
mod resolve;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::deno_io::FdTable;
use deno_core::{Extension, Resource};
use deno_fs::FileSystemRc;
use node_resolver::errors::{PackageFolderResolveError, PackageFolderResolveErrorKind, PackageNotFoundError};
use node_resolver::{InNpmPackageChecker, NpmPackageFolderResolver, UrlOrPathRef};

use crate::files::{Disk, IsolateFiles};

pub(crate) use judged::{replace_operations, restrict_network};
pub(crate) use resolve::{FACADE, SharedModules};

// The three names are those of crates that belong to a process of its own; Node's modules ask for them.
deno_core::extension!(
    deno_io,
    lazy_loaded_js = ["ext:deno_io/12_io.js" = "js/node/io.js"],
    state = |state| {
        state.put(FdTable::new());
        // Node's modules take the number of the first resource, zero, for none.
        for _ in 0..3 {
            state.resource_table.add(Standard);
        }
    },
);

deno_core::extension!(deno_os, lazy_loaded_js = ["ext:deno_os/30_os.js" = "js/node/os.js"]);

deno_core::extension!(
    deno_process,
    lazy_loaded_js = ["ext:deno_process/40_process.js" = "js/node/child_process.js"],
);

deno_core::extension!(
    isobase_node,
    deps = [deno_node],
    ops = [
        commonjs::op_isobase_commonjs_kind,
        commonjs::op_isobase_commonjs_main,
        commonjs::op_isobase_commonjs_resolve,
        commonjs::op_isobase_commonjs_text,
        compile::op_isobase_commonjs_compile_module,
        compile::op_isobase_commonjs_compile_text,
        ops::op_bootstrap_color_depth,
        ops::op_current_thread_cpu_usage,
        ops::op_get_env_no_permission_check,
        ops::op_isobase_node_cpus,
        ops::op_isobase_node_false,
        ops::op_isobase_node_groups,
        ops::op_isobase_node_handle_type,
        ops::op_isobase_node_home,
        ops::op_isobase_node_true,
        ops::op_isobase_node_user,
        ops::op_isobase_node_zero,
        ops::op_isobase_not_permitted,
        ops::op_isobase_refused,
    ],
    lazy_loaded_esm = [
        "ext:runtime/98_global_scope_shared.js" = "js/node/global_scope.js",
        "node:_commonjs" = "js/node/commonjs_module.js",
    ],
    lazy_loaded_js = ["ext:isobase_runtime/commonjs.js" = "js/node/commonjs.js"],
);

/// Everything that Node's modules need beyond the web platform, in the order they depend on each other.
pub(crate) fn extensions(disk: &Arc<Disk>) -> Vec<Extension> {
    let files = || -> FileSystemRc { deno_fs::sync::MaybeArc::new(IsolateFiles(disk.clone())) };
    let node = deno_node::deno_node::init::<NoPackages, NoPackages, UnusedSystem>(None, files());
    let crypto = deno_node_crypto::deno_node_crypto::init();
    vec![
        deno_io::init(),
        judged::restrict(deno_fs::deno_fs::init(files()), judged::ALLOWED_FILES, &judged::FILES),
        deno_os::init(),
        deno_process::init(),
        judged::restrict(crypto, judged::ALLOWED_CRYPTO, &judged::CRYPTO),
        judged::restrict(node, judged::ALLOWED, &judged::NODE),
        isobase_node::init(),
    ]
}

/// Where a process has its input, output and errors.
struct Standard;

impl Resource for Standard {}

/// A parameter of `deno_node` and no more: no value of it is made, since it is given no services, and the
/// operations that would ask for one are refused.
type UnusedSystem = sys_traits::impls::RealSys;

/// Packages were resolved when the function was built.
struct NoPackages;

impl InNpmPackageChecker for NoPackages {
    fn in_npm_package(&self, _specifier: &deno_core::url::Url) -> bool {
        false
    }
}

impl NpmPackageFolderResolver for NoPackages {
    fn resolve_package_folder_from_package(
        &self,
        specifier: &str,
        referrer: &UrlOrPathRef<'_>,
    ) -> Result<PathBuf, PackageFolderResolveError> {
        let missing = PackageNotFoundError {
            package_name: specifier.to_owned(),
            referrer: referrer.display(),
            referrer_extra: None,
        };
        Err(PackageFolderResolveErrorKind::PackageNotFound(missing).into_box())
    }

    fn resolve_types_package_folder(
        &self,
        _types_package_name: &str,
        _package_version: Option<&deno_semver::Version>,
        _referrer: Option<&UrlOrPathRef<'_>>,
    ) -> Option<PathBuf> {
        None
    }
}

/// The path of `specifier` on the function's disk.
pub(crate) fn path_of(specifier: &str) -> String {
    let path = deno_core::url::Url::parse(specifier).ok().and_then(|url| url.to_file_path().ok());
    path.as_deref().and_then(Path::to_str).unwrap_or("/").to_owned()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{extensions, judged};
    use crate::files::Disk;
    use crate::memory::MemoryMeter;

    /// A new version brings new operations: each has to be read before it is listed in `judged.rs`.
    #[test]
    fn every_operation_was_judged() {
        let disk: Arc<Disk> = Disk::new(&MemoryMeter::new(0));
        let mut judged: Vec<&str> = judged::REPLACED.iter().map(|(name, _)| *name).collect();
        for table in [judged::ALLOWED, judged::ALLOWED_CRYPTO, judged::ALLOWED_FILES, judged::REFUSED] {
            assert!(table.is_sorted());
            judged.extend(table);
        }
        let all = extensions(&disk);
        let all: Vec<_> = all.iter().filter(|extension| extension.name != "isobase_node").collect();
        let present: Vec<&str> =
            all.iter().flat_map(|extension| extension.ops.iter()).map(|op| op.name).collect();
        let unjudged: Vec<_> = present.iter().filter(|name| !judged.contains(name)).collect();
        assert!(unjudged.is_empty(), "not judged: {unjudged:?}");
        let gone: Vec<_> = judged.iter().filter(|name| !present.contains(name)).collect();
        assert!(gone.is_empty(), "judged, but not there: {gone:?}");
        let classes = all.iter().flat_map(|extension| extension.objects.iter());
        for class in classes {
            let known = judged::CLASSES.iter().find(|(name, _)| *name == class.name.0);
            let (_, judgement) = known.unwrap_or_else(|| panic!("not judged: {}", class.name.0));
            if let judged::Judgement::Without(names) = judgement {
                for name in *names {
                    assert!(class.methods.iter().any(|method| method.name == *name), "{name} is not there");
                }
            }
        }
    }
}
