//! `isobase secrets set | list | unset`.
#![allow(clippy::print_stdout, reason = "printing is what the command does")]

use std::fs;

use anyhow::{Context, anyhow, bail};
use chrono::{DateTime, Utc};
use isobase_base::progress::Progress;
use isobase_base::project::parse_dotenv;
use isobase_base::{FunctionSlug, SecretText};
use isobase_secrets::{InvalidSecret, Scope, SecretInfo, SecretName, check_value};

use crate::BadConfig;
use crate::args::{ListSecretsArguments, SecretsCommand, SetSecretsArguments, UnsetSecretsArguments};
use crate::terminal::TerminalProgress;
use crate::transport::Transport;

pub(crate) fn run(command: SecretsCommand) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("could not start the asynchronous runtime")?;
    runtime.block_on(async {
        match command {
            SecretsCommand::Set(arguments) => set(arguments).await,
            SecretsCommand::List(arguments) => list(&arguments).await,
            SecretsCommand::Unset(arguments) => unset(&arguments).await,
        }
    })
}

async fn set(arguments: SetSecretsArguments) -> anyhow::Result<()> {
    let progress = TerminalProgress::new();
    let scope = scope(arguments.function.as_deref())?;
    let secrets = given(&arguments, &progress).context(BadConfig)?;
    if secrets.is_empty() {
        let error = anyhow!("nothing to set: give NAME=VALUE, or a file with --env-file");
        return Err(error.context(BadConfig));
    }
    let transport = Transport::open(&arguments.project.workdir)?;
    transport.secrets().await?.set(&scope, &secrets).await?;
    for (name, _) in &secrets {
        progress.note(&format!("set {name} of {scope}"));
    }
    tell_hidden(&transport, &secrets, &progress);
    Ok(())
}

/// The project's own files win, as they do with the Supabase CLI; who sets a secret should know.
fn tell_hidden(transport: &Transport, secrets: &[(SecretName, SecretText)], progress: &dyn Progress) {
    let Ok(files) = transport.project().functions_environment() else { return };
    for (name, _) in secrets.iter().filter(|(name, _)| files.contains_key(name.as_str())) {
        progress.note(&format!(
            "{name} is set in supabase/functions/.env or [edge_runtime.secrets] too, which wins for functions \
             served from this folder"
        ));
    }
}

fn given(
    arguments: &SetSecretsArguments,
    progress: &dyn Progress,
) -> anyhow::Result<Vec<(SecretName, SecretText)>> {
    let mut secrets = Vec::new();
    if let Some(path) = &arguments.env_file {
        let text = fs::read_to_string(path).with_context(|| format!("could not read {}", path.display()))?;
        let variables = parse_dotenv(&text).with_context(|| path.display().to_string())?;
        for (name, value) in variables {
            match SecretName::parse(&name) {
                // Files for local use often have them.
                Err(error @ InvalidSecret::Reserved(_)) => progress.note(&format!("left out: {error}")),
                name => secrets.push((name?, value)),
            }
        }
    }
    for pair in &arguments.secrets {
        // What has no sign may be a value, so it is not shown.
        let Some((name, value)) = pair.split_once('=') else {
            bail!("expected NAME=VALUE, found an argument without '='");
        };
        let name = SecretName::parse(name)?;
        // What is given on the command line is meant in place of what is in the file.
        secrets.retain(|(known, _)| *known != name);
        secrets.push((name, value.to_owned()));
    }
    for (name, value) in &secrets {
        check_value(name, value)?;
    }
    Ok(secrets.into_iter().map(|(name, value)| (name, value.into())).collect())
}

async fn list(arguments: &ListSecretsArguments) -> anyhow::Result<()> {
    let secrets = Transport::open(&arguments.project.workdir)?.secrets().await?.list().await?;
    if arguments.json {
        let list: Vec<_> = secrets.iter().map(json).collect();
        println!("{}", serde_json::to_string_pretty(&list)?);
        return Ok(());
    }
    let width = secrets.iter().map(|secret| secret.name.as_str().chars().count()).max().unwrap_or(0).max(4);
    println!("{:width$}  {:64}  {:20}  OF", "NAME", "DIGEST", "UPDATED");
    for SecretInfo { scope, name, digest, updated_at } in &secrets {
        let updated = DateTime::<Utc>::from(*updated_at).format("%Y-%m-%dT%H:%M:%SZ");
        println!("{:width$}  {digest}  {updated}  {scope}", name.as_str());
    }
    Ok(())
}

fn json(secret: &SecretInfo) -> serde_json::Value {
    let function = match &secret.scope {
        Scope::Project => None,
        Scope::Function(slug) => Some(slug.as_str()),
    };
    serde_json::json!({
        "name": secret.name.as_str(),
        "value": secret.digest,
        "function": function,
        "updated_at": DateTime::<Utc>::from(secret.updated_at).format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
    })
}

async fn unset(arguments: &UnsetSecretsArguments) -> anyhow::Result<()> {
    let scope = scope(arguments.function.as_deref())?;
    let store = Transport::open(&arguments.project.workdir)?.secrets().await?;
    let forgotten = store.unset(&scope, &arguments.names).await?;
    if forgotten == 0 {
        bail!("{scope} has no secret of that name; see: isobase secrets list");
    }
    TerminalProgress::new().note(&format!("forgot {forgotten} of {scope}"));
    Ok(())
}

fn scope(function: Option<&str>) -> anyhow::Result<Scope> {
    match function {
        None => Ok(Scope::Project),
        Some(slug) => Ok(Scope::Function(FunctionSlug::parse(slug).context(BadConfig)?)),
    }
}
