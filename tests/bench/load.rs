//! Load from outside: wrk on HTTP, pgbench on Postgres; and how contenders take turns.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use tokio::process::Command;

use crate::options::Options;
use crate::plain_files::PlainFiles;
use crate::report::progress;

/// A short run before the first that counts: connections, caches and compilers settle.
const WARM_UP: Duration = Duration::from_secs(1);
/// Beyond its length, before a run counts as stuck.
const RUN_SLACK: Duration = Duration::from_secs(30);

/// Who takes part in a comparison, and how it is loaded.
#[derive(Debug)]
pub(crate) struct Contender {
    pub(crate) name: &'static str,
    pub(crate) load: Load,
}

#[derive(Debug)]
pub(crate) enum Load {
    Wrk(Wrk),
    Pgbench(Pgbench),
    PlainFiles(PlainFiles),
}

/// One thread of load: more would only take cores from what is loaded.
#[derive(Debug)]
pub(crate) struct Wrk {
    pub(crate) port: u16,
    pub(crate) path: String,
    pub(crate) connections: u32,
    pub(crate) token: Option<String>,
    pub(crate) script: Option<PathBuf>,
    /// Files that the script finds by these variables of its environment.
    pub(crate) variables: Vec<(&'static str, PathBuf)>,
}

#[derive(Debug)]
pub(crate) struct Pgbench {
    pub(crate) url: String,
    /// Each transaction runs one of them, chosen at random.
    pub(crate) scripts: Vec<PathBuf>,
    /// `extended` parses each statement each time, as a server without a cache must; `prepared` once.
    pub(crate) protocol: &'static str,
    pub(crate) connections: u32,
}

/// What came of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    pub(crate) per_second: f64,
    /// Milliseconds at the 99th percentile; not every load tells.
    pub(crate) p99: f64,
}

/// Alternating runs; the median of each contender in requests (or transactions) per second.
pub(crate) async fn alternate(contenders: &[Contender], options: &Options) -> anyhow::Result<Vec<f64>> {
    for contender in contenders {
        contender.run(WARM_UP).await?;
    }
    let mut runs = vec![Vec::new(); contenders.len()];
    for round in 1..=options.rounds {
        for (contender, runs) in contenders.iter().zip(&mut runs) {
            let speed = contender.run(options.run_length()).await?;
            progress(&format!("  round {round}/{}: {} {speed:.0}/s", options.rounds, contender.name));
            runs.push(speed);
        }
    }
    Ok(runs.into_iter().map(median).collect())
}

/// The middle one; of an even number, the upper of the two.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The smallest value that so many percent of all do not exceed.
pub(crate) fn percentile(mut values: Vec<f64>, percent: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    let index = (values.len() * percent).div_ceil(100).max(1) - 1;
    values.get(index).copied().unwrap_or(f64::NAN)
}

impl Contender {
    async fn run(&self, length: Duration) -> anyhow::Result<f64> {
        let speed = match &self.load {
            Load::Wrk(wrk) => wrk.run(length).await.map(|run| run.per_second),
            Load::Pgbench(pgbench) => pgbench.run(length).await,
            Load::PlainFiles(files) => files.run(length).await,
        };
        speed.with_context(|| format!("a run of {} failed", self.name))
    }
}

impl Load {
    /// With the latency that not every load tells.
    pub(crate) async fn timed(&self, length: Duration) -> anyhow::Result<Run> {
        match self {
            Self::Wrk(wrk) => wrk.run(length).await,
            Self::Pgbench(pgbench) => pgbench.run_logged(length).await,
            Self::PlainFiles(_) => bail!("plain files are not timed one by one"),
        }
    }
}

impl Wrk {
    pub(crate) async fn run(&self, length: Duration) -> anyhow::Result<Run> {
        let mut command = Command::new("wrk");
        command.args([
            "-t1",
            "--latency",
            &format!("-c{}", self.connections),
            &format!("-d{}s", length.as_secs()),
        ]);
        if let Some(token) = &self.token {
            command.args(["-H", &format!("Authorization: Bearer {token}")]);
        }
        if let Some(script) = &self.script {
            command.arg("-s").arg(script);
        }
        command.envs(self.variables.iter().map(|(name, file)| (name, file)));
        command.arg(format!("http://127.0.0.1:{}{}", self.port, self.path));
        let output = output(&mut command, length).await?;
        // wrk counts answers that are errors as requests like any other.
        for trouble in ["Non-2xx or 3xx responses:", "Socket errors:"] {
            if let Some(line) = output.lines().find(|line| line.trim_start().starts_with(trouble)) {
                bail!("{}", line.trim());
            }
        }
        Ok(Run { per_second: number_after(&output, "Requests/sec:")?, p99: milliseconds_at(&output, "99%")? })
    }
}

impl Pgbench {
    async fn run(&self, length: Duration) -> anyhow::Result<f64> {
        self.run_with(length, &[]).await
    }

    /// With the time of each transaction, which pgbench writes to files.
    pub(crate) async fn run_logged(&self, length: Duration) -> anyhow::Result<Run> {
        let folder = tempfile::tempdir().context("no temporary folder could be made")?;
        let prefix = folder.path().join("log").to_string_lossy().into_owned();
        let per_second = self.run_with(length, &["-l", "--log-prefix", &prefix]).await?;
        let mut times = Vec::new();
        for file in std::fs::read_dir(folder.path())? {
            let text = std::fs::read_to_string(file?.path())?;
            // Client, number, microseconds, …
            let time = |line: &str| line.split(' ').nth(2)?.parse::<f64>().ok();
            times.extend(text.lines().filter_map(time));
        }
        ensure!(!times.is_empty(), "pgbench has logged no transaction");
        Ok(Run { per_second, p99: percentile(times, 99) / 1000.0 })
    }

    async fn run_with(&self, length: Duration, more: &[&str]) -> anyhow::Result<f64> {
        let mut command = Command::new("pgbench");
        command.args(["-n", "-M", self.protocol, "-j", "2", "-c", &self.connections.to_string()]);
        command.args(["-T", &length.as_secs().to_string()]).args(more);
        for script in &self.scripts {
            command.arg("-f").arg(script);
        }
        command.arg(&self.url);
        let output = output(&mut command, length).await?;
        if number_after(&output, "number of failed transactions:")? > 0.0 {
            bail!("transactions failed:\n{output}");
        }
        number_after(&output, "tps =")
    }
}

async fn output(command: &mut Command, length: Duration) -> anyhow::Result<String> {
    let name = command.as_std().get_program().to_string_lossy().into_owned();
    command.kill_on_drop(true).stdin(Stdio::null());
    let output = tokio::time::timeout(length + RUN_SLACK, command.output()).await;
    let output = output.with_context(|| format!("{name} did not end in time"))?;
    let output = output.with_context(|| format!("{name} did not start"))?;
    if !output.status.success() {
        bail!("{name} ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The first number after `label`.
fn number_after(text: &str, label: &str) -> anyhow::Result<f64> {
    let rest = text.split_once(label).map(|(_, rest)| rest.trim_start());
    let word = rest.and_then(|rest| rest.split_whitespace().next());
    word.and_then(|word| word.parse().ok()).with_context(|| format!("no {label} in:\n{text}"))
}

/// A duration of wrk's distribution, as it writes it: `812.00us`, `1.23ms`, `1.01s`.
fn milliseconds_at(text: &str, label: &str) -> anyhow::Result<f64> {
    // Above it are shares of other things, which may end with the same digits.
    let distribution = text.split_once("Latency Distribution").map_or("", |(_, rest)| rest);
    let rest = distribution.split_once(label).map(|(_, rest)| rest.trim_start());
    let word = rest.and_then(|rest| rest.split_whitespace().next()).unwrap_or_default();
    let unit = word.trim_start_matches(|character: char| character.is_ascii_digit() || character == '.');
    let scale = match unit {
        "us" => 0.001,
        "ms" => 1.0,
        "s" => 1000.0,
        "m" => 60_000.0,
        _ => bail!("no duration at {label} in:\n{text}"),
    };
    Ok(word[..word.len() - unit.len()].parse::<f64>()? * scale)
}

/// Whether a program can be called by its name.
pub(crate) fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(OsStr::new(program)).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found() {
        assert_eq!(
            number_after("Requests/sec:  19729.16\nTransfer/sec: 1.56MB", "Requests/sec:").unwrap(),
            19729.16
        );
        let pgbench =
            "number of failed transactions: 0 (0.000%)\ntps = 5025.3 (without initial connection time)";
        assert_eq!(number_after(pgbench, "number of failed transactions:").unwrap(), 0.0);
        assert_eq!(number_after(pgbench, "tps =").unwrap(), 5025.3);
        assert!(number_after("nothing", "tps =").is_err());
    }

    #[test]
    fn durations_are_found() {
        let wrk = "    Latency   753.84us    0.90ms  12.46ms   93.99%\n  Latency Distribution\n     50%  812.00us\n     90%    1.50ms\n     99%    1.01s\n";
        assert_eq!(milliseconds_at(wrk, "50%").unwrap(), 0.812);
        assert_eq!(milliseconds_at(wrk, "90%").unwrap(), 1.5);
        assert_eq!(milliseconds_at(wrk, "99%").unwrap(), 1010.0);
        assert!(milliseconds_at(wrk, "75%").is_err());
    }

    #[test]
    fn percentiles_are_values_that_were_there() {
        let values: Vec<f64> = (1..=200).rev().map(f64::from).collect();
        assert_eq!(percentile(values.clone(), 50), 100.0);
        assert_eq!(percentile(values.clone(), 99), 198.0);
        assert_eq!(percentile(values, 100), 200.0);
        assert_eq!(percentile(vec![7.0], 1), 7.0);
        assert!(percentile(Vec::new(), 99).is_nan());
    }

    #[test]
    fn the_median_ignores_order() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 3.0, 2.0]), 3.0);
        assert!(median(Vec::new()).is_nan());
    }
}
