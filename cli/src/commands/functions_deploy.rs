//! `isobase functions deploy`: from the project's folder to versions that answer.
#![allow(clippy::print_stdout, reason = "printing is what the command does")]

use anyhow::{Context, bail};
use http::Method;
use isobase_base::FunctionSlug;
use isobase_base::progress::Progress;
use isobase_base::project::{Project, process_variables, state_folder};
use isobase_deploy::{WasmBuild, deployable, form, gather};

use crate::args::DeployArguments;
use crate::remote::{Remote, block_on};
use crate::terminal::TerminalProgress;
use crate::{BadConfig, compiler, sdk};

pub(crate) fn run(arguments: &DeployArguments) -> anyhow::Result<()> {
    block_on(deploy(arguments))
}

async fn deploy(arguments: &DeployArguments) -> anyhow::Result<()> {
    let remote = Remote::of(&arguments.host)?;
    let workdir = &arguments.host.project.workdir;
    let project = Project::load(workdir, &process_variables()).context(BadConfig)?;
    let slugs = match arguments.slugs.as_slice() {
        [] => deployable(&project),
        named => {
            named.iter().map(|slug| FunctionSlug::parse(slug)).collect::<Result<_, _>>().context(BadConfig)?
        }
    };
    if slugs.is_empty() {
        bail!(
            "{} has no functions; write one with: isobase functions new hello --workdir {}",
            project.functions_folder().display(),
            workdir.display()
        );
    }
    sdk::unpack(workdir)?;
    let build =
        WasmBuild { cargo: "cargo".into(), target_folder: state_folder(&project.root).join("wasm-target") };
    let compiler = compiler::processes();
    let progress = TerminalProgress::new();
    for slug in &slugs {
        progress.step(&format!("Building {slug}"));
        let mut gathered =
            gather(&project, slug, &build, &compiler).await.with_context(|| not_deployed(slug))?;
        gathered.manifest.verify_jwt &= !arguments.no_verify_jwt;
        let bytes: usize = gathered.bundle.files.iter().map(|file| file.content.len()).sum();
        progress.step(&format!(
            "Deploying {slug} ({} {}, {} kB)",
            gathered.bundle.files.len(),
            if gathered.bundle.files.len() == 1 { "file" } else { "files" },
            bytes.div_ceil(1000)
        ));
        let mut metadata = serde_json::to_value(&gathered.manifest)?;
        metadata["name"] = slug.as_str().into();
        let (kind, form) = form(&metadata, &gathered.bundle);
        let path = format!("/functions/deploy?slug={slug}&bundleOnly={}", arguments.preview);
        let deployed = remote.manage(Method::POST, &path, Some((&kind, form))).await;
        let deployed = deployed.with_context(|| not_deployed(slug))?;
        let version = deployed["version"].as_u64().unwrap_or_default();
        progress.done();
        if arguments.preview {
            let preview = preview_path(&remote, slug, version).await?;
            println!("{slug}: version {version} is stored; try it at {}{preview}", remote.url());
        } else {
            println!("{slug}: version {version} is live at {}/functions/v1/{slug}", remote.url());
        }
    }
    Ok(())
}

fn not_deployed(slug: &FunctionSlug) -> String {
    format!("{slug} was not deployed; what answered before still does")
}

async fn preview_path(remote: &Remote, slug: &FunctionSlug, version: u64) -> anyhow::Result<String> {
    let listed = remote.manage(Method::GET, &format!("/functions/{slug}/versions"), None).await?;
    let versions = listed["versions"].as_array();
    let stored = versions.into_iter().flatten().find(|stored| stored["version"] == version);
    Ok(stored.and_then(|stored| stored["preview_path"].as_str()).unwrap_or_default().to_owned())
}
