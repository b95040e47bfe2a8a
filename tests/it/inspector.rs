//! Debugging functions: breakpoints in TypeScript over the Chrome DevTools protocol.

use std::process::Output;

use serde_json::{Value, json};

use crate::app::{App, Project};
use crate::client::Answer;
use crate::debugger::{self, Debugger, address, target, targets};

/// Types that vanish stand above everything, so that lines of the script are not those of the source.
const ORDERS: &str = "interface Order {
  items: string[];
}

type Total = { count: number };

function total(order: Order): Total {
  const count: number = order.items.length;
  return { count };
}

Deno.serve(async (request: Request) => {
  const order: Order = await request.json();
  console.log('an order came');
  return Response.json(total(order));
});
";
/// Of `return { count }`, from zero.
const RETURN_LINE: i64 = 8;
/// Of `Deno.serve`.
const SERVE_LINE: i64 = 11;
const URL: &str = "file:///orders/index.ts";
const PATH: &str = "/functions/v1/orders";

fn project(flag: &str) -> Project {
    let project = Project::empty().with_flags(&[&format!("{flag}=127.0.0.1:0")]);
    project.configure("[functions.orders]\nverify_jwt = false");
    project.configure("[functions.orders.limits]\ncpu = \"100ms\"\nidle = \"500ms\"\nwall_clock = \"600ms\"");
    project.function("orders", ORDERS);
    project
}

async fn order(app: &App) -> Answer {
    app.call("POST", PATH).json(&json!({ "items": ["a", "b", "c"] })).send().await
}

#[track_caller]
fn assert_counted(answer: &Answer, app: &App) {
    assert_eq!(answer.status, 200, "{} {}", answer.text(), app.project.log());
    assert_eq!(answer.json(), json!({ "count": 3 }));
}

/// A debugger with a breakpoint at `return { count }`, and the script's id.
async fn at_return(target: &Value) -> (Debugger, Value) {
    let mut debugger = Debugger::enabled(target).await;
    let (script, map) = debugger.script(URL).await;
    let (line, column) = map.generated(RETURN_LINE);
    assert_ne!(line, RETURN_LINE, "the test is about lines that differ");
    let place = json!({ "url": URL, "lineNumber": line, "columnNumber": column });
    let set = debugger.call("Debugger.setBreakpointByUrl", place).await;
    assert_eq!(set["locations"][0]["lineNumber"], line, "{set}");
    (debugger, script["scriptId"].clone())
}

#[tokio::test]
async fn a_breakpoint_in_typescript_pauses_beyond_all_limits() {
    let app = project("--inspect").start().await;
    let orders = target(&app, "orders 1").await;
    assert_eq!(orders["url"], URL);
    let (mut debugger, script) = at_return(&orders).await;
    let debugging = async {
        let paused = debugger.paused().await;
        let frame = &paused["callFrames"][0];
        assert_eq!((&frame["functionName"], &frame["location"]["scriptId"]), (&json!("total"), &script));
        assert_eq!(debugger.evaluate(&paused, "count").await, 3);
        // Longer than the CPU limit, the idle timeout and the wall clock.
        let spin = "(() => { for (const until = Date.now() + 900; Date.now() < until;); return 'spun'; })()";
        assert_eq!(debugger.evaluate(&paused, spin).await, "spun");
        assert_eq!(targets(&app).await.len(), 1, "no second isolate answers what waits");
        debugger.resume().await;
        debugger.paused().await;
        debugger.resume().await;
    };
    // The second one comes while the first is paused, or right after; it is answered either way.
    let ((), first, second) = tokio::join!(debugging, order(&app), order(&app));
    assert_counted(&first, &app);
    assert_counted(&second, &app);
    // Typed into its console, which pauses nothing.
    let typed = json!({ "expression": "debugger; 6 * 7", "returnByValue": true });
    assert_eq!(debugger.call("Runtime.evaluate", typed).await["result"]["value"], 42);
    assert_eq!(app.call("GET", "/functions/v1/orders").send().await.status, 500, "its loop goes on");
    let said = debugger.event("Runtime.consoleAPICalled", |_| true).await;
    assert_eq!(said["args"][0]["value"], "an order came");
    assert_eq!(said["stackTrace"]["callFrames"][0]["url"], URL, "{said}");
    assert!(app.project.log().contains("an order came"), "it is logged as without a debugger");
}

#[tokio::test]
async fn a_save_brings_a_target_of_its_own() {
    let app = project("--inspect").start().await;
    let (debugger, _) = at_return(&target(&app, "orders 1").await).await;
    app.project.function("orders", &ORDERS.replace("{ count }", "{ count: count + 1 }"));
    let second = target(&app, "orders 2").await;
    debugger.ended().await;
    assert_eq!(targets(&app).await.len(), 1);
    let (mut debugger, _) = at_return(&second).await;
    let debugging = async {
        let paused = debugger.paused().await;
        assert_eq!(debugger.evaluate(&paused, "order.items.length").await, 3);
        debugger.resume().await;
    };
    let ((), answer) = tokio::join!(debugging, order(&app));
    assert_eq!(answer.json(), json!({ "count": 4 }));
}

/// Neither a debugger that goes nor a host that stops leaves a request hanging.
#[tokio::test]
async fn what_is_paused_goes_on_when_its_debugger_goes() {
    let app = project("--inspect").start().await;
    let orders = target(&app, "orders 1").await;
    let (mut debugger, _) = at_return(&orders).await;
    let leaving = async {
        debugger.paused().await;
        drop(debugger);
    };
    let ((), answer) = tokio::join!(leaving, order(&app));
    assert_counted(&answer, &app);

    let (mut debugger, _) = at_return(&orders).await;
    let path = app.project.path().to_owned();
    let stopping = async {
        debugger.paused().await;
        let stop = tokio::process::Command::new(env!("CARGO_BIN_EXE_isobase"))
            .args(["stop", "--workdir"])
            .arg(path)
            .output();
        let (stopped, ()) = tokio::join!(stop, debugger.ended());
        assert!(stopped.expect("stop runs").status.success());
    };
    let ((), answer) = tokio::join!(stopping, order(&app));
    assert_counted(&answer, &app);
}

#[tokio::test]
async fn brk_pauses_at_the_first_statement() {
    let project = project("--inspect-brk");
    project.write("supabase/functions/orders/early.ts", "globalThis.early = true;\n");
    project.function("orders", &ORDERS.replacen("interface", "import './early.ts'; interface", 1));
    let app = project.start().await;
    let orders = target(&app, "orders 1").await;
    let debugging = async {
        let mut debugger = Debugger::enabled(&orders).await;
        debugger.call("Runtime.runIfWaitingForDebugger", json!({})).await;
        let (script, map) = debugger.script(URL).await;
        let disk = app.project.path().join("supabase/functions/orders/index.ts");
        assert_eq!(map.source(), format!("file://{}", disk.display()), "an editor finds the file");
        let location = debugger.paused().await["callFrames"][0]["location"].clone();
        assert_eq!(location["scriptId"], script["scriptId"]);
        assert_eq!(
            map.original(&location["lineNumber"], &location["columnNumber"]),
            SERVE_LINE,
            "{location}"
        );
        debugger.resume().await;
        debugger
    };
    let (debugger, answer) = tokio::join!(debugging, order(&app));
    assert_counted(&answer, &app);
    drop(debugger);
    assert_counted(&order(&app).await, &app);
}

#[tokio::test]
async fn wait_runs_nothing_before_the_debugger_is_ready() {
    let project = project("--inspect-wait");
    project.function("orders", &format!("console.log('evaluated');\n{ORDERS}"));
    let app = project.start().await;
    target(&app, "orders 1").await;
    // Saved while it waits: nobody need attach to the old one.
    app.project.function("orders", &format!("console.log('evaluated');\n\n{ORDERS}"));
    let orders = target(&app, "orders 2").await;
    app.until("the old version has given up", || async { targets(&app).await.len() == 1 }).await;
    let debugging = async {
        let mut debugger = Debugger::enabled(&orders).await;
        let place = json!({ "url": URL, "lineNumber": 0 });
        debugger.call("Debugger.setBreakpointByUrl", place).await;
        assert!(!app.project.log().contains("evaluated"), "{}", app.project.log());
        debugger.call("Runtime.runIfWaitingForDebugger", json!({})).await;
        let paused = debugger.paused().await;
        let (script, map) = debugger.script(URL).await;
        assert_eq!(paused["callFrames"][0]["location"]["scriptId"], script["scriptId"]);
        assert!(!app.project.log().contains("evaluated"), "{}", app.project.log());
        let place = map.generated(RETURN_LINE + 2);
        let place = json!({ "url": URL, "lineNumber": place.0, "columnNumber": place.1 });
        debugger.call("Debugger.setBreakpointByUrl", place).await;
        debugger.resume().await;
        debugger.paused().await;
        // Who goes lets go of what it has paused, here too.
        drop(debugger);
    };
    let ((), answer) = tokio::join!(debugging, order(&app));
    assert_counted(&answer, &app);
    assert!(app.project.log().contains("evaluated"));
}

#[tokio::test]
async fn what_a_web_page_could_send_is_refused() {
    let app = project("--inspect").start().await;
    let orders = target(&app, "orders 1").await;
    let version = debugger::get(&app, "/json/version").send().await.json();
    assert_eq!(version["Protocol-Version"], "1.3");
    let by_name = debugger::get(&app, "/json/list").header("host", "evil.example:8083").send().await;
    assert_eq!(by_name.status, 403, "{}", by_name.text());
    let by_page = debugger::get(&app, "/json/list").header("origin", "https://evil.example").send().await;
    assert_eq!(by_page.status, 403, "{}", by_page.text());

    let (address, id) = (address(&app), orders["id"].as_str().expect("an id"));
    for (path, headers, expected) in [
        (id, "Host: localhost\r\n", "101 Switching Protocols"),
        (id, "Host: localhost\r\nOrigin: devtools://devtools\r\n", "101 Switching Protocols"),
        (id, "Host: localhost\r\nOrigin: http://localhost\r\n", "403 Forbidden"),
        (id, "Host: rebound.example\r\n", "403 Forbidden"),
        ("00000000-0000-4000-8000-000000000000", "Host: localhost\r\n", "404 Not Found"),
    ] {
        let (_, line) = debugger::handshake(&address, &format!("/{path}"), headers).await;
        assert_eq!(line, format!("HTTP/1.1 {expected}"), "{headers}");
    }
    // Not even the functions themselves reach it.
    app.project.configure("[functions.curious]\nverify_jwt = false");
    app.project.function(
        "curious",
        &format!("Deno.serve(() => fetch('http://{address}/json/list').catch((e) => new Response(e.name)))"),
    );
    target(&app, "curious 1").await;
    let answer = app.call("GET", "/functions/v1/curious").send().await;
    assert!(!answer.text().contains("webSocketDebuggerUrl"), "{}", answer.text());
}

#[tokio::test]
async fn production_has_no_inspector() {
    let project = Project::empty();
    let start = project.command(&["start", "--production", "--inspect"]).output().await;
    let Output { status, stderr, .. } = start.expect("the binary runs");
    assert!(!status.success());
    assert!(
        String::from_utf8_lossy(&stderr).contains("--production"),
        "{}",
        String::from_utf8_lossy(&stderr)
    );
}
