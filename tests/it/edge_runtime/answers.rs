//! Styles of handlers, what they see of a request's line, and what becomes of what they return.

use super::{Row, check};

#[tokio::test]
async fn handlers_of_every_style_answer() {
    check(&[
        ("served", "Deno.serve(() => new Response('served'))", &[("GET /served", "200 served")]),
        (
            "listening",
            "Deno.serve({ port: 1234, hostname: '::', onListen: ({ port }) => { globalThis.port = port; } }, () => new Response(`${port}`))",
            &[("GET /listening", "200 1234")],
        ),
        (
            "in-options",
            "Deno.serve({ handler: async (request) => new Response(await request.text()) })",
            &[("POST /in-options\nsaid", "200 said")],
        ),
        (
            "declared",
            "export default { async fetch(request: Request): Promise<Response> { return new Response(`declared ${request.method}`); } }",
            &[("PUT /declared", "200 declared PUT")],
        ),
        (
            "a-class",
            "class Server { #greeting = 'hi'; fetch = () => new Response(this.#greeting); }\nexport default new Server();",
            &[("GET /a-class", "200 hi")],
        ),
        (
            "nodes",
            "import { createServer } from 'node:http';\n\
             createServer((request, response) => {\n\
               response.writeHead(202, { 'x-shown': 'node' });\n\
               response.end(`${request.method} ${request.url}`);\n\
             }).listen(9999);",
            &[("PATCH /nodes/a?b=c", "202 (x-shown: node) PATCH /nodes/a?b=c")],
        ),
    ])
    .await;
}

const METHOD: &str =
    "Deno.serve((request) => new Response(request.method, { headers: { 'x-shown': request.method } }))";
const PLACE: &str = "Deno.serve((request) => { const { pathname, search } = new URL(request.url); return new Response(pathname + search); })";

/// A router with a base path, as Hono's, Oak's and Express' users write it.
const ROUTER: &str = "
const base = '/router';
const routes = { 'GET /': () => 'home', 'GET /items/:id': ({ id }) => `item ${id}`, 'POST /items': (_, body) => `new ${body}` };
Deno.serve(async (request) => {
  for (const [route, handle] of Object.entries(routes)) {
    const [method, path] = route.split(' ');
    const found = new URLPattern({ pathname: base + path.replace(/\\/$/, '{/}?') }).exec(request.url);
    if (found && method === request.method) return new Response(handle(found.pathname.groups, await request.text()));
  }
  return new Response('no route', { status: 404 });
});";

#[tokio::test]
async fn methods_and_paths_arrive_as_sent() {
    check(&[
        (
            "method",
            METHOD,
            &[
                ("GET /method", "200 (x-shown: GET) GET"),
                ("POST /method", "200 (x-shown: POST) POST"),
                ("PUT /method", "200 (x-shown: PUT) PUT"),
                ("PATCH /method", "200 (x-shown: PATCH) PATCH"),
                ("DELETE /method", "200 (x-shown: DELETE) DELETE"),
                ("OPTIONS /method", "200 (x-shown: OPTIONS) OPTIONS"),
                ("HEAD /method", "200 (x-shown: HEAD) "),
            ],
        ),
        (
            "place",
            PLACE,
            &[
                ("GET /place", "200 /place"),
                ("GET /place/", "200 /place/"),
                ("GET /place?a=b&a=c", "200 /place?a=b&a=c"),
                ("GET /place/x/y%20z/%C3%A9?q=%2F", "200 /place/x/y%20z/%C3%A9?q=%2F"),
                ("GET /place/functions/v1/place", "200 /place/functions/v1/place"),
            ],
        ),
        (
            "router",
            ROUTER,
            &[
                ("GET /router", "200 home"),
                ("GET /router/", "200 home"),
                ("GET /router/items/7?x", "200 item 7"),
                ("POST /router/items\nbook", "200 new book"),
                ("DELETE /router/items", "404 no route"),
            ],
        ),
    ])
    .await;
}

/// Statuses, bodies where there must be none, and headers that come twice.
const RESPONSES: &[Row<'_>] = &[
    (
        "none-204",
        "Deno.serve(() => new Response(null, { status: 204 }))",
        &[("GET /none-204", "204 "), ("POST /none-204\nx", "204 ")],
    ),
    ("none-304", "Deno.serve(() => new Response(null, { status: 304 }))", &[("GET /none-304", "304 ")]),
    (
        "body-204",
        "Deno.serve(() => new Response('x', { status: 204 }))",
        &[("GET /body-204", "500 WORKER_ERROR")],
    ),
    (
        "body-304",
        "Deno.serve(() => new Response('x', { status: 304 }))",
        &[("GET /body-304", "500 WORKER_ERROR")],
    ),
    (
        "status-600",
        "Deno.serve(() => new Response('x', { status: 600 }))",
        &[("GET /status-600", "500 WORKER_ERROR")],
    ),
    (
        "status-199",
        "Deno.serve(() => new Response(null, { status: 199 }))",
        &[("GET /status-199", "500 WORKER_ERROR")],
    ),
    ("status-599", "Deno.serve(() => new Response('x', { status: 599 }))", &[("GET /status-599", "599 x")]),
    (
        "status-418",
        "Deno.serve(() => new Response('tea', { status: 418, statusText: 'teapot' }))",
        &[("GET /status-418", "418 tea")],
    ),
    (
        "cookies",
        "Deno.serve(() => { const headers = new Headers(); headers.append('set-cookie', 'a=1; Path=/'); headers.append('set-cookie', 'b=2'); return new Response('', { headers }); })",
        &[("GET /cookies", "200 (set-cookie: a=1; Path=/) (set-cookie: b=2) ")],
    ),
    (
        "empty-header",
        "Deno.serve(() => new Response('', { headers: { 'x-shown': '' } }))",
        &[("GET /empty-header", "200 (x-shown: ) ")],
    ),
    (
        "latin-header",
        "Deno.serve(() => new Response('', { headers: { 'x-shown': 'caf\u{e9}' } }))",
        &[("GET /latin-header", "200 (x-shown: caf\u{fffd}) ")],
    ),
    (
        "length",
        "Deno.serve(() => new Response('four', { headers: { 'content-length': '4' } }))",
        &[("GET /length", "200 four"), ("HEAD /length", "200 ")],
    ),
    // It is the connection's to say.
    (
        "chunked",
        "Deno.serve(() => new Response('four', { headers: { 'transfer-encoding': 'chunked', connection: 'close' } }))",
        &[("GET /chunked", "200 four")],
    ),
    (
        "moved",
        "Deno.serve(() => Response.redirect('http://example.com/there', 307))",
        &[("GET /moved", "307 (location: http://example.com/there) ")],
    ),
    (
        "json",
        "Deno.serve(() => Response.json({ a: [1, null] }, { status: 201 }))",
        &[("GET /json", "201 {\"a\":[1,null]}")],
    ),
];

#[tokio::test]
async fn responses_arrive_as_made() {
    check(RESPONSES).await;
}

#[tokio::test]
async fn values_that_are_no_responses_are_refused() {
    let values = [
        ("number", "1"),
        ("nothing", "undefined"),
        ("null", "null"),
        ("text", "'text'"),
        ("object", "{ status: 200, body: 'x' }"),
        ("later", "Promise.resolve(1)"),
        ("network-error", "Response.error()"),
        ("disguised", "Object.create(Response.prototype)"),
        ("used", "await (async () => { const used = new Response('x'); await used.text(); return used; })()"),
    ];
    let rows: Vec<(String, String, String)> = values
        .map(|(slug, value)| {
            let again = "if (new URL(request.url).search) return new Response('well');";
            let source = format!("Deno.serve(async (request) => {{ {again} return {value}; }})");
            (slug.to_owned(), source, format!("GET /{slug}"))
        })
        .into();
    let refused = "500 INVALID_RESPONSE_STATUS_CODE";
    let again: Vec<String> = rows.iter().map(|(_, _, request)| format!("{request}?again")).collect();
    // The worker goes on: nothing of its own is broken.
    let asks: Vec<[(&str, &str); 2]> = rows
        .iter()
        .zip(&again)
        .map(|((_, _, request), again)| [(request.as_str(), refused), (again.as_str(), "200 well")])
        .collect();
    let rows: Vec<Row<'_>> = rows
        .iter()
        .zip(&asks)
        .map(|((slug, source, _), asks)| (slug.as_str(), source.as_str(), asks.as_slice()))
        .collect();
    check(&rows).await;
}

/// What is thrown, where; and the function answers the next request.
const FAULTS: &[Row<'_>] = &[
    (
        "throws",
        "Deno.serve((request) => { if (request.method === 'POST') throw new TypeError('sync'); return new Response('well'); })",
        &[("POST /throws", "500 WORKER_ERROR"), ("GET /throws", "200 well")],
    ),
    (
        "rejects",
        "Deno.serve(async (request) => { await null; if (request.method === 'POST') throw null; return new Response('well'); })",
        &[("POST /rejects", "500 WORKER_ERROR"), ("GET /rejects", "200 well")],
    ),
    (
        "handled",
        "Deno.serve({ onError: (error) => new Response(error.message, { status: 422 }) }, () => { throw new Error('told'); })",
        &[("GET /handled", "422 told")],
    ),
    (
        "handled-badly",
        "Deno.serve({ onError: () => { throw new Error('again'); } }, () => { throw new Error('told'); })",
        &[("GET /handled-badly", "500 WORKER_ERROR")],
    ),
    (
        "timer",
        "Deno.serve((request) => { if (request.method === 'GET') return new Response('well'); setTimeout(() => { throw new Error('later'); }); return new Promise(() => {}); })",
        &[("POST /timer", "500 WORKER_ERROR"), ("GET /timer", "200 well")],
    ),
    (
        "floating",
        "Deno.serve((request) => { if (request.method === 'GET') return new Response('well'); Promise.reject(new Error('nobody waits')); return new Promise(() => {}); })",
        &[("POST /floating", "500 WORKER_ERROR"), ("GET /floating", "200 well")],
    ),
    (
        "prevented",
        "addEventListener('unhandledrejection', (event) => event.preventDefault());\naddEventListener('error', (event) => event.preventDefault());\n\
         Deno.serve(async () => { Promise.reject(new Error('a')); setTimeout(() => { throw new Error('b'); }); await new Promise((go) => setTimeout(go, 5)); return new Response('well'); })",
        &[("GET /prevented", "200 well")],
    ),
    ("no-handler", "console.log('nothing to serve');", &[("GET /no-handler", "503 BOOT_ERROR")]),
    (
        "never-ready",
        "await new Promise(() => {});\nDeno.serve(() => new Response('x'));",
        &[("GET /never-ready", "503 BOOT_ERROR")],
    ),
    (
        "no-such-import",
        "import './missing.ts';\nDeno.serve(() => new Response('x'));",
        &[("GET /no-such-import", "503 BOOT_ERROR")],
    ),
    (
        "no-such-export",
        "import { b } from './a.ts';\nDeno.serve(() => new Response(b));",
        &[("GET /no-such-export", "503 BOOT_ERROR")],
    ),
    ("no-syntax", "Deno.serve(() => new Response('x')", &[("GET /no-syntax", "503 BOOT_ERROR")]),
];

#[tokio::test]
async fn faults_end_their_own_request() {
    check(FAULTS).await;
}
