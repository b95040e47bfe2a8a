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

/// The same by a server of Node's, which speaks the protocol itself.
const NODE_ECHO: &str = "import { createHash } from 'node:crypto'; import { createServer } from 'node:http';
    const server = createServer((request, response) => response.end('plain'));
    server.on('upgrade', (request, socket, head) => {
        const key = request.headers['sec-websocket-key'] + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
        const accept = createHash('sha1').update(key).digest('base64');
        socket.write(`HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\nSec-WebSocket-Accept: ${accept}\\r\\nSec-WebSocket-Protocol: chat\\r\\n\\r\\n`);
        socket.on('data', (frame) => {
            const text = `${request.headers['x-name']}: ${frame.subarray(6)}`;
            socket.write(Buffer.concat([Buffer.from([0x81, text.length]), Buffer.from(text)]));
        });
        socket.on('end', () => socket.end());
    });
    server.listen(8080);";

#[tokio::test]
async fn a_websocket_echoes() {
    for (slug, code) in [("echo", ECHO), ("node-echo", NODE_ECHO)] {
        echo(slug, code).await;
    }
    let worker = function("node-plain", NODE_ECHO).boot().await.unwrap();
    assert_eq!(read(worker.invoke(get("/"), context()).await).await, "200 plain");
}

async fn echo(slug: &'static str, code: &str) {
    let worker = function(slug, code).boot().await.unwrap();
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
