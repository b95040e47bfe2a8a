//! Bodies that flow: both ways, with back-pressure, and stopping when nobody wants them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, stream};
use http::Request;
use http_body::Body as _;
use isobase_base::Body;

use crate::support::{context, eventually, function, get, post, read};

fn chunks(count: usize, taken: &Arc<AtomicUsize>) -> Body {
    let taken = taken.clone();
    Body::from_stream(stream::iter(0..count).map(move |_| {
        taken.fetch_add(1, Ordering::SeqCst);
        Ok(Bytes::from(vec![b'x'; 64 * 1024]))
    }))
}

async fn next_chunk(body: &mut Body) -> Option<Bytes> {
    let frame = std::future::poll_fn(|context| std::pin::Pin::new(&mut *body).poll_frame(context)).await?;
    Some(frame.unwrap().into_data().unwrap())
}

#[tokio::test]
async fn an_echo_streams_and_reads_no_faster_than_it_is_read() {
    let worker =
        function("echo", "Deno.serve((request) => new Response(request.body))").boot().await.unwrap();
    let taken = Arc::new(AtomicUsize::new(0));
    let response = worker.invoke(post("/", chunks(1000, &taken)), context()).await.unwrap();
    let mut body = response.into_body();
    let first = next_chunk(&mut body).await.unwrap();
    assert!(!first.is_empty());
    // What is under way is bounded by the channel and the streams' own queues.
    assert!(taken.load(Ordering::SeqCst) < 32, "{} chunks were taken ahead", taken.load(Ordering::SeqCst));
    let mut bytes = first.len();
    while let Some(chunk) = next_chunk(&mut body).await {
        bytes += chunk.len();
    }
    assert_eq!(bytes, 1000 * 64 * 1024);
}

#[tokio::test]
async fn a_script_transforms_a_stream() {
    let code = "Deno.serve((request) => new Response(request.body.pipeThrough(new TransformStream({
        transform(chunk, controller) { controller.enqueue(chunk.map((byte) => byte - 32)); },
    }))))";
    let worker = function("upper", code).boot().await.unwrap();
    let body = Body::from_stream(stream::iter(["ab", "cd"]).map(|text| Ok(Bytes::from(text))));
    assert_eq!(read(worker.invoke(post("/", body), context()).await).await, "200 ABCD");
}

#[tokio::test]
async fn a_dropped_response_stops_its_source_and_aborts_the_request() {
    let code = "const seen = { cancelled: 0, aborted: 0 };
        Deno.serve((request) => {
            if (new URL(request.url).pathname === '/seen') return Response.json(seen);
            request.signal.addEventListener('abort', () => seen.aborted++);
            return new Response(new ReadableStream({
                pull(controller) { controller.enqueue(new Uint8Array(1024)); },
                cancel() { seen.cancelled++; },
            }));
        })";
    let worker = function("endless", code).boot().await.unwrap();
    let mut body = worker.invoke(get("/"), context()).await.unwrap().into_body();
    next_chunk(&mut body).await.unwrap();
    drop(body);
    for _ in 0..1000 {
        let seen = read(worker.invoke(get("/seen"), context()).await).await;
        if seen == r#"200 {"cancelled":1,"aborted":1}"# {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("the stream was not cancelled");
}

#[tokio::test]
async fn a_dropped_request_aborts_its_signal() {
    let code = "let aborted = 0;
        Deno.serve((request) => {
            if (new URL(request.url).pathname === '/seen') return new Response(String(aborted));
            request.signal.addEventListener('abort', () => aborted++);
            return new Promise(() => {});
        })";
    let worker = function("waiting", code).boot().await.unwrap();
    {
        let mut pending = worker.invoke(get("/"), context());
        assert!(futures::poll!(&mut pending).is_pending());
        // The second request is answered after the first has been taken in.
        read(worker.invoke(get("/seen"), context()).await).await;
    }
    for _ in 0..1000 {
        if read(worker.invoke(get("/seen"), context()).await).await == "200 1" {
            return;
        }
    }
    panic!("the signal was not aborted");
}

#[tokio::test]
async fn an_error_in_a_response_stream_breaks_the_body_off() {
    let code = "Deno.serve(() => new Response(new ReadableStream({
        start(controller) { controller.enqueue(new Uint8Array(3)); },
        pull() { throw new Error('half way'); },
    })))";
    let worker = function("broken", code).boot().await.unwrap();
    let response = worker.invoke(get("/"), context()).await.unwrap();
    let error = response.into_body().collect(1 << 20).await.unwrap_err();
    assert!(error.to_string().contains("half way"), "{error}");
    assert!(worker.retirement().is_none());
}

#[tokio::test]
async fn an_isolate_that_ends_breaks_its_bodies_off() {
    let code = "Deno.serve(() => new Response(new ReadableStream({
        start(controller) { controller.enqueue(new Uint8Array(3)); },
        async pull() { await new Promise((resolve) => setTimeout(resolve, 1)); for (;;); },
    })))";
    let worker = function("ends", code).cpu(Duration::from_millis(100)).boot().await.unwrap();
    let mut body = worker.invoke(get("/"), context()).await.unwrap().into_body();
    assert_eq!(next_chunk(&mut body).await.unwrap().len(), 3);
    let error = body.collect(1 << 20).await.unwrap_err();
    assert!(error.to_string().contains("ended before"), "{error}");
}

#[tokio::test]
async fn an_unread_body_is_let_go() {
    let worker = function("deaf", "Deno.serve(() => new Response('no thanks'))").boot().await.unwrap();
    let taken = Arc::new(AtomicUsize::new(0));
    let (gone, is_gone) = std::sync::mpsc::channel::<()>();
    let body = Body::from_stream(stream::unfold((gone, taken.clone()), |state| async move {
        state.1.fetch_add(1, Ordering::SeqCst);
        Some((Ok(Bytes::from_static(b"x")), state))
    }));
    let answer = worker.invoke(Request::post("http://h/").body(body).unwrap(), context()).await;
    assert_eq!(read(answer).await, "200 no thanks");
    eventually("dropping the body", || {
        is_gone.try_recv() == Err(std::sync::mpsc::TryRecvError::Disconnected)
    })
    .await;
    assert_eq!(taken.load(Ordering::SeqCst), 0);
}
