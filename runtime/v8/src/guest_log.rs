//! What a function writes to its console, bounded in length and rate.

use std::time::{Duration, Instant};

use isobase_base::observe::{FunctionObserver, GuestLevel};
use isobase_base::{RequestId, limits};
use isobase_engine::FunctionVersion;

/// The period that [`limits::GUEST_LOG_LINES_PER_10S_MAX`] counts in.
const WINDOW: Duration = Duration::from_secs(10);

/// The log of one isolate.
pub(crate) struct GuestLog {
    observer: FunctionObserver,
    version: FunctionVersion,
    window_begin: Instant,
    lines: u32,
    dropped: u64,
}

impl GuestLog {
    pub(crate) fn new(observer: FunctionObserver, version: FunctionVersion) -> Self {
        Self { observer, version, window_begin: Instant::now(), lines: 0, dropped: 0 }
    }

    /// Records `message`, cut to its bound, unless the isolate has logged too much lately.
    pub(crate) fn write(&mut self, request_id: Option<RequestId>, level: GuestLevel, message: &str) {
        if self.window_begin.elapsed() >= WINDOW {
            self.report_dropped();
            self.window_begin = Instant::now();
            self.lines = 0;
        }
        self.lines += 1;
        if self.lines > limits::GUEST_LOG_LINES_PER_10S_MAX {
            self.dropped += 1;
            return;
        }
        let message = &message[..message.floor_char_boundary(limits::GUEST_LOG_LINE_BYTES_MAX)];
        self.observer.line(self.version.0, request_id, level, message);
    }

    fn report_dropped(&mut self) {
        let lines = std::mem::take(&mut self.dropped);
        if lines > 0 {
            self.observer.lines_dropped(lines);
        }
    }
}

impl Drop for GuestLog {
    fn drop(&mut self) {
        self.report_dropped();
    }
}
