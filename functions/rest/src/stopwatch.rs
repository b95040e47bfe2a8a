//! `Server-Timing` (W3C): where the time of a request went.

use std::time::Instant;

/// The parts of a request, in the order of the header. The token was verified before the request
/// came here, so `jwt` takes no time.
const PARTS: [&str; 5] = ["jwt", "parse", "plan", "transaction", "response"];

/// Measures parts one after another; does nothing when switched off.
#[derive(Debug)]
pub(crate) struct Stopwatch {
    since: Option<Instant>,
    laps: Vec<(&'static str, f64)>,
}

impl Stopwatch {
    pub(crate) fn start(enabled: bool) -> Self {
        Self { since: enabled.then(Instant::now), laps: Vec::new() }
    }

    /// Ends the part that ran until now.
    pub(crate) fn lap(&mut self, part: &'static str) {
        if let Some(since) = &mut self.since {
            let now = Instant::now();
            self.laps.push((part, now.duration_since(*since).as_secs_f64() * 1000.0));
            *since = now;
        }
    }

    /// The header's value: milliseconds; what remains is the response.
    pub(crate) fn header(mut self) -> Option<String> {
        self.since?;
        self.lap("response");
        let parts = PARTS.map(|part| {
            let time = self.laps.iter().find(|(name, _)| *name == part).map_or(0.0, |(_, time)| *time);
            format!("{part};dur={time:.1}")
        });
        Some(parts.join(", "))
    }
}
