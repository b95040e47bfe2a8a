//! Starts the real binary on a project folder and stops it again, whatever the test does.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use isobase_base::task::{self, TaskKind};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::client::{Call, HttpClient};

/// The two users of the quickstart's seed.
pub(crate) const ALICE: &str = "11111111-1111-1111-1111-111111111111";
pub(crate) const BOB: &str = "22222222-2222-2222-2222-222222222222";

/// A test fails rather than hangs after this; nothing is timed against it.
const PATIENCE: Duration = Duration::from_secs(120);

/// A project folder and the ports it will use.
pub(crate) struct Project {
    folder: TempDir,
    ports: Ports,
    flags: Vec<String>,
    variables: Vec<(String, String)>,
}

#[derive(Clone, Copy)]
struct Ports {
    api: u16,
    database: u16,
    admin: u16,
}

/// A running `isobase start`.
pub(crate) struct App {
    // Before the project, whose folder must outlive the process.
    child: Running,
    pub(crate) project: Project,
    status: Value,
    client: HttpClient,
}

/// The cells of a row as text; `None` for the other messages of the protocol.
fn cells(message: tokio_postgres::SimpleQueryMessage) -> Option<Vec<Option<String>>> {
    let tokio_postgres::SimpleQueryMessage::Row(row) = message else { return None };
    Some((0..row.len()).map(|index| row.get(index).map(str::to_owned)).collect())
}

/// Copies a folder, except for entries named in `skipped`.
fn copy_folder(from: &Path, to: &Path, skipped: &[&str]) {
    fs::create_dir_all(to).expect("a folder can be made");
    for entry in fs::read_dir(from).expect("the folder can be read").flatten() {
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if skipped.iter().any(|skip| entry.file_name() == *skip) {
            continue;
        }
        if source.is_dir() {
            copy_folder(&source, &target, skipped);
        } else {
            fs::copy(&source, &target).expect("the file can be copied");
        }
    }
}

/// A file or folder of the checkout. Asked for at run time: checkouts that share a target folder share
/// this program too.
pub(crate) fn checkout(path: &str) -> PathBuf {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo says where the package is");
    Path::new(&package).join("..").join(path)
}

impl Ports {
    /// Three ports that nobody listens on now. Held together, so that they differ.
    fn free() -> Self {
        let held: Vec<_> = (0..3).map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port")).collect();
        let port = |index: usize| held[index].local_addr().expect("it is bound").port();
        Self { api: port(0), database: port(1), admin: port(2) }
    }
}

impl Project {
    /// A copy of `examples/quickstart`, without the function that cargo must build.
    pub(crate) fn quickstart() -> Self {
        Self::copy_of_quickstart(&["todos-rust"])
    }

    /// All of `examples/quickstart`. The first start builds its Rust function, for half a minute.
    pub(crate) fn quickstart_with_rust() -> Self {
        Self::copy_of_quickstart(&[])
    }

    fn copy_of_quickstart(skipped: &[&str]) -> Self {
        Self::copy_of("quickstart", skipped)
    }

    /// A copy of one of `examples/`.
    pub(crate) fn example(name: &str) -> Self {
        Self::copy_of(name, &[])
    }

    fn copy_of(name: &str, skipped: &[&str]) -> Self {
        let project = Self::empty();
        let source = checkout("examples").join(name).join("supabase");
        copy_folder(&source, &project.path().join("supabase"), skipped);
        project
    }

    /// A folder with nothing but the smallest `config.toml`.
    pub(crate) fn empty() -> Self {
        // Below /tmp, because Postgres' unprivileged user must be able to reach it.
        let folder = tempfile::Builder::new().prefix("isobase-it-").tempdir().expect("a temporary folder");
        let project = Self { folder, ports: Ports::free(), flags: Vec::new(), variables: Vec::new() };
        project.write("supabase/config.toml", "project_id = \"test\"\n");
        project
    }

    pub(crate) fn with_db_url(self, url: &str) -> Self {
        self.with_flags(&["--db-url", url])
    }

    /// Flags for `start`.
    pub(crate) fn with_flags(mut self, flags: &[&str]) -> Self {
        self.flags.extend(flags.iter().map(|flag| (*flag).to_owned()));
        self
    }

    /// A variable of the host's own.
    pub(crate) fn with_variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().expect("a file has a folder")).expect("a folder can be made");
        fs::write(&path, text).expect("a file can be written");
    }

    /// Adds to `config.toml`.
    pub(crate) fn configure(&self, text: &str) {
        let path = self.path().join("supabase/config.toml");
        let before = fs::read_to_string(&path).unwrap_or_default();
        fs::write(path, format!("{before}\n{text}\n")).expect("config.toml can be written");
    }

    /// Saved at once, as editors do: who watches never finds half a file.
    pub(crate) fn function(&self, slug: &str, source: &str) {
        let saved = format!(".saved-{}", slug.replace('/', "-"));
        self.write(&saved, source);
        let folder = self.path().join("supabase/functions").join(slug);
        fs::create_dir_all(&folder).expect("a folder can be made");
        fs::rename(self.path().join(saved), folder.join("index.ts")).expect("a file can be renamed");
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_isobase"));
        command.args(arguments).arg("--workdir").arg(self.path()).kill_on_drop(true);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Spawns `start` with this project's ports, its log in `start.log`.
    pub(crate) fn spawn(&self) -> Child {
        let log = fs::File::options().append(true).create(true).open(self.log_path()).expect("a log file");
        let Ports { api, database, admin } = self.ports;
        let mut command = self.command(&["start"]);
        if !self.flags.iter().any(|flag| flag == "--log-format") {
            command.args(["--log", "debug", "--log-format", "json"]);
        }
        command.args([
            "--port",
            &api.to_string(),
            "--db-port",
            &database.to_string(),
            "--admin-port",
            &admin.to_string(),
        ]);
        command.args(&self.flags);
        command.stdout(Stdio::from(log.try_clone().expect("a second handle"))).stderr(Stdio::from(log));
        command.spawn().expect("the binary starts")
    }

    pub(crate) fn log_path(&self) -> PathBuf {
        self.path().join("start.log")
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    pub(crate) fn api_port(&self) -> u16 {
        self.ports.api
    }

    pub(crate) fn admin_port(&self) -> u16 {
        self.ports.admin
    }

    /// Starts and waits until everything is up.
    pub(crate) async fn start(self) -> App {
        let mut child = self.spawn();
        let status = await_up(&self, &mut child).await;
        App { child: Running(child), project: self, status, client: HttpClient::new() }
    }
}

/// What `status` prints once `start` is up; panics with the log when it exits before.
async fn await_up(project: &Project, child: &mut Child) -> Value {
    let run_file = project.path().join(".isobase/run.json");
    let id = child.id().map(i64::from);
    let since = Instant::now();
    loop {
        let state = fs::read(&run_file).ok().and_then(|text| serde_json::from_slice::<Value>(&text).ok());
        if state.is_some_and(|state| state["pid"].as_i64() == id) {
            let output = project.command(&["status", "-o", "json"]).output().await.expect("status runs");
            return serde_json::from_slice(&output.stdout).expect("status prints JSON");
        }
        if let Some(exit) = child.try_wait().expect("the child can be waited for") {
            panic!("start ended with {exit}:\n{}", project.log());
        }
        assert!(since.elapsed() < PATIENCE, "start is not up after {PATIENCE:?}:\n{}", project.log());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

impl App {
    pub(crate) fn call(&self, method: &str, path: &str) -> Call {
        Call::new(self.client.clone(), method, format!("http://127.0.0.1:{}{path}", self.project.api_port()))
    }

    /// A call with the publishable key, as supabase-js makes it for nobody in particular.
    pub(crate) fn anon(&self, method: &str, path: &str) -> Call {
        self.call(method, path).header("apikey", self.value("PUBLISHABLE_KEY"))
    }

    /// A call by a signed-in user.
    pub(crate) fn user(&self, subject: &str, method: &str, path: &str) -> Call {
        self.call(method, path).header("apikey", self.value("PUBLISHABLE_KEY")).bearer(&self.token(subject))
    }

    pub(crate) fn service(&self, method: &str, path: &str) -> Call {
        self.call(method, path).header("apikey", self.value("SECRET_KEY"))
    }

    pub(crate) fn admin(&self, path: &str) -> Call {
        Call::new(self.client.clone(), "GET", format!("http://127.0.0.1:{}{path}", self.project.ports.admin))
    }

    /// One of the names that `status -o json` prints.
    pub(crate) fn value(&self, name: &str) -> &str {
        self.status[name].as_str().unwrap_or_else(|| panic!("status prints no {name}: {}", self.status))
    }

    pub(crate) fn token(&self, subject: &str) -> String {
        let claims =
            json!({ "sub": subject, "role": "authenticated", "aud": "authenticated", "exp": 1_983_812_996 });
        isobase_gateway::keys::sign_hs256(self.value("JWT_SECRET"), &claims)
    }

    /// Whether the process is there; one that has ended and was not waited for is not.
    pub(crate) fn is_alive(&self) -> bool {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.process_id())).unwrap_or_default();
        stat.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.trim_start().starts_with('Z'))
    }

    pub(crate) fn process_id(&self) -> i32 {
        self.child.0.id().expect("it runs").try_into().expect("a process id")
    }

    /// A command that knows nothing of this host but where it is, and its access token.
    pub(crate) fn command_from_elsewhere(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_isobase"));
        command.args(arguments).args(["--url", self.value("API_URL")]);
        command.args(["--access-token", self.value("ACCESS_TOKEN")]);
        command.current_dir(std::env::temp_dir()).kill_on_drop(true);
        command
    }

    /// A connection as the project's owner, past REST and the pool.
    pub(crate) async fn sql(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        Self::sql_at(self.value("DB_URL"), sql).await
    }

    /// The same as the host itself, which sees its own tables.
    pub(crate) async fn host_sql(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        let state = fs::read(self.project.path().join(".isobase/run.json")).expect("it runs");
        let state: Value = serde_json::from_slice(&state).expect("the run state is JSON");
        Self::sql_at(state["host_db_url"].as_str().expect("it has the host's address"), sql).await
    }

    async fn sql_at(url: &str, sql: &str) -> Vec<Vec<Option<String>>> {
        let (client, connection) =
            tokio_postgres::connect(url, tokio_postgres::NoTls).await.expect("Postgres accepts");
        let driver = task::spawn(TaskKind::Request, "test connection", async {
            _ = connection.await;
        });
        let messages = client.simple_query(sql).await.expect("the statement runs");
        drop(client);
        _ = driver.await;
        messages.into_iter().filter_map(cells).collect()
    }

    /// Waits until the condition holds.
    pub(crate) async fn until<F: Future<Output = bool>>(&self, what: &str, mut condition: impl FnMut() -> F) {
        let since = Instant::now();
        while !condition().await {
            assert!(since.elapsed() < PATIENCE, "never: {what}\n{}", self.project.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// SIGKILL: no drain, no goodbye.
    pub(crate) async fn kill(mut self) -> Project {
        self.child.0.kill().await.expect("it can be killed");
        self.project
    }

    /// `isobase stop`, and the process is gone with status 0.
    pub(crate) async fn stop(mut self) -> Project {
        let output = self.project.command(&["stop"]).output().await.expect("stop runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let exit = self.child.0.wait().await.expect("it ends");
        assert!(exit.success(), "start ended with {exit}:\n{}", self.project.log());
        self.project
    }
}

/// Lets Postgres stop in order when a test ends; what is still there then is killed.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let Some(id) = self.0.id().and_then(|id| i32::try_from(id).ok()) else { return };
        _ = kill(Pid::from_raw(id), Signal::SIGTERM);
        let since = Instant::now();
        while since.elapsed() < Duration::from_secs(10) && matches!(self.0.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
