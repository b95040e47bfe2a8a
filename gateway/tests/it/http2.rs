//! Cleartext HTTP/2 with prior knowledge, on the same port.

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper::rt::Executor;
use hyper_util::rt::TokioIo;
use isobase_base::task::{self, TaskKind};
use tokio::net::TcpStream;

use crate::harness::{TestGateway, eventually};
use crate::keyring::user;

#[derive(Clone, Copy)]
struct Tasks;

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Tasks {
    fn execute(&self, future: F) {
        task::spawn(TaskKind::Request, "client", future);
    }
}

async fn connect(gateway: &TestGateway) -> SendRequest<Full<Bytes>> {
    let stream = TcpStream::connect(gateway.address).await.unwrap();
    let (sender, connection) = handshake(Tasks, TokioIo::new(stream)).await.unwrap();
    task::spawn(TaskKind::Request, "connection", async move {
        let _ended_by_the_test = connection.await;
    });
    sender
}

fn get(gateway: &TestGateway, path: &str) -> http::request::Builder {
    Request::get(format!("http://{}{path}", gateway.address))
}

async fn json(response: Response<Incoming>) -> serde_json::Value {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    serde_json::from_slice(&bytes).unwrap()
}

#[tokio::test]
async fn many_requests_share_a_connection() {
    let gateway = TestGateway::start().await;
    let sender = connect(&gateway).await;
    let requests = (0..150).map(|number| {
        let mut sender = sender.clone();
        let request = get(&gateway, &format!("/functions/v1/locked/{number}"));
        let request =
            request.header("authorization", format!("Bearer {}", user())).body(Full::default()).unwrap();
        async move {
            let response = sender.send_request(request).await.unwrap();
            assert_eq!(response.status(), StatusCode::OK);
            let seen = json(response).await;
            assert!(seen["uri"].as_str().unwrap().ends_with(&format!("/locked/{number}")));
            assert_eq!(seen["role"], "authenticated");
        }
    });
    futures::future::join_all(requests).await;
    gateway
        .until_metric(r#"isobase_requests_total{surface="functions",method="GET",status="200"} 150"#)
        .await;
    gateway.until_metric("isobase_connections 1").await;
}

#[tokio::test]
async fn bodies_stream_and_are_bounded() {
    let gateway = TestGateway::with(|config| config.limits.function_body_bytes_max = 1_000_000).await;
    let mut sender = connect(&gateway).await;
    for (size, status) in [(1_000_000, StatusCode::OK), (1_000_001, StatusCode::PAYLOAD_TOO_LARGE)] {
        let request = Request::post(format!("http://{}/functions/v1/echo", gateway.address));
        let request = request.body(Full::from(vec![b'x'; size])).unwrap();
        let response = sender.send_request(request).await.unwrap();
        assert_eq!(response.status(), status);
        if status == StatusCode::OK {
            assert_eq!(response.into_body().collect().await.unwrap().to_bytes().len(), size);
        }
    }
}

#[tokio::test]
async fn a_cancelled_stream_ends_its_invocation_and_no_other() {
    let gateway = TestGateway::start().await;
    let mut sender = connect(&gateway).await;
    let request = get(&gateway, "/functions/v1/held").body(Full::default()).unwrap();
    {
        let mut pending = std::pin::pin!(sender.send_request(request));
        tokio::select! {
            _ = &mut pending => panic!("held answers only when released"),
            () = gateway.functions.begun.notified() => {}
        }
    }
    eventually(|| gateway.dropped() == 1, || "the invocation goes on".into()).await;
    let request = get(&gateway, "/functions/v1/any").body(Full::default()).unwrap();
    assert_eq!(sender.send_request(request).await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn heads_are_bounded_and_hosts_agree() {
    let gateway = TestGateway::start().await;
    let mut sender = connect(&gateway).await;
    let long =
        get(&gateway, "/rest/v1/t").header("x-long", "x".repeat(40 * 1024)).body(Full::default()).unwrap();
    let refused = sender.send_request(long).await;
    assert!(refused.is_err() || refused.unwrap().status() == StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    let mut sender = connect(&gateway).await;
    let torn = get(&gateway, "/rest/v1/t").header("host", "elsewhere").body(Full::default()).unwrap();
    assert_eq!(sender.send_request(torn).await.unwrap().status(), StatusCode::BAD_REQUEST);
    assert_eq!(gateway.invoked(), 0);
}
