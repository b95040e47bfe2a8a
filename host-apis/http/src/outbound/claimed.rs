//! A request as it was read from the queue.

use std::time::Duration;

use bytes::Bytes;
use isobase_base::limits::{
    OUTBOUND_BACKOFF_MAX, OUTBOUND_BACKOFF_MIN, OUTBOUND_RESPONSE_BYTES_MAX,
    OUTBOUND_RESPONSE_BYTES_SETTING_MAX, OUTBOUND_TIMEOUT_MAX,
};
use serde::Deserialize;
use serde_json::Value;
use tokio_postgres::Row;

/// One row, claimed.
#[derive(Debug)]
pub(super) struct Claimed {
    pub(super) id: i64,
    pub(super) method: String,
    pub(super) url: String,
    pub(super) host: String,
    pub(super) headers: Option<Value>,
    pub(super) body: Bytes,
    pub(super) timeout: Duration,
    /// Options that cannot be read fail the request, once.
    pub(super) options: Result<Options, String>,
    /// Attempts that ended before this one.
    pub(super) attempts: i32,
}

/// What `net.http_request` takes as options.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
pub(super) struct Options {
    /// Attempts after the first.
    pub(super) retries: u32,
    /// Statuses that are tried again; `None` is the usual ones.
    pub(super) retry_on: Option<Vec<u16>>,
    backoff_milliseconds: Option<u64>,
    backoff_max_milliseconds: Option<u64>,
    pub(super) signing_secret: Option<String>,
    max_response_bytes: Option<usize>,
    pub(super) idempotency_key: Option<String>,
    follow_redirects: Option<bool>,
}

impl Claimed {
    pub(super) fn of(row: &Row) -> Self {
        let options: Value = row.get("options");
        let milliseconds: i32 = row.get("timeout_milliseconds");
        Self {
            id: row.get("id"),
            method: row.get("method"),
            url: row.get("url"),
            host: row.get("host"),
            headers: row.get("headers"),
            body: row.get::<_, Option<Vec<u8>>>("body").unwrap_or_default().into(),
            timeout: Duration::from_millis(u64::try_from(milliseconds).unwrap_or(0))
                .min(OUTBOUND_TIMEOUT_MAX),
            options: serde_json::from_value(options).map_err(|error| error.to_string()),
            attempts: row.get("attempts"),
        }
    }
}

impl Options {
    pub(super) fn backoff_min(&self) -> Duration {
        self.backoff_milliseconds.map_or(OUTBOUND_BACKOFF_MIN, Duration::from_millis).min(self.backoff_max())
    }

    pub(super) fn backoff_max(&self) -> Duration {
        let asked = self.backoff_max_milliseconds.map_or(OUTBOUND_BACKOFF_MAX, Duration::from_millis);
        asked.min(isobase_base::limits::OUTBOUND_RETRY_AFTER_MAX)
    }

    pub(super) fn response_bytes_max(&self) -> usize {
        self.max_response_bytes
            .unwrap_or(OUTBOUND_RESPONSE_BYTES_MAX)
            .min(OUTBOUND_RESPONSE_BYTES_SETTING_MAX)
    }

    pub(super) fn follows_redirects(&self) -> bool {
        self.follow_redirects.unwrap_or(true)
    }
}
