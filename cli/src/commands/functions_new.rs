//! `isobase functions new`: a function that answers, in TypeScript or as a Rust crate.

use std::fs;

use anyhow::{Context, bail};
use isobase_base::FunctionSlug;
use isobase_base::progress::Progress;

use crate::BadConfig;
use crate::args::NewFunctionArguments;
use crate::commands::init::write_new;
use crate::sdk;
use crate::terminal::TerminalProgress;

const TYPESCRIPT: &str = include_str!("../../templates/function.ts");
const RUST_MANIFEST: &str = include_str!("../../templates/function.Cargo.toml");
const RUST_SOURCE: &str = include_str!("../../templates/function.rs");

pub(crate) fn run(arguments: &NewFunctionArguments) -> anyhow::Result<()> {
    let slug = FunctionSlug::parse(&arguments.slug).context(BadConfig)?;
    let workdir = &arguments.project.workdir;
    let folder = workdir.join("supabase/functions").join(slug.as_str());
    if folder.exists() {
        bail!("{} exists already; choose another name or delete it", folder.display());
    }
    let create = |path: &std::path::Path| {
        fs::create_dir_all(path).with_context(|| format!("could not create {}", path.display()))
    };
    create(&folder)?;
    let named = |template: &str| template.replace("{{slug}}", slug.as_str());
    let entry = if arguments.wasm {
        create(&folder.join("src"))?;
        sdk::unpack(workdir)?;
        write_new(&folder.join("Cargo.toml"), &named(RUST_MANIFEST))?;
        folder.join("src/lib.rs")
    } else {
        folder.join("index.ts")
    };
    write_new(&entry, &named(if arguments.wasm { RUST_SOURCE } else { TYPESCRIPT }))?;
    let progress = TerminalProgress::new();
    progress.note(&format!("wrote {}", entry.display()));
    progress
        .note(&format!("served at /functions/v1/{slug} by: isobase start --workdir {}", workdir.display()));
    Ok(())
}
