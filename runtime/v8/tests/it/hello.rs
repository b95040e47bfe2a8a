//! The simplest functions, and what a handler sees of its request.

use bytes::Bytes;
use isobase_base::Body;

use crate::support::{answer, context, eventually, function, get, logged, post, read};

#[tokio::test]
async fn both_handler_styles_answer() {
    let served = answer("hello", "Deno.serve(() => new Response('hello'))").await;
    assert_eq!(served, "200 hello");
    let exported =
        answer("hello", "export default { fetch: async (request) => new Response(request.url) }").await;
    assert_eq!(exported, "200 http://localhost:54321/");
}

/// As the standard library's servers were written before there was `Deno.serve`.
const LISTENING: &str = "
    async function respond(event) {
        let response;
        try { response = await handle(event.request); } catch (error) { response = new Response(error.message, { status: 500 }); }
        await event.respondWith(response);
    }
    async function handle(request) {
        const path = new URL(request.url).pathname;
        if (path === '/throws') throw new Error('thrown');
        await new Promise((go) => setTimeout(go, path === '/slow' ? 20 : 0));
        return new Response(path + (await request.text()));
    }
    async function serve(connection) {
        const requests = Deno.serveHttp(connection);
        let event;
        while ((event = await requests.nextRequest()) !== null) respond(event);
    }
    (async () => {
        const listener = Deno.listen({ port: 8000, transport: 'tcp' });
        if (listener.addr.port !== 8000) throw new Error('port');
        for (;;) serve(await listener.accept());
    })();
";

#[tokio::test]
async fn who_listens_by_hand_is_served() {
    let worker = function("listening", LISTENING).boot().await.unwrap();
    let ask = async |path: &str| read(worker.invoke(post(path, "!"), context()).await).await;
    let (slow, fast, thrown) = tokio::join!(ask("/slow"), ask("/fast"), ask("/throws"));
    assert_eq!([slow, fast, thrown], ["200 /slow!", "200 /fast!", "500 thrown"]);
    let looped = "for await (const connection of Deno.listen({ port: 1 })) (async () => {
        for await (const event of Deno.serveHttp(connection)) event.respondWith(new Response(event.request.method));
    })();";
    assert_eq!(answer("looped", looped).await, "200 GET");
}

#[tokio::test]
async fn modules_that_wait_for_their_server_are_served() {
    let worker =
        function("awaits", "await Deno.serve(() => new Response('well')).finished;").boot().await.unwrap();
    for _ in 0..3 {
        assert_eq!(read(worker.invoke(get("/"), context()).await).await, "200 well");
    }
    let never =
        answer("never", "await new Promise(() => {}); Deno.serve(() => new Response('never'));").await;
    assert!(never.contains("Top-level await promise never resolved"), "{never}");
}

/// Work after an `await` still belongs to the request whose event was taken up.
#[tokio::test]
async fn who_listens_by_hand_works_for_its_requests() {
    let code = "(async () => {
        const requests = Deno.serveHttp(await Deno.listen({ port: 1 }).accept());
        for await (const event of requests) (async () => {
            const { request } = event;
            await new Promise((go) => setTimeout(go, 5));
            EdgeRuntime.waitUntil(new Promise((go) => setTimeout(go, 5)).then(() => console.log(`after ${request.url.at(-1)}`)));
            event.respondWith(new Response('well'));
        })();
    })();";
    let worker = function("listens", code).boot().await.unwrap();
    for path in ["/1", "/2"] {
        assert_eq!(read(worker.invoke(get(path), context()).await).await, "200 well");
    }
    eventually("both are kept until they have finished", || logged("listens").len() >= 2).await;
    assert_eq!(logged("listens").iter().filter(|line| line.contains("after")).count(), 2);
}

#[tokio::test]
async fn a_handler_sees_method_url_headers_body_and_peer() {
    let worker = function(
        "echo",
        r#"Deno.serve({ port: 1 }, async (request, info) => {
            const body = await request.json();
            return Response.json({
                method: request.method,
                url: request.url,
                header: request.headers.get("x-tag"),
                peer: info.remoteAddr.hostname,
                body,
            }, { status: 201, headers: { "x-reply": "yes" } });
        })"#,
    )
    .boot()
    .await
    .unwrap();
    let mut request = post("/echo?x=1", r#"{"a":[1,2]}"#);
    request.headers_mut().insert("x-tag", "t".parse().unwrap());
    let response = worker.invoke(request, context()).await.unwrap();
    assert_eq!(response.headers()["x-reply"], "yes");
    assert_eq!(response.headers()["content-type"], "application/json");
    let text = read(Ok(response)).await;
    assert_eq!(
        text,
        r#"201 {"method":"POST","url":"http://localhost:54321/echo?x=1","header":"t","peer":"192.0.2.7","body":{"a":[1,2]}}"#
    );
}

#[tokio::test]
async fn a_worker_serves_many_requests_at_once() {
    let worker = function(
        "many",
        "Deno.serve(async (request) => {
            await new Promise((resolve) => setTimeout(resolve, 5));
            return new Response(new URL(request.url).pathname);
        })",
    )
    .boot()
    .await
    .unwrap();
    let answers = (0..50).map(|n| {
        let worker = worker.clone();
        async move { read(worker.invoke(get(&format!("/{n}")), context()).await).await }
    });
    let answers = futures::future::join_all(answers).await;
    for (n, answer) in answers.iter().enumerate() {
        assert_eq!(*answer, format!("200 /{n}"));
    }
}

#[tokio::test]
async fn bodies_read_the_same_however_they_arrive() {
    let worker = function(
        "bodies",
        "Deno.serve(async (request) => new Response(
            new URL(request.url).pathname === '/json' ? (await request.json()).key : await request.text()))",
    )
    .boot()
    .await
    .unwrap();
    let chunks = |chunks: &[&'static str]| -> Body {
        let chunks: Vec<_> = chunks.iter().map(|chunk| Ok(Bytes::from_static(chunk.as_bytes()))).collect();
        Body::from_stream(futures::stream::iter(chunks))
    };
    let late = Body::from_stream(futures::stream::once(async {
        tokio::task::yield_now().await;
        Ok(Bytes::from_static(b"{\"key\":\"late\"}"))
    }));
    for (body, text) in [
        (Body::from("{\"key\":\"whole\"}"), "whole"),
        (chunks(&["{\"key\":\"one\"}"]), "one"),
        (chunks(&["{\"key\":", "\"two\"}"]), "two"),
        (late, "late"),
    ] {
        let answer = worker.invoke(post("/json", body), context()).await;
        assert_eq!(read(answer).await, format!("200 {text}"));
    }
    for (body, text) in [(Body::Empty, ""), (chunks(&[]), ""), (chunks(&["a", "", "b"]), "ab")] {
        let answer = worker.invoke(post("/text", body), context()).await;
        assert_eq!(read(answer).await, format!("200 {text}"));
    }
}

#[tokio::test]
async fn the_smallest_memory_is_enough_for_hello() {
    let smallest = isobase_base::limits::FUNCTION_MEMORY_SETTING_MIN >> 20;
    let function = function("small", "Deno.serve(() => new Response('hello'))").memory(smallest);
    let worker = function.boot().await.unwrap();
    for _ in 0..1000 {
        assert_eq!(read(worker.invoke(get("/"), context()).await).await, "200 hello");
    }
}
