//! A handler that answers 101 and talks on.

use isobase_base::Upgrade;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{context, function, get, read};

const ECHO: &str = "Deno.serve((request) => {
    const { socket, response } = Deno.upgradeWebSocket(request, { protocol: 'chat' });
    socket.onmessage = (event) => socket.send(`${request.headers.get('x-name')}: ${event.data}`);
    return response;
})";

/// A text frame as a client sends it, with a mask of zeros (RFC 6455, section 5.2).
fn frame(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).unwrap();
    let mut frame = vec![0x81, 0x80 | length, 0, 0, 0, 0];
    frame.extend_from_slice(text.as_bytes());
    frame
}

#[tokio::test]
async fn a_websocket_echoes() {
    let worker = function("echo", ECHO).boot().await.unwrap();
    let (ours, theirs) = tokio::io::duplex(1024);
    let mut request = get("/");
    for (name, value) in [
        ("upgrade", "websocket"),
        ("connection", "keep-alive, Upgrade"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("sec-websocket-protocol", "other, chat"),
        ("x-name", "ada"),
    ] {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    request.extensions_mut().insert(Upgrade::new(Box::pin(async move { Ok(Box::new(theirs) as _) })));
    let response = worker.invoke(request, context()).await.unwrap();
    assert_eq!(response.status(), 101);
    assert_eq!(response.headers()["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assert_eq!(response.headers()["sec-websocket-protocol"], "chat");

    let mut ours = ours;
    ours.write_all(&frame("hello")).await.unwrap();
    let mut answer = [0; 12];
    ours.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"\x81\x0aada: hello");
}

#[tokio::test]
async fn a_plain_request_is_not_upgraded() {
    let worker = function("plain", ECHO).boot().await.unwrap();
    let failure = worker.invoke(get("/"), context()).await.unwrap_err();
    assert!(failure.detail.contains("'upgrade' header must contain 'websocket'"), "{failure}");
    let code = "Deno.serve(() => new Response(null, { status: 101 }))";
    let worker = function("plain", code).boot().await.unwrap();
    let answer = read(worker.invoke(get("/"), context()).await).await;
    assert!(answer.starts_with("500 INVALID_RESPONSE"), "{answer}");
}
