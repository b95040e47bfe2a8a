//! The functions' log, a JSON object a line: what is in it, and with `follow=true` what comes.
//!
//! A follower is woken by the database's notification. Its response has no end until it goes, the host
//! stops (then it ends in order) or the log cannot be read (then it breaks off). In silence it is sent
//! empty lines. The header `x-isobase-log-from` says from which time on the response has everything; who
//! was cut off comes back with that time, or with one [`isobase_logs::OVERLAP`] before the newest entry it
//! has, as `from`, and leaves out what it knows by `sequence`.

mod asked;
mod following;
mod line;

use std::error::Error;

use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Response, StatusCode};
use isobase_base::Body;
use isobase_base::limits::{FUNCTION_LOG_FOLLOWERS_MAX, OPERATOR_READ_TIMEOUT};
use isobase_logs::{LogCursor, LoggedEntry, LogsError};

use self::asked::{Asked, Begin};
use self::following::Following;
use crate::Management;
use crate::answer::Refusal;

const FROM: HeaderName = HeaderName::from_static("x-isobase-log-from");
/// Has nginx hand lines on as they come.
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

impl Management {
    /// `GET /logs?function=&since=&level=&limit=`, or with `follow=true` and perhaps `from=`.
    pub(crate) async fn logs(&self, parts: &Parts) -> Result<Response<Body>, Refusal> {
        let now = Utc::now();
        let asked = Asked::of(parts, now)?;
        let reader = &self.rooms.logs;
        let Some(begin) = asked.follow else {
            return Ok(respond(lines(&reader.latest(&asked.query, asked.limit).await?).into()));
        };
        let place = self.followers.clone().try_acquire_owned().map_err(|_| {
            let message = format!("{FUNCTION_LOG_FOLLOWERS_MAX} follow the log of this host already");
            Refusal::new(StatusCode::TOO_MANY_REQUESTS, message)
        })?;
        // Before the first look, so that nothing falls between the two.
        let mut changed = self.rooms.logs_changed.clone();
        changed.mark_unchanged();
        let (first, cursor) = match begin {
            Begin::At(time) => (Bytes::new(), LogCursor::since(time)),
            Begin::WithLatest if asked.limit == 0 => (Bytes::new(), LogCursor::since(now)),
            Begin::WithLatest => {
                let entries = reader.latest(&asked.query, asked.limit).await?;
                let floor = asked.query.since.unwrap_or(DateTime::UNIX_EPOCH);
                (lines(&entries), LogCursor::behind(&entries, now).not_before(floor))
            }
        };
        let from = time(cursor.begin());
        let follower = reader.follow(asked.query, cursor, changed);
        let following = Following::new(first, follower, self.rooms.stopping.clone(), place);
        let mut response = respond(Body::from_stream(following.into_stream()));
        let from = HeaderValue::try_from(from).expect("visible characters");
        response.headers_mut().insert(FROM, from);
        response.headers_mut().insert(ACCEL_BUFFERING, HeaderValue::from_static("no"));
        Ok(response)
    }
}

fn respond(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn lines(entries: &[LoggedEntry]) -> Bytes {
    let mut text = String::new();
    for entry in entries {
        text.push_str(&line::json(entry).to_string());
        text.push('\n');
    }
    text.into()
}

/// To the microsecond, as Postgres has it.
fn time(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}

impl From<LogsError> for Refusal {
    fn from(error: LogsError) -> Self {
        if error.is_too_slow() {
            let patience = OPERATOR_READ_TIMEOUT.as_secs();
            let message =
                format!("Reading the log took over {patience} s; name a function, or a time closer to now");
            return Self::new(StatusCode::GATEWAY_TIMEOUT, message);
        }
        tracing::error!(error = &error as &dyn Error, "the management API could not read the functions' log");
        let status = match error {
            LogsError::Session(_) => StatusCode::SERVICE_UNAVAILABLE,
            LogsError::Database(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, error.to_string())
    }
}
