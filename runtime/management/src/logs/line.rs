//! One entry as JSON.

use std::time::Duration;

use isobase_logs::{EntryEvent, LoggedEntry};
use serde_json::{Value, json};

/// Times that were taken are in milliseconds. `sequence` tells entries apart.
pub(super) fn json(entry: &LoggedEntry) -> Value {
    let mut object = json!({
        "sequence": entry.sequence,
        "timestamp": super::time(entry.logged_at),
        "function": entry.function,
        "level": entry.level,
        "version": entry.version,
        "request_id": entry.request_id.map(|id| id.to_string()),
        "message": entry.message,
    });
    let more = match &entry.event {
        EntryEvent::Line => json!({ "event": "line" }),
        EntryEvent::Shutdown => json!({ "event": "shutdown" }),
        EntryEvent::Boot { duration } => json!({ "event": "boot", "duration_ms": millis(*duration) }),
        EntryEvent::Invocation { status, failure, duration, queue_wait, cpu, memory_bytes, left_out } => {
            json!({
                "event": "invocation",
                "status": status,
                "failure": failure,
                "duration_ms": millis(*duration),
                "queue_wait_ms": millis(*queue_wait),
                "cpu_ms": millis(*cpu),
                "memory_bytes": memory_bytes,
                "left_out": left_out,
            })
        }
    };
    if let (Some(object), Value::Object(more)) = (object.as_object_mut(), more) {
        object.extend(more);
    }
    object
}

fn millis(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1000.0
}
