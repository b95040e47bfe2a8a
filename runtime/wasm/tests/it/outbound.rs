//! HTTP from guests.

use std::time::{Duration, Instant};

use isobase_base::task::{self, TaskKind};
use isobase_engine::Reuse;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::harness::{boot, context, get, limits, text};

/// Answers one request, or never does.
async fn server(answer: Option<&'static str>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    task::spawn(TaskKind::Service, "test-server", async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut request = [0; 1024];
        assert!(socket.read(&mut request).await.unwrap() > 0);
        match answer {
            Some(answer) => socket.write_all(answer.as_bytes()).await.unwrap(),
            None => std::future::pending().await,
        }
    });
    format!("http://{address}/")
}

#[tokio::test]
async fn a_guest_can_ask_others() {
    let url = server(Some("HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nthere")).await;
    let worker = boot(Reuse::Fresh, limits()).await;
    assert_eq!(text(&*worker, &format!("/fetch?url={url}")).await, "there");
}

#[tokio::test]
async fn a_wait_for_others_ends_with_the_request() {
    let url = server(None).await;
    let worker = boot(Reuse::Fresh, limits()).await;
    let mut context = context();
    context.deadline = Instant::now() + Duration::from_millis(100);
    let response = worker.invoke(get(&format!("/fetch?url={url}")), context).await.unwrap();
    assert_eq!(response.status(), 502);
}
