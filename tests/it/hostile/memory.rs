//! Memory without an end, in each of the forms it comes in: the function ends at its limit, and the host does not
//! grow by much more.

use isobase_base::FailureKind::{CpuLimit, Crashed, MemoryLimit};

use super::streams::Unread;
use super::{End, Hostile, SHORT, SMALL, check, field, lines_about, resident, run, start};
use crate::app::Project;

const FULL: End = End::Fails(&[MemoryLimit]);
/// An allocation that JavaScript itself refuses throws; in a loop around it, memory or time is spent.
const FULL_OR_REFUSED: End = End::Fails(&[MemoryLimit, Crashed, CpuLimit]);

const fn full(name: &'static str, attack: &'static str) -> Hostile {
    Hostile { name, attack, limits: SMALL, end: FULL }
}

/// The platform refuses the next one, and throws.
const fn refused(name: &'static str, attack: &'static str) -> Hostile {
    Hostile { name, attack, limits: SMALL, end: End::Fails(&[Crashed, MemoryLimit]) }
}

/// Each takes longer than the one before, so that time may be spent first.
const fn spent(name: &'static str, attack: &'static str) -> Hostile {
    Hostile { name, attack, limits: SHORT, end: End::Fails(&[CpuLimit, MemoryLimit]) }
}

const FLOODS_OF_OBJECTS: &[Hostile] = &[
    full("array-buffers", "const all = []; for (;;) all.push(new ArrayBuffer(1 << 20));"),
    full(
        "shared-buffers",
        "const Shared = globalThis.SharedArrayBuffer ?? ArrayBuffer; const all = []; for (;;) all.push(new Shared(1 << 20));",
    ),
    full(
        "growing-buffer",
        "const all = []; for (;;) { const buffer = new ArrayBuffer(0, { maxByteLength: 1 << 24 }); buffer.resize(1 << 24); new Uint8Array(buffer).fill(1); all.push(buffer); }",
    ),
    full(
        "flat-strings",
        "const all = []; let text = 'ab'; for (;;) { if (text.length < 1 << 24) text += text; all.push((text + all.length).split('').length); all.push(JSON.stringify(text + all.length)); }",
    ),
    full("arrays", "const all = []; for (;;) all.push(new Array(10_000).fill(1.5));"),
    full("map", "const map = new Map(); for (let i = 0; ; i++) map.set(i, { i });"),
    full("set-of-symbols", "const all = new Set(); for (;;) all.add(Symbol('x'.repeat(50)));"),
    full("objects", "const object = {}; for (let i = 0; ; i++) object['key' + i] = { i };"),
    full("closures", "const all = []; for (let i = 0; ; i++) all.push(() => i);"),
    full(
        "blobs",
        "const all = []; const part = new Uint8Array(1 << 20); for (;;) all.push(new Blob([part]));",
    ),
    full(
        "object-urls",
        "const part = new Uint8Array(1 << 20); for (;;) URL.createObjectURL(new Blob([part]));",
    ),
    full(
        "clones",
        "const all = []; const one = new Array(10_000).fill('x'); for (;;) all.push(structuredClone(one));",
    ),
    refused(
        "messages",
        "const { port1 } = new MessageChannel(); const text = 'x'.repeat(1 << 20); for (;;) port1.postMessage(text);",
    ),
    full(
        "caught-refusals",
        "const all = []; for (;;) try { all.push(new Uint8Array(1 << 22)); } catch { /* go on */ }",
    ),
    full(
        "files",
        "for (let i = 0; ; i++) try { Deno.writeFileSync(`/tmp/${i % 9000}`, new Uint8Array(1 << 20)); } catch { globalThis.all ??= []; all.push(new Uint8Array(1 << 20)); }",
    ),
    full(
        "wasm-growth",
        "const memory = new WebAssembly.Memory({ initial: 1 }); for (;;) { memory.grow(16); new Uint8Array(memory.buffer).fill(1); }",
    ),
    full(
        "wasm-memories",
        "const all = []; for (;;) { const memory = new WebAssembly.Memory({ initial: 16 }); new Uint8Array(memory.buffer).fill(1); all.push(memory); }",
    ),
    full("parsed", "JSON.parse('[' + '[],'.repeat(5e6) + '0]');"),
    full(
        "request-body",
        "const all = []; for (;;) all.push(await new Response('x'.repeat(1 << 20)).arrayBuffer());",
    ),
];

#[tokio::test]
async fn floods_of_objects() {
    check(FLOODS_OF_OBJECTS).await;
}

const FLOODS_OF_THE_PLATFORMS_OWN_OBJECTS: &[Hostile] = &[
    full(
        "headers",
        "const all = []; for (;;) { const headers = new Headers(); for (let i = 0; i < 100; i++) headers.append('x-' + i, 'y'.repeat(100)); all.push(headers); }",
    ),
    full(
        "urls",
        "const all = []; for (let i = 0; ; i++) all.push(new URL('https://example.com/' + 'x'.repeat(1000) + i));",
    ),
    full(
        "requests",
        "const all = []; for (let i = 0; ; i++) all.push(new Request('https://example.com/' + i, { method: 'POST', body: 'x'.repeat(1000) + i }));",
    ),
    full(
        "search-parameters",
        "const all = new URLSearchParams(); for (let i = 0; ; i++) all.append('x' + i, 'y'.repeat(1000) + i);",
    ),
    full(
        "forms",
        "const all = new FormData(); for (let i = 0; ; i++) all.append('x' + i, 'y'.repeat(1000) + i);",
    ),
    spent("listeners", "const target = new EventTarget(); for (;;) target.addEventListener('x', () => {});"),
    full(
        "abort-signals",
        "const all = []; for (;;) all.push(AbortSignal.any([new AbortController().signal]));",
    ),
    full("marks", "for (let i = 0; ; i++) performance.mark('x'.repeat(100) + i);"),
    full("streams", "const all = []; for (;;) all.push(new TransformStream());"),
    full(
        "queued-chunks",
        "new ReadableStream({ start(controller) { for (;;) controller.enqueue(new Uint8Array(1 << 20)); } });",
    ),
    full("encoders", "const all = []; for (;;) all.push(new TextEncoder().encode('x'.repeat(1 << 20)));"),
];

#[tokio::test]
async fn floods_of_the_platforms_own_objects() {
    check(FLOODS_OF_THE_PLATFORMS_OWN_OBJECTS).await;
}

#[tokio::test]
async fn single_allocations_beyond_all_bounds() {
    let cases = [
        ("huge-array", "return new Response(String(new Array(2 ** 32 - 1).fill(0).length));"),
        ("huge-dense-array", "const all = []; for (;;) all.push(new Array(3e7).fill(0));"),
        ("huge-view", "return new Response(new Uint8Array(4e9));"),
        ("doubled-string", "let text = 'x'; for (;;) text += text;"),
        ("repeated-string", "return new Response('x'.repeat(2 ** 29 - 24));"),
        ("joined-string", "return new Response(new Array(1e7).fill('x'.repeat(50)).join());"),
        ("huge-number", "return new Response(String(2n ** (2n ** 30n - 1n)).slice(0, 1));"),
        (
            "huge-wasm-memory",
            "const memory = new WebAssembly.Memory({ initial: 16_384 }); new Uint8Array(memory.buffer).fill(1); return new Response('filled');",
        ),
        (
            "huge-wasm-table",
            "return new Response(String(new WebAssembly.Table({ initial: 10_000_000, element: 'anyfunc' }).length));",
        ),
        ("huge-set", "const all = new Set(); for (let i = 0; ; i++) all.add(i);"),
        (
            "huge-source",
            "return new Response(String(new Function('return [' + '1,'.repeat(2.5e7) + ']')().length));",
        ),
        ("huge-json", "return Response.json(new Array(1e7).fill({ a: 1 }));"),
        ("huge-base64", "return new Response(btoa('x'.repeat(1e8)));"),
        ("huge-random", "return new Response(crypto.getRandomValues(new Uint8Array(1e9)));"),
    ];
    let cases = cases.map(|(name, attack)| Hostile { name, attack, limits: SMALL, end: FULL_OR_REFUSED });
    check(&cases).await;
}

/// Responses are copied for the host to send: as many as there are clients that do not read them.
#[tokio::test]
async fn large_responses_for_clients_that_do_not_read() {
    let cases = [Hostile {
        name: "large-response",
        attack: "globalThis.large ??= new Uint8Array(12 << 20); return new Response(large);",
        limits: "memory = \"64MiB\"\ncpu = \"20s\"",
        end: End::Answers("-"),
    }];
    let app = start(&cases).await;
    let before = resident(&app);
    let mut unread = Vec::new();
    for _ in 0..40 {
        unread.push(Unread::open(&app, "/functions/v1/large-response").await);
    }
    let statuses: Vec<u16> = unread.iter().map(|response| response.status).collect();
    assert!(statuses.contains(&200), "{statuses:?}");
    assert!(statuses.contains(&546), "those beyond the limit are refused: {statuses:?}");
    let grown = resident(&app).saturating_sub(before);
    assert!(grown < 400, "the host grew by {grown} MiB; 40 responses have 480");
    drop(unread);
    app.until("there is room again", || async {
        app.call("GET", "/functions/v1/large-response").send().await.status == 200
    })
    .await;
}

/// One after another on one host: what each took comes back.
#[tokio::test]
async fn what_hostile_functions_took_comes_back() {
    let case = full("hoard", "const all = []; for (;;) all.push(new Uint8Array(1 << 20).fill(1));");
    let app = start(&[case]).await;
    let case = full("hoard", "");
    for _ in 0..3 {
        run(&app, &case).await.unwrap();
    }
    let before = resident(&app);
    for _ in 0..15 {
        run(&app, &case).await.unwrap();
    }
    app.until("memory comes back", || async { resident(&app) < before + 64 }).await;
}

/// Each behaves; together they hold more than they may. Who is idle longest goes, who is at work stays.
#[tokio::test]
async fn functions_that_hold_too_much_together() {
    let project = Project::empty().with_flags(&["--function-memory", "120MiB"]);
    let source = "const kept = new Uint8Array(25 << 20).fill(1);
        Deno.serve((request) => request.url.endsWith('/stream')
            ? new Response(new ReadableStream({ start(controller) { controller.enqueue(kept.subarray(0, 9)); } }))
            : new Response(String(kept.length)));";
    for index in 0..7 {
        project.configure(&format!("[functions.large-{index}]\nverify_jwt = false"));
        project.function(&format!("large-{index}"), source);
    }
    let app = project.start().await;
    let at_work = Unread::open(&app, "/functions/v1/large-0/stream").await;
    assert_eq!(at_work.status, 200);
    for index in 1..7 {
        let answer = app.call("GET", &format!("/functions/v1/large-{index}")).send().await;
        assert_eq!(answer.text(), (25 << 20).to_string(), "{index}");
    }
    let is_retired =
        |name: &str| lines_about(&app, name).iter().any(|line| field(line, "reason") == "memory_pressure");
    app.until("the one idle longest goes", || async { is_retired("large-1") }).await;
    assert!(!is_retired("large-0"), "a request is in flight there");
    app.until("the host says why", || async {
        app.project.log().contains("functions held more memory than they may together")
    })
    .await;
    assert_eq!(app.call("GET", "/functions/v1/large-1").send().await.status, 200, "it comes back when asked");
    drop(at_work);
    app.stop().await;
}
