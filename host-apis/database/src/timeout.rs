//! Time limits of statements: which of several holds, and whose it is.

use std::time::Duration;

/// The limit that a statement runs under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bound {
    pub(crate) duration: Duration,
    pub(crate) cause: Cause,
}

/// Who set it. Decides what the caller is told when it is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The host's own bound: `TimedOut`.
    Host,
    /// The session asked for it: `TimedOut`.
    Session,
    /// The role or the database function declares it: SQLSTATE 57014, as PostgREST shows it.
    Declared,
}

/// SQLSTATE `query_canceled`.
pub(crate) const QUERY_CANCELED: &str = "57014";

impl Bound {
    /// Whether a statement that ended with 57014 after `elapsed` ended by this limit and the limit
    /// is the host's or the session's.
    pub(crate) fn explains(&self, elapsed: Duration) -> bool {
        self.cause != Cause::Declared && elapsed >= self.duration
    }
}

/// In milliseconds, as `statement_timeout` takes it; never zero, which would lift the limit.
pub(crate) fn statement_timeout_text(duration: Duration) -> String {
    duration.as_millis().clamp(1, i32::MAX as u128).to_string()
}

/// Reads a duration the way Postgres reads `statement_timeout`: a number, in milliseconds unless a
/// unit follows (<https://www.postgresql.org/docs/current/config-setting.html>).
pub(crate) fn parse_timeout(text: &str) -> Option<Duration> {
    let text = text.trim();
    let unit_at = text.find(|character: char| character.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let number: f64 = number.trim().parse().ok()?;
    let seconds_per_unit = match unit {
        "us" => 0.000_001,
        "" | "ms" => 0.001,
        "s" => 1.0,
        "min" => 60.0,
        "h" => 3_600.0,
        "d" => 86_400.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(number * seconds_per_unit).ok()
}

#[cfg(test)]
mod tests {
    use super::parse_timeout;
    use std::time::Duration;

    #[test]
    fn timeouts_are_read_as_postgres_reads_them() {
        for (text, millis) in [
            ("3s", Some(3_000)),
            ("8000", Some(8_000)),
            (" 250 ms ", Some(250)),
            ("1.5s", Some(1_500)),
            ("2min", Some(120_000)),
            ("1h", Some(3_600_000)),
            ("0", Some(0)),
            ("", None),
            ("soon", None),
            ("-1s", None),
            ("3 S", None),
        ] {
            assert_eq!(parse_timeout(text), millis.map(Duration::from_millis), "{text:?}");
        }
    }
}
