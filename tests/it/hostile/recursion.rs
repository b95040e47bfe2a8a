//! Recursion, by itself and through whatever of the platform calls back: a RangeError or its like, never the end
//! of the process.

use isobase_base::FailureKind::{CpuLimit, Crashed, MemoryLimit};

use super::{End, Hostile, check};

const LIMITS: &str = "cpu = \"5s\"\nmemory = \"128MiB\"\nidle = \"60s\"";

/// Answers `RangeError` or another error's name; or `done` where it is no recursion after all.
const fn caught(name: &'static str, attack: &'static str) -> Hostile {
    Hostile { name, attack, limits: LIMITS, end: End::AnswersOr("done", &[Crashed, MemoryLimit, CpuLimit]) }
}

const DEEP_CALLS: &[Hostile] = &[
    caught("plain", "const deep = () => 1 + deep(); deep(); return new Response('done');"),
    caught("async", "const deep = async () => await deep(); await deep(); return new Response('done');"),
    caught(
        "getters",
        "const object = { get deep() { return this.deep; } }; object.deep; return new Response('done');",
    ),
    caught(
        "proxies",
        "let proxy = {}; for (let i = 0; i < 200_000; i++) proxy = new Proxy(proxy, {}); proxy.x; return new Response('done');",
    ),
    caught(
        "proxy-of-itself",
        "const handler = { get: (_, name) => proxy[name] }; const proxy = new Proxy({}, handler); proxy.x; return new Response('done');",
    ),
    caught(
        "to-string",
        "const object = { toString() { return `${object}`; } }; String(object); return new Response('done');",
    ),
    caught(
        "prototype-chain",
        "let object = {}; for (let i = 0; i < 1e6; i++) object = Object.create(object); object.x; return new Response('done');",
    ),
    caught(
        "bound-functions",
        "let bound = () => 1; for (let i = 0; i < 1e6; i++) bound = bound.bind(null); bound(); return new Response('done');",
    ),
    caught(
        "ropes",
        "let text = 'x'; for (let i = 0; i < 1e6; i++) text = text + 'y' + i; text.charCodeAt(5); return new Response('done');",
    ),
    caught("spread", "Math.max(...new Array(1e6).fill(1)); return new Response('done');"),
    caught(
        "wasm-recursion",
        "const code = new Uint8Array([0,97,115,109,1,0,0,0, 1,4,1,96,0,0, 3,2,1,0, 7,5,1,1,102,0,0, 10,6,1,4,0,16,0,11]); (await WebAssembly.instantiate(code)).instance.exports.f(); return new Response('done');",
    ),
    caught(
        "in-an-error-handler",
        "const deep = () => { try { deep(); } finally { try { deep(); } catch { /* again */ } } }; try { deep(); } catch { /* enough */ } return new Response('done');",
    ),
    caught(
        "operations-deep-down",
        "const deep = () => { try { deep(); } catch { crypto.randomUUID(); new URL('https://example.com'); performance.now(); Deno.env.toObject(); } }; deep(); return new Response('done');",
    ),
    caught(
        "logging-deep-down",
        "const deep = () => { try { deep(); } catch { console.log('deep'); throw new Error('down'); } }; try { deep(); } catch { /* told */ } return new Response('done');",
    ),
];

#[tokio::test]
async fn deep_calls() {
    check(DEEP_CALLS).await;
}

const DEEP_DATA: &[Hostile] = &[
    caught("json-parsed", "JSON.parse('['.repeat(1e6) + ']'.repeat(1e6)); return new Response('done');"),
    caught(
        "json-written",
        "let deep = []; for (let i = 0; i < 1e6; i++) deep = [deep]; JSON.stringify(deep); return new Response('done');",
    ),
    caught(
        "json-answered",
        "let deep = {}; for (let i = 0; i < 1e6; i++) deep = { deep }; await Response.json(deep).text(); return new Response('done');",
    ),
    caught(
        "cloned",
        "let deep = []; for (let i = 0; i < 1e6; i++) deep = [deep]; structuredClone(deep); return new Response('done');",
    ),
    caught(
        "cloned-maps",
        "let deep = new Map(); for (let i = 0; i < 1e5; i++) deep = new Map([[deep, deep]]); structuredClone(deep); return new Response('done');",
    ),
    caught(
        "posted",
        "let deep = []; for (let i = 0; i < 1e6; i++) deep = [deep]; new MessageChannel().port1.postMessage(deep); return new Response('done');",
    ),
    caught(
        "logged",
        "let deep = {}; for (let i = 0; i < 1e5; i++) deep = { deep }; console.log(deep); console.log(Deno.inspect(deep, { depth: Infinity }).length); return new Response('done');",
    ),
    caught(
        "flattened",
        "let deep = []; for (let i = 0; i < 1e6; i++) deep = [deep]; deep.flat(Infinity); return new Response('done');",
    ),
    caught(
        "expression-groups",
        "new RegExp('('.repeat(1e5) + ')'.repeat(1e5)).test('x'); return new Response('done');",
    ),
    caught(
        "expression-lookaheads",
        "new RegExp('(?='.repeat(1e5) + 'x' + ')'.repeat(1e5)).test('x'); return new Response('done');",
    ),
    caught(
        "expression-stack",
        "new RegExp('(?:a?){1000}{1000}').test('a'.repeat(1e5)); return new Response('done');",
    ),
    caught(
        "expression-backtracking-stack",
        "/(?:.|\\n)*?(?:x|y)*z/.test('x'.repeat(5e6)); return new Response('done');",
    ),
    caught("source", "new Function('['.repeat(1e6))(); return new Response('done');"),
    caught(
        "source-of-functions",
        "new Function('(()=>'.repeat(1e5) + '1' + ')'.repeat(1e5)); return new Response('done');",
    ),
    caught(
        "source-of-operators",
        "new Function('return ' + '-'.repeat(1e5).split('').join(' ') + '1')(); return new Response('done');",
    ),
    caught(
        "source-of-templates",
        "new Function('return ' + '`${'.repeat(1e5) + '1' + '}`'.repeat(1e5))(); return new Response('done');",
    ),
    caught("deep-url", "new URL('https://example.com/' + '../'.repeat(1e5)); return new Response('done');"),
    caught(
        "deep-pattern",
        "new URLPattern({ pathname: '{'.repeat(1e4) + 'x' + '}?'.repeat(1e4) }); return new Response('done');",
    ),
    caught(
        "database-parameter",
        "const { query } = await import('isobase:host/database'); let deep = []; for (let i = 0; i < 1e5; i++) deep = [deep]; await query('select $1::json', [deep]); return new Response('done');",
    ),
    caught(
        "queue-message",
        "const { send } = await import('isobase:host/queue'); let deep = []; for (let i = 0; i < 1e5; i++) deep = [deep]; await send('nowhere', deep); return new Response('done');",
    ),
    caught(
        "broadcast",
        "const { publish } = await import('isobase:host/realtime'); let deep = []; for (let i = 0; i < 1e5; i++) deep = [deep]; publish('room', 'x', deep); return new Response('done');",
    ),
];

#[tokio::test]
async fn deep_data() {
    check(DEEP_DATA).await;
}
