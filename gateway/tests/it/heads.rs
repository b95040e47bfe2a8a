//! Heads that are too large, malformed, or mean two things (group 46 of the attack table).

use expect_test::expect;

use crate::client::{self, Wire, request};
use crate::harness::TestGateway;

#[tokio::test]
async fn heads_are_bounded_in_bytes_and_lines() {
    let gateway = TestGateway::start().await;
    let long = format!("X-Long: {}", "x".repeat(33 * 1024));
    let reply = gateway.send("GET /rest/v1/t", &[&long]).await;
    expect![[r#"{"code":"HEADERS_TOO_LARGE","message":"The head of the request is too large","details":null,"hint":null}"#]]
        .assert_eq(&reply.text());
    assert_eq!(reply.status, 431);
    let target = format!("GET /rest/v1/t?{}", "x".repeat(33 * 1024));
    assert_eq!(gateway.send(&target, &[]).await.status, 431);
    let longer = format!("X-Long: {}", "x".repeat(80 * 1024));
    assert_eq!(gateway.send("GET /rest/v1/t", &[&longer]).await.status, 431);
    assert_eq!(gateway.send("GET /rest/v1/t", &vec!["X-Line: 1"; 99]).await.status, 200);
    assert_eq!(gateway.send("GET /rest/v1/t", &vec!["X-Line: 1"; 120]).await.status, 431);
    assert_eq!(gateway.invoked(), 1);
}

#[tokio::test]
async fn malformed_requests_reach_nobody() {
    let gateway = TestGateway::start().await;
    let mut table = String::new();
    for bytes in [
        &b"GET /rest/v1/t\r\n\r\n"[..],
        b"GET /rest/v1/t HTTP/1.1\r\n\r\n",
        b"GET /rest/v1/t HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        b"GET /rest/v1/t HTTP/1.1\r\nHost: a b\r\n\r\n",
        b"GET /rest/v1/t HTTP/1.1\r\nHost: user@a\r\n\r\n",
        b"GET http://b/rest/v1/t HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /rest/v1/t HTTP/1.1\r\nHost : a\r\n\r\n",
        b"GET /rest/v1/t HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
        b"GET /rest/v1/t HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n",
        b"GET /rest/v1/t HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n",
        b"GET /rest/v1/t HTTP/3.7\r\nHost: a\r\n\r\n",
        b"GET  /rest/v1/t HTTP/1.1\r\nHost: a\r\n\r\n",
        b"G@T /rest/v1/t HTTP/1.1\r\nHost: a\r\n\r\n",
        b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST /rest/v1/t HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        b"POST /rest/v1/t HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 2\r\n\r\nxx",
        b"POST /rest/v1/t HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"POST /rest/v1/t HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\nx",
        b"POST /rest/v1/t HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"POST /rest/v1/t HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n",
        b"POST /rest/v1/t HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ] {
        let mut wire = Wire::open(gateway.address).await;
        wire.write(bytes).await;
        let outcome = match wire.reply().await {
            Some(reply) => format!("{} {}", reply.status, reply.header("sb-error-code").unwrap_or("-")),
            None => "closed".into(),
        };
        table.push_str(&format!("{} -> {outcome}\n", bytes.escape_ascii()));
    }
    expect![[r#"
        GET /rest/v1/t\r\n\r\n -> 400 -
        GET /rest/v1/t HTTP/1.1\r\n\r\n -> 400 INVALID_HOST
        GET /rest/v1/t HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n -> 400 INVALID_HOST
        GET /rest/v1/t HTTP/1.1\r\nHost: a b\r\n\r\n -> 400 INVALID_HOST
        GET /rest/v1/t HTTP/1.1\r\nHost: user@a\r\n\r\n -> 400 INVALID_HOST
        GET http://b/rest/v1/t HTTP/1.1\r\nHost: a\r\n\r\n -> 400 INVALID_HOST
        GET /rest/v1/t HTTP/1.1\r\nHost : a\r\n\r\n -> 400 -
        GET /rest/v1/t HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n -> 400 -
        GET /rest/v1/t HTTP/1.1\r\nHost: a\r\nX: \x00\r\n\r\n -> 400 -
        GET /rest/v1/t HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n -> 400 -
        GET /rest/v1/t HTTP/3.7\r\nHost: a\r\n\r\n -> 400 -
        GET  /rest/v1/t HTTP/1.1\r\nHost: a\r\n\r\n -> 400 -
        G@T /rest/v1/t HTTP/1.1\r\nHost: a\r\n\r\n -> 400 -
        CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n -> 400 INVALID_URL
        POST /rest/v1/t HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx -> 400 -
        POST /rest/v1/t HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 2\r\n\r\nxx -> 400 -
        POST /rest/v1/t HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n -> 400 -
        POST /rest/v1/t HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\nx -> 400 -
        POST /rest/v1/t HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n -> 400 -
        POST /rest/v1/t HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n -> 400 -
        POST /rest/v1/t HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n -> 400 -
        \x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 -> 400 -
    "#]]
    .assert_eq(&table);
    assert_eq!(gateway.invoked(), 0);
}

/// Two lengths, and a second request in what is body by one of them. RFC 9112 §6.1 lets a server
/// take `Transfer-Encoding` alone if it then closes: nothing behind the body is ever a request.
#[tokio::test]
async fn no_request_hides_in_a_body() {
    let gateway = TestGateway::start().await;
    let hidden = request("GET /functions/v1/any", &[]);
    for lengths in [
        ["Content-Length: 4", "Transfer-Encoding: chunked"],
        ["Transfer-Encoding: chunked", "Content-Length: 4"],
        ["Transfer-Encoding: chunked", "Content-Length: nonsense"],
    ] {
        let before = gateway.invoked();
        let mut wire = Wire::open(gateway.address).await;
        wire.write(format!("{}0\r\n\r\n{hidden}", request("POST /functions/v1/sink", &lengths))).await;
        let first = wire.reply().await.unwrap();
        assert_eq!((first.status, first.text().as_str()), (200, "0"));
        assert!(wire.reply().await.is_none(), "{lengths:?}: the connection is closed");
        assert_eq!(gateway.invoked(), before + 1, "{lengths:?}");
    }
    for encoding in ["Transfer-Encoding: xchunked", "Transfer-Encoding: chunked\r\nTransfer-Encoding: x"] {
        let before = gateway.invoked();
        let bytes = format!("{}0\r\n\r\n{hidden}", request("POST /functions/v1/sink", &[encoding]));
        let reply = client::send(gateway.address, bytes).await;
        assert!(reply.is_none_or(|reply| reply.status == 400), "{encoding}");
        assert_eq!(gateway.invoked(), before, "{encoding}");
    }
}

#[tokio::test]
async fn malformed_chunks_break_the_body_off() {
    let gateway = TestGateway::start().await;
    for body in
        ["x\r\n", "-1\r\nx\r\n", "1\r\nxx\r\n0\r\n\r\n", "ffffffffffffffffff\r\n", "1 \nx\r\n0\r\n\r\n"]
    {
        let before = gateway.invoked();
        let head = request("POST /functions/v1/sink", &["Transfer-Encoding: chunked"]);
        let mut wire = Wire::open(gateway.address).await;
        wire.write(format!("{head}{body}{}", request("GET /functions/v1/any", &[]))).await;
        let first = wire.reply().await;
        assert!(first.is_none_or(|reply| reply.status != 200), "{body:?}");
        assert!(wire.reply().await.is_none(), "{body:?}: nothing more is read");
        assert!(gateway.invoked() <= before + 1, "{body:?}");
    }
}
