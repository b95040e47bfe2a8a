//! What was measured, as a table and as JSON.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::options::Options;

/// One line of the table.
#[derive(Debug)]
pub(crate) struct Figure {
    pub(crate) name: String,
    /// What isobase did, in `unit`.
    pub(crate) ours: f64,
    pub(crate) unit: Unit,
    /// Who did the same in the same run, and how much of it.
    pub(crate) peer: Option<(&'static str, f64)>,
    pub(crate) goal: Goal,
    /// How it was measured, in one sentence.
    pub(crate) how: String,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Unit {
    RequestsPerSecond,
    Milliseconds,
    Microseconds,
    Mebibytes,
}

/// When a figure is good enough.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Goal {
    /// At least this many times the peer.
    Ratio(f64),
    /// No less than this, in the figure's unit.
    AtLeast(f64),
    /// No more than this, in the figure's unit.
    AtMost(f64),
    /// Only for comparison.
    Information,
}

#[derive(Debug)]
pub(crate) struct Report {
    setting: String,
    figures: Vec<Figure>,
    /// Peers that were not there and figures that could not be taken, with the reason.
    left_out: Vec<String>,
    /// Whether a figure of ours could not be taken.
    failed: bool,
}

/// What one figure's module hands back.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    pub(crate) figures: Vec<Figure>,
    pub(crate) left_out: Vec<String>,
}

impl Measured {
    pub(crate) fn add(&mut self, other: Self) {
        self.figures.extend(other.figures);
        self.left_out.extend(other.left_out);
    }
}

impl Unit {
    fn show(self, value: f64) -> String {
        match self {
            Self::RequestsPerSecond => format!("{value:.0}/s"),
            Self::Milliseconds => format!("{value:.1} ms"),
            Self::Microseconds => format!("{value:.0} µs"),
            Self::Mebibytes => format!("{value:.1} MiB"),
        }
    }

    fn symbol(self) -> &'static str {
        match self {
            Self::RequestsPerSecond => "requests/s",
            Self::Milliseconds => "ms",
            Self::Microseconds => "µs",
            Self::Mebibytes => "MiB",
        }
    }
}

impl Figure {
    fn ratio(&self) -> Option<f64> {
        self.peer.map(|(_, peer)| self.ours / peer)
    }

    /// `None` where there is nothing to reach.
    fn is_reached(&self) -> Option<bool> {
        match self.goal {
            Goal::Ratio(goal) => self.ratio().map(|ratio| ratio >= goal),
            Goal::AtLeast(goal) => Some(self.ours >= goal),
            Goal::AtMost(goal) => Some(self.ours <= goal),
            Goal::Information => None,
        }
    }

    fn goal(&self) -> String {
        let mark = match self.is_reached() {
            Some(true) => "✓",
            Some(false) => "✗",
            None => "",
        };
        match self.goal {
            Goal::Ratio(goal) => format!("≥ {goal:.2}× {mark}"),
            Goal::AtLeast(goal) => format!("≥ {} {mark}", self.unit.show(goal)),
            Goal::AtMost(goal) => format!("≤ {} {mark}", self.unit.show(goal)),
            Goal::Information => "–".into(),
        }
    }

    fn cells(&self) -> [String; 6] {
        let peer =
            self.peer.map_or("–".into(), |(name, value)| format!("{name} {}", self.unit.show(value)));
        let ratio = self.ratio().map_or("–".into(), |ratio| format!("{ratio:.2}×"));
        [self.name.clone(), self.unit.show(self.ours), peer, ratio, self.goal(), self.how.clone()]
    }

    fn json(&self) -> Value {
        let goal = match self.goal {
            Goal::Ratio(value) => json!({ "ratio_at_least": value }),
            Goal::AtLeast(value) => json!({ "at_least": value }),
            Goal::AtMost(value) => json!({ "at_most": value }),
            Goal::Information => Value::Null,
        };
        json!({
            "figure": self.name,
            "unit": self.unit.symbol(),
            "isobase": self.ours,
            "peer": self.peer.map(|(name, _)| name),
            "peer_value": self.peer.map(|(_, value)| value),
            "ratio": self.ratio(),
            "goal": goal,
            "reached": self.is_reached(),
            "how": self.how,
        })
    }
}

impl Report {
    pub(crate) fn new(options: &Options) -> Self {
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let setting = format!(
            "{cores} cores, shared by what is measured, Postgres and the load generator; loopback; runs of {} s, \
             alternating, median of {}",
            options.run_length().as_secs(),
            options.rounds
        );
        Self { setting, figures: Vec::new(), left_out: Vec::new(), failed: false }
    }

    /// A figure that fails is named and does not take the others with it.
    pub(crate) fn take(&mut self, name: &str, measured: anyhow::Result<Measured>) {
        match measured {
            Ok(measured) => {
                self.figures.extend(measured.figures);
                self.left_out.extend(measured.left_out);
            }
            Err(error) => {
                eprintln!("[bench] {name} failed: {error:#}");
                self.left_out.push(format!("{name}: failed: {error:#}"));
                self.failed = true;
            }
        }
    }

    /// A figure that was taken but misses its goal is a result; one that could not be taken is not.
    pub(crate) fn is_complete(&self) -> bool {
        !self.failed
    }

    pub(crate) fn table(&self) -> String {
        let heads = ["figure", "isobase", "peer", "ratio", "goal", "how"].map(str::to_owned);
        let rows: Vec<_> = std::iter::once(heads).chain(self.figures.iter().map(Figure::cells)).collect();
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<_> = (0..6).map(width).collect();
        let mut text = format!("{}\n\n", self.setting);
        for row in &rows {
            let line: Vec<_> =
                row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
            _ = writeln!(text, "{}", line.join("  ").trim_end());
        }
        if !self.left_out.is_empty() {
            text.push('\n');
        }
        for line in &self.left_out {
            _ = writeln!(text, "not measured: {line}");
        }
        text
    }

    pub(crate) fn json(&self) -> String {
        let figures: Vec<_> = self.figures.iter().map(Figure::json).collect();
        let report = json!({ "setting": self.setting, "figures": figures, "not_measured": self.left_out });
        format!("{report:#}\n")
    }
}

/// A line that says what goes on, on standard error so that `--json` stays JSON.
pub(crate) fn progress(line: &str) {
    eprintln!("[bench] {line}");
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn figure(ours: f64, unit: Unit, peer: Option<(&'static str, f64)>, goal: Goal) -> Figure {
        Figure { name: "a figure".into(), ours, unit, peer, goal, how: "somehow".into() }
    }

    fn report() -> Report {
        let requests = Unit::RequestsPerSecond;
        Report {
            setting: "the setting".into(),
            figures: vec![
                figure(3000.0, requests, Some(("peer", 2000.0)), Goal::Ratio(1.2)),
                figure(1000.0, requests, Some(("longer peer", 2000.0)), Goal::Ratio(1.2)),
                figure(1000.0, requests, Some(("peer", 2000.0)), Goal::Information),
                figure(2.94, Unit::Milliseconds, None, Goal::AtMost(3.0)),
            ],
            left_out: vec!["another peer is not installed".into()],
            failed: false,
        }
    }

    #[test]
    fn the_table_lines_up() {
        expect![[r#"
            the setting

            figure    isobase  peer                ratio  goal        how
            a figure  3000/s   peer 2000/s         1.50×  ≥ 1.20× ✓   somehow
            a figure  1000/s   longer peer 2000/s  0.50×  ≥ 1.20× ✗   somehow
            a figure  1000/s   peer 2000/s         0.50×  –           somehow
            a figure  2.9 ms   –                   –      ≤ 3.0 ms ✓  somehow

            not measured: another peer is not installed
        "#]]
        .assert_eq(&report().table());
    }

    #[test]
    fn json_has_the_numbers_themselves() {
        let json: Value = serde_json::from_str(&report().json()).unwrap();
        assert_eq!(json["figures"][0]["ratio"], 1.5);
        assert_eq!(json["figures"][1]["reached"], false);
        assert_eq!(json["figures"][2]["goal"], Value::Null);
        assert_eq!(json["figures"][3]["isobase"], 2.94);
        assert_eq!(json["figures"][3]["goal"]["at_most"], 3.0);
        assert_eq!(json["not_measured"][0], "another peer is not installed");
    }
}
