//! The simplest functions, and what a handler sees of its request.

use bytes::Bytes;
use isobase_base::Body;

use crate::support::{answer, context, function, get, post, read};

#[tokio::test]
async fn both_handler_styles_answer() {
    let served = answer("hello", "Deno.serve(() => new Response('hello'))").await;
    assert_eq!(served, "200 hello");
    let exported =
        answer("hello", "export default { fetch: async (request) => new Response(request.url) }").await;
    assert_eq!(exported, "200 http://localhost:54321/");
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
