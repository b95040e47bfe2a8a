//! What a function must not reach: the host's own scripts and operations, files and modules it was not built
//! with.

use super::{End, Hostile, check};

const fn nothing(name: &'static str, attack: &'static str) -> Hostile {
    Hostile { name, attack, limits: "", end: End::Answers("") }
}

#[tokio::test]
async fn names_of_the_host() {
    check(&[
        nothing("globals", "return new Response(['__bootstrap', '__isobase', 'bootstrap', 'primordials', 'Worker', 'WebSocketStream'].filter((name) => name in globalThis).join());"),
        nothing("namespace", "return new Response([Deno.core, Deno.internal, Deno[Deno.internal], Deno[Symbol.for('Deno.internal')], Deno.dlopen, Deno.run, Deno.bundle].filter((one) => one !== undefined).join());"),
        nothing("symbols", "return new Response([globalThis, Deno, EdgeRuntime, Deno.env].flatMap((object) => Object.getOwnPropertySymbols(object).map((symbol) => object[symbol])).filter((one) => typeof one === 'object' && one !== null && ('ops' in one || 'core' in one)).length || '');"),
        nothing(
            "callers",
            "const seen = []; const sloppy = new Function('seen', 'return function handler() { try { seen.push(handler.caller); } catch { } try { seen.push(arguments.callee.caller); } catch { } };')(seen);
             [1, 2].map(sloppy); await Promise.resolve().then(sloppy); queueMicrotask(sloppy); setTimeout(sloppy, 0); addEventListener('told', sloppy); dispatchEvent(new Event('told')); new ReadableStream({ start: sloppy, pull: sloppy }); structuredClone({ get x() { return sloppy(); } }); new Headers({ [Symbol.iterator]: undefined, get x() { sloppy(); return 'y'; } });
             await new Promise((go) => setTimeout(go, 5)); return new Response(seen.filter((one) => typeof one === 'function').map((one) => one.name || String(one)).join());",
        ),
        nothing(
            "frames",
            "const seen = []; Error.prepareStackTrace = (_, frames) => { for (const frame of frames) seen.push(frame.getFunction?.(), frame.getThis?.()); return ''; };
             const look = () => { new Error('x').stack; return 'y'; }; look();
             new Headers({ get x() { return look(); } }); structuredClone({ get x() { return look(); } }); addEventListener('told', look); dispatchEvent(new Event('told')); console.log({ get [Symbol.toStringTag]() { return look(); } }); new URL({ toString() { look(); return 'https://example.com'; } }); new Response({ toString: look }); setTimeout(look); await new Promise((go) => setTimeout(go, 5));
             const own = [look, attack, globalThis];
             return new Response(seen.filter((one) => one !== undefined && one !== null && !own.includes(one) && typeof one === 'function' && !/look|attack|toString|get x/.test(one.name)).map((one) => one.name || String(one)).join());",
        ),
    ])
    .await;
}

#[tokio::test]
async fn modules_that_were_not_built_in() {
    const SPECIFIERS: &str = "const names = ['ext:core/ops', 'ext:core/mod.js', 'ext:deno_net/01_net.js', 'ext:isobase_runtime/serve.js', 'isobase:host/../core', 'isobase:internal', 'isobase:host/nothing', 'file:///etc/passwd', 'file:///etc/passwd.js', '/etc/passwd', '../../../../etc/passwd', 'https://127.0.0.1/x.js', 'http://127.0.0.1:1/x.js', 'npm:left-pad', 'jsr:@std/path', 'blob:null/1', 'checkin:x', 'internal:x', 'node:internal/bootstrap', 'node:ext'];";
    const IMPORTS: &str = "const got = []; for (const name of names) for (const load of loads) await load(name).then(() => got.push(name), () => {}); return new Response(got.join());";
    let attack =
        |loads: &str| -> &'static str { format!("{SPECIFIERS} const loads = [{loads}]; {IMPORTS}").leak() };
    check(&[
        nothing("imported", attack("(name) => import(name), (name) => import(name, { with: { type: 'json' } })")),
        nothing("imported-by-text", attack("async (name) => await new Function('name', 'return import(name)')(name), async (name) => await (0, eval)(`import(${JSON.stringify(name)})`)")),
        nothing(
            "imported-in-disguise",
            attack("async (name) => await (0, eval)(`import(${JSON.stringify(name)})\\n//# sourceURL=ext:core/mod.js`), async (name) => await new Function('name', 'return import(name)\\n//# sourceURL=ext:deno_web/02_event.js')(name), async (name) => await new (Object.getPrototypeOf(async () => {}).constructor)('name', 'return await import(name)\\n//# sourceURL=ext:core/00_primordials.js')(name)"),
        ),
        nothing("imported-by-a-module", attack("async (name) => await import('data:text/javascript,' + encodeURIComponent(`export * from ${JSON.stringify(name)}`))")),
    ])
    .await;
}
