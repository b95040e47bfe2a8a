//! Connections go to addresses that were judged, and to no others.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty};
use isobase_base::task::{self, TaskKind};
use isobase_base::{Egress, EgressEntry};
use isobase_http::{HttpClient, Network, Resolve, Resolving, SendError, Stance, Surroundings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Gives its answers one after the other, then the last for ever.
#[derive(Debug)]
struct Script {
    answers: Vec<Vec<IpAddr>>,
    asked: AtomicUsize,
}

impl Script {
    fn new(answers: &[&[&str]]) -> Arc<Self> {
        let parsed = |addresses: &&[&str]| addresses.iter().map(|address| address.parse().unwrap()).collect();
        Arc::new(Self { answers: answers.iter().map(parsed).collect(), asked: AtomicUsize::new(0) })
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Resolve for Script {
    fn resolve(&self, _name: &str) -> Resolving {
        let turn = self.asked.fetch_add(1, Ordering::SeqCst);
        let answer = self.answers[turn.min(self.answers.len() - 1)].clone();
        Box::pin(std::future::ready(Ok(answer)))
    }
}

/// Answers each request on its own connection.
async fn server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    task::spawn(TaskKind::Service, "test server", async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let mut request = [0; 4096];
            if connection.read(&mut request).await.is_ok_and(|bytes| bytes > 0) {
                let answer = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nthere";
                _ = connection.write_all(answer.as_bytes()).await;
            }
        }
    });
    port
}

fn client(entries: &[&str], script: &Arc<Script>) -> HttpClient {
    let egress = Egress::Listed(entries.iter().map(|entry| entry.parse::<EgressEntry>().unwrap()).collect());
    let network = Network::new(Stance::Production, Surroundings::default());
    network.with_resolver(Arc::clone(script) as Arc<dyn Resolve>).client(&egress)
}

async fn get(client: &HttpClient, url: &str) -> Result<u16, SendError> {
    let body = Empty::<Bytes>::new().map_err(|never| match never {}).boxed_unsync();
    client.send(Request::get(url).body(body).unwrap()).await.map(|response| response.status().as_u16())
}

#[tokio::test]
async fn a_name_is_resolved_once_and_that_address_is_used() {
    let port = server().await;
    let script = Script::new(&[&["127.0.0.1"], &["10.0.0.1"]]);
    let client = client(&["name.test", "127.0.0.1"], &script);
    let url = format!("http://name.test:{port}/");
    assert_eq!(get(&client, &url).await.unwrap(), 200);
    assert_eq!(script.asked(), 1, "what was judged is what was connected to");
    // The next connection resolves again, and finds the name turned inward.
    assert!(matches!(get(&client, &url).await, Err(SendError::Refused(_))));
    assert_eq!(script.asked(), 2);
}

#[tokio::test]
async fn one_closed_address_closes_the_name() {
    let port = server().await;
    let script = Script::new(&[&["127.0.0.1", "10.0.0.1"]]);
    let client = client(&["name.test", "127.0.0.1"], &script);
    assert!(matches!(get(&client, &format!("http://name.test:{port}/")).await, Err(SendError::Refused(_))));
}

#[tokio::test]
async fn what_is_not_listed_is_not_even_looked_up() {
    let script = Script::new(&[&["127.0.0.1"]]);
    let client = client(&["name.test"], &script);
    for url in ["http://other.test/", "http://127.0.0.1/", "https://[::1]/"] {
        assert!(matches!(get(&client, url).await, Err(SendError::Refused(_))), "{url}");
    }
    assert!(matches!(get(&client, "ftp://name.test/").await, Err(SendError::BadUrl)));
    assert_eq!(script.asked(), 0);
}

#[tokio::test]
async fn failures_are_told_apart() {
    let port = server().await;
    let here = Script::new(&[&["127.0.0.1"]]);
    let client = client(&["name.test", "127.0.0.1"], &here);
    assert!(matches!(get(&client, "http://name.test:1/").await, Err(SendError::Connect)));
    assert!(matches!(get(&client, &format!("https://name.test:{port}/")).await, Err(SendError::Tls)));
}
