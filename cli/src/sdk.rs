//! The guest SDK travels inside the binary, so that a Rust function builds against the SDK of the
//! host that will run it, without a registry.

use std::fs;
use std::path::Path;

use anyhow::Context;
use include_dir::{Dir, include_dir};
use isobase_base::project::state_folder;

static RUST: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../sdk/rust");
static WIT: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../sdk/wit");
static WEBHOOK: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../sdk/webhook");
static TYPESCRIPT: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../sdk/typescript");

/// Writes `.isobase/sdk/{rust,webhook,wit,typescript}`. Files that are the same already are left alone, so
/// that cargo has no reason to build again.
pub(crate) fn unpack(workdir: &Path) -> anyhow::Result<()> {
    let root = state_folder(workdir).join("sdk");
    for (name, files) in [("rust", &RUST), ("webhook", &WEBHOOK), ("wit", &WIT), ("typescript", &TYPESCRIPT)]
    {
        unpack_folder(files, &root.join(name))?;
    }
    Ok(())
}

fn unpack_folder(folder: &Dir<'_>, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to).with_context(|| format!("could not create {}", to.display()))?;
    for file in folder.files() {
        let path = to.join(file.path().file_name().unwrap_or_default());
        if fs::read(&path).is_ok_and(|present| present == file.contents()) {
            continue;
        }
        fs::write(&path, file.contents()).with_context(|| format!("could not write {}", path.display()))?;
    }
    for inner in folder.dirs() {
        unpack_folder(inner, &to.join(inner.path().file_name().unwrap_or_default()))?;
    }
    Ok(())
}
