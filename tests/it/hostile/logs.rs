//! Floods of lines: their number and their length are bounded, and so is what the host keeps of them.

use isobase_base::limits::{GUEST_LOG_LINE_BYTES_MAX, GUEST_LOG_LINES_PER_10S_MAX};

use super::{End, Hostile, field, lines_about, resident, run, start};

const LIMITS: &str = "cpu = \"10s\"\nmemory = \"128MiB\"";

const fn flood(name: &'static str, attack: &'static str) -> Hostile {
    Hostile { name, attack, limits: LIMITS, end: End::Answers("done") }
}

#[tokio::test]
async fn lines_of_any_kind_are_counted_and_cut() {
    let cases = [
        flood(
            "short-lines",
            "for (let i = 0; i < 100_000; i++) console.log('line', i); return new Response('done');",
        ),
        flood(
            "long-lines",
            "const long = 'x'.repeat(1e6); for (let i = 0; i < 300; i++) console.log(long); return new Response('done');",
        ),
        flood(
            "objects",
            "const large = new Array(1000).fill({ a: 'x'.repeat(100) }); for (let i = 0; i < 300; i++) console.error(large); return new Response('done');",
        ),
        flood(
            "tables",
            "for (let i = 0; i < 300; i++) console.table([{ a: 1 }]); return new Response('done');",
        ),
        flood("traces", "for (let i = 0; i < 300; i++) console.trace('here'); return new Response('done');"),
        flood(
            "standard-output",
            "const { default: process } = await import('node:process'); for (let i = 0; i < 1000; i++) process.stdout.write('line ' + i + '\\n'); return new Response('done');",
        ),
        flood(
            "work-that-fails",
            "for (let i = 0; i < 1000; i++) EdgeRuntime.waitUntil(Promise.reject(new Error('x'.repeat(100_000)))); return new Response('done');",
        ),
        flood(
            "handled-rejections",
            "addEventListener('unhandledrejection', (event) => { event.preventDefault(); console.log('seen'); }); for (let i = 0; i < 1000; i++) Promise.reject(i); await new Promise((go) => setTimeout(go, 10)); return new Response('done');",
        ),
    ];
    let app = start(&cases).await;
    let before = resident(&app);
    for case in &cases {
        run(&app, case).await.unwrap_or_else(|why| panic!("{}: {why}", case.name));
        let lines = lines_about(&app, case.name);
        let written: Vec<_> = lines
            .iter()
            .filter(|line| line["target"] == "isobase::guest")
            .map(|line| field(line, "message").len())
            .collect();
        assert!(!written.is_empty(), "{}: nothing was written", case.name);
        // One worker for the attack, and perhaps one for the request after it.
        let most = 2 * GUEST_LOG_LINES_PER_10S_MAX as usize;
        assert!(written.len() <= most, "{}: {} lines", case.name, written.len());
        let longest = written.iter().max().copied().unwrap_or_default();
        assert!(longest <= GUEST_LOG_LINE_BYTES_MAX, "{}: a line of {longest} bytes", case.name);
    }
    let grown = resident(&app).saturating_sub(before);
    assert!(grown < 200, "the host grew by {grown} MiB");
    app.stop().await;
}
