//! A debugger for tests: the Chrome DevTools protocol over a WebSocket, and source maps backwards.

use std::collections::VecDeque;
use std::time::Duration;

use base64::Engine as _;
use fastwebsockets::{FragmentCollector, Frame, OpCode, Payload, Role, WebSocket};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::app::App;
use crate::client::{Call, HttpClient};

/// A test fails rather than hangs after this.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Debugger {
    socket: FragmentCollector<TcpStream>,
    last_id: u64,
    events: VecDeque<Value>,
}

/// `HOST:PORT` of the inspector.
pub(crate) fn address(app: &App) -> String {
    let state = std::fs::read(app.project.path().join(".isobase/run.json")).expect("it runs");
    let state: Value = serde_json::from_slice(&state).expect("the run state is JSON");
    state["inspector"].as_str().unwrap_or_else(|| panic!("no inspector in {state}")).to_owned()
}

pub(crate) fn get(app: &App, path: &str) -> Call {
    Call::new(HttpClient::new(), "GET", format!("http://{}{path}", address(app)))
}

/// The targets there are.
pub(crate) async fn targets(app: &App) -> Vec<Value> {
    get(app, "/json/list").send().await.json().as_array().expect("a list").clone()
}

/// The target of `title`, once there is one.
pub(crate) async fn target(app: &App, title: &str) -> Value {
    let found = async || targets(app).await.into_iter().find(|target| target["title"] == title);
    app.until(&format!("a target {title}"), || async { found().await.is_some() }).await;
    found().await.expect("it was there")
}

/// Begins a WebSocket's handshake; the connection, and the first line of the answer.
pub(crate) async fn handshake(address: &str, path: &str, headers: &str) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(address).await.expect("the inspector listens");
    let head = format!(
        "GET {path} HTTP/1.1\r\n{headers}Connection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.expect("it takes the head");
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(stream.read_u8().await.expect("it answers"));
    }
    let answer = String::from_utf8(answer).expect("a head is text");
    (stream, answer.lines().next().unwrap_or_default().to_owned())
}

impl Debugger {
    pub(crate) async fn attach(target: &Value) -> Self {
        let url = target["webSocketDebuggerUrl"].as_str().expect("a target has one");
        let (address, id) = url.strip_prefix("ws://").and_then(|url| url.split_once('/')).expect("ws://…/…");
        let (stream, line) = handshake(address, &format!("/{id}"), &format!("Host: {address}\r\n")).await;
        assert_eq!(line, "HTTP/1.1 101 Switching Protocols");
        let mut socket = WebSocket::after_handshake(stream, Role::Client);
        socket.set_max_message_size(256 << 20);
        Self { socket: FragmentCollector::new(socket), last_id: 0, events: VecDeque::new() }
    }

    /// Attached, and told of scripts and pauses from now on.
    pub(crate) async fn enabled(target: &Value) -> Self {
        let mut debugger = Self::attach(target).await;
        debugger.call("Runtime.enable", json!({})).await;
        debugger.call("Debugger.enable", json!({})).await;
        debugger
    }

    /// The next message; `None` when the other side has closed.
    async fn next(&mut self) -> Option<Value> {
        let frame =
            tokio::time::timeout(PATIENCE, self.socket.read_frame()).await.expect("it says something");
        match frame {
            Ok(frame) if frame.opcode == OpCode::Text => {
                Some(serde_json::from_slice(&frame.payload).expect("messages are JSON"))
            }
            _ => None,
        }
    }

    async fn send(&mut self, method: &str, params: Value) -> u64 {
        self.last_id += 1;
        let message = json!({ "id": self.last_id, "method": method, "params": params }).to_string();
        let frame = Frame::text(Payload::Owned(message.into_bytes()));
        self.socket.write_frame(frame).await.expect("it takes a message");
        self.last_id
    }

    pub(crate) async fn call(&mut self, method: &str, params: Value) -> Value {
        let id = self.send(method, params).await;
        loop {
            let message = self.next().await.expect("the session lasts");
            if message["id"] == id {
                assert!(message["error"].is_null(), "{method}: {message}");
                return message["result"].clone();
            }
            assert!(message["id"].is_null(), "an answer nobody asked for: {message}");
            self.events.push_back(message);
        }
    }

    /// The first event of this method, now or later, for which `wanted` holds; its parameters.
    pub(crate) async fn event(&mut self, method: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let fits = |event: &Value| event["method"] == method && wanted(&event["params"]);
        loop {
            if let Some(at) = self.events.iter().position(fits) {
                return self.events.remove(at).expect("it was there")["params"].clone();
            }
            let message = self.next().await.expect("the session lasts");
            self.events.push_back(message);
        }
    }

    pub(crate) async fn paused(&mut self) -> Value {
        self.event("Debugger.paused", |_| true).await
    }

    pub(crate) async fn resume(&mut self) {
        self.call("Debugger.resume", json!({})).await;
    }

    /// The value of an expression in the innermost frame of a pause.
    pub(crate) async fn evaluate(&mut self, paused: &Value, expression: &str) -> Value {
        let frame = &paused["callFrames"][0]["callFrameId"];
        let asked = json!({ "callFrameId": frame, "expression": expression, "returnByValue": true });
        self.call("Debugger.evaluateOnCallFrame", asked).await["result"]["value"].clone()
    }

    /// Until the other side closes.
    pub(crate) async fn ended(mut self) {
        while self.next().await.is_some() {}
    }

    /// The script of this URL, with its source map.
    pub(crate) async fn script(&mut self, url: &str) -> (Value, SourceMap) {
        let script = self.event("Debugger.scriptParsed", |script| script["url"] == url).await;
        let map = script["sourceMapURL"].as_str().unwrap_or_default();
        let map = map.strip_prefix("data:application/json;base64,");
        let map = map.unwrap_or_else(|| panic!("no source map in {script}"));
        let map = base64::engine::general_purpose::STANDARD.decode(map).expect("base64");
        let map: Value = serde_json::from_slice(&map).expect("a source map is JSON");
        (script, SourceMap(map))
    }
}

/// A source map of one source.
pub(crate) struct SourceMap(Value);

impl SourceMap {
    pub(crate) fn source(&self) -> &str {
        self.0["sources"][0].as_str().expect("it has a source")
    }

    /// `(line, column)` in the script of the first place on `line` of the source. All from zero.
    pub(crate) fn generated(&self, line: i64) -> (i64, i64) {
        let place = self.segments().into_iter().find(|segment| segment[2] == line);
        let place = place.unwrap_or_else(|| panic!("line {line} is in no segment"));
        (place[0], place[1])
    }

    /// The line of the source that this place of the script is from.
    pub(crate) fn original(&self, line: &Value, column: &Value) -> i64 {
        let (line, column) = (line.as_i64().expect("a line"), column.as_i64().expect("a column"));
        let before = self.segments().into_iter().rfind(|segment| (segment[0], segment[1]) <= (line, column));
        before.expect("something is mapped")[2]
    }

    /// `[script line, script column, source line]`, in order.
    fn segments(&self) -> Vec<[i64; 3]> {
        let mut found = Vec::new();
        let mut source_line = 0;
        for (line, segments) in self.0["mappings"].as_str().expect("mappings").split(';').enumerate() {
            let mut column = 0;
            for segment in segments.split(',').filter(|segment| !segment.is_empty()) {
                let numbers = numbers(segment);
                column += numbers[0];
                source_line += numbers.get(2).copied().unwrap_or_default();
                found.push([i64::try_from(line).expect("a small number"), column, source_line]);
            }
        }
        found
    }
}

/// Base64 VLQ: six bits each, the lowest five of them a digit, the lowest digit's lowest bit the sign.
fn numbers(segment: &str) -> Vec<i64> {
    const DIGITS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut all, mut number, mut shift) = (Vec::new(), 0, 0);
    for char in segment.chars() {
        let digit = i64::try_from(DIGITS.find(char).expect("a base64 digit")).expect("a small number");
        number |= (digit & 31) << shift;
        shift += 5;
        if digit & 32 == 0 {
            all.push(if number & 1 == 1 { -(number >> 1) } else { number >> 1 });
            (number, shift) = (0, 0);
        }
    }
    all
}
