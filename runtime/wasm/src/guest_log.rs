//! What a guest writes to stdout and stderr becomes log lines: cut at a length, bounded in rate.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use isobase_base::observe::{FunctionObserver, GuestLevel};
use isobase_base::{RequestId, limits};
use isobase_engine::FunctionVersion;
use parking_lot::Mutex;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError};

/// The window in which lines are counted.
const WINDOW: Duration = Duration::from_secs(10);
/// The last lines of stderr, kept to explain a crash: a panic's message is the last thing written.
const TAIL_LINES_MAX: usize = 8;
/// A guest may write so much in one call.
const WRITE_BYTES_MAX: usize = 64 * 1024;

/// Where the lines of one worker go, and how many went there lately.
pub(crate) struct LogSink {
    observer: FunctionObserver,
    version: FunctionVersion,
    window: Mutex<Window>,
}

struct Window {
    began: Instant,
    lines: u32,
    dropped: u64,
}

impl LogSink {
    pub(crate) fn new(observer: FunctionObserver, version: FunctionVersion) -> Self {
        let window = Window { began: Instant::now(), lines: 0, dropped: 0 };
        Self { observer, version, window: Mutex::new(window) }
    }

    /// Where figures of the function go.
    pub(crate) fn observer(&self) -> &FunctionObserver {
        &self.observer
    }

    pub(crate) fn line(&self, request_id: Option<RequestId>, level: GuestLevel, message: &str) {
        if self.admits() {
            self.observer.line(self.version.0, request_id, level, message);
        }
    }

    fn admits(&self) -> bool {
        let mut window = self.window.lock();
        let mut dropped_before = 0;
        if window.began.elapsed() >= WINDOW {
            dropped_before = window.dropped;
            *window = Window { began: Instant::now(), lines: 0, dropped: 0 };
        }
        let admitted = window.lines < limits::GUEST_LOG_LINES_PER_10S_MAX;
        if admitted {
            window.lines += 1;
        } else {
            window.dropped += 1;
        }
        drop(window);
        self.report_dropped(dropped_before);
        admitted
    }

    fn report_dropped(&self, lines: u64) {
        if lines > 0 {
            self.observer.lines_dropped(lines);
        }
    }
}

impl Drop for LogSink {
    fn drop(&mut self) {
        let dropped = self.window.lock().dropped;
        self.report_dropped(dropped);
    }
}

/// The log of one instance: both streams and which request they belong to.
#[derive(Clone)]
pub(crate) struct GuestLog {
    sink: Arc<LogSink>,
    lines: Arc<Mutex<Lines>>,
}

#[derive(Default)]
struct Lines {
    request_id: Option<RequestId>,
    stdout: Partial,
    stderr: Partial,
    tail: VecDeque<String>,
}

/// A line that has not ended yet. What is over the limit of a line is dropped.
#[derive(Default)]
struct Partial(Vec<u8>);

impl GuestLog {
    pub(crate) fn new(sink: Arc<LogSink>) -> Self {
        Self { sink, lines: Arc::default() }
    }

    /// Lines from now on belong to `request_id`.
    pub(crate) fn begin(&self, request_id: RequestId) {
        let mut lines = self.lines.lock();
        lines.request_id = Some(request_id);
        lines.tail.clear();
    }

    /// The invocation is over: a line without its end is logged as it is.
    pub(crate) fn end(&self) {
        for stream in [Stream::Stdout, Stream::Stderr] {
            let partial = std::mem::take(&mut self.lines.lock().partial(stream).0);
            if !partial.is_empty() {
                self.emit(stream, &partial);
            }
        }
    }

    /// The last lines of stderr.
    pub(crate) fn tail(&self) -> String {
        self.lines.lock().tail.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
    }

    /// A line of the host about this guest, under the same bounds.
    pub(crate) fn host_line(&self, level: GuestLevel, message: &str) {
        let request_id = self.lines.lock().request_id;
        self.sink.line(request_id, level, message);
    }

    pub(crate) fn stdout(&self) -> LogStream {
        LogStream { log: self.clone(), stream: Stream::Stdout }
    }

    pub(crate) fn stderr(&self) -> LogStream {
        LogStream { log: self.clone(), stream: Stream::Stderr }
    }

    fn write(&self, stream: Stream, mut bytes: &[u8]) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let mut line = std::mem::take(&mut self.lines.lock().partial(stream).0);
            push_bounded(&mut line, &bytes[..end]);
            self.emit(stream, &line);
            bytes = &bytes[end + 1..];
        }
        push_bounded(&mut self.lines.lock().partial(stream).0, bytes);
    }

    fn emit(&self, stream: Stream, line: &[u8]) {
        let text = String::from_utf8_lossy(line);
        let text = text.trim_end_matches('\r');
        let mut lines = self.lines.lock();
        let request_id = lines.request_id;
        if stream == Stream::Stderr && !text.trim().is_empty() {
            if lines.tail.len() == TAIL_LINES_MAX {
                lines.tail.pop_front();
            }
            lines.tail.push_back(text.to_owned());
        }
        drop(lines);
        self.sink.line(request_id, stream.level(), text);
    }
}

fn push_bounded(line: &mut Vec<u8>, bytes: &[u8]) {
    let room = limits::GUEST_LOG_LINE_BYTES_MAX.saturating_sub(line.len());
    line.extend_from_slice(&bytes[..bytes.len().min(room)]);
}

impl Lines {
    fn partial(&mut self, stream: Stream) -> &mut Partial {
        match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stream {
    Stdout,
    Stderr,
}

impl Stream {
    /// As V8's `console.log` and `console.error`.
    fn level(self) -> GuestLevel {
        match self {
            Self::Stdout => GuestLevel::Info,
            Self::Stderr => GuestLevel::Error,
        }
    }
}

/// One of the two streams, as WASI and tokio want it. Never blocks.
pub(crate) struct LogStream {
    log: GuestLog,
    stream: Stream,
}

impl LogStream {
    fn again(&self) -> Self {
        Self { log: self.log.clone(), stream: self.stream }
    }
}

impl IsTerminal for LogStream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for LogStream {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.again())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.again())
    }
}

#[async_trait::async_trait]
impl Pollable for LogStream {
    async fn ready(&mut self) {}
}

impl OutputStream for LogStream {
    fn write(&mut self, bytes: Bytes) -> Result<(), StreamError> {
        self.log.write(self.stream, &bytes);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), StreamError> {
        Ok(())
    }

    fn check_write(&mut self) -> Result<usize, StreamError> {
        Ok(WRITE_BYTES_MAX)
    }
}

impl AsyncWrite for LogStream {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        self.log.write(self.stream, bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
