//! Functions that change the language's own objects, which the host's scripts share with them: the function and
//! the host go on, or fail as documented, and nothing of the host's scripts falls into the function's hands.

use std::fmt::Write as _;

use http::Request;
use isobase_base::{Body, FailureKind};

use crate::support::{answer, context, function, get, read};

/// Looks through whatever the tampering got hold of for operations and the runtime's own objects.
const SNOOP: &str = r#"
const seen = new Set();
const found = new Set();
const { getOwnPropertyNames, getOwnPropertySymbols, getPrototypeOf, getOwnPropertyDescriptor } = Object;
const { apply } = Reflect;
const add = Set.prototype.add, has = Set.prototype.has;
function snoop(value, depth = 3) {
  if (depth === 0 || (typeof value !== "object" && typeof value !== "function") || value === null) return;
  if (apply(has, seen, [value])) return;
  apply(add, seen, [value]);
  let names;
  try { names = [...getOwnPropertyNames(value)]; } catch { return; }
  const name = getOwnPropertyDescriptor(value, "name")?.value;
  if (typeof value === "function" && typeof name === "string" && name.startsWith("op_")) apply(add, found, [name]);
  for (let i = 0; i < names.length && i < 200; i++) {
    if (names[i].startsWith("op_") || names[i] === "primordials" || names[i] === "ops" || names[i] === "loadExtScript") apply(add, found, [names[i]]);
    let descriptor;
    try { descriptor = getOwnPropertyDescriptor(value, names[i]); } catch { continue; }
    if (descriptor !== undefined && "value" in descriptor) snoop(descriptor.value, depth - 1);
  }
}
"#;

/// What is done once, at the first request, before it is looked at.
const TAMPERING: &[(&str, &str)] = &[
    (
        "getters-of-all-objects",
        "for (const name of ['status', 'headers', 'headerList', 'body', 'signal', 'port', 'hostname', 'onListen', 'handler', 'method', 'url', 'type', 'then', 'id', 'rid', 'requestRid', 'get', 'set', 'value', 'writable', 'enumerable', 'message', 'cause', 'name', 'detail', 'proxy', 'transport', 'delaySeconds', 'queue', 'messages', 'consumed', 'streamOrStatic', 'length', 'ops', 'core']) Object.defineProperty(Object.prototype, name, { configurable: true, get() { snoop(this); return undefined; }, set(value) { snoop(this); snoop(value); Object.defineProperty(this, name, { value, writable: true, configurable: true, enumerable: true }); } });",
    ),
    (
        "lying-getters-of-all-objects",
        "for (const name of ['status', 'headers', 'body', 'signal', 'port', 'onListen', 'method', 'url']) Object.defineProperty(Object.prototype, name, { configurable: true, get() { return 599; }, set() {} });",
    ),
    (
        "throwing-getters-of-all-objects",
        "for (const name of ['status', 'headers', 'body', 'signal', 'port', 'onListen', 'method', 'url', 'onError', 'handler']) Object.defineProperty(Object.prototype, name, { configurable: true, get() { throw new Error('got'); }, set() { throw new Error('set'); } });",
    ),
    (
        "setters-of-indices",
        "for (let i = 0; i < 5; i++) Object.defineProperty(Array.prototype, i, { configurable: true, get() { snoop(this); return undefined; }, set(value) { snoop(this); snoop(value); Object.defineProperty(this, i, { value, writable: true, configurable: true, enumerable: true }); } });",
    ),
    (
        "array-iterator",
        "Array.prototype[Symbol.iterator] = function* () { snoop(this); throw new Error('iterated'); };",
    ),
    (
        "array-iterator-next",
        "const prototype = Object.getPrototypeOf([][Symbol.iterator]()); prototype.next = function () { snoop(this); return { done: true, value: undefined }; };",
    ),
    (
        "array-methods",
        "for (const name of ['push', 'pop', 'map', 'forEach', 'join', 'indexOf', 'includes', 'slice', 'splice', 'concat', 'filter', 'find', 'some', 'sort', 'shift', 'unshift']) Array.prototype[name] = function (...values) { snoop(this); snoop(values); throw new Error(name); };",
    ),
    (
        "array-species",
        "Object.defineProperty(Array, Symbol.species, { configurable: true, get() { return function (...values) { snoop(values); return []; }; } });",
    ),
    (
        "promise-then",
        "const { then } = Promise.prototype; Promise.prototype.then = function (...handlers) { snoop(this); snoop(handlers); return Reflect.apply(then, this, handlers); };",
    ),
    ("promise-then-lost", "Promise.prototype.then = function () { return this; };"),
    (
        "promise-constructor",
        "Object.defineProperty(Promise.prototype, 'constructor', { configurable: true, get() { snoop(this); return function (executor) { executor(() => {}, () => {}); snoop(executor); }; } });",
    ),
    (
        "promise-species",
        "Object.defineProperty(Promise, Symbol.species, { configurable: true, get() { return function (executor) { snoop(executor); executor(() => {}, () => {}); }; } });",
    ),
    (
        "promise-statics",
        "for (const name of ['resolve', 'reject', 'all', 'race', 'allSettled']) Promise[name] = function (...values) { snoop(values); throw new Error(name); };",
    ),
    (
        "promise-replaced",
        "globalThis.Promise = class { constructor() { throw new Error('replaced'); } static resolve() { throw new Error('replaced'); } };",
    ),
    (
        "function-call",
        "const { call, apply, bind } = Function.prototype; Function.prototype.call = function (...values) { snoop(this); snoop(values); return Reflect.apply(call, this, values); }; Function.prototype.apply = function (...values) { snoop(this); snoop(values); return Reflect.apply(apply, this, values); }; Function.prototype.bind = function (...values) { snoop(this); snoop(values); return Reflect.apply(bind, this, values); };",
    ),
    (
        "function-call-gone",
        "for (const name of ['call', 'apply', 'bind', 'toString', Symbol.hasInstance]) delete Function.prototype[name];",
    ),
    (
        "maps",
        "for (const type of [Map, Set, WeakMap, WeakSet]) for (const name of ['get', 'set', 'add', 'has', 'delete', 'forEach']) if (type.prototype[name] && type !== Set) type.prototype[name] = function (...values) { snoop(this); snoop(values); throw new Error(name); };",
    ),
    (
        "strings",
        "for (const name of ['startsWith', 'toLowerCase', 'split', 'slice', 'trim', 'includes', 'replace', 'charCodeAt', 'indexOf']) String.prototype[name] = function () { throw new Error(name); };",
    ),
    (
        "expressions",
        "for (const name of ['exec', 'test', Symbol.match, Symbol.replace, Symbol.split]) RegExp.prototype[name] = function () { throw new Error(String(name)); };",
    ),
    (
        "reflection",
        "for (const name of Object.getOwnPropertyNames(Reflect)) Reflect[name] = undefined; for (const name of ['defineProperty', 'defineProperties', 'getOwnPropertyDescriptor', 'freeze', 'keys', 'entries', 'assign', 'create', 'setPrototypeOf', 'getPrototypeOf']) Object[name] = undefined;",
    ),
    ("json", "JSON.parse = JSON.stringify = () => { throw new Error('json'); };"),
    (
        "typed-arrays",
        "const TypedArray = Object.getPrototypeOf(Uint8Array); for (const name of ['slice', 'subarray', 'set', 'fill', Symbol.iterator]) TypedArray.prototype[name] = function () { throw new Error(String(name)); }; for (const name of ['buffer', 'byteLength', 'byteOffset', 'length']) Object.defineProperty(TypedArray.prototype, name, { configurable: true, get() { return 1e9; } });",
    ),
    (
        "typed-array-species",
        "Object.defineProperty(Object.getPrototypeOf(Uint8Array), Symbol.species, { configurable: true, get() { return function () { return new Uint8Array(1); }; } });",
    ),
    (
        "headers",
        "for (const name of ['get', 'set', 'append', 'has', 'forEach', Symbol.iterator]) Headers.prototype[name] = function (...values) { snoop(this); snoop(values); throw new Error(String(name)); };",
    ),
    (
        "requests-and-responses",
        "for (const type of [Request, Response]) for (const name of Object.getOwnPropertyNames(type.prototype)) if (name !== 'constructor' && name !== 'text') Object.defineProperty(type.prototype, name, { configurable: true, get() { snoop(this); throw new Error(name); } });",
    ),
    (
        "response-prototype",
        "Object.setPrototypeOf(Response.prototype, new Proxy({}, { get(_, name) { snoop(name); throw new Error('trapped'); } }));",
    ),
    (
        "instances",
        "Object.defineProperty(Response, Symbol.hasInstance, { value() { throw new Error('asked'); } });",
    ),
    (
        "streams",
        "for (const type of [ReadableStream, ReadableStreamDefaultReader, ReadableStreamDefaultController, WritableStream, TransformStream]) for (const name of Object.getOwnPropertyNames(type.prototype)) if (name !== 'constructor') Object.defineProperty(type.prototype, name, { configurable: true, get() { snoop(this); throw new Error(name); } });",
    ),
    (
        "signals",
        "for (const type of [AbortSignal, AbortController, EventTarget, Event]) for (const name of Object.getOwnPropertyNames(type.prototype)) if (name !== 'constructor') Object.defineProperty(type.prototype, name, { configurable: true, get() { snoop(this); throw new Error(name); } });",
    ),
    (
        "errors",
        "for (const name of ['name', 'message', 'toString']) Object.defineProperty(Error.prototype, name, { configurable: true, get() { snoop(this); throw new Error(name); } }); Error.prepareStackTrace = (error, frames) => { snoop(error); snoop(frames); throw 'prepared'; }; Error.captureStackTrace = () => { throw 'captured'; };",
    ),
    (
        "console",
        "for (const name of Object.keys(console)) console[name] = () => { throw new Error(name); }; console = undefined;",
    ),
    ("symbols", "globalThis.Symbol = undefined;"),
    (
        "globals-deleted",
        "for (const name of Object.getOwnPropertyNames(globalThis)) if (!['Response', 'undefined', 'NaN', 'Infinity', 'globalThis'].includes(name)) try { delete globalThis[name]; } catch { }",
    ),
    (
        "globals-replaced",
        "for (const name of ['Object', 'Array', 'Function', 'Error', 'TypeError', 'Map', 'Set', 'Uint8Array', 'ArrayBuffer', 'Headers', 'Request', 'ReadableStream', 'URL', 'queueMicrotask', 'setTimeout', 'Deno', 'EdgeRuntime']) globalThis[name] = undefined;",
    ),
    (
        "globals-frozen",
        "for (const name of Object.getOwnPropertyNames(globalThis)) { const value = globalThis[name]; if (typeof value === 'function' || (typeof value === 'object' && value !== null && value !== globalThis)) try { Object.freeze(value); if (value.prototype) Object.freeze(value.prototype); } catch { } }",
    ),
    (
        "everything-frozen",
        "Object.freeze(Object.prototype); Object.freeze(Array.prototype); Object.freeze(Function.prototype); Object.freeze(Promise.prototype); Object.freeze(globalThis);",
    ),
    (
        "prototype-of-all",
        "Object.setPrototypeOf(Array.prototype, null); Object.setPrototypeOf(Function.prototype, null); Object.setPrototypeOf(Promise.prototype, null);",
    ),
    ("prototype-of-the-global", "Object.setPrototypeOf(globalThis, null);"),
];

/// The function as it would be without the tampering, which it does at its first request.
fn source(tampering: &str) -> String {
    format!(
        "{SNOOP}
        let tampered = false;
        const {{ Response: Own }} = globalThis;
        async function answer(request) {{
            const text = await request.text();
            return new Own(text, {{ status: 201, headers: {{ 'x-own': 'yes' }} }});
        }}
        Deno.serve((request) => {{
            if (!tampered) {{ tampered = true; {tampering} }}
            return answer(request);
        }});
        globalThis.told = () => [...found];"
    )
}

fn post() -> Request<Body> {
    Request::post("http://localhost:54321/functions/v1/x").header("x-a", "b").body("sent".into()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_function_answers_or_fails_as_documented() {
    let mut wrong = String::new();
    for (name, tampering) in TAMPERING {
        let worker = function("tampering", &source(tampering)).boot().await.unwrap();
        for attempt in 0..3 {
            let call = worker.invoke(post(), context());
            let told = match tokio::time::timeout(std::time::Duration::from_secs(5), call).await {
                Err(_) => "no answer within 5 s".to_owned(),
                Ok(Ok(response)) => {
                    let own = response.headers().get("x-own").is_some();
                    format!("{} {own}", read(Ok(response)).await)
                }
                Ok(Err(failure)) => match failure.kind {
                    // A function that broke its own means of answering has crashed, or never answers.
                    FailureKind::Crashed | FailureKind::InvalidResponse | FailureKind::Cancelled => continue,
                    _ => failure.to_string(),
                },
            };
            let hangs_by_itself = ["promise-then-lost", "promise-constructor", "promise-species"];
            if told == "no answer within 5 s" && hangs_by_itself.contains(name) {
                break;
            }
            if told != "201 sent true" {
                _ = writeln!(wrong, "{name}, request {attempt}: {told}");
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert_eq!(answer("neighbour", "Deno.serve(() => new Response('well'))").await, "200 well");
}

/// The same, and what was seen while the platform was put to use.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_of_the_hosts_scripts_is_seen() {
    const USE: &str = "
        const quietly = async (act) => { try { await act(); } catch { } };
        await quietly(() => new Request('https://example.com', { method: 'POST', body: 'x', headers: { a: 'b' } }).text());
        await quietly(() => new Response(new ReadableStream({ start(c) { c.enqueue(new Uint8Array(1)); c.close(); } })).text());
        await quietly(() => fetch('http://127.0.0.1:1/', { method: 'POST', body: 'x' }));
        await quietly(() => structuredClone({ a: [1] }));
        await quietly(() => crypto.subtle.digest('SHA-256', new Uint8Array(1)));
        await quietly(() => Deno.connect({ port: 1 }));
        await quietly(() => Deno.readTextFile('/tmp/x'));
        await quietly(() => new WebSocket('ws://127.0.0.1:1'));
        await quietly(() => setTimeout(() => {}, 0));
        await quietly(() => console.log({ a: new Map([[1, 2]]) }, new Error('x')));
        await quietly(() => new URLPattern({ pathname: '/x' }).exec('https://example.com/x'));
        await quietly(() => import('node:fs'));
        await quietly(() => Deno.serve({ onListen() {} }, () => new Own('x')));
        await quietly(() => EdgeRuntime.waitUntil(Promise.resolve()));
        await quietly(() => new CompressionStream('gzip'));";
    let mut leaks = String::new();
    for (name, tampering) in TAMPERING {
        let code = format!(
            "{SNOOP}
            const {{ Response: Own }} = globalThis;
            Deno.serve(async () => {{
                {{ {tampering} }}
                {USE}
                let text = ''; found.forEach((one) => {{ text += one + ' '; }});
                return new Own(text);
            }});"
        );
        let worker = function("snooping", &code).boot().await.unwrap();
        let call = worker.invoke(get("/"), context());
        let told = tokio::time::timeout(std::time::Duration::from_secs(5), call).await;
        // Who has broken its means of answering has nothing to tell either.
        if let Ok(Ok(response)) = told {
            let told = read(Ok(response)).await;
            if told != "200 " {
                _ = writeln!(leaks, "{name}: {told}");
            }
        }
    }
    assert!(leaks.is_empty(), "{leaks}");
}
