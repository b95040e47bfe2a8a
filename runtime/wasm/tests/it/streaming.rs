//! Bodies flow both ways while the guest runs, and wait for whoever is slower.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::Frame;
use http_body_util::BodyExt;
use isobase_base::{Body, BodyError};
use isobase_engine::Reuse;
use tokio::sync::mpsc;

use crate::harness::{ask, boot, get, invoke, limits, post};

/// A request body that is fed by hand.
struct Fed(mpsc::Receiver<Result<Bytes, BodyError>>);

impl http_body::Body for Fed {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.0.poll_recv(context).map(|chunk| chunk.map(|chunk| chunk.map(Frame::data)))
    }
}

async fn next(body: &mut Body) -> Option<Bytes> {
    body.frame().await.map(|frame| frame.unwrap().into_data().unwrap())
}

#[tokio::test]
async fn a_piece_comes_back_before_the_next_is_sent() {
    for path in ["/echo", "/echo-by-hand"] {
        let worker = boot(Reuse::Fresh, limits()).await;
        let (feed, fed) = mpsc::channel(1);
        let response = invoke(&*worker, post(path, Body::wrap(Fed(fed)))).await.unwrap();
        let mut body = response.into_body();
        for piece in ["one", "two", "three"] {
            feed.send(Ok(Bytes::from_static(piece.as_bytes()))).await.unwrap();
            assert_eq!(next(&mut body).await.unwrap(), piece, "{path}");
        }
        drop(feed);
        assert_eq!(next(&mut body).await, None, "{path}");
        assert_eq!(worker.memory_bytes(), 0, "{path}");
    }
}

#[tokio::test]
async fn bodies_pass_whole_and_unchanged() {
    let sent: String = (0..500_000).map(|number| format!("{number},")).collect();
    for (path, wanted) in
        [("/echo", sent.clone()), ("/echo-by-hand", sent.clone()), ("/upper", sent.to_uppercase())]
    {
        for reuse in [Reuse::Fresh, Reuse::Sequential] {
            let worker = boot(reuse, limits()).await;
            let reply = ask(&*worker, post(path, sent.clone())).await.unwrap();
            assert!(reply.body == wanted, "{path}: {} bytes of {}", reply.body.len(), wanted.len());
        }
    }
}

/// A gigabyte that nobody reads costs no memory and no time: the guest waits.
#[tokio::test]
async fn a_slow_reader_holds_the_guest_back() {
    let worker = boot(Reuse::Fresh, limits()).await;
    let mut body = invoke(&*worker, get("/big?bytes=1000000000")).await.unwrap().into_body();
    let mut read = 0;
    while read < 3_000_000 {
        read += next(&mut body).await.unwrap().len();
        assert!(worker.memory_bytes() < 8 << 20);
    }
    drop(body);
    assert_eq!(worker.memory_bytes(), 0);
}

#[tokio::test]
async fn a_short_answer_is_at_hand_at_once() {
    let worker = boot(Reuse::Fresh, limits()).await;
    let response = invoke(&*worker, get("/hello")).await.unwrap();
    assert!(matches!(response.body(), Body::Full(bytes) if bytes == "hello"), "{:?}", response.body());
    assert_eq!(worker.memory_bytes(), 0);
}

#[tokio::test]
async fn a_client_that_breaks_off_is_noticed() {
    let worker = boot(Reuse::Fresh, limits()).await;
    let (feed, fed) = mpsc::channel(2);
    feed.send(Ok(Bytes::from_static(b"some"))).await.unwrap();
    feed.send(Err(BodyError::Peer("reset".into()))).await.unwrap();
    let reply = ask(&*worker, post("/upper", Body::wrap(Fed(fed)))).await.unwrap();
    assert_eq!(reply.status, 400);
    assert!(reply.body.contains("broke off"), "{}", reply.body);
}

#[tokio::test]
async fn events_arrive_one_by_one() {
    let worker = boot(Reuse::Fresh, limits()).await;
    let mut body = invoke(&*worker, get("/slow-stream?pieces=5&millis=5")).await.unwrap().into_body();
    for piece in 0..5 {
        assert_eq!(next(&mut body).await.unwrap(), format!("{piece}\n"));
    }
    assert_eq!(next(&mut body).await, None);
    assert_eq!(worker.memory_bytes(), 0);
}
