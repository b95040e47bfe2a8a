//! How one attempt at a run ended.

use chrono::{DateTime, Utc};
use isobase_base::limits;

/// Told when an attempt began, once that is sure, and which server process has it.
pub(super) type OnBegin<'a> = &'a (dyn Fn(DateTime<Utc>, Option<i32>) + Sync);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// With what goes into the history: a command tag, a status.
    Succeeded(String),
    /// Another attempt may do better, if the job allows one.
    Failed(String),
    /// Another attempt would end the same way.
    Hopeless(String),
}

impl Outcome {
    pub(super) fn is_success(&self) -> bool {
        matches!(self, Self::Succeeded(_))
    }

    /// Cut to what the history keeps.
    pub(super) fn into_message(self) -> String {
        let (Self::Succeeded(mut text) | Self::Failed(mut text) | Self::Hopeless(mut text)) = self;
        // Text in Postgres holds no zero byte.
        text.retain(|char| char != '\0');
        text.truncate(text.floor_char_boundary(limits::CRON_MESSAGE_BYTES_MAX));
        text
    }
}
