//! Work without an end: timers, promises, expressions, WebAssembly, and places where scripts are called that
//! are no handler.

use isobase_base::FailureKind::{CpuLimit, Crashed, IdleTimeout, MemoryLimit};

use super::{End, Hostile, SHORT, check, field, lines_about, start};

const NEVER: End = End::Fails(&[CpuLimit]);
/// Whatever is spent first.
const SPENT: End = End::Fails(&[CpuLimit, MemoryLimit]);

const LOOPS_OF_TIMERS_AND_PROMISES: &[Hostile] = &[
    Hostile {
        name: "timeout-bomb",
        attack: "const fork = () => { setTimeout(fork); setTimeout(fork); }; fork(); return new Promise(() => {});",
        limits: SHORT,
        end: SPENT,
    },
    Hostile {
        name: "interval-flood",
        attack: "for (;;) setInterval(() => {}, 0);",
        limits: SHORT,
        end: SPENT,
    },
    Hostile {
        name: "intervals",
        attack: "for (let i = 0; i < 10_000; i++) setInterval(() => {}, 0); return new Promise(() => {});",
        limits: SHORT,
        end: SPENT,
    },
    Hostile {
        name: "immediate-loop",
        attack: "const again = () => setImmediate(again); again(); return new Promise(() => {});",
        limits: SHORT,
        end: NEVER,
    },
    Hostile {
        name: "microtask-loop",
        attack: "const again = () => queueMicrotask(again); again(); return new Promise(() => {});",
        limits: SHORT,
        end: NEVER,
    },
    Hostile {
        name: "microtask-bomb",
        attack: "const fork = () => { queueMicrotask(fork); queueMicrotask(fork); }; fork(); return new Promise(() => {});",
        limits: SHORT,
        end: SPENT,
    },
    Hostile {
        name: "promise-chain",
        attack: "const again = () => Promise.resolve().then(again); await again();",
        limits: SHORT,
        end: SPENT,
    },
    Hostile {
        name: "thenable-loop",
        attack: "const thenable = { then(resolve) { resolve(thenable); } }; await thenable;",
        limits: SHORT,
        end: SPENT,
    },
    Hostile {
        name: "messages-to-itself",
        attack: "const { port1, port2 } = new MessageChannel(); port2.onmessage = () => port1.postMessage(0); port1.postMessage(0); return new Promise(() => {});",
        limits: SHORT,
        end: NEVER,
    },
    Hostile {
        name: "never-settles",
        attack: "return new Promise(() => {});",
        limits: "idle = \"300ms\"",
        end: End::Fails(&[IdleTimeout]),
    },
];

#[tokio::test]
async fn loops_of_timers_and_promises() {
    check(LOOPS_OF_TIMERS_AND_PROMISES).await;
}

const COMPUTATIONS_WITHOUT_AN_END: &[Hostile] = &[
        Hostile {
            name: "regular-expression",
            attack: "return new Response(String(/(a+)+$/.test('a'.repeat(40) + '!')));",
            limits: SHORT,
            end: NEVER,
        },
        Hostile {
            name: "replaced-expression",
            attack: "return new Response('x'.repeat(50_000).replace(/(x+x+)+y/g, ''));",
            limits: SHORT,
            end: NEVER,
        },
        Hostile {
            name: "url-pattern",
            attack: "return new Response(String(new URLPattern({ pathname: '/((?:a+)+)b' }).test({ pathname: '/' + 'a'.repeat(40) })));",
            limits: SHORT,
            end: NEVER,
        },
        Hostile {
            name: "large-numbers",
            attack: "let number = 3n; for (;;) number = number * number % (2n ** 20_000_000n);",
            limits: SHORT,
            end: SPENT,
        },
        Hostile {
            name: "sort",
            attack: "new Array(1e6).fill(0).sort(() => { for (;;); });",
            limits: SHORT,
            end: NEVER,
        },
        Hostile {
            name: "generator",
            attack: "Array.from(function* () { for (;;) yield; }(), () => 0);",
            limits: SHORT,
            end: SPENT,
        },
        Hostile {
            name: "wasm-loop",
            attack: "const code = new Uint8Array([0,97,115,109,1,0,0,0, 1,4,1,96,0,0, 3,2,1,0, 7,5,1,1,102,0,0, 10,9,1,7,0,3,64,12,0,11,11]);
                (await WebAssembly.instantiate(code)).instance.exports.f();",
            limits: SHORT,
            end: NEVER,
        },
        Hostile {
            name: "wasm-start-loop",
            attack: "const code = new Uint8Array([0,97,115,109,1,0,0,0, 1,4,1,96,0,0, 3,2,1,0, 8,1,0, 10,9,1,7,0,3,64,12,0,11,11]);
                new WebAssembly.Instance(new WebAssembly.Module(code));",
            limits: SHORT,
            end: NEVER,
        },
        Hostile {
            name: "code-from-text",
            attack: "new Function('for (;;);')();",
            limits: SHORT,
            end: NEVER,
        },
];

#[tokio::test]
async fn computations_without_an_end() {
    check(COMPUTATIONS_WITHOUT_AN_END).await;
}

const SCRIPTS_WHERE_ERRORS_ARE_DESCRIBED: &[Hostile] = &[
    Hostile {
        name: "prepare-stack-trace",
        attack: "Error.prepareStackTrace = () => { for (;;); }; throw new Error('x');",
        limits: SHORT,
        end: End::Fails(&[CpuLimit, Crashed]),
    },
    Hostile {
        name: "message-getter",
        attack: "throw Object.defineProperty(new Error('x'), 'message', { get() { for (;;); } });",
        limits: SHORT,
        end: NEVER,
    },
    Hostile {
        name: "cause-getter",
        attack: "const error = new Error('x'); error.stack; Object.defineProperty(error, 'cause', { get() { for (;;); } }); throw error;",
        limits: SHORT,
        end: NEVER,
    },
    Hostile {
        name: "causes-without-end",
        attack: "const next = () => Object.defineProperty(new Error('x'), 'cause', { get: next }); throw next();",
        limits: SHORT,
        end: End::Fails(&[Crashed]),
    },
    Hostile {
        name: "chain-of-causes",
        attack: "let error; for (let i = 0; i < 20_000; i++) error = new Error('x', { cause: error }); throw error;",
        limits: "",
        end: End::Fails(&[Crashed]),
    },
    Hostile {
        name: "tree-of-errors",
        attack: "let error = new Error('leaf'); for (let i = 0; i < 200; i++) error = new AggregateError([error, error, error]); throw error;",
        limits: "",
        end: End::Fails(&[Crashed]),
    },
    Hostile {
        name: "thrown-to-string",
        attack: "throw { toString() { for (;;); } };",
        limits: SHORT,
        end: End::Fails(&[CpuLimit, Crashed]),
    },
    Hostile {
        name: "thrown-to-primitive",
        attack: "throw { [Symbol.toPrimitive]() { for (;;); }, get [Symbol.toStringTag]() { for (;;); } };",
        limits: SHORT,
        end: End::Fails(&[CpuLimit, Crashed]),
    },
    Hostile {
        name: "thrown-proxy",
        attack: "throw new Proxy(new Error('x'), { get() { for (;;); }, getPrototypeOf() { for (;;); } });",
        limits: SHORT,
        end: End::Fails(&[CpuLimit, Crashed]),
    },
    Hostile {
        name: "logged-inspection",
        attack: "console.log({ [Symbol.for('Deno.customInspect')]() { for (;;); } });",
        limits: SHORT,
        end: NEVER,
    },
    Hostile {
        name: "logged-json",
        attack: "console.log('%j', { toJSON() { for (;;); } });",
        limits: SHORT,
        end: NEVER,
    },
    Hostile {
        name: "stacks-without-limit",
        attack: "Error.stackTraceLimit = Infinity; const deep = (n) => { if (n === 0) throw new Error('deep'); deep(n - 1); }; deep(5000);",
        limits: "",
        end: End::Fails(&[Crashed]),
    },
    Hostile {
        name: "huge-message",
        attack: "throw new Error('x'.repeat(20_000_000));",
        limits: "memory = \"128MiB\"",
        end: End::Fails(&[Crashed]),
    },
    Hostile {
        name: "huge-text-thrown",
        attack: "throw 'x'.repeat(20_000_000);",
        limits: "memory = \"128MiB\"",
        end: End::Fails(&[Crashed]),
    },
];

#[tokio::test]
async fn scripts_where_errors_are_described() {
    check(SCRIPTS_WHERE_ERRORS_ARE_DESCRIBED).await;
}

/// The client has its answer; what goes on is ended all the same, and told in the log.
#[tokio::test]
async fn what_answered_requests_leave_behind() {
    let answers = |name, attack| Hostile { name, attack, limits: SHORT, end: End::Answers("done") };
    let cases = [
        answers(
            "wait-until-loop",
            "EdgeRuntime.waitUntil(new Promise(() => setTimeout(() => { for (;;); }, 20))); return new Response('done');",
        ),
        answers("timer-left", "setTimeout(() => { for (;;); }, 0); return new Response('done');"),
        answers(
            "interval-left",
            "setInterval(() => { for (const end = Date.now() + 20; Date.now() < end;); }, 0); return new Response('done');",
        ),
        answers(
            "microtasks-left",
            "setTimeout(() => { const again = () => queueMicrotask(again); again(); }); return new Response('done');",
        ),
        answers(
            "finalization-loop",
            "new FinalizationRegistry(() => { for (;;); }).register({}, 0); setInterval(() => { for (let i = 0; i < 1000; i++) new Array(1000).fill({}); }); return new Response('done');",
        ),
        answers(
            "before-unload-loop",
            "addEventListener('beforeunload', () => { for (;;); }); EdgeRuntime.waitUntil((async () => { for (;;) { for (const end = Date.now() + 20; Date.now() < end;); await new Promise((go) => setTimeout(go)); } })()); return new Response('done');",
        ),
    ];
    let app = start(&cases).await;
    for case in &cases {
        super::run(&app, case).await.unwrap_or_else(|why| panic!("{}: {why}", case.name));
        app.until(case.name, || async {
            let lines = lines_about(&app, case.name);
            let is_told =
                lines.iter().any(|line| field(line, "message").contains("more than 300 ms of CPU time"));
            is_told && lines.iter().any(|line| field(line, "reason") == "cpu")
        })
        .await;
        assert_eq!(app.call("GET", "/functions/v1/neighbour").send().await.text(), "well", "{}", case.name);
    }
}

/// The request is given up by its client; the listener that hears of it never ends.
#[tokio::test]
async fn a_listener_that_runs_away_when_the_client_leaves() {
    let cases = [Hostile {
        name: "abort-loop",
        attack: "request.signal.addEventListener('abort', () => { for (;;); }); return new Promise(() => {});",
        limits: SHORT,
        end: End::Answers("-"),
    }];
    let app = start(&cases).await;
    let call = app.call("POST", "/functions/v1/abort-loop").text("{}").try_send();
    let left = tokio::time::timeout(std::time::Duration::from_millis(300), call).await;
    assert!(left.is_err(), "the client goes while nobody answers");
    app.until("the function is ended for it", || async {
        lines_about(&app, "abort-loop").iter().any(|line| field(line, "reason") == "cpu")
    })
    .await;
    assert_eq!(app.call("GET", "/functions/v1/abort-loop/again").send().await.text(), "well");
}
