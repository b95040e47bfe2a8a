//! `isobase status`: URLs and keys under the names that the Supabase CLI prints.
#![allow(clippy::print_stdout, reason = "printing is what the command does")]

use anyhow::bail;

use crate::args::{StatusArguments, StatusFormat};
use crate::banner;
use crate::run_state::RunState;

pub(crate) fn run(arguments: &StatusArguments) -> anyhow::Result<()> {
    let workdir = &arguments.project.workdir;
    let Some(state) = RunState::of_running(workdir)? else {
        bail!("nothing runs in {}; start it with: isobase start --workdir {0}", workdir.display());
    };
    match arguments.output {
        StatusFormat::Pretty => print!("{}", banner::addresses(&state)),
        StatusFormat::Env => {
            for (name, value) in values(&state) {
                println!("{name}=\"{value}\"");
            }
        }
        StatusFormat::Json => {
            let object: serde_json::Map<_, _> =
                values(&state).into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
            println!("{}", serde_json::to_string_pretty(&object)?);
        }
    }
    Ok(())
}

/// Only what is served: a name that is missing is a surface that is not there yet.
fn values(state: &RunState) -> Vec<(&'static str, String)> {
    let api = &state.api_url;
    vec![
        ("ACCESS_TOKEN", state.access_token.clone()),
        ("ANON_KEY", state.anon_key.clone()),
        ("API_URL", api.clone()),
        ("DB_URL", state.db_url.clone()),
        ("FUNCTIONS_URL", format!("{api}/functions/v1")),
        ("JWT_SECRET", state.jwt_secret.clone()),
        ("PROJECT_REF", state.project_ref.clone()),
        ("PUBLISHABLE_KEY", state.publishable_key.clone()),
        ("REST_URL", format!("{api}/rest/v1")),
        ("SECRET_KEY", state.secret_key.clone()),
        ("SERVICE_ROLE_KEY", state.service_role_key.clone()),
    ]
}
