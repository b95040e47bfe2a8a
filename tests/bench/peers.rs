//! Where the peers are, and how each is started. Their versions are in `peers/package.json`.

use std::path::PathBuf;

use anyhow::Context;
use tokio::process::Command;

use crate::fixture::{Workplace, free_ports, source};
use crate::http::Client;
use crate::load::is_installed;
use crate::running::Running;
use crate::token;

/// What brings the peers of `peers/package.json`.
const SETUP: &str = "./setup.sh bench installs it";
/// What brings wasmtime's command line.
const SETUP_WASMTIME: &str = "tests/bench/wasmtime.sh installs it (minutes of compiling)";

/// A peer that answers on its port until it is dropped.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) port: u16,
    _running: Running,
}

/// `Err` holds the line that says how to get what is missing.
type Found<T> = Result<T, String>;

fn installed(name: &str, path: &str, setup: &str) -> Found<PathBuf> {
    let path = source(path);
    if path.exists() { Ok(path) } else { Err(format!("{name} is not installed; {setup}")) }
}

/// Deno serves the fixture's own file.
pub(crate) async fn deno(workplace: &Workplace) -> anyhow::Result<Found<Peer>> {
    let program = match installed("deno", "peers/node_modules/@deno/linux-x64-glibc/deno", SETUP) {
        Ok(program) => program,
        Err(missing) => return Ok(Err(missing)),
    };
    let [port] = free_ports()?;
    let mut command = Command::new(program);
    command.args(["run", "--quiet", "--no-config", "--allow-net", "--allow-env"]);
    command.arg(source("project/supabase/functions/hello/index.ts"));
    command.env("DENO_SERVE_ADDRESS", format!("tcp:127.0.0.1:{port}")).env("DENO_NO_UPDATE_CHECK", "1");
    command.env("DENO_DIR", workplace.beside("deno"));
    start("deno", command, port, workplace).await.map(Ok)
}

pub(crate) async fn workerd(workplace: &Workplace) -> anyhow::Result<Found<Peer>> {
    let path = "peers/node_modules/@cloudflare/workerd-linux-64/bin/workerd";
    let program = match installed("workerd", path, SETUP) {
        Ok(program) => program,
        Err(missing) => return Ok(Err(missing)),
    };
    let [port] = free_ports()?;
    let mut command = Command::new(program);
    command.arg("serve").arg(source("peers/workerd.capnp"));
    command.arg("--socket-addr").arg(format!("http=127.0.0.1:{port}"));
    start("workerd", command, port, workplace).await.map(Ok)
}

/// `wasmtime serve` runs the very component that isobase runs.
pub(crate) async fn wasmtime(
    workplace: &Workplace,
    component: &std::path::Path,
) -> anyhow::Result<Found<Peer>> {
    let folder = std::env::var_os("ISOBASE_WASMTIME").map_or_else(default_wasmtime, PathBuf::from);
    let program = folder.join("bin/wasmtime");
    if !program.exists() {
        return Ok(Err(format!("wasmtime is not installed; {SETUP_WASMTIME}")));
    }
    let [port] = free_ports()?;
    let mut command = Command::new(program);
    command.args(["serve", "-S", "cli", "-O", "pooling-allocator", "--addr", &format!("127.0.0.1:{port}")]);
    command.arg(component);
    start("wasmtime serve", command, port, workplace).await.map(Ok)
}

/// Where `wasmtime.sh` puts it.
fn default_wasmtime() -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    cache.or_else(home).unwrap_or_default().join("isobase-wasmtime")
}

/// `@supabase/lite` on a database of its own in the same Postgres.
pub(crate) async fn lite(
    workplace: &Workplace,
    database_url: &str,
    secret: &str,
) -> anyhow::Result<Found<Peer>> {
    let program =
        match installed("@supabase/lite", "peers/node_modules/@supabase/lite/dist/cli/index.js", SETUP) {
            Ok(program) => program,
            Err(missing) => return Ok(Err(missing)),
        };
    if !is_installed("node") {
        return Ok(Err("@supabase/lite needs Node.js 20 or newer; ./setup.sh bench installs it".into()));
    }
    let [port] = free_ports()?;
    let folder = workplace.beside("lite");
    std::fs::create_dir_all(folder.join("supabase"))?;
    let settings = format!(
        "[api]\nport = {port}\n\n[db]\ndriver = \"postgres\"\nurl = \"{database_url}\"\n\n\
         [auth]\nenabled = true\njwt_secret = \"{secret}\"\n"
    );
    std::fs::write(folder.join("supabase/config.toml"), settings)?;
    let mut command = Command::new("node");
    command.arg(program).args(["--no-telemetry", "start", "--no-admin"]).current_dir(folder);
    command.env("LITE_TELEMETRY", "0").env("DO_NOT_TRACK", "1");
    let mut running = Running::spawn("@supabase/lite", &mut command, &workplace.beside("lite.log"))?;
    let client = Client::new(port, Some(&token::sign(secret, token::USER)?));
    running
        .answers(&client, "/rest/v1/items?id=eq.1")
        .await
        .context("@supabase/lite does not serve the table")?;
    Ok(Ok(Peer { port, _running: running }))
}

async fn start(
    name: &'static str,
    mut command: Command,
    port: u16,
    workplace: &Workplace,
) -> anyhow::Result<Peer> {
    let log = workplace.beside(&format!("{}.log", name.replace(' ', "-")));
    let mut running = Running::spawn(name, &mut command, &log)?;
    running.answers(&Client::new(port, None), "/").await?;
    Ok(Peer { port, _running: running })
}
