//! `make bench`: isobase beside its peers, on this machine, in one run.
//!
//! Each figure is a ratio: short runs of isobase and of the peer alternate, and the medians are
//! compared. The load generator runs on the same machine as what it loads, so the absolute numbers
//! are small and say little; the ratios hold.
//!
//! A peer that is not installed is left out with a line that says how to get it. Everything that is
//! started here is stopped at the end, after a failure and after Ctrl-C as well.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that a person runs at a terminal")]

mod cold_mixed;
mod cold_start;
mod data_api;
mod deploy;
mod fixture;
mod http;
mod isolation;
mod load;
mod memory;
mod mixed;
mod neighbour;
mod options;
mod outbound;
mod peers;
mod plain_files;
mod product;
mod queue;
mod realtime;
mod reload;
mod report;
mod rest;
mod running;
mod schedules;
mod soak;
mod start;
mod storage;
mod token;
mod typescript;
mod wasm;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use crate::fixture::Workplace;
use crate::options::{FigureName, Options};
use crate::product::Product;
use crate::report::Report;

fn main() -> ExitCode {
    let options = Options::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(until_interrupted(&options)),
        Err(error) => Err(error).context("the async runtime did not start"),
    };
    match outcome {
        Ok(report) => {
            print!("{}", if options.json { report.json() } else { report.table() });
            if report.is_complete() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("[bench] error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the figures; a signal drops them, and with them every process they started.
async fn until_interrupted(options: &Options) -> anyhow::Result<Report> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        report = run(options) => report,
        _ = interrupt.recv() => anyhow::bail!("interrupted; everything that ran was stopped"),
        _ = terminate.recv() => anyhow::bail!("asked to end; everything that ran was stopped"),
    }
}

async fn run(options: &Options) -> anyhow::Result<Report> {
    let binary = options.binary()?;
    let mut report = Report::new(options);
    on_fixture(&binary, options, &mut report).await?;
    if options.wants(FigureName::Schedules) {
        let workplace = Workplace::fixture()?;
        let product = Product::start(&binary, &workplace).await?;
        report.take("schedules", schedules::measure(&product).await);
        product.stop().await?;
    }
    if options.wants(FigureName::Queue) {
        report.take("queue", queue::measure(&binary, options).await);
    }
    on_many_functions(&binary, options, &mut report).await?;
    if options.wants(FigureName::ColdStart) {
        let workplace = cold_start::packages()?;
        let product = Product::start(&binary, &workplace).await?;
        report.take("cold-start of packages", cold_start::measure_packages(&product).await);
        product.stop().await?;
    }
    if options.wants(FigureName::ColdMixed) {
        let workplace = cold_mixed::project()?;
        let product = Product::start(&binary, &workplace).await?;
        report.take("cold-mixed", cold_mixed::measure(&product).await);
        product.stop().await?;
    }
    on_very_many_functions(&binary, options, &mut report).await?;
    if options.wants(FigureName::Isolation) {
        let workplace = Workplace::isolated()?;
        let product = Product::start(&binary, &workplace).await?;
        report.take("isolation", isolation::measure(&product).await);
        product.stop().await?;
    }
    if options.wants_any(&[FigureName::Deploy, FigureName::Neighbour]) {
        let workplace = Workplace::many_functions(1)?;
        let product = Product::start(&binary, &workplace).await?;
        if options.wants(FigureName::Deploy) {
            report.take("deploy", deploy::measure(&product).await);
        }
        if options.wants(FigureName::Neighbour) {
            report.take("neighbour", neighbour::measure(&product).await);
        }
        product.stop().await?;
    }
    Ok(report)
}

/// What is measured on `tests/bench/project`.
async fn on_fixture(binary: &Path, options: &Options, report: &mut Report) -> anyhow::Result<()> {
    let figures = [
        FigureName::DataApi,
        FigureName::Rest,
        FigureName::Mixed,
        FigureName::Typescript,
        FigureName::Wasm,
        FigureName::Outbound,
        FigureName::Realtime,
        FigureName::Storage,
        FigureName::Start,
    ];
    if !options.wants_any(&figures) {
        return Ok(());
    }
    let wants_wasm = options.wants(FigureName::Wasm);
    let workplace =
        if wants_wasm { Workplace::fixture_with_wasm(binary).await? } else { Workplace::fixture()? };
    let product = Product::start(binary, &workplace).await?;
    if wants_wasm {
        // First of all: cargo beside a run would be measured with it.
        wasm::await_build(&product).await?;
    }
    if options.wants(FigureName::DataApi) {
        report.take("data-api", data_api::measure(&product, &workplace, options).await);
    }
    if options.wants(FigureName::Rest) {
        report.take("rest", rest::measure(&product, binary, &workplace, options).await);
    }
    if options.wants(FigureName::Mixed) {
        report.take("mixed", mixed::measure(&product, &workplace, options).await);
    }
    if options.wants(FigureName::Typescript) {
        report.take("typescript", typescript::measure(&product, &workplace, options).await);
    }
    if wants_wasm {
        report.take("wasm", wasm::measure(&product, &workplace, options).await);
    }
    if options.wants(FigureName::Outbound) {
        report.take("outbound", outbound::measure(&product).await);
    }
    if options.wants(FigureName::Realtime) {
        report.take("realtime", realtime::measure(&product, options).await);
    }
    if options.wants(FigureName::Storage) {
        report.take("storage", storage::measure(&product, &workplace, options).await);
    }
    product.stop().await?;
    if options.wants(FigureName::Start) {
        report.take("start", start::measure(binary, &workplace, options).await);
    }
    Ok(())
}

/// What is measured with a thousand isolates, at once and one after another.
async fn on_very_many_functions(binary: &Path, options: &Options, report: &mut Report) -> anyhow::Result<()> {
    if options.wants(FigureName::Thousand) {
        let workplace = Workplace::many_functions(fixture::MANY_FUNCTIONS)?;
        let product = Product::start(binary, &workplace).await?;
        report.take("thousand", memory::measure_many(&product).await);
        product.stop().await?;
    }
    if options.wants(FigureName::Soak) {
        let workplace = Workplace::soak()?;
        let product = Product::start(binary, &workplace).await?;
        report.take("soak", soak::measure(&product, options).await);
        product.stop().await?;
    }
    Ok(())
}

/// What is measured on a project of hundreds of functions.
async fn on_many_functions(binary: &Path, options: &Options, report: &mut Report) -> anyhow::Result<()> {
    if !options.wants_any(&[FigureName::ColdStart, FigureName::Reload, FigureName::Memory]) {
        return Ok(());
    }
    let workplace = Workplace::many_functions(fixture::FUNCTIONS)?;
    if options.wants_any(&[FigureName::ColdStart, FigureName::Reload]) {
        let product = Product::start(binary, &workplace).await?;
        if options.wants(FigureName::ColdStart) {
            report.take("cold-start", cold_start::measure(&product).await);
        }
        if options.wants(FigureName::Reload) {
            report.take("reload", reload::measure(&product, &workplace).await);
        }
        product.stop().await?;
    }
    if options.wants(FigureName::Memory) {
        let product = Product::start(binary, &workplace).await?;
        report.take("memory", memory::measure(&product).await);
        product.stop().await?;
    }
    Ok(())
}
