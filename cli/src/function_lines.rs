//! What functions say, and what is said about them, as whoever writes them wants to read it: a line for each
//! line they log and each request, with the end of the request's id, and one block when a save breaks a
//! function. All other lines of the log are written as usual.

use std::fmt;
use std::fmt::Write as _;
use std::sync::Mutex;
use std::time::Duration;

use chrono::Local;
use isobase_base::observe::{ACCESS, FUNCTION_STATE, GUEST, INVOCATION};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::{Format, Full, Writer};
use tracing_subscriber::fmt::time::SystemTime;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::paint::Paint;

/// Digits of a request's id that are shown: the last ones, which are random; the first ones are its time.
const REQUEST_DIGITS: usize = 8;

pub(crate) struct FunctionLines {
    usual: Format<Full, SystemTime>,
    paint: Paint,
    /// The last error that a function logged: its request, and what it said.
    last_error: Mutex<(String, String)>,
}

impl FunctionLines {
    pub(crate) fn new(paint: Paint) -> Self {
        let usual = tracing_subscriber::fmt::format().with_ansi(paint == Paint::Coloured).with_target(false);
        Self { usual, paint, last_error: Mutex::default() }
    }

    /// An engine that writes what was thrown to the function's log fails the invocation with the same words.
    fn once(&self, said: &mut Said, target: &str) {
        let mut last = self.last_error.lock().expect("no panic while comparing");
        match target {
            GUEST if said.level == Level::ERROR => *last = (said.request.clone(), said.message.clone()),
            INVOCATION if last.0 == said.request && last.1 == said.detail => said.detail.clear(),
            _ => {}
        }
    }
}

impl<S, N> FormatEvent<S, N> for FunctionLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let target = event.metadata().target();
        let render: fn(&Said, Paint) -> String = match target {
            ACCESS => Said::request,
            GUEST => Said::line,
            FUNCTION_STATE => Said::block,
            INVOCATION => Said::invocation,
            _ => return self.usual.format_event(context, writer, event),
        };
        let time = Local::now().format("%H:%M:%S%.3f").to_string();
        let mut said = Said::new(time, *event.metadata().level());
        event.record(&mut said);
        self.once(&mut said, target);
        writeln!(writer, "{}", render(&said, self.paint))
    }
}

/// The fields of one event.
#[derive(Debug)]
struct Said {
    time: String,
    level: Level,
    function: String,
    request: String,
    message: String,
    detail: String,
    reason: String,
    method: String,
    path: String,
    millis: Option<u64>,
    micros: u64,
    status: u64,
}

impl Said {
    fn new(time: String, level: Level) -> Self {
        let (function, request, message, detail, reason, method, path) = Default::default();
        let (millis, micros, status) = Default::default();
        Self { time, level, function, request, message, detail, reason, method, path, millis, micros, status }
    }

    fn put(&mut self, name: &str, text: String) {
        match name {
            "function" | "surface" => self.function = text,
            "request_id" => self.request = text,
            "message" => self.message = text,
            "detail" => self.detail = text,
            "reason" => self.reason = text,
            "method" => self.method = text,
            "path" => self.path = text,
            _ => {}
        }
    }

    /// `12:00:01.123 info  hello 9c1b3f2a | text`; what is longer than a line goes on beneath.
    fn line(&self, paint: Paint) -> String {
        self.with_lead(&self.message, paint)
    }

    /// `… | GET /functions/v1/hello 200 in 2.2 ms`
    fn request(&self, paint: Paint) -> String {
        let Self { method, path, status, .. } = self;
        let took = Duration::from_micros(self.micros).as_secs_f64() * 1000.0;
        self.with_lead(&format!("{method} {path} {status} in {took:.1} ms"), paint)
    }

    /// Why an invocation failed. Why its function did not boot was said before.
    fn invocation(&self, paint: Paint) -> String {
        let mut text = format!("{} ({})", self.message, self.reason);
        if let Some(millis) = self.millis.filter(|millis| *millis > 0) {
            write!(text, " after {millis} ms").expect("writing to a string cannot fail");
        }
        if self.reason != "boot" && !self.detail.is_empty() {
            write!(text, ": {}", self.detail).expect("writing to a string cannot fail");
        }
        self.with_lead(&text, paint)
    }

    fn with_lead(&self, text: &str, paint: Paint) -> String {
        let level = format!("{:5}", self.level.as_str().to_ascii_lowercase());
        let level = match self.level {
            Level::ERROR => paint.red(&level),
            Level::WARN => paint.yellow(&level),
            Level::INFO => paint.green(&level),
            _ => paint.dim(&level),
        };
        let from = self.request.len().saturating_sub(REQUEST_DIGITS);
        let request = self.request.get(from..).unwrap_or_default();
        let request = if request.is_empty() { String::new() } else { format!(" {request}") };
        let beneath = " ".repeat(self.time.len() + 1 + 5 + 1 + self.function.chars().count() + request.len());
        let bar = paint.dim("|");
        let text = text.trim_end().replace('\n', &format!("\n{beneath} {bar} "));
        let lead = format!("{} {level} {}{}", paint.dim(&self.time), self.function, paint.dim(&request));
        format!("{lead} {bar} {text}")
    }

    /// That a function can or cannot be served, and why.
    fn block(&self, paint: Paint) -> String {
        let what = self.message.strip_prefix("function ").unwrap_or(&self.message);
        let what = format!("{} {what}", self.function);
        let time = paint.dim(&self.time);
        if self.detail.is_empty() {
            let took = self.millis.map(|millis| format!(" ({millis} ms)")).unwrap_or_default();
            return format!("{time} {}{took}", paint.green(&what));
        }
        let detail = paint.fault(self.detail.trim_end()).replace('\n', "\n  ");
        format!("{time} {}\n  {detail}", paint.red(&what))
    }
}

impl Visit for Said {
    fn record_u64(&mut self, field: &Field, value: u64) {
        match field.name() {
            "millis" => self.millis = Some(value),
            "micros" => self.micros = value,
            "status" => self.status = value,
            _ => {}
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field.name(), format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use tracing::Level;

    use super::{FunctionLines, GUEST, INVOCATION, Paint, Said};

    fn said(level: Level, fields: &[(&str, &str)]) -> Said {
        let mut said = Said::new("12:00:01.123".into(), level);
        fields.iter().for_each(|(name, text)| said.put(name, (*text).to_owned()));
        said
    }

    const REQUEST: (&str, &str) = ("request_id", "019aa6f0-7c1e-7d3a-9b1e-2f549c1b3f2a");

    #[test]
    fn functions_lines_have_their_function_and_request() {
        let logged = said(Level::INFO, &[("function", "hello"), REQUEST, ("message", "one\ntwo\n")]);
        let starting = said(Level::WARN, &[("function", "hello"), ("message", "no request")]);
        let mut request = said(
            Level::INFO,
            &[("surface", "functions"), REQUEST, ("method", "GET"), ("path", "/functions/v1/hello")],
        );
        (request.status, request.micros) = (200, 2226);
        expect![[r#"
            12:00:01.123 info  hello 9c1b3f2a | one
                                              | two
            12:00:01.123 warn  hello | no request
            12:00:01.123 info  functions 9c1b3f2a | GET /functions/v1/hello 200 in 2.2 ms"#]]
        .assert_eq(
            &[logged.line(Paint::Plain), starting.line(Paint::Plain), request.request(Paint::Plain)]
                .join("\n"),
        );
    }

    #[test]
    fn failures_say_why_once() {
        let fields = |reason: &'static str| {
            [
                ("function", "f"),
                REQUEST,
                ("message", "invocation failed"),
                ("reason", reason),
                ("detail", "line 1\nline 2"),
            ]
        };
        let mut slow = said(Level::WARN, &fields("cpu"));
        slow.millis = Some(2003);
        expect![[r#"
            12:00:01.123 warn  f 9c1b3f2a | invocation failed (cpu) after 2003 ms: line 1
                                          | line 2
            12:00:01.123 warn  f 9c1b3f2a | invocation failed (boot)"#]]
        .assert_eq(
            &[slow.invocation(Paint::Plain), said(Level::WARN, &fields("boot")).invocation(Paint::Plain)]
                .join("\n"),
        );
    }

    #[test]
    fn what_was_thrown_is_shown_once() {
        let lines = FunctionLines::new(Paint::Plain);
        let mut thrown = said(Level::ERROR, &[REQUEST, ("message", "Error: no")]);
        lines.once(&mut thrown, GUEST);
        let fields =
            [REQUEST, ("message", "invocation failed"), ("reason", "crashed"), ("detail", "Error: no")];
        let mut failed = said(Level::WARN, &fields);
        lines.once(&mut failed, INVOCATION);
        assert_eq!(failed.detail, "");
        let mut other = said(Level::WARN, &fields[1..]);
        lines.once(&mut other, INVOCATION);
        assert_eq!(other.detail, "Error: no", "of another request");
    }

    #[test]
    fn a_broken_save_is_a_block_and_a_mended_one_a_line() {
        let detail = "Expression expected\n  at supabase/functions/f/index.ts:2:9\n1 | const a = 1;\n2 | const b ==;\n  |         ^^";
        let broken = said(
            Level::WARN,
            &[("function", "f"), ("message", "function does not build"), ("detail", detail)],
        );
        let mut mended = said(Level::INFO, &[("function", "f"), ("message", "function builds again")]);
        mended.millis = Some(12);
        expect![[r#"
            12:00:01.123 f does not build
              Expression expected
                at supabase/functions/f/index.ts:2:9
              1 | const a = 1;
              2 | const b ==;
                |         ^^
            12:00:01.123 f builds again (12 ms)"#]]
        .assert_eq(&[broken.block(Paint::Plain), mended.block(Paint::Plain)].join("\n"));
        let coloured = broken.block(Paint::Coloured);
        assert!(
            coloured.starts_with("\x1b[2m12:00:01.123\x1b[0m \x1b[31mf does not build\x1b[0m\n  \x1b[1mExpr"),
            "{coloured}"
        );
    }
}
