//! Requests of functions to their own project: in the process, and counted.

use serde_json::json;

use crate::app::{App, Project};

const CALLEE: &str = r#"
Deno.serve(async (request) => {
  if (new URL(request.url).pathname.endsWith("/packed")) {
    const packed = new Blob(["unpacked"]).stream().pipeThrough(new CompressionStream("gzip"));
    return new Response(packed, { headers: { "content-encoding": "gzip" } });
  }
  return Response.json({
    method: request.method,
    type: request.headers.get("content-type"),
    trace: request.headers.get("traceparent")?.split("-")[1],
    agent: request.headers.get("user-agent"),
    body: await request.text(),
  });
});
"#;

const CALLER: &str = r#"
const base = Deno.env.get("SUPABASE_URL");
const functions = `${base}/functions/v1`;

async function calls(request) {
  const authorization = request.headers.get("authorization") ?? "";
  const text = async (path, init) => (await fetch(functions + path, init)).text();
  const slowly = async function* () { yield "one "; await new Promise((go) => setTimeout(go, 5)); yield "two"; };
  const stream = ReadableStream.from(slowly()).pipeThrough(new TextEncoderStream());
  const missing = await fetch(`${functions}/nobody`);
  const aborted = await fetch(`${functions}/callee`, { signal: AbortSignal.abort() }).catch((error) => error.name);
  return {
    trace: request.headers.get("traceparent").split("-")[1],
    posted: JSON.parse(await text("/callee", { method: "POST", body: JSON.stringify({ a: 1 }), headers: { "content-type": "application/json" } })),
    streamed: JSON.parse(await text("/callee", { method: "PUT", body: stream, duplex: "half" })).body,
    packed: await text("/callee/packed"),
    rows: await (await fetch(`${base}/rest/v1/notes?select=text`, { headers: { apikey: Deno.env.get("SUPABASE_ANON_KEY"), authorization } })).json(),
    missing: [missing.status, missing.headers.get("sb-error-code")],
    aborted,
  };
}

async function circle() {
  for (let made = 0; made < 20_000; made += 50) {
    const batch = Array.from({ length: 50 }, async () => (await fetch(`${functions}/_internal/health`)).text());
    try {
      await Promise.all(batch);
    } catch (error) {
      await Promise.allSettled(batch);
      return { made, limited: error instanceof Deno.errors.RateLimitError, name: error.name, wait: error.retryAfterMs };
    }
  }
  return { limited: false };
}

Deno.serve(async (request) => {
  const isCircle = new URL(request.url).searchParams.has("circle");
  return Response.json(await (isCircle ? circle() : calls(request)));
});
"#;

async fn start() -> App {
    let project = Project::empty();
    project.write(
        "supabase/migrations/1_notes.sql",
        "create table notes (text text); insert into notes values ('kept'); alter table notes enable row level security; \
         create policy own on notes for select to authenticated using (true); grant select on notes to anon, authenticated;",
    );
    project.configure(
        "[functions.callee]\nverify_jwt = false\n[functions.caller]\nverify_jwt = false\n\
         [functions.caller.limits]\ncpu = \"30s\"",
    );
    project.function("callee", CALLEE);
    project.function("caller", CALLER);
    project.start().await
}

async fn connections(app: &App) -> String {
    let metrics = app.admin("/metrics").send().await.text();
    let open = metrics.lines().find(|line| line.starts_with("isobase_connections "));
    open.expect("the gauge is there").to_owned()
}

#[tokio::test]
async fn functions_call_their_project_without_a_socket() {
    let app = start().await;
    let before = connections(&app).await;
    let user = "5f1a4dc6-0a0c-4b8c-9d0e-0d0a7f1b2c3d";
    let answer = app.user(user, "GET", "/functions/v1/caller").send().await;
    let told = answer.json();
    assert_eq!(told["posted"]["body"], r#"{"a":1}"#, "{told}\n{}", app.project.log());
    assert_eq!(told["posted"]["type"], "application/json");
    assert!(told["posted"]["agent"].as_str().is_some_and(|agent| agent.starts_with("isobase/")), "{told}");
    assert_eq!(told["posted"]["trace"], told["trace"], "one trace over all calls");
    assert_eq!(told["streamed"], "one two");
    assert_eq!(told["packed"], "unpacked");
    assert_eq!(told["rows"], json!([{ "text": "kept" }]), "as the caller");
    assert_eq!(told["missing"], json!([404, "NOT_FOUND"]));
    assert_eq!(told["aborted"], "AbortError");
    // An idle connection would stay.
    app.until("no connection is left", || async { connections(&app).await == before }).await;
}

#[tokio::test]
async fn calls_in_a_circle_end() {
    let app = start().await;
    let told = app.call("GET", "/functions/v1/caller?circle").send().await.json();
    assert_eq!((&told["limited"], &told["name"]), (&json!(true), &json!("RateLimitError")), "{told}");
    assert_eq!(told["made"], 5_000);
    let wait = told["wait"].as_f64().unwrap_or_default();
    assert!(wait > 0.0 && wait <= 60_000.0, "{told}");
    // Another request is another trace.
    let told = app.call("GET", "/functions/v1/caller").send().await.json();
    assert_eq!(told["packed"], "unpacked", "{told}");
}
