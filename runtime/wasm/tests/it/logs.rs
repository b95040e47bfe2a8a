//! What guests print.

use std::io::Write;
use std::sync::Arc;

use isobase_engine::{Reuse, Worker};
use parking_lot::Mutex;
use tracing_subscriber::fmt::MakeWriter;

use crate::harness::{boot, limits, text};

/// Collects what is logged on this thread.
#[derive(Clone, Default)]
struct Collected(Arc<Mutex<Vec<u8>>>);

impl Write for Collected {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Collected {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

async fn logged(worker: &dyn Worker, path: &str) -> Vec<String> {
    let collected = Collected::default();
    let subscriber =
        tracing_subscriber::fmt().with_writer(collected.clone()).with_ansi(false).without_time().finish();
    let guard = tracing::subscriber::set_default(subscriber);
    assert_eq!(text(worker, path).await, "logged");
    drop(guard);
    let bytes = collected.0.lock().clone();
    let lines = String::from_utf8(bytes).unwrap();
    lines.lines().filter(|line| line.contains("isobase::guest")).map(str::to_owned).collect()
}

#[tokio::test]
async fn lines_carry_level_function_and_request() {
    let worker = boot(Reuse::Fresh, limits()).await;
    let lines = logged(&*worker, "/log?lines=2").await;
    assert_eq!(lines.len(), 4, "{lines:#?}");
    assert!(lines[0].contains("INFO") && lines[0].contains("0 llllllllll"), "{}", lines[0]);
    assert!(lines.iter().any(|line| line.contains("ERROR") && line.contains("to stderr")), "{lines:#?}");
    assert!(lines.iter().any(|line| line.contains("no newline")), "{lines:#?}");
    assert!(lines.iter().all(|line| line.contains("function=guests")), "{lines:#?}");
    assert!(lines.iter().all(|line| line.contains("request_id=")), "{lines:#?}");
}

#[tokio::test]
async fn a_long_line_is_cut_and_a_flood_is_dropped() {
    let worker = boot(Reuse::Sequential, limits()).await;
    let lines = logged(&*worker, "/log?lines=1&bytes=50000").await;
    assert!(lines[0].len() > 9_000 && lines[0].len() < 11_000, "{} bytes", lines[0].len());
    let lines = logged(&*worker, "/log?lines=5000").await;
    assert!(lines.len() <= 100, "{} lines", lines.len());
}
