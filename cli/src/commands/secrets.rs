//! `isobase secrets set | list | unset`.
#![allow(clippy::print_stdout, reason = "printing is what the command does")]

use std::fs;

use anyhow::{Context, anyhow, bail};
use chrono::{DateTime, SecondsFormat, Utc};
use http::Method;
use isobase_base::progress::Progress;
use isobase_base::project::{Project, parse_dotenv, process_variables};
use isobase_base::{FunctionSlug, SecretText};
use isobase_secrets::{InvalidSecret, Scope, SecretName, check_value};
use serde_json::{Value, json};

use crate::BadConfig;
use crate::args::{ListSecretsArguments, SecretsCommand, SetSecretsArguments, UnsetSecretsArguments};
use crate::remote::{JSON, Remote, block_on, with_query};
use crate::terminal::TerminalProgress;

pub(crate) fn run(command: SecretsCommand) -> anyhow::Result<()> {
    block_on(async {
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
    let remote = Remote::of(&arguments.host)?;
    let new = secrets.iter().map(|(name, value)| json!({ "name": name.as_str(), "value": value.expose() }));
    let body = Value::Array(new.collect()).to_string();
    remote.manage(Method::POST, &path(&scope), Some((JSON, body.into()))).await?;
    for (name, _) in &secrets {
        progress.note(&format!("set {name} of {scope}"));
    }
    if remote.local.is_some() {
        tell_hidden(&arguments, &secrets, &progress);
    }
    Ok(())
}

/// The project's own files win, as they do with the Supabase CLI; who sets a secret should know.
fn tell_hidden(
    arguments: &SetSecretsArguments,
    secrets: &[(SecretName, SecretText)],
    progress: &dyn Progress,
) {
    let project = Project::load(&arguments.host.project.workdir, &process_variables());
    let Some(files) = project.ok().and_then(|project| project.functions_environment().ok()) else { return };
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
    let remote = Remote::of(&arguments.host)?;
    let path = with_query("/secrets", &[("function", Some("*"))]);
    let listed = remote.manage(Method::GET, &path, None).await?;
    let secrets = listed.as_array().map(Vec::as_slice).unwrap_or_default();
    if arguments.json {
        let list: Vec<_> = secrets.iter().map(shown).collect();
        println!("{}", serde_json::to_string_pretty(&list)?);
        return Ok(());
    }
    let width = secrets.iter().map(|secret| word(secret, "name").chars().count()).max().unwrap_or(0).max(4);
    println!("{:width$}  {:64}  {:20}  OF", "NAME", "DIGEST", "UPDATED");
    for secret in secrets {
        let (name, digest) = (word(secret, "name"), word(secret, "value"));
        let updated = updated_at(secret, SecondsFormat::Secs);
        println!("{name:width$}  {digest}  {updated}  {}", scope(secret["function"].as_str())?);
    }
    Ok(())
}

fn shown(secret: &Value) -> Value {
    json!({
        "name": secret["name"],
        "value": secret["value"],
        "function": secret["function"],
        "updated_at": updated_at(secret, SecondsFormat::Millis),
    })
}

fn word<'a>(secret: &'a Value, key: &str) -> &'a str {
    secret[key].as_str().unwrap_or_default()
}

fn updated_at(secret: &Value, precision: SecondsFormat) -> String {
    let updated_at = word(secret, "updated_at").parse::<DateTime<Utc>>();
    updated_at.map(|time| time.to_rfc3339_opts(precision, true)).unwrap_or_default()
}

async fn unset(arguments: &UnsetSecretsArguments) -> anyhow::Result<()> {
    let scope = scope(arguments.function.as_deref())?;
    let remote = Remote::of(&arguments.host)?;
    let names = json!(arguments.names).to_string();
    let answer = remote.manage(Method::DELETE, &path(&scope), Some((JSON, names.into()))).await?;
    let forgotten = answer["forgotten"].as_u64().unwrap_or_default();
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

/// The project's own scope is named too: it has the host answer as it does for functions.
fn path(scope: &Scope) -> String {
    let function = match scope {
        Scope::Project => "",
        Scope::Function(slug) => slug.as_str(),
    };
    with_query("/secrets", &[("function", Some(function))])
}
