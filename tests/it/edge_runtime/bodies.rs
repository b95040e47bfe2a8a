//! Bodies of both directions: whole, in parts, large, and as they come.

use tokio::io::AsyncWriteExt;

use super::connections::{Line, open};
use super::{Row, check};
use crate::app::Project;

const READERS: &[Row<'_>] = &[
    (
        "as-json",
        "Deno.serve(async (request) => Response.json(await request.json()))",
        &[("POST /as-json\n{\"a\": 1}", "200 {\"a\":1}"), ("POST /as-json\n{", "500 WORKER_ERROR")],
    ),
    (
        "as-bytes",
        "Deno.serve(async (request) => new Response([...new Uint8Array(await request.arrayBuffer())].join()))",
        &[("POST /as-bytes\n\u{e9}", "200 195,169"), ("POST /as-bytes", "200 ")],
    ),
    (
        "twice",
        "Deno.serve(async (request) => { await request.text(); return new Response(await request.text().catch((error) => `${error.name} ${request.bodyUsed}`)); })",
        &[("POST /twice\nx", "200 TypeError true")],
    ),
    (
        "cloned",
        "Deno.serve(async (request) => { const copy = request.clone(); return new Response(await request.text() + await copy.text()); })",
        &[("POST /cloned\nab", "200 abab")],
    ),
    ("unread", "Deno.serve(() => new Response('not read'))", &[("POST /unread\nx", "200 not read")]),
    (
        "get-body",
        "Deno.serve((request) => new Response(String(request.body)))",
        &[("GET /get-body", "200 null")],
    ),
    (
        "stream",
        "Deno.serve(() => new Response(ReadableStream.from(['three ', 'small ', 'parts']).pipeThrough(new TextEncoderStream())))",
        &[("GET /stream", "200 three small parts")],
    ),
    (
        "upper",
        "Deno.serve((request) => new Response(request.body.pipeThrough(new TextDecoderStream()).pipeThrough(new TransformStream({ transform: (part, out) => out.enqueue(part.toUpperCase()) })).pipeThrough(new TextEncoderStream())))",
        &[("POST /upper\nloud", "200 LOUD")],
    ),
    (
        "packed",
        "Deno.serve(async (request) => { const text = await request.text(); const packed = new Response(text).body.pipeThrough(new CompressionStream('gzip'));\n\
           return new Response(packed.pipeThrough(new DecompressionStream('gzip'))); })",
        &[("POST /packed\nsqueezed", "200 squeezed")],
    ),
    (
        "brotli",
        "import { promisify } from 'node:util';\nimport { brotliCompress, brotliDecompress } from 'node:zlib';\n\
         Deno.serve(async () => new Response((await promisify(brotliDecompress)(await promisify(brotliCompress)('dense'))).toString()))",
        &[("GET /brotli", "200 dense")],
    ),
];

#[tokio::test]
async fn bodies_are_read_and_made_in_every_way() {
    check(READERS).await;
}

const FORM: &str = "--edge\r\nContent-Disposition: form-data; name=\"file\"; filename=\"note.txt\"\r\nContent-Type: text/plain\r\n\r\n\
    a file\r\n--edge\r\nContent-Disposition: form-data; name=\"field\"\r\n\r\nvalue\r\n--edge--\r\n";

#[tokio::test]
async fn forms_and_large_bodies_arrive_whole() {
    let project = Project::empty();
    project.function(
        "upload",
        "Deno.serve(async (request) => { const form = await request.formData(); const file = form.get('file');\n\
           return Response.json([file.name, file.type, file.size, await file.text(), form.get('field')], { status: 201 }); })",
    );
    project.function(
        "large",
        "Deno.serve(async (request) => { if (request.method === 'POST') { let bytes = 0, sum = 0; \n\
             for await (const part of request.body) { bytes += part.length; sum = (sum + part[0] + part.at(-1)) % 256; }\n\
             return Response.json({ bytes }); }\n\
           return new Response(new Uint8Array(20 << 20).fill(120)); })",
    );
    let app = project.with_flags(&["--no-verify-jwt"]).start().await;
    let form =
        app.call("POST", "/functions/v1/upload").header("content-type", "multipart/form-data; boundary=edge");
    let answer = form.text(FORM).send().await;
    assert_eq!(
        (answer.status.as_u16(), answer.text().as_str()),
        (201, r#"["note.txt","text/plain",6,"a file","value"]"#)
    );
    let broken =
        app.call("POST", "/functions/v1/upload").header("content-type", "multipart/form-data; boundary=edge");
    assert_eq!(broken.text("--edge\r\nno form").send().await.status, 500);
    let sent = app.call("POST", "/functions/v1/large").bytes(vec![b'x'; 20 << 20]).send().await;
    assert_eq!(sent.text(), format!("{{\"bytes\":{}}}", 20 << 20));
    let received = app.call("GET", "/functions/v1/large").send().await;
    assert_eq!(received.body.len(), 20 << 20);
    assert!(received.body.iter().all(|byte| *byte == b'x'));
}

#[tokio::test]
async fn parts_of_a_body_come_one_by_one_both_ways() {
    let project = Project::empty();
    project.function("echo", "Deno.serve((request) => new Response(request.body))");
    let app = project.with_flags(&["--no-verify-jwt"]).start().await;
    let mut line = Line::of(open(&app).await);
    line.send(
        "POST /functions/v1/echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n",
    )
    .await;
    line.until("first").await;
    // The response is under way before the request is at its end.
    line.send("6\r\nsecond\r\n").await;
    line.until("second").await;
    line.send("0\r\n\r\n").await;
    let all = line.until("0\r\n\r\n").await;
    assert!(all.starts_with("HTTP/1.1 200 OK"), "{all}");
}

const EVENTS: &str = "
const listeners = new Set();
let gone = 0;
Deno.serve((request) => {
  const { searchParams } = new URL(request.url);
  if (searchParams.has('gone')) return new Response(`${gone} ${listeners.size}`);
  if (searchParams.has('say')) {
    for (const listener of listeners) listener.enqueue(`event: said\\ndata: ${searchParams.get('say')}\\n\\n`);
    return new Response(null, { status: 202 });
  }
  let own;
  const events = new ReadableStream({
    start(controller) { own = controller; listeners.add(own); own.enqueue('retry: 100\\n\\n'); },
    cancel() { gone += 1; listeners.delete(own); },
  });
  return new Response(events.pipeThrough(new TextEncoderStream()), { headers: { 'content-type': 'text/event-stream' } });
});";

#[tokio::test]
async fn events_arrive_when_they_are_sent_and_a_reader_that_goes_is_noticed() {
    let project = Project::empty();
    project.function("events", EVENTS);
    let app = project.with_flags(&["--no-verify-jwt"]).start().await;
    let mut line = Line::of(open(&app).await);
    line.send("GET /functions/v1/events HTTP/1.1\r\nhost: x\r\naccept: text/event-stream\r\n\r\n").await;
    let head = line.until("retry: 100").await;
    assert!(head.contains("content-type: text/event-stream"), "{head}");
    for word in ["one", "two"] {
        let said = app.call("GET", &format!("/functions/v1/events?say={word}")).send().await;
        assert_eq!(said.status, 202);
        line.until(&format!("event: said\ndata: {word}\n\n")).await;
    }
    let mut stream = line.into_inner();
    stream.shutdown().await.unwrap();
    drop(stream);
    app.until("the function notices", || async {
        app.call("GET", "/functions/v1/events?gone").send().await.text() == "1 0"
    })
    .await;
}
