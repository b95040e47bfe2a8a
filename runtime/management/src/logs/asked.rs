//! Which entries a request asks for.

use std::time::Duration;

use chrono::{DateTime, Utc};
use http::request::Parts;
use isobase_base::limits::FUNCTION_LOG_READ_MAX;
use isobase_base::observe::GuestLevel;
use isobase_logs::LogQuery;

use crate::answer::Refusal;
use crate::surface::{parse_slug, query};

const LIMIT_DEFAULT: u32 = 100;

pub(super) struct Asked {
    pub(super) query: LogQuery,
    /// At most so many, the newest, before following.
    pub(super) limit: u32,
    /// `None` for what is there and no more.
    pub(super) follow: Option<Begin>,
}

/// Where to begin following.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begin {
    /// Behind the newest entries, which come first.
    WithLatest,
    /// All from this time on: somebody was cut off.
    At(DateTime<Utc>),
}

impl Asked {
    pub(super) fn of(parts: &Parts, now: DateTime<Utc>) -> Result<Self, Refusal> {
        let given = |name| query(parts, name).filter(|value| !value.is_empty());
        let function = given("function").map(|slug| parse_slug(&slug)).transpose()?;
        let since = given("since").map(|text| since(&text, now)).transpose()?;
        let level_min = given("level").map_or(Ok(GuestLevel::Debug), |text| level(&text))?;
        let limit = given("limit").map_or(Ok(LIMIT_DEFAULT), |text| limit(&text))?;
        let from = given("from").map(|text| from(&text)).transpose()?;
        let follow = match (given("follow").as_deref(), from) {
            (Some("true"), Some(time)) => Some(Begin::At(time)),
            (Some("true"), None) => Some(Begin::WithLatest),
            (None | Some("false"), None) => None,
            (None | Some("false"), Some(_)) => {
                return Err(Refusal::malformed("from goes with follow=true; without it, say since"));
            }
            (Some(_), _) => return Err(Refusal::malformed("follow is true or false")),
        };
        Ok(Self { query: LogQuery { function, since, level_min }, limit, follow })
    }
}

/// A time, or how long before `now`, which is the host's clock: entries are stamped by it.
fn since(text: &str, now: DateTime<Utc>) -> Result<DateTime<Utc>, Refusal> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Ok(time.to_utc());
    }
    span(text).and_then(|span| now.checked_sub_signed(span)).ok_or_else(|| {
        Refusal::malformed(format!(
            "since {text:?} is no time such as 2026-01-31T12:00:00Z and no span such as 90s, 10m, 2h or 1d"
        ))
    })
}

fn span(text: &str) -> Option<chrono::Duration> {
    let unit = text.chars().last()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return None,
    };
    let count: u64 = text.strip_suffix(unit)?.parse().ok()?;
    chrono::Duration::from_std(Duration::from_secs(count.checked_mul(seconds)?)).ok()
}

fn level(text: &str) -> Result<GuestLevel, Refusal> {
    let known = GuestLevel::ALL.into_iter().find(|level| level.as_str() == text);
    known.ok_or_else(|| Refusal::malformed(format!("level {text:?} is none of debug, info, warn and error")))
}

fn limit(text: &str) -> Result<u32, Refusal> {
    let limit = text.parse().ok().filter(|limit| *limit <= FUNCTION_LOG_READ_MAX);
    limit.ok_or_else(|| {
        Refusal::malformed(format!("limit {text:?} is no number up to {FUNCTION_LOG_READ_MAX}"))
    })
}

fn from(text: &str) -> Result<DateTime<Utc>, Refusal> {
    let time = DateTime::parse_from_rfc3339(text);
    time.map(|time| time.to_utc()).map_err(|_| Refusal::malformed(format!("from {text:?} is no time")))
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};
    use http::Request;

    use super::{Asked, Begin, since};

    #[test]
    fn times_and_spans() {
        let now: DateTime<Utc> = "2026-01-31T12:00:00Z".parse().unwrap();
        let shown = |text| since(text, now).map_or("bad".into(), |time| time.to_rfc3339());
        assert_eq!(shown("90s"), "2026-01-31T11:58:30+00:00");
        assert_eq!(shown("2h"), "2026-01-31T10:00:00+00:00");
        assert_eq!(shown("1d"), "2026-01-30T12:00:00+00:00");
        assert_eq!(shown("2026-01-01T01:00:00+01:00"), "2026-01-01T00:00:00+00:00");
        for bad in ["", "m", "10", "-5m", "5 m", "1w", "5€", "99999999999999999999d", "yesterday"] {
            assert_eq!(shown(bad), "bad", "{bad}");
        }
    }

    #[test]
    fn what_is_asked_for_is_clear_or_refused() {
        let asked = |query: &str| {
            let request = Request::get(format!("/x/logs?{query}")).body(()).unwrap();
            Asked::of(&request.into_parts().0, DateTime::UNIX_EPOCH)
        };
        let time = "1970-01-01T00:01:00Z";
        let begin = |query: &str| asked(query).map(|asked| asked.follow).ok();
        assert_eq!(begin(""), Some(None));
        assert_eq!(begin("follow=false&function="), Some(None));
        assert_eq!(begin("follow=true"), Some(Some(Begin::WithLatest)));
        assert_eq!(begin(&format!("follow=true&from={time}")), Some(Some(Begin::At(time.parse().unwrap()))));
        for bad in [
            "follow=yes",
            "from=1970-01-01T00:01:00Z",
            "limit=1001",
            "limit=-1",
            "level=loud",
            "function=a/b",
        ] {
            assert!(begin(bad).is_none(), "{bad}");
        }
    }
}
