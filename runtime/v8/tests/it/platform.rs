//! The web platform: what must exist, and that its parts work together.

use crate::support::{answer, function};
use crate::support::{context, get, read};

/// Everything a function can rely on; see the WinterTC minimum common API and Supabase's runtime.
const GLOBALS: &str = "AbortController AbortSignal Blob BroadcastChannel ByteLengthQueuingStrategy CloseEvent \
    CompressionStream CountQueuingStrategy Crypto CryptoKey CustomEvent DOMException DecompressionStream Deno \
    EdgeRuntime ErrorEvent Event EventSource EventTarget File FileReader FormData Headers MessageChannel MessageEvent \
    MessagePort Navigator Performance ProgressEvent PromiseRejectionEvent QuotaExceededError \
    ReadableByteStreamController ReadableStream ReadableStreamBYOBReader ReadableStreamBYOBRequest \
    ReadableStreamDefaultController ReadableStreamDefaultReader Request Response SubtleCrypto TextDecoder \
    TextDecoderStream TextEncoder TextEncoderStream TransformStream URL URLPattern URLSearchParams WebAssembly \
    WebSocket WritableStream WritableStreamDefaultWriter atob btoa clearInterval clearTimeout console crypto fetch \
    Supabase caches globalThis navigator performance queueMicrotask reportError self setInterval setTimeout structuredClone \
    addEventListener dispatchEvent removeEventListener";

/// Members of `Deno`.
const DENO: &str = "args build connect connectTls createHttpClient customInspect env errors exit inspect mainModule \
    kill listen memoryUsage permissions refTimer resolveDns serve serveHttp startTls unrefTimer upgradeWebSocket \
    version";

/// What must not be reachable: the host's inside.
const ABSENT: &str = "__bootstrap __isobase bootstrap Deno.core Deno.internal Deno.run";

#[tokio::test]
async fn the_platform_is_complete_and_the_inside_is_hidden() {
    let code = format!(
        "const missing = (object, names) => names.split(/\\s+/).filter((name) => {{
            try {{ return object[name] === undefined; }} catch (error) {{ return `${{name}}: ${{error}}`; }}
        }});
        const reach = (path) => path.split('.').reduce((object, name) => object?.[name], globalThis);
        Deno.serve(() => Response.json({{
            globals: missing(globalThis, {GLOBALS:?}),
            deno: missing(Deno, {DENO:?}),
            exposed: {ABSENT:?}.split(/\\s+/).filter((path) => reach(path) !== undefined),
        }}))"
    );
    assert_eq!(answer("platform", &code).await, r#"200 {"globals":[],"deno":[],"exposed":[]}"#);
}

/// Expression and what it must be, each evaluated in a handler.
const EXPRESSIONS: &[(&str, &str)] = &[
    ("atob(btoa('hi'))", "hi"),
    ("new TextDecoder().decode(new TextEncoder().encode('h\u{e9}'))", "h\u{e9}"),
    ("structuredClone({ a: [1, new Date(0)] }).a[1].getTime()", "0"),
    ("new URLPattern({ pathname: '/x/:id' }).exec('http://h/x/7').pathname.groups.id", "7"),
    ("new URL('../b?c=d', 'http://h/a/x').href", "http://h/b?c=d"),
    ("new Headers([['a', '1'], ['a', '2']]).get('a')", "1, 2"),
    ("typeof crypto.randomUUID()", "string"),
    (
        "Array.from(new Uint8Array(await crypto.subtle.digest('SHA-256', new Uint8Array()))).slice(0, 2).join()",
        "227,176",
    ),
    ("await new Response(new Blob(['a', 'b'])).text()", "ab"),
    ("(await new Response(new URLSearchParams({ a: '1' })).formData()).get('a')", "1"),
    (
        "await new Response(new Response('zip').body.pipeThrough(new CompressionStream('gzip')).pipeThrough(new DecompressionStream('gzip'))).text()",
        "zip",
    ),
    (
        "(await Promise.all(['brotli', 'deflate', 'deflate-raw'].map((format) => new Response(new Response('zip').body.pipeThrough(new CompressionStream(format)).pipeThrough(new DecompressionStream(format))).text()))).join()",
        "zip,zip,zip",
    ),
    (
        "(await Promise.all(['brotli', 'deflate', 'gzip'].map((format) => new Response(new Response('no zip at all').body.pipeThrough(new DecompressionStream(format))).text().catch((error) => error.name)))).join()",
        "TypeError,TypeError,TypeError",
    ),
    ("AbortSignal.abort('why').reason", "why"),
    // There is no process: what would touch it does nothing.
    ("[Deno.exit(1), Deno.kill(1, 'SIGKILL'), Deno.addSignalListener('SIGINT', () => {})].join()", ",,"),
    ("(() => { try { Deno.umask(0); } catch (error) { return error.name; } })()", "PermissionDenied"),
    (
        "(() => { const timer = setTimeout(() => {}, 1); Deno.unrefTimer(timer); Deno.refTimer(timer); clearTimeout(timer); return 'well'; })()",
        "well",
    ),
    (
        "await new Promise((resolve) => { const c = new MessageChannel(); c.port2.onmessage = (e) => { resolve(e.data); c.port1.close(); }; c.port1.postMessage('m'); })",
        "m",
    ),
    ("await new Promise((resolve) => setTimeout(() => resolve('timer'), 1))", "timer"),
    ("performance.now() > 0", "true"),
    ("navigator.userAgent.startsWith('isobase/')", "true"),
    ("Deno.version.deno.includes('Deno v2')", "true"),
    ("Deno.inspect({ a: 1 })", "{ a: 1 }"),
    ("new Deno.errors.NotFound('x') instanceof Error", "true"),
    ("Object.prototype.toString.call(globalThis)", "[object Window]"),
    ("await (await fetch('data:text/plain,inline')).text()", "inline"),
    ("await fetch('file:///etc/passwd').then(() => 'read', (error) => error.name)", "TypeError"),
    ("await Deno.connect({ transport: 'unix', path: '/x' }).catch((error) => error.name)", "NotSupported"),
    (
        "(() => { const bytes = new Uint8Array([1, 2]); const moved = structuredClone(bytes, { transfer: [bytes.buffer] }); return `${bytes.length} ${moved}`; })()",
        "0 1,2",
    ),
    (
        "structuredClone(new WebAssembly.Module(new Uint8Array([0,97,115,109,1,0,0,0]))) instanceof WebAssembly.Module",
        "true",
    ),
    ("import.meta.resolve('./not-a-module.txt')", "file:///parts/not-a-module.txt"),
    ("new Intl.NumberFormat('de').format(1234.5)", "1.234,5"),
    (
        "await WebAssembly.instantiate(new Uint8Array([0,97,115,109,1,0,0,0])).then((m) => typeof m.instance)",
        "object",
    ),
    ("(() => { try { new Function('return 1')(); return 'eval'; } catch (e) { return e.name; } })()", "eval"),
];

#[tokio::test]
async fn parts_of_the_platform_work_together() {
    let mut cases = String::new();
    for (expression, _) in EXPRESSIONS {
        cases.push_str(&format!("async () => {expression},\n"));
    }
    let code = format!(
        "const cases = [{cases}];
        Deno.serve(async (request) => {{
            const at = Number(new URL(request.url).pathname.slice(1));
            return new Response(String(await cases[at]()));
        }})"
    );
    let worker = function("parts", &code).boot().await.unwrap();
    for (at, (expression, expected)) in EXPRESSIONS.iter().enumerate() {
        let answer = read(worker.invoke(get(&format!("/{at}")), context()).await).await;
        assert_eq!(answer, format!("200 {expected}"), "{expression}");
    }
}

#[tokio::test]
async fn the_environment_is_the_functions_and_private() {
    let code = "Deno.serve(() => {
        const before = Deno.env.get('KEY');
        Deno.env.set('KEY', 'changed');
        Deno.env.delete('OTHER');
        const { SB_EXECUTION_ID, DENO_DEPLOYMENT_ID, ...all } = Deno.env.toObject();
        return Response.json([before, all, Deno.env.has('PATH'), SB_EXECUTION_ID.length, DENO_DEPLOYMENT_ID]);
    })";
    let worker = function("env", code).env("KEY", "value").env("OTHER", "x").boot().await.unwrap();
    let answer = read(worker.invoke(get("/"), context()).await).await;
    assert_eq!(answer, r#"200 ["value",{"KEY":"changed"},false,36,"local_env_1"]"#);
    let second = function("env", code).env("KEY", "value").boot().await.unwrap();
    let answer = read(second.invoke(get("/"), context()).await).await;
    assert_eq!(answer, r#"200 ["value",{"KEY":"changed"},false,36,"local_env_1"]"#);
}

#[tokio::test]
async fn modules_import_each_other_json_and_the_host() {
    let worker = function(
        "imports",
        "import { twice } from './lib.js';
         import data from './data.json' with { type: 'json' };
         import { requestId } from 'isobase:host/caller';
         Deno.serve(async () => {
            const later = await import('./late.js');
            return new Response(`${twice(data.n)} ${later.name} ${requestId().length}`);
         })",
    )
    .import("./lib.js", "file:///imports/lib.js", "export const twice = (n) => n * 2;")
    .import("./data.json", "file:///imports/data.json", r#"{"n":21}"#)
    .import("./late.js", "file:///imports/late.js", "export const name = 'late';")
    .boot()
    .await
    .unwrap();
    assert_eq!(read(worker.invoke(get("/"), context()).await).await, "200 42 late 36");
}
