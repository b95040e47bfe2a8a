//! What a store holds for its guest.

use std::sync::Arc;

use isobase_base::{Context, limits};
use isobase_bind_wasm::{Doors, Host, HostView};
use isobase_http::{HttpClient, Inward};
use wasmtime::component::{Linker, ResourceTable};
use wasmtime::{Engine, Store, UpdateDeadline};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use crate::cpu::{CpuMeter, Verdict};
use crate::environment::{self, Environment, Variables};
use crate::fault::CpuLimitReached;
use crate::guest_log::GuestLog;
use crate::memory::MemoryBound;
use crate::outbound::Outbound;

/// The data of a store. Small: a fresh one is made for each request.
pub(crate) struct State {
    pub(crate) host: Host,
    pub(crate) memory: MemoryBound,
    pub(crate) table: ResourceTable,
    pub(crate) variables: Variables,
    meter: Arc<CpuMeter>,
    http: WasiHttpCtx,
    outbound: Outbound,
    wasi: WasiCtx,
}

impl State {
    pub(crate) fn new(
        context: Context,
        doors: Doors,
        (client, inward): (HttpClient, Inward),
        memory: MemoryBound,
        variables: Environment,
        meter: Arc<CpuMeter>,
        log: &GuestLog,
    ) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits::WASM_RESOURCES_MAX);
        Self {
            outbound: Outbound { client, inward, deadline: context.deadline, trace: context.trace },
            host: Host::new(context, doors),
            memory,
            table,
            variables: Variables(variables),
            meter,
            http: WasiHttpCtx::new(),
            wasi: wasi(log),
        }
    }

    /// The next request of an instance that serves several.
    pub(crate) fn begin(&mut self, context: Context, doors: Doors) {
        self.outbound.deadline = context.deadline;
        self.outbound.trace = context.trace;
        self.host = Host::new(context, doors);
    }

    /// How many host resources the guest holds.
    pub(crate) fn resources(&mut self) -> usize {
        self.table.iter_mut().count()
    }
}

/// Clocks and random numbers as they are, log streams, and nothing else: no files, no sockets.
fn wasi(log: &GuestLog) -> WasiCtx {
    WasiCtx::builder()
        .stdout(log.stdout())
        .stderr(log.stderr())
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false)
        .build()
}

/// All that a component may import.
pub(crate) fn linker(engine: &Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    isobase_bind_wasm::add_to_linker(&mut linker, |state: &mut State| HostView {
        host: &mut state.host,
        table: &mut state.table,
    })?;
    linker.allow_shadowing(true);
    environment::add_to_linker(&mut linker)?;
    linker.allow_shadowing(false);
    Ok(linker)
}

/// A store whose guest is bound in memory and CPU.
pub(crate) fn store(engine: &Engine, state: State) -> Store<State> {
    let mut store = Store::new(engine, state);
    store.limiter(|state| &mut state.memory);
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(|store| {
        let meter = &store.data().meter;
        match meter.judge() {
            Verdict::GoOn => Ok(UpdateDeadline::Continue(1)),
            Verdict::Yield => Ok(UpdateDeadline::Yield(1)),
            Verdict::End => Err(CpuLimitReached(meter.budget()).into()),
        }
    });
    store
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { hooks: &mut self.outbound, table: &mut self.table, ctx: &mut self.http }
    }
}
