//! Sizes and durations as people write them in settings.

use std::time::Duration;

/// `256MB`, `50MiB`, `1g`, `4096`: bytes. Units are powers of 1024 with or without the `i`, as
/// the Supabase CLI (and Docker, whose parser it uses) reads them.
pub fn bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits_end = text.find(|char: char| !char.is_ascii_digit() && char != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits_end);
    let exponent = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 1,
        "m" | "mb" | "mib" => 2,
        "g" | "gb" | "gib" => 3,
        _ => return None,
    };
    let bytes = number.parse::<f64>().ok()? * 1024_f64.powi(exponent);
    // Beyond 2^53 a float no longer counts single bytes; nobody means such a size.
    (bytes.fract() == 0.0 && bytes < 9_007_199_254_740_992.0).then_some(bytes as u64)
}

/// `500ms`, `2s`, `1m30s`, `1h`: Go's notation, which `config.toml` uses elsewhere.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let number_end = rest.find(|char: char| !char.is_ascii_digit() && char != '.')?;
        let (number, tail) = rest.split_at(number_end);
        let unit_end = tail.find(|char: char| char.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        let scale = match unit {
            "us" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        seconds += number.parse::<f64>().ok()? * scale;
        rest = tail;
    }
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::{bytes, duration};
    use std::time::Duration;

    #[test]
    fn sizes() {
        for (text, expected) in [
            ("0", Some(0)),
            ("4096", Some(4096)),
            ("256MB", Some(256 << 20)),
            ("50 MiB", Some(50 << 20)),
            ("1.5k", Some(1536)),
            ("2g", Some(2 << 30)),
            ("MB", None),
            ("-1", None),
            ("1.0001", None),
            ("1TB?", None),
            ("99999999999999g", None),
        ] {
            assert_eq!(bytes(text), expected, "{text}");
        }
    }

    #[test]
    fn durations() {
        for (text, expected) in [
            ("2s", Some(Duration::from_secs(2))),
            ("500ms", Some(Duration::from_millis(500))),
            ("1m30s", Some(Duration::from_secs(90))),
            ("1.5h", Some(Duration::from_secs(5400))),
            ("", None),
            ("2", None),
            ("2 weeks", None),
            ("-1s", None),
            ("1e400s", None),
        ] {
            assert_eq!(duration(text), expected, "{text}");
        }
    }
}
