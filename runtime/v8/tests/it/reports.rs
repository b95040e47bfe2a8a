//! What reaches the log: lines with their request, and errors in terms of the function's sources.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, OnceLock};

use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber, span};

use crate::support::{context, function, get, read};

/// Lines that functions logged: `function request_id message`.
fn lines() -> &'static Arc<Mutex<Vec<String>>> {
    static LINES: OnceLock<Arc<Mutex<Vec<String>>>> = OnceLock::new();
    LINES.get_or_init(|| {
        let lines = Arc::new(Mutex::new(Vec::new()));
        // Another test may have set one; there is none in this binary.
        tracing::subscriber::set_global_default(GuestLines(lines.clone())).unwrap();
        lines
    })
}

fn logged_by(function: &str) -> Vec<String> {
    let prefix = format!("{function} ");
    let lines = lines().lock().unwrap();
    lines.iter().filter_map(|line| line.strip_prefix(&prefix)).map(str::to_owned).collect()
}

/// Keeps events of `isobase::guest`.
struct GuestLines(Arc<Mutex<Vec<String>>>);

#[derive(Default)]
struct Fields {
    function: String,
    request_id: String,
    message: String,
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let slot = match field.name() {
            "function" => &mut self.function,
            "request_id" => &mut self.request_id,
            "message" => &mut self.message,
            _ => return,
        };
        write!(slot, "{value:?}").unwrap();
    }
}

impl Subscriber for GuestLines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "isobase::guest"
    }
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let level = *event.metadata().level();
        let request_id = fields.request_id.trim_matches('"').to_owned();
        let line = format!("{} {level} {request_id} {}", fields.function, fields.message);
        self.0.lock().unwrap().push(line);
    }
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

#[tokio::test]
async fn console_lines_carry_their_request() {
    lines();
    let code = "console.info('booting');
        Deno.serve(async (request) => {
            await new Promise((resolve) => setTimeout(resolve, 1));
            console.warn('at %s', new URL(request.url).pathname, { a: 1 });
            console.error(new Error('printed'));
            return new Response();
        })";
    let worker = function("talker", code).boot().await.unwrap();
    let context = context();
    let id = context.request_id;
    read(worker.invoke(get("/x"), context).await).await;
    let logged = logged_by("talker");
    assert_eq!(logged[0], "INFO  booting");
    assert_eq!(logged[1], format!("WARN {id} at /x {{ a: 1 }}"));
    assert!(logged[2].starts_with(&format!("ERROR {id} Error: printed\n    at")), "{}", logged[2]);
    assert!(logged[2].contains("file:///talker/index.ts:5:"), "{}", logged[2]);
}

/// The third line of the code below came from the ninth of the source.
const MAP: &str = r#"{"version":3,"sources":["file:///mapped/index.ts"],"sourcesContent":["\n\n\n\n\n\n\n\n  throw new TypeError(\"from the source\" as string);\n"],"names":[],"mappings":";;EAQE"}"#;

#[tokio::test]
async fn errors_are_told_in_terms_of_the_source() {
    let code = "Deno.serve(() => {\n\n  throw new TypeError('from the source');\n})";
    let worker = function("mapped", code).source_map(MAP).boot().await.unwrap();
    let failure = worker.invoke(get("/"), context()).await.unwrap_err();
    assert!(failure.detail.starts_with("TypeError: from the source\n    at"), "{}", failure.detail);
    assert!(failure.detail.contains("file:///mapped/index.ts:9:3"), "{}", failure.detail);
}

#[tokio::test]
async fn a_thrown_error_is_logged_with_its_request() {
    lines();
    let worker = function("thrower", "Deno.serve(() => { throw new Error('boom'); })").boot().await.unwrap();
    let context = context();
    let id = context.request_id;
    worker.invoke(get("/"), context).await.unwrap_err();
    let logged = logged_by("thrower");
    assert!(logged[0].starts_with(&format!("ERROR {id} Error: boom")), "{logged:?}");
}

#[tokio::test]
async fn an_error_handler_of_the_function_answers_instead() {
    let code = "Deno.serve({ onError: (error) => new Response(error.message, { status: 418 }) }, () => { throw new Error('short'); })";
    let worker = function("teapot", code).boot().await.unwrap();
    assert_eq!(read(worker.invoke(get("/"), context()).await).await, "418 short");
}

#[tokio::test]
async fn a_flood_is_cut_to_its_bound() {
    lines();
    let code = "Deno.serve(() => { for (let i = 0; i < 1000; i++) console.log(i); console.log('x'.repeat(1e6)); return new Response(); })";
    let worker = function("flooder", code).boot().await.unwrap();
    read(worker.invoke(get("/"), context()).await).await;
    let logged = logged_by("flooder");
    assert_eq!(logged.len(), isobase_base::limits::GUEST_LOG_LINES_PER_10S_MAX as usize);
}
