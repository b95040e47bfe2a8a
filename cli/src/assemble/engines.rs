//! The engines, the pool over them, and the data API in it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use isobase_base::limits::{DATA_API_CPU_MAX, DATA_API_MEMORY_BYTES_MAX};
use isobase_base::observe::Observer;
use isobase_base::project::{Project, process_variables};
use isobase_base::{Access, Capabilities, FunctionSlug, Grant, Target};
use isobase_database::Database;
use isobase_engine::{Artifact, Function, FunctionVersion, Limits, Publication, Publish, Reuse};
use isobase_http::Network;
use isobase_packages::{Packages, PackagesConfig};
use isobase_pool::{Pool, PoolConfig};
use isobase_queue::Queues;
use isobase_realtime::Hub;
use isobase_storage::Storage;
use isobase_v8::{Inspector, V8Config, V8Engine};
use isobase_wasm::{WasmConfig, WasmEngine};

use crate::args::StartArguments;
use crate::function_process;

/// Compiled code and the V8 snapshot: the same for all projects of a user, so kept once.
fn cache_folder() -> PathBuf {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    variable("ISOBASE_CACHE_DIR")
        .or_else(|| variable("XDG_CACHE_HOME").map(|cache| cache.join("isobase")))
        .or_else(|| variable("HOME").map(|home| home.join(".cache/isobase")))
        .unwrap_or_else(|| std::env::temp_dir().join("isobase-cache"))
}

pub(super) async fn start(
    arguments: &StartArguments,
    database: &Database,
    storage: &Option<Storage>,
    realtime: &Hub,
    network: &Network,
    inspector: &Option<Inspector>,
    observer: &Observer,
) -> anyhow::Result<Arc<Pool>> {
    let cache_dir = cache_folder();
    let queues = Queues::new(database.clone());
    let v8 = V8Config {
        cache_dir: cache_dir.clone(),
        prewarmed: V8Config::PREWARMED,
        database: Some(database.clone()),
        queues: Some(queues.clone()),
        storage: storage.clone(),
        network: network.clone(),
        realtime: Some(realtime.clone()),
        inspector: inspector.clone(),
        observer: observer.clone(),
    };
    let wasm = WasmConfig {
        cache_dir: Some(cache_dir.clone()),
        database: Some(database.clone()),
        queues: Some(queues),
        storage: storage.clone(),
        network: network.clone(),
        realtime: Some(realtime.clone()),
        observer: observer.clone(),
    };
    let v8 = tokio::task::spawn_blocking(move || V8Engine::new(v8)).await?.context("V8 did not start")?;
    let wasm = WasmEngine::new(wasm).context("wasmtime did not start")?;
    let config = PoolConfig::default();
    let config = PoolConfig {
        // Beyond what the engine can make, the pool must look for one that is idle.
        workers_total_max: config.workers_total_max.min(v8.isolates_max()),
        memory_bytes_max: arguments.function_memory.unwrap_or(config.memory_bytes_max),
        ..config
    };
    let v8 = function_process::engine(v8, cache_dir, network.clone(), observer.clone());
    let v8 = Arc::new(v8.context("the thread that starts processes of functions did not start")?);
    Ok(Arc::new(Pool::new(vec![v8, wasm], config, observer.clone())))
}

/// What functions import from registries and URLs; fetched once for all projects of a user.
pub(super) fn packages(network: &Network) -> Packages {
    let config = PackagesConfig {
        cache_folder: cache_folder(),
        variables: process_variables(),
        network: network.clone(),
    };
    Packages::new(config)
}

pub(super) fn rest() -> Target {
    Target::builtin(FunctionSlug::parse("rest").expect("a valid slug"))
}

/// Whether a variable of the host's is a setting of the data API, and none of PostgREST's secrets.
fn is_of_rest(name: &str) -> bool {
    const SECRET: [&str; 2] = ["PGRST_DB_URI", "PGRST_JWT_SECRET"];
    name.starts_with("PGRST_") && !SECRET.contains(&name)
}

/// The data API is a function like any other; only where its code comes from differs.
pub(super) fn publish_rest(pool: &Pool, project: &Project) {
    let api = &project.settings.api;
    let mut environment = BTreeMap::from([
        ("PGRST_DB_SCHEMAS".into(), api.schemas.join(",")),
        ("PGRST_DB_EXTRA_SEARCH_PATH".into(), api.extra_search_path.join(",")),
        ("PGRST_DB_MAX_ROWS".into(), api.max_rows.to_string()),
    ]);
    let own = process_variables();
    environment.extend(own.into_iter().filter(|(name, _)| is_of_rest(name)));
    let function = Function {
        target: rest(),
        version: FunctionVersion::default(),
        artifact: Artifact::Component { bytes: isobase_artifacts::REST.into(), reuse: Reuse::Sequential },
        limits: Limits {
            memory_bytes_max: DATA_API_MEMORY_BYTES_MAX,
            cpu_max: DATA_API_CPU_MAX,
            ..Limits::default()
        },
        capabilities: Capabilities::all(Grant::Service),
        isolation: isobase_base::Isolation::default(),
        environment,
    };
    pool.publish(Publication {
        target: rest(),
        access: Access { verify_jwt: false },
        function: Ok(Arc::new(function)),
    });
}
