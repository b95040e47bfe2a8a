//! What Node's modules are answered instead of the host's truth, and how they are refused.

use deno_core::op2;
use deno_error::JsErrorBox;
use serde::Serialize;

/// libuv's `EPERM`.
const NOT_PERMITTED: i32 = -1;
/// "unknown", in the order of `internal_binding/util.ts`.
const HANDLE_UNKNOWN: u32 = 5;
const FOLDER: &str = "/tmp";

/// For whatever a function cannot do. It has no fast variant: V8 would not see it throw.
#[op2(nofast)]
pub(super) fn op_isobase_refused() -> Result<(), JsErrorBox> {
    Err(JsErrorBox::new("NotSupported", "a function cannot do this"))
}

/// The same where a number of libuv's is expected.
#[op2(nofast)]
#[smi]
pub(super) fn op_isobase_not_permitted() -> i32 {
    NOT_PERMITTED
}

#[op2(nofast)]
pub(super) fn op_isobase_node_true() -> bool {
    true
}

#[op2(nofast)]
pub(super) fn op_isobase_node_false() -> bool {
    false
}

#[op2(nofast)]
#[smi]
pub(super) fn op_isobase_node_zero() -> u32 {
    0
}

#[op2(nofast)]
#[smi]
pub(super) fn op_isobase_node_handle_type() -> u32 {
    HANDLE_UNKNOWN
}

#[op2]
#[serde]
pub(super) fn op_isobase_node_groups() -> Vec<u32> {
    Vec::new()
}

#[op2]
#[string]
pub(super) fn op_isobase_node_home() -> &'static str {
    FOLDER
}

#[derive(Serialize)]
pub(super) struct User {
    username: &'static str,
    homedir: &'static str,
    shell: Option<&'static str>,
}

#[op2]
#[serde]
pub(super) fn op_isobase_node_user() -> User {
    User { username: "isobase", homedir: FOLDER, shell: None }
}

#[derive(Serialize)]
pub(super) struct Cpu {
    model: &'static str,
    speed: u32,
    times: Times,
}

#[derive(Default, Serialize)]
pub(super) struct Times {
    user: u32,
    nice: u32,
    sys: u32,
    idle: u32,
    irq: u32,
}

/// One isolate is one thread.
#[op2]
#[serde]
pub(super) fn op_isobase_node_cpus() -> Vec<Cpu> {
    vec![Cpu { model: "isobase", speed: 0, times: Times::default() }]
}

/// Read past permissions by Node's modules: `NODE_EXTRA_CA_CERTS`, proxies and the like. The host's
/// environment is not the function's.
#[op2]
#[string]
pub(super) fn op_get_env_no_permission_check(#[string] _name: &str) -> Option<String> {
    None
}

/// `process.threadCpuUsage()`.
#[op2(fast)]
pub(super) fn op_current_thread_cpu_usage(#[buffer] out: &mut [f64]) {
    out.fill(0.0);
}

/// The console has no colours.
#[op2(fast)]
#[smi]
pub(super) fn op_bootstrap_color_depth() -> i32 {
    1
}
