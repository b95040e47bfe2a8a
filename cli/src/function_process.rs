//! The processes of functions that have one of their own: this program again, by a command that people do not see.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use isobase_base::limits::PROCESS_START_TIMEOUT;
use isobase_base::observe::Observer;
use isobase_engine::Engine;
use isobase_http::Network;
use isobase_process::{ProcessConfig, ProcessEngine, Room};
use isobase_v8::{V8Config, V8Engine};

/// As [`crate::args::Command::FunctionProcess`] is written.
const COMMAND: &str = "function-process";

/// What is running, also when the file it came from was replaced since.
const THIS_PROGRAM: &str = "/proc/self/exe";

/// How often it looks whether its isolate is made.
const LOOK_INTERVAL: Duration = Duration::from_micros(500);

/// The engine of the host: `inside` for functions that have no process.
pub(crate) fn engine(
    inside: Arc<V8Engine>,
    cache_dir: PathBuf,
    network: Network,
    observer: Observer,
) -> std::io::Result<ProcessEngine> {
    let (program, arguments) = (THIS_PROGRAM.into(), vec![COMMAND.to_owned()]);
    ProcessEngine::new(inside, ProcessConfig { program, arguments, cache_dir, network, observer })
}

/// The life of such a process.
pub(crate) fn run() -> anyhow::Result<()> {
    Ok(isobase_process::serve(prepare)?)
}

/// The engine of a process: one isolate, and no host APIs.
fn prepare(room: Room) -> Result<Arc<dyn Engine>, String> {
    let Room { cache_dir, network, observer } = room;
    let config = V8Config { prewarmed: 1, network, observer, ..V8Config::new(cache_dir) };
    let engine = V8Engine::new(config).map_err(|error| error.to_string())?;
    let since = Instant::now();
    while engine.ready_isolates() == 0 {
        if since.elapsed() > PROCESS_START_TIMEOUT {
            return Err("no isolate was made".to_owned());
        }
        std::thread::sleep(LOOK_INTERVAL);
    }
    engine.keep_ready(0);
    Ok(engine)
}
