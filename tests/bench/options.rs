//! The command line of the bench.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::{Parser, ValueEnum};

/// Compare isobase with its peers, each as a ratio in one run
#[derive(Debug, Parser)]
#[command(name = "bench")]
pub(crate) struct Options {
    /// The isobase to measure [default: the one beside this program]
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
    /// Print JSON instead of the table
    #[arg(long)]
    pub(crate) json: bool,
    /// Only these figures [default: all]
    #[arg(long, value_delimiter = ',', value_name = "FIGURE,…")]
    only: Vec<FigureName>,
    /// Runs of each contender; the median counts
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=25))]
    pub(crate) rounds: u32,
    /// Length of one run
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=60))]
    seconds: u64,
    /// Requests over which memory must not grow
    #[arg(long, default_value_t = 1_000_000, value_name = "COUNT", value_parser = count)]
    pub(crate) soak_requests: usize,
    /// Isolates over which memory must not grow, one after another
    #[arg(long, default_value_t = 10_000, value_name = "COUNT", value_parser = count)]
    pub(crate) soak_recycles: usize,
    /// How long users' rows are read and written amid trouble
    #[arg(long, default_value_t = 60, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    mixed_seconds: u64,
}

fn count(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|count| *count > 0).ok_or_else(|| "expected a number above zero".to_owned())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FigureName {
    /// One row by primary key under RLS, against pgbench and @supabase/lite
    DataApi,
    /// Reads, writes and calls through the data API, near and far, against pgbench
    Rest,
    /// Users' rows through the data API while the schema changes, connections die and clients hang up
    Mixed,
    /// A TypeScript hello, against Deno and workerd
    Typescript,
    /// A WASM hello, against wasmtime serve
    Wasm,
    /// HTTP requests from SQL
    Outbound,
    /// Broadcast from one client to 1,000 sockets
    Realtime,
    /// Durable single sends, against pgbench; and the time from a message to its function
    Queue,
    /// Objects through a TypeScript function, against plain files
    Storage,
    /// The whole stack's second start, and its memory at rest
    Start,
    /// The first request of a TypeScript function
    ColdStart,
    /// First requests of many kinds of functions among others, by more and more callers
    ColdMixed,
    /// A saved file of a TypeScript function until it is served
    Reload,
    /// The memory of one warm TypeScript function
    Memory,
    /// The memory of a thousand warm TypeScript functions
    Thousand,
    /// Memory after very many requests, and after very many isolates
    Soak,
    /// A deploy until its version answers, and a rollback
    Deploy,
    /// A function's latency while another one spins
    Neighbour,
    /// A function in a process of its own, against one in an isolate of the host
    Isolation,
    /// A thousand jobs each second: how late they begin
    Schedules,
}

impl Options {
    pub(crate) fn binary(&self) -> anyhow::Result<PathBuf> {
        let beside = || Some(std::env::current_exe().ok()?.parent()?.join("isobase"));
        let binary =
            self.binary.clone().or_else(beside).context("the folder of this program is not known")?;
        let found = binary.canonicalize();
        found.with_context(|| {
            format!("no isobase at {}; build it, or name one with --binary", binary.display())
        })
    }

    pub(crate) fn wants(&self, figure: FigureName) -> bool {
        self.only.is_empty() || self.only.contains(&figure)
    }

    pub(crate) fn wants_any(&self, figures: &[FigureName]) -> bool {
        figures.iter().any(|figure| self.wants(*figure))
    }

    pub(crate) fn mixed_length(&self) -> Duration {
        Duration::from_secs(self.mixed_seconds)
    }

    pub(crate) fn run_length(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }
}
