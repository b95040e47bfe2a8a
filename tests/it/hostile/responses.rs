//! What handlers return that is no response, or one that misbehaves.

use isobase_base::FailureKind::{Crashed, InvalidResponse};

use super::{End, Hostile, check};
use crate::app::Project;

const fn invalid(name: &'static str, attack: &'static str) -> Hostile {
    Hostile { name, attack, limits: "", end: End::Fails(&[InvalidResponse]) }
}

const fn crashed(name: &'static str, attack: &'static str) -> Hostile {
    Hostile { name, attack, limits: "", end: End::Fails(&[Crashed]) }
}

const fn done(name: &'static str, attack: &'static str) -> Hostile {
    Hostile { name, attack, limits: "", end: End::Answers("done") }
}

const fn breaks_off(name: &'static str, attack: &'static str) -> Hostile {
    Hostile { name, attack, limits: "wall_clock = \"1s\"", end: End::BreaksOff }
}

const VALUES_THAT_ARE_NO_RESPONSES: &[Hostile] = &[
    invalid("nothing", "return;"),
    invalid("null", "return null;"),
    invalid("text", "return 'done';"),
    invalid("number", "return 200;"),
    invalid("symbol", "return Symbol('x');"),
    invalid("function", "return () => new Response('x');"),
    invalid("class", "return Response;"),
    invalid("prototype", "return Response.prototype;"),
    invalid("looks-alike", "return { status: 200, headers: new Headers(), body: 'x' };"),
    done("inherits", "return Object.create(new Response('done'));"),
    invalid("throwing-getter", "return { get status() { throw new Error('x'); } };"),
    done("proxy", "return new Proxy(new Response('done'), {});"),
    crashed("proxy-with-traps", "return new Proxy(new Response('x'), { get() { throw new Error('x'); } });"),
    invalid(
        "proxy-without-prototype",
        "return new Proxy(new Response('x'), { getPrototypeOf() { throw new Error('x'); } });",
    ),
    invalid("error", "return Response.error();"),
    invalid("used", "const response = new Response('x'); await response.text(); return response;"),
    Hostile {
        name: "locked",
        attack: "const response = new Response('done'); response.body.getReader(); return response;",
        limits: "",
        end: End::AnswersOr("done", &[InvalidResponse]),
    },
    crashed("throws-response", "throw new Response('x');"),
    crashed("throws-nothing", "throw undefined;"),
    crashed("throws-null", "throw null;"),
    crashed("rejects-thenable", "return { then(_, reject) { reject(new Error('x')); } };"),
    crashed("throws-in-then", "return { get then() { throw new Error('x'); } };"),
    crashed("status-too-small", "return new Response('x', { status: 99 });"),
    invalid("status-of-upgrades", "return new Response(null, { status: 101 });"),
    crashed("status-too-large", "return new Response('x', { status: 600 });"),
    crashed("header-with-line-break", "return new Response('x', { headers: { 'x-a': 'b\\r\\nx-c: d' } });"),
    crashed("header-without-name", "return new Response('x', { headers: { '': 'x' } });"),
    crashed("header-beyond-bytes", "return new Response('x', { headers: { 'x-a': '\\u{1F600}' } });"),
];

#[tokio::test]
async fn values_that_are_no_responses() {
    check(VALUES_THAT_ARE_NO_RESPONSES).await;
}

const RESPONSES_THAT_MISBEHAVE: &[Hostile] = &[
    done(
        "overridden",
        "class Own extends Response { get status() { throw new Error('x'); } get body() { throw new Error('x'); } get headers() { throw new Error('x'); } } return new Own('done');",
    ),
    done(
        "own-properties",
        "const response = new Response('done'); for (const name of ['status', 'headers', 'body', 'bodyUsed', 'type']) Object.defineProperty(response, name, { get() { throw new Error('x'); } }); return response;",
    ),
    done("frozen", "return Object.freeze(new Response('done'));"),
    Hostile {
        name: "internals-overwritten",
        attack: "const response = new Response('done'); for (const symbol of Object.getOwnPropertySymbols(response)) try { response[symbol] = { get x() { throw 1; } }; } catch { /* read-only */ } return response;",
        limits: "",
        end: End::AnswersOr("done", &[InvalidResponse, Crashed]),
    },
    Hostile {
        name: "internals-of-the-request",
        attack: "for (const symbol of Object.getOwnPropertySymbols(request)) try { request[symbol] = undefined; } catch { /* read-only */ } return new Response('done');",
        limits: "",
        end: End::AnswersOr("done", &[InvalidResponse, Crashed]),
    },
    done(
        "answered-twice",
        "const response = new Response('done'); setTimeout(() => Promise.resolve(response)); return response;",
    ),
    done("length-too-short", "return new Response('done', { headers: { 'content-length': '1' } });"),
    done("length-too-long", "return new Response('done', { headers: { 'content-length': '100' } });"),
    done("length-nonsense", "return new Response('done', { headers: { 'content-length': '-1' } });"),
    done(
        "framing",
        "return new Response('done', { headers: { 'transfer-encoding': 'chunked', connection: 'close, x-a', 'x-a': 'b', 'keep-alive': '1', upgrade: 'x', trailer: 'x' } });",
    ),
    invalid(
        "many-headers",
        "const headers = new Headers(); for (let i = 0; i < 5_000; i++) headers.append('x-' + i, 'b'); return new Response('x', { headers });",
    ),
    invalid("large-header", "return new Response('x', { headers: { 'x-a': 'b'.repeat(1e7) } });"),
    breaks_off(
        "stream-that-fails",
        "return new Response(new ReadableStream({ pull(controller) { controller.enqueue(new Uint8Array(10)); controller.error(new Error('x')); } }));",
    ),
    breaks_off(
        "stream-that-fails-later",
        "let chunks = 0; return new Response(new ReadableStream({ async pull(controller) { await new Promise((go) => setTimeout(go, 5)); if (chunks++ > 3) throw new Error('x'); controller.enqueue(new Uint8Array(10)); } }));",
    ),
    breaks_off(
        "stream-of-objects",
        "return new Response(new ReadableStream({ pull(controller) { controller.enqueue({ length: 5 }); } }));",
    ),
    breaks_off(
        "stream-of-text",
        "return new Response(new ReadableStream({ pull(controller) { controller.enqueue('text'); } }));",
    ),
    breaks_off(
        "stream-that-stops",
        "return new Response(new ReadableStream({ start(controller) { controller.enqueue(new Uint8Array(10)); }, pull() { return new Promise(() => {}); } }));",
    ),
];

#[tokio::test]
async fn responses_that_misbehave() {
    check(RESPONSES_THAT_MISBEHAVE).await;
}

#[tokio::test]
async fn the_handler_that_was_registered_last_answers() {
    let project = Project::empty();
    project.configure("[functions.twice]\nverify_jwt = false");
    project.function(
        "twice",
        "Deno.serve(() => new Response('first')); const server = Deno.serve({ port: 8000, onListen() {} }, () => new Response('second')); server.ref(); server.unref();",
    );
    let app = project.start().await;
    assert_eq!(app.call("GET", "/functions/v1/twice").send().await.text(), "second");
    app.stop().await;
}

/// A request whose promise rejects where nobody listens ends the isolate, as it ends a Deno process; who is
/// beside it is told so, and the next request finds a new isolate.
#[tokio::test]
async fn rejections_that_nobody_handles() {
    let cases = [
        crashed(
            "rejects-unheard",
            "Promise.reject(new Error('nobody listens')); return new Promise(() => {});",
        ),
        crashed(
            "throws-in-a-timer",
            "setTimeout(() => { throw new Error('later'); }); return new Promise(() => {});",
        ),
        crashed(
            "throws-in-a-microtask",
            "queueMicrotask(() => { throw new Error('soon'); }); return new Promise(() => {});",
        ),
        crashed(
            "throws-in-a-listener",
            "const target = new EventTarget(); target.addEventListener('x', () => { throw new Error('told'); }); target.dispatchEvent(new Event('x')); return new Promise(() => {});",
        ),
        crashed(
            "rejects-with-a-trap",
            "Promise.reject(new Proxy({}, { get() { throw new Error('x'); } })); return new Promise(() => {});",
        ),
        done(
            "reports",
            "addEventListener('error', (event) => event.preventDefault()); reportError(new Error('x')); return new Response('done');",
        ),
    ];
    check(&cases).await;
}
