//! How commands reach a running project: its database in the host's own role, and its admin port.
//! The only file to change when they are to reach a project that runs elsewhere.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use isobase_base::project::{Project, process_variables, state_folder};
use isobase_logs::LogReader;
use isobase_postgres::{OwnSessions, own_sessions};
use isobase_secrets::{RootKeySources, SecretStore};

use crate::BadConfig;
use crate::run_state::RunState;

/// The host answers figures at once; beyond this something is wrong with it.
const ADMIN_TIMEOUT: Duration = Duration::from_secs(5);

/// A project that runs here.
pub(crate) struct Transport {
    state: RunState,
    project: Project,
    sessions: OwnSessions,
}

impl Transport {
    pub(crate) fn open(workdir: &Path) -> anyhow::Result<Self> {
        let project = Project::load(workdir, &process_variables()).context(BadConfig)?;
        let Some(state) = RunState::of_running(workdir)? else {
            bail!("nothing runs in {}; start it with: isobase start --workdir {0}", workdir.display());
        };
        let sessions = own_sessions(&state.host_db_url)?;
        Ok(Self { state, project, sessions })
    }

    pub(crate) fn project(&self) -> &Project {
        &self.project
    }

    pub(crate) async fn secrets(&self) -> anyhow::Result<SecretStore> {
        let key = root_key_sources(&self.project).find().context(BadConfig)?;
        Ok(SecretStore::open(self.sessions.clone(), &key).await?)
    }

    pub(crate) fn logs(&self) -> LogReader {
        LogReader::new(self.sessions.clone())
    }

    /// Where to listen for notifications.
    pub(crate) fn database_url(&self) -> &str {
        &self.state.host_db_url
    }

    /// A document of the admin port.
    pub(crate) fn admin(&self, path: &str) -> anyhow::Result<String> {
        let address = self.state.admin_url.trim_start_matches("http://");
        let ask = || -> std::io::Result<String> {
            let mut stream = TcpStream::connect(address)?;
            stream.set_read_timeout(Some(ADMIN_TIMEOUT))?;
            write!(stream, "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n")?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        };
        let answer = ask().with_context(|| format!("the admin port at {address} did not answer"))?;
        let (head, body) =
            answer.split_once("\r\n\r\n").ok_or_else(|| anyhow!("the admin port's answer has no body"))?;
        if !head.starts_with("HTTP/1.1 200 ") {
            bail!("the admin port answered: {}", head.lines().next().unwrap_or_default());
        }
        Ok(body.to_owned())
    }
}

/// Where the key of a project's secrets comes from, for the host and for commands.
pub(crate) fn root_key_sources(project: &Project) -> RootKeySources {
    let variable = std::env::var("ISOBASE_ROOT_KEY").ok().filter(|key| !key.is_empty());
    RootKeySources {
        variable: variable.map(Into::into),
        setting: project.settings.database.root_key.clone(),
        state_folder: state_folder(&project.root),
    }
}
