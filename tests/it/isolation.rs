//! `isolation = "process"`: what functions do works as in an isolate, what breaks stays in the process.

use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::app::{App, Project};
use crate::edge_runtime::connections::{SOCKET, talk};
use crate::limits;

/// Everything that a function reaches, in one answer.
const ALL: &str = r#"
import { assert } from "./shared.ts";
const base = Deno.env.get("SUPABASE_URL");
const functions = `${base}/functions/v1`;
const database = new URL(Deno.env.get("SUPABASE_DB_URL"));

async function reached(hostname, port) {
  try {
    (await Deno.connect({ hostname, port })).close();
    return "connected";
  } catch (error) {
    return error.name;
  }
}

const ways = {
  async own(request) {
    const authorization = request.headers.get("authorization") ?? "";
    const slowly = async function* () { yield "one "; await new Promise((go) => setTimeout(go, 5)); yield "two"; };
    const body = ReadableStream.from(slowly()).pipeThrough(new TextEncoderStream());
    const headers = { apikey: Deno.env.get("SUPABASE_ANON_KEY"), authorization };
    return {
      rows: await (await fetch(`${base}/rest/v1/notes?select=text`, { headers })).json(),
      echoed: await (await fetch(`${functions}/echo`, { method: "POST", body, duplex: "half" })).text(),
      missing: (await fetch(`${functions}/nobody`)).status,
    };
  },
  async disk() {
    await Deno.writeTextFile("/tmp/kept.txt", "kept");
    const host = await Deno.readTextFile("/etc/hostname").catch((error) => error.name);
    return { kept: await Deno.readTextFile("/tmp/kept.txt"), shared: assert(1), host };
  },
  async network() {
    const loopback = await reached("127.0.0.1", Number(database.port));
    return {
      loopback,
      named: await reached("localhost", Number(database.port)),
      admin: await reached("127.0.0.1", Number(Deno.env.get("ADMIN_PORT"))),
      closed: await fetch("http://127.0.0.1:9/").catch((error) => error.name),
    };
  },
  async later() {
    EdgeRuntime.waitUntil((async () => {
      await new Promise((go) => setTimeout(go, 50));
      console.log("done later");
    })());
    return { later: true };
  },
  async told(request) {
    console.warn("a warning of mine");
    return { url: new URL(request.url).pathname, greeting: Deno.env.get("GREETING"), header: request.headers.get("x-mine"),
      inner: [...request.headers.keys()].filter((name) => name.startsWith("x-isobase")) };
  },
};

Deno.serve(async (request) => {
  const way = new URL(request.url).searchParams.get("way");
  return Response.json(await ways[way](request), { headers: { "x-isobase-outcome": "forged", "x-own": "1" } });
});
"#;

const ECHO: &str = r#"
Deno.serve((request) => new Response(request.body?.pipeThrough(new TransformStream()), { headers: { "content-type": "text/plain" } }));
"#;

fn project() -> Project {
    let project = Project::empty();
    project.write(
        "supabase/migrations/1_notes.sql",
        "create table notes (text text); insert into notes values ('kept'); grant select on notes to anon, authenticated;",
    );
    for slug in ["all", "echo", "socket"] {
        project.configure(&format!("[functions.{slug}]\nverify_jwt = false\nisolation = \"process\""));
    }
    project.configure(&format!(
        "[functions.all.env]\nGREETING = \"hello\"\nADMIN_PORT = \"{}\"",
        project.admin_port()
    ));
    project.write(
        "supabase/functions/all/shared.ts",
        "export const assert = (value: number): number => value + 1;",
    );
    project.function("all", ALL);
    project.function("echo", ECHO);
    project.function("socket", SOCKET);
    project
}

async fn way(app: &App, name: &str) -> Value {
    let answer = app
        .anon("GET", &format!("/functions/v1/all/sub?way={name}"))
        .header("x-mine", "yes")
        .header("x-isobase-call", "00")
        .send()
        .await;
    assert_eq!(answer.status, 200, "{name}: {} {}", answer.text(), app.project.log());
    assert_eq!((answer.header("x-own"), answer.header("x-isobase-outcome")), (Some("1"), None));
    answer.json()
}

#[tokio::test]
async fn a_process_serves_what_an_isolate_does() {
    let app = project().start().await;
    let own = way(&app, "own").await;
    assert_eq!(own, json!({ "rows": [{ "text": "kept" }], "echoed": "one two", "missing": 404 }));
    let disk = way(&app, "disk").await;
    assert_eq!(disk, json!({ "kept": "kept", "shared": 2, "host": "NotFound" }));
    let network = way(&app, "network").await;
    assert_eq!(
        network,
        json!({ "loopback": "connected", "named": "connected", "admin": "NotCapable", "closed": "TypeError" })
    );
    let told = way(&app, "told").await;
    assert_eq!(told, json!({ "url": "/all/sub", "greeting": "hello", "header": "yes", "inner": [] }));
    way(&app, "later").await;
    app.until("what waits is done and logged", || async {
        let log = app.project.log();
        log.contains("done later") && log.contains("a warning of mine")
    })
    .await;
    let large = vec![b'x'; 3 << 20];
    let echoed = app.call("POST", "/functions/v1/echo").bytes(large.clone()).send().await;
    assert!(echoed.body == large, "{} {}", echoed.status, echoed.body.len());
    talk(&app, "socket").await;
    assert_eq!(processes(&app, "all").len(), 1);
    app.stop().await;
}

/// Children of the host in which function `slug` runs.
fn processes(app: &App, slug: &str) -> Vec<i32> {
    let threads = |id: i32| fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten().flatten();
    let name = format!("fn:{slug}");
    let all = fs::read_dir("/proc").expect("there is /proc").flatten();
    let ids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let ours = ids.filter(|id| {
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        let parent = stat.rsplit(')').next().and_then(|rest| rest.split(' ').nth(2)?.parse::<i32>().ok());
        parent == Some(app.process_id())
    });
    ours.filter(|id| {
        threads(*id).any(|thread| {
            fs::read_to_string(thread.path().join("comm")).is_ok_and(|comm| comm.trim_end() == name)
        })
    })
    .collect()
}

const FRAGILE: &str = r#"
Deno.serve(async (request) => {
  if (request.url.includes("?wait")) {
    console.log(`waits ${new URL(request.url).search}`);
    await new Promise(() => {});
  }
  return new Response(Deno.env.get("SB_EXECUTION_ID"));
});
"#;

#[tokio::test]
async fn a_process_that_dies_takes_nobody_with_it() {
    let project = Project::empty();
    for (slug, isolation) in [("fragile", "process"), ("sturdy", "process"), ("inside", "isolate")] {
        project.configure(&format!("[functions.{slug}]\nverify_jwt = false\nisolation = \"{isolation}\""));
        project.function(slug, FRAGILE);
    }
    let app = project.start().await;
    let ask = async |slug: &str| {
        let answer = app.call("GET", &format!("/functions/v1/{slug}")).send().await;
        assert_eq!(answer.status, 200, "{}", app.project.log());
        answer.text()
    };
    let others = [ask("sturdy").await, ask("inside").await];
    for signal in [Signal::SIGSEGV, Signal::SIGABRT, Signal::SIGKILL] {
        let before = ask("fragile").await;
        let ids = processes(&app, "fragile");
        let [id] = ids[..] else { panic!("{ids:?}") };
        let waiting = app.call("GET", &format!("/functions/v1/fragile?wait-{signal}"));
        let breaking = async {
            let waits = format!("waits ?wait-{signal}");
            app.until("the request is under way", || async { app.project.log().contains(&waits) }).await;
            // A fault would happen again: handlers that look for stack overflows let the first one pass.
            app.until("the process has died", || async move { kill(Pid::from_raw(id), signal).is_err() })
                .await;
        };
        let (answer, ()) = tokio::join!(waiting.send(), breaking);
        let told = (answer.status.as_u16(), answer.header("sb-error-code"));
        assert_eq!(told, (500, Some("WORKER_ERROR")), "{signal}: {}", answer.text());
        assert_eq!(answer.json()["message"], "Function exited due to an error (please check logs)");
        assert_eq!([ask("sturdy").await, ask("inside").await], others);
        assert_ne!(ask("fragile").await, before);
        assert!(!processes(&app, "fragile").contains(&id));
    }
    assert!(app.project.log().contains("the process of a function ended"));
    app.stop().await;
}

#[tokio::test]
async fn limits_end_a_function_in_a_process_as_they_do_in_an_isolate() {
    let bomb = "Deno.serve(() => { const all = []; for (;;) all.push(new Array(10000).fill(1.5)); })";
    for (source, bounds, status, code, reason) in [
        ("Deno.serve(() => { for (;;); })", "cpu = \"200ms\"", 546, "WORKER_RESOURCE_LIMIT", "cpu"),
        (bomb, "memory = \"64MiB\"\ncpu = \"20s\"", 546, "WORKER_RESOURCE_LIMIT", "memory"),
        ("Deno.serve(() => new Promise(() => {}))", "idle = \"300ms\"", 504, "IDLE_TIMEOUT", "idle"),
        ("Deno.serve(() => { throw new Error('no') })", "", 500, "WORKER_ERROR", "crashed"),
        ("throw new Error('never starts')", "", 503, "BOOT_ERROR", "boot"),
    ] {
        let project = limits::project("guest", "isolation = \"process\"", bounds);
        project.function("guest", source);
        let app = project.start().await;
        limits::check_case(&app, limits::Case { path: "guest", status, code, reason }).await;
    }
}

#[tokio::test]
async fn what_a_process_cannot_have_is_said() {
    let project = Project::empty();
    let process = "verify_jwt = false\nisolation = \"process\"";
    project.configure(&format!("[functions.reader]\n{process}"));
    project.function(
        "reader",
        "import { query } from 'isobase:host/database';\nDeno.serve(async () => Response.json(await query('select 1')));",
    );
    project.configure(&format!(
        "[functions.guests]\n{process}\nentrypoint = \"./functions/guests/guests.wasm\""
    ));
    project.write("supabase/functions/guests/guests.wasm", isobase_guests::COMPONENT);
    project.configure(&format!("[functions.listed]\n{process}\ncapabilities = {{ egress = [] }}"));
    project.function(
        "listed",
        "Deno.serve(async () => Response.json(await fetch('http://example.com').catch((error) => error.message)));",
    );
    let app = project.start().await;
    for (slug, says) in
        [("reader", "which functions with isolation"), ("guests", "a component has no need of it")]
    {
        let answer = app.call("GET", &format!("/functions/v1/{slug}")).send().await;
        assert_eq!((answer.status.as_u16(), answer.header("sb-error-code")), (503, Some("BOOT_ERROR")));
        assert!(app.project.log().contains(says), "{slug}: {}", app.project.log());
    }
    let refused = app.call("GET", "/functions/v1/listed").send().await;
    assert!(refused.text().contains("egress list"), "{}", refused.text());
}
