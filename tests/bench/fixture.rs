//! The folders that are measured: copies of `tests/bench/project`, or a project of many functions.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use tempfile::TempDir;
use tokio::process::Command;

/// Functions of either kind, where processes are compared with isolates.
pub(crate) const ISOLATED: usize = 20;
/// Functions of the project on which first requests and memory are measured.
pub(crate) const FUNCTIONS: usize = 200;

/// Functions of the project on which the memory of very many isolates is measured.
pub(crate) const MANY_FUNCTIONS: usize = 1_000;
/// Functions whose isolates end after each answer.
pub(crate) const RECYCLED_FUNCTIONS: usize = 4;

/// Folders of the fixture's functions that are Rust crates.
const WASM_FUNCTIONS: [&str; 2] = ["hello-wasi", "hello-wasm"];

/// A project folder that goes with its guard, and room beside it for logs and peers.
#[derive(Debug)]
pub(crate) struct Workplace {
    folder: TempDir,
}

impl Workplace {
    /// The fixture without the functions that cargo must build.
    pub(crate) fn fixture() -> anyhow::Result<Self> {
        let workplace = Self::empty()?;
        copy(&source("project"), &workplace.project(), &WASM_FUNCTIONS)?;
        Ok(workplace)
    }

    /// The whole fixture. One of its WASM functions builds on the SDK that the binary itself unpacks.
    pub(crate) async fn fixture_with_wasm(binary: &Path) -> anyhow::Result<Self> {
        let workplace = Self::empty()?;
        let mut new = Command::new(binary);
        new.args(["functions", "new", "hello-wasm", "--wasm", "--workdir"]).arg(workplace.project());
        let output = new.kill_on_drop(true).output().await.context("isobase did not start")?;
        if !output.status.success() {
            bail!("isobase functions new: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        copy(&source("project"), &workplace.project(), &[])?;
        Ok(workplace)
    }

    /// `count` TypeScript functions `hello-0` …, each its own file and so its own isolate; and
    /// `edited`, to be changed.
    pub(crate) fn many_functions(count: usize) -> anyhow::Result<Self> {
        let workplace = Self::empty()?;
        let supabase = workplace.project().join("supabase");
        fs::create_dir_all(&supabase)?;
        fs::copy(source("project/supabase/config.toml"), supabase.join("config.toml"))?;
        let hello = fs::read_to_string(source("project/supabase/functions/hello/index.ts"))?;
        for name in (0..count).map(|index| format!("hello-{index}")).chain(["edited".into()]) {
            let folder = supabase.join("functions").join(name);
            fs::create_dir_all(&folder)?;
            fs::write(folder.join("index.ts"), &hello)?;
        }
        Ok(workplace)
    }

    /// Twice [`ISOLATED`] functions, the first half of them in processes of their own.
    pub(crate) fn isolated() -> anyhow::Result<Self> {
        let workplace = Self::many_functions(2 * ISOLATED)?;
        let path = workplace.project().join("supabase/config.toml");
        let mut settings = fs::read_to_string(&path)?;
        for index in 0..ISOLATED {
            settings += &format!("\n[functions.hello-{index}]\nisolation = \"process\"\n");
        }
        fs::write(path, settings)?;
        Ok(workplace)
    }

    /// `count` functions `<name>-0` … of each file in `tests/bench/packages`.
    pub(crate) fn with_packages(names: &[&str], count: usize) -> anyhow::Result<Self> {
        let workplace = Self::empty()?;
        let supabase = workplace.project().join("supabase");
        fs::create_dir_all(&supabase)?;
        fs::copy(source("project/supabase/config.toml"), supabase.join("config.toml"))?;
        for name in names {
            for index in 0..count {
                let folder = supabase.join(format!("functions/{name}-{index}"));
                fs::create_dir_all(&folder)?;
                fs::copy(source(&format!("packages/{name}.ts")), folder.join("index.ts"))?;
            }
        }
        Ok(workplace)
    }

    /// `hello`, and functions whose isolate ends right after each answer.
    pub(crate) fn soak() -> anyhow::Result<Self> {
        let workplace = Self::empty()?;
        let functions = workplace.project().join("supabase/functions");
        fs::create_dir_all(functions.join("hello"))?;
        fs::copy(source("project/supabase/config.toml"), workplace.project().join("supabase/config.toml"))?;
        fs::copy(source("project/supabase/functions/hello/index.ts"), functions.join("hello/index.ts"))?;
        for index in 0..RECYCLED_FUNCTIONS {
            let folder = functions.join(format!("recycled-{index}"));
            fs::create_dir_all(&folder)?;
            fs::copy(source("recycled.ts"), folder.join("index.ts"))?;
        }
        Ok(workplace)
    }

    /// Of each file in `tests/bench/cold_mixed` a function `<name>-stays`, and `count` functions `<name>-0` … whose
    /// isolate ends right after each answer.
    pub(crate) fn cold_mixed(names: &[&str], count: usize) -> anyhow::Result<Self> {
        let workplace = Self::empty()?;
        let supabase = workplace.project().join("supabase");
        fs::create_dir_all(&supabase)?;
        fs::copy(source("project/supabase/config.toml"), supabase.join("config.toml"))?;
        for name in names {
            let ends = (0..count).map(|index| (index.to_string(), "ends.ts"));
            for (suffix, index) in ends.chain([("stays".to_owned(), "stays.ts")]) {
                let folder = supabase.join(format!("functions/{name}-{suffix}"));
                fs::create_dir_all(&folder)?;
                fs::copy(source(&format!("cold_mixed/{name}.ts")), folder.join("kind.ts"))?;
                fs::copy(source(&format!("cold_mixed/{index}")), folder.join("index.ts"))?;
            }
        }
        Ok(workplace)
    }

    /// A function that sends to two queues and consumes one of them.
    pub(crate) fn queue() -> anyhow::Result<Self> {
        let workplace = Self::empty()?;
        let supabase = workplace.project().join("supabase");
        fs::create_dir_all(supabase.join("functions/enqueue"))?;
        fs::create_dir_all(supabase.join("migrations"))?;
        fs::write(
            supabase.join("config.toml"),
            "project_id = \"bench\"\n[queues.timed]\nfunction = \"enqueue\"\n",
        )?;
        fs::copy(source("queue/enqueue.ts"), supabase.join("functions/enqueue/index.ts"))?;
        fs::copy(source("queue/schema.sql"), supabase.join("migrations/1_schema.sql"))?;
        Ok(workplace)
    }

    fn empty() -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("isobase-bench-").tempdir();
        let workplace = Self { folder: folder.context("no temporary folder could be made")? };
        fs::create_dir_all(workplace.project())?;
        Ok(workplace)
    }

    pub(crate) fn project(&self) -> PathBuf {
        self.folder.path().join("project")
    }

    /// The running project's database as its host sees it.
    pub(crate) fn host_database_url(&self) -> anyhow::Result<String> {
        let state = fs::read(self.project().join(".isobase/run.json")).context("the project does not run")?;
        let state: serde_json::Value = serde_json::from_slice(&state)?;
        Ok(state["host_db_url"].as_str().context("the run state has no address of the database")?.to_owned())
    }

    /// A file or folder beside the project.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// A file of `tests/bench`.
pub(crate) fn source(name: &str) -> PathBuf {
    // At run time where cargo runs it: checkouts that share a target folder share this program too.
    let package = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    Path::new(&package).join("bench").join(name)
}

/// Ports that nobody listens on now; all different, because they are held together.
pub(crate) fn free_ports<const COUNT: usize>() -> anyhow::Result<[u16; COUNT]> {
    let mut held = Vec::with_capacity(COUNT);
    let mut ports = [0; COUNT];
    for port in &mut ports {
        let listener = TcpListener::bind("127.0.0.1:0").context("no free port")?;
        *port = listener.local_addr()?.port();
        held.push(listener);
    }
    Ok(ports)
}

/// Copies a folder, except for entries named in `skipped`.
fn copy(from: &Path, to: &Path, skipped: &[&str]) -> anyhow::Result<()> {
    fs::create_dir_all(to)?;
    let entries = fs::read_dir(from).with_context(|| format!("could not read {}", from.display()))?;
    for entry in entries {
        let entry = entry?;
        if skipped.iter().any(|skip| entry.file_name() == *skip) {
            continue;
        }
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target, skipped)?;
        } else {
            fs::copy(entry.path(), &target)
                .with_context(|| format!("could not write {}", target.display()))?;
        }
    }
    Ok(())
}
