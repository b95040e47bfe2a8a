//! The log for a collector: each event one JSON object, fields beside `timestamp`, `level` and `target`.
//!
//! A line for each request is written on the request's own thread, so it goes straight into the formatter's
//! buffer: no map of the fields, no text in between.

use std::fmt::{self, Debug, Write};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_log::NormalizeEvent;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// What the `log` crate's records carry beside their message is in `level` and `target` already.
const OF_LOG_RECORDS: &str = "log.";

pub(crate) struct JsonLines;

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let of_log_record = event.normalized_metadata();
        let metadata = of_log_record.as_ref().unwrap_or_else(|| event.metadata());
        writer.write_str("{\"timestamp\":\"")?;
        SystemTime.format_time(&mut writer)?;
        write!(writer, "\",\"level\":\"{}\"", metadata.level())?;
        let mut fields = Fields { writer: &mut writer, written: Ok(()) };
        event.record(&mut fields);
        fields.written?;
        writer.write_str(",\"target\":\"")?;
        Escaped(&mut writer).write_str(metadata.target())?;
        writer.write_str("\"}\n")
    }
}

/// Writes `,"name":value` for each field.
struct Fields<'f, 'w> {
    writer: &'f mut Writer<'w>,
    written: fmt::Result,
}

impl Fields<'_, '_> {
    fn put(&mut self, field: &Field, value: impl FnOnce(&mut Writer<'_>) -> fmt::Result) {
        if self.written.is_err() || field.name().starts_with(OF_LOG_RECORDS) {
            return;
        }
        // A raw identifier's name has its prefix.
        let name = field.name().trim_start_matches("r#");
        self.written = self.writer.write_str(",\"");
        self.written = self.written.and_then(|()| Escaped(self.writer).write_str(name));
        self.written = self.written.and_then(|()| self.writer.write_str("\":"));
        self.written = self.written.and_then(|()| value(self.writer));
    }

    fn put_text(&mut self, field: &Field, text: impl FnOnce(&mut Escaped<'_, '_>) -> fmt::Result) {
        self.put(field, |writer| {
            writer.write_char('"')?;
            text(&mut Escaped(writer))?;
            writer.write_char('"')
        });
    }
}

impl Visit for Fields<'_, '_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no other numbers.
        if value.is_finite() {
            self.put(field, |writer| write!(writer, "{value}"));
        } else {
            self.put(field, |writer| writer.write_str("null"));
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, |writer| write!(writer, "{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, |writer| write!(writer, "{value}"));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, |writer| writer.write_str(if value { "true" } else { "false" }));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put_text(field, |text| text.write_str(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.put_text(field, |text| write!(text, "{value:?}"));
    }
}

/// Text within a JSON string (RFC 8259, section 7).
struct Escaped<'e, 'w>(&'e mut Writer<'w>);

impl Write for Escaped<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        // All that needs escaping is one byte long.
        while let Some(at) = rest.bytes().position(|byte| byte < b' ' || byte == b'"' || byte == b'\\') {
            let (plain, escaped) = rest.split_at(at);
            self.0.write_str(plain)?;
            match escaped.as_bytes()[0] {
                b'"' => self.0.write_str("\\\"")?,
                b'\\' => self.0.write_str("\\\\")?,
                b'\n' => self.0.write_str("\\n")?,
                b'\r' => self.0.write_str("\\r")?,
                b'\t' => self.0.write_str("\\t")?,
                control => write!(self.0, "\\u{control:04x}")?,
            }
            rest = &escaped[1..];
        }
        self.0.write_str(rest)
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use expect_test::expect;
    use serde_json::Value;
    use tracing_subscriber::fmt::MakeWriter;

    use super::JsonLines;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'w> MakeWriter<'w> for Kept {
        type Writer = Self;

        fn make_writer(&'w self) -> Self {
            self.clone()
        }
    }

    fn said(say: impl FnOnce()) -> String {
        let kept = Kept::default();
        let subscriber = tracing_subscriber::fmt().with_writer(kept.clone()).event_format(JsonLines).finish();
        tracing::subscriber::with_default(subscriber, say);
        String::from_utf8(kept.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn an_event_is_one_object() {
        let line = said(|| {
            let _span = tracing::info_span!("task", name = "unseen").entered();
            tracing::warn!(target: "a::b", count = 3_u64, below = -1, share = 0.5, none = f64::NAN, yes = true,
                text = "x", shown = %"y", debug = ?Some(1), "what happened");
        });
        let (time, rest) = line.strip_prefix(r#"{"timestamp":""#).unwrap().split_once('"').unwrap();
        assert!(chrono::DateTime::parse_from_rfc3339(time).is_ok(), "{time}");
        expect![[r#"
            ,"level":"WARN","message":"what happened","count":3,"below":-1,"share":0.5,"none":null,"yes":true,"text":"x","shown":"y","debug":"Some(1)","target":"a::b"}
        "#]]
        .assert_eq(rest);
    }

    #[test]
    fn any_text_is_a_string() {
        let mut text = (0..=0x7f_u8).map(char::from).collect::<String>();
        text.push_str("é☃𝄞\u{2028}\u{fffd}");
        let line = said(|| tracing::info!(%text, quoted = ?text, "{text}"));
        assert_eq!(line.matches('\n').count(), 1, "{line}");
        let value: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["message"], text);
        assert_eq!(value["text"], text);
        assert_eq!(value["quoted"], format!("{text:?}"));
    }
}
