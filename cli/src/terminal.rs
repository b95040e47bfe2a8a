//! What a person at a terminal sees: a live line for the current step, one line per finished step,
//! errors with their causes. Where output is not a terminal, the same as plain lines.
#![allow(clippy::print_stderr, reason = "this file is the terminal")]

use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::time::Instant;

use isobase_base::progress::Progress;

use crate::paint::Paint;

/// Draws steps on standard error.
pub(crate) struct TerminalProgress {
    live: bool,
    paint: Paint,
    current: Mutex<Option<Step>>,
}

struct Step {
    what: String,
    since: Instant,
}

impl TerminalProgress {
    pub(crate) fn new() -> Self {
        Self { live: std::io::stderr().is_terminal(), paint: Paint::of_stderr(), current: Mutex::new(None) }
    }

    fn finish(&self, step: Option<Step>) {
        let Some(Step { what, since }) = step else { return };
        let millis = since.elapsed().as_millis();
        if self.live {
            let took = self.paint.dim(&format!("{millis} ms"));
            eprintln!("\r\x1b[2K{} {what} {took}", self.paint.green("✓"));
        } else {
            eprintln!("done: {what} ({millis} ms)");
        }
    }
}

impl Progress for TerminalProgress {
    fn step(&self, what: &str) {
        let mut current = self.current.lock().expect("no panic while drawing");
        self.finish(current.take());
        if self.live {
            eprint!("\r\x1b[2K{} {what}", self.paint.cyan("…"));
            _ = std::io::stderr().flush();
        }
        *current = Some(Step { what: what.into(), since: Instant::now() });
    }

    fn note(&self, what: &str) {
        let current = self.current.lock().expect("no panic while drawing");
        match (&*current, self.live) {
            (Some(step), true) => eprint!("\r\x1b[2K  {what}\n{} {}", self.paint.cyan("…"), step.what),
            (None, true) => eprintln!("  {what}"),
            (_, false) => eprintln!("note: {what}"),
        }
        _ = std::io::stderr().flush();
    }

    fn done(&self) {
        let step = self.current.lock().expect("no panic while drawing").take();
        self.finish(step);
    }
}

/// Prints an error and, indented, what caused it.
pub(crate) fn error(error: &anyhow::Error) {
    let paint = Paint::of_stderr();
    let mut causes = error.chain().filter(|cause| !is_marker(*cause));
    if std::io::stderr().is_terminal() {
        eprint!("\r\x1b[2K");
    }
    if let Some(first) = causes.next() {
        eprintln!("{} {first}", paint.red("error:"));
    }
    for cause in causes {
        eprintln!("  because: {}", paint.fault(&cause.to_string()).replace('\n', "\n  "));
    }
}

fn is_marker(cause: &(dyn std::error::Error + 'static)) -> bool {
    cause.to_string() == crate::BadConfig.to_string()
}
