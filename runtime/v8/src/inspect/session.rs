//! One debugger and one isolate: text messages of a WebSocket, carried to the isolate's thread and back.
//!
//! Nothing is bounded between them but the size of a message: V8 does not wait for its debugger, and the
//! debugger is the developer's own.

use std::borrow::Cow;
use std::time::Duration;

use deno_core::{
    InspectorMsg, InspectorMsgKind, InspectorSessionChannels, InspectorSessionKind, InspectorSessionProxy,
};
use fastwebsockets::{
    FragmentCollectorRead, Frame, OpCode, Payload, Role, WebSocket, WebSocketError, WebSocketRead,
    WebSocketWrite,
};
use futures::StreamExt;
use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use isobase_base::limits::INSPECTOR_MESSAGE_BYTES_MAX;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite, ReadHalf, WriteHalf};
use tokio_util::sync::CancellationToken;

use super::targets::Target;

/// What a debugger sends once its breakpoints are set.
const READY: &str = "Runtime.runIfWaitingForDebugger";
/// What it evaluates while nothing is paused.
const EVALUATE: &str = "Runtime.evaluate";
/// The id of what is said in the debugger's place. Its own ids count up from zero.
const OUR_CALL: i32 = -1;
/// For the farewell to a debugger that may not be reading.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// RFC 6455 §7.4.1: going away.
const GOING_AWAY: u16 = 1001;

/// Until either side ends. Ending it resumes the isolate if this debugger alone had paused it.
pub(super) async fn run<C>(connection: C, target: &Target, stopping: &CancellationToken)
where
    C: AsyncRead + AsyncWrite + Send + Unpin,
{
    let mut socket = WebSocket::after_handshake(connection, Role::Server);
    socket.set_max_message_size(INSPECTOR_MESSAGE_BYTES_MAX);
    socket.set_auto_close(false);
    socket.set_auto_pong(false);
    let (reader, mut writer) = socket.split(tokio::io::split);
    let (to_isolate, rx) = unbounded();
    let (tx, from_isolate) = unbounded();
    let proxy = InspectorSessionProxy {
        channels: InspectorSessionChannels::Regular { tx, rx },
        kind: InspectorSessionKind::NonBlocking { wait_for_disconnect: false },
    };
    if target.sessions.unbounded_send(proxy).is_ok() {
        let (pongs, pings) = unbounded();
        tokio::select! {
            () = receive(reader, &to_isolate, &pongs, target) => {}
            () = send(&mut writer, from_isolate, pings) => {}
            () = stopping.cancelled() => {}
        }
    }
    drop(to_isolate);
    let farewell = writer.write_frame(Frame::close(GOING_AWAY, b"the isolate has ended"));
    // A debugger that is gone needs none.
    let _ = tokio::time::timeout(CLOSE_TIMEOUT, farewell).await;
}

/// From the debugger, until it closes or breaks a rule.
async fn receive<C: AsyncRead + Unpin>(
    reader: WebSocketRead<ReadHalf<C>>,
    to_isolate: &UnboundedSender<String>,
    pongs: &UnboundedSender<Vec<u8>>,
    target: &Target,
) {
    let mut reader = FragmentCollectorRead::new(reader);
    loop {
        // Nothing has to be sent while reading: pongs and the farewell are sent by others.
        let mut nothing = |_: Frame<'_>| std::future::ready(Ok::<_, WebSocketError>(()));
        let Ok(frame) = reader.read_frame(&mut nothing).await else { return };
        match frame.opcode {
            OpCode::Text => {
                let Ok(message) = String::from_utf8(frame.payload.to_vec()) else { return };
                if !forward(message, to_isolate, target) {
                    return;
                }
            }
            OpCode::Ping => {
                let _ = pongs.unbounded_send(frame.payload.to_vec());
            }
            OpCode::Pong => {}
            OpCode::Close | OpCode::Binary | OpCode::Continuation => return,
        }
    }
}

/// To the isolate, which takes messages in their order. Whether it still takes any.
fn forward(message: String, to_isolate: &UnboundedSender<String>, target: &Target) -> bool {
    let method = method(&message).map(Cow::into_owned).unwrap_or_default();
    let is_ready = method == READY && target.is_held();
    let message = if method == EVALUATE { without_breaks(message) } else { message };
    let sent = to_isolate.unbounded_send(message).is_ok();
    if is_ready {
        target.release(to_isolate.clone());
    }
    sent
}

/// deno_core takes no message while it handles one, so a pause in the middle of one would never end.
fn without_breaks(message: String) -> String {
    let Ok(mut call) = serde_json::from_str::<Value>(&message) else { return message };
    if let Some(parameters) = call["params"].as_object_mut() {
        parameters.insert("disableBreaks".to_owned(), true.into());
    }
    call.to_string()
}

impl Target {
    /// A breakpoint that the debugger which released the isolate has not set itself. Only its own session may:
    /// where that one does not listen, V8 must not pause, for nobody would resume it. Once only.
    pub(crate) fn break_at(&self, location: Option<&Value>) {
        let session = self.releaser.lock().take();
        if let Some((session, location)) = session.zip(location) {
            let place = json!({ "location": location });
            let call = json!({ "id": OUR_CALL, "method": "Debugger.setBreakpoint", "params": place });
            // A debugger that is gone wants no breakpoint.
            let _ = session.unbounded_send(call.to_string());
        }
    }
}

fn method(message: &str) -> Option<Cow<'_, str>> {
    #[derive(serde::Deserialize)]
    struct Call<'a> {
        #[serde(borrow)]
        method: Cow<'a, str>,
    }
    serde_json::from_str::<Call<'_>>(message).ok().map(|call| call.method)
}

/// To the debugger, until the isolate ends its session or the connection breaks.
async fn send<C: AsyncWrite + Unpin>(
    writer: &mut WebSocketWrite<WriteHalf<C>>,
    mut from_isolate: UnboundedReceiver<InspectorMsg>,
    mut pings: UnboundedReceiver<Vec<u8>>,
) {
    loop {
        let frame = tokio::select! {
            message = from_isolate.next() => match message {
                Some(InspectorMsg { kind: InspectorMsgKind::Message(OUR_CALL), .. }) => continue,
                Some(message) => Frame::text(Payload::Owned(message.content.into_bytes())),
                None => return,
            },
            Some(ping) = pings.next() => Frame::pong(Payload::Owned(ping)),
        };
        if writer.write_frame(frame).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::channel::mpsc::unbounded;
    use serde_json::json;

    use super::{Target, forward};
    use crate::inspect::InspectMode;

    fn target(mode: InspectMode) -> Target {
        Target::new("f".into(), "file:///f/index.ts".into(), mode, unbounded().0)
    }

    #[test]
    fn one_word_of_the_debugger_releases_the_isolate() {
        let (enable, ready) = (
            r#"{"id":1,"method":"Debugger.enable"}"#,
            r#"{"id":2,"method":"Runtime.runIfWaitingForDebugger"}"#,
        );
        let (to_isolate, mut inbox) = unbounded();
        let target = target(InspectMode::Break);
        for message in ["no json", enable] {
            assert!(forward(message.to_owned(), &to_isolate, &target));
        }
        assert!(!target.released.is_cancelled());
        assert!(forward(ready.to_owned(), &to_isolate, &target));
        assert!(target.released.is_cancelled());
        target.break_at(Some(&json!({ "scriptId": "7", "lineNumber": 3 })));
        target.break_at(Some(&json!({ "scriptId": "8", "lineNumber": 4 })));
        let breakpoint = r#"{"id":-1,"method":"Debugger.setBreakpoint","params":{"location":{"scriptId":"7","lineNumber":3}}}"#;
        let heard: Vec<_> = std::iter::from_fn(|| inbox.try_recv().ok()).collect();
        assert_eq!(heard, ["no json", enable, ready, breakpoint], "and the last one once");
    }

    #[test]
    fn what_is_evaluated_does_not_pause() {
        let (to_isolate, mut inbox) = unbounded();
        let evaluate = r#"{"id":2,"method":"Runtime.evaluate","params":{"expression":"debugger"}}"#;
        assert!(forward(evaluate.to_owned(), &to_isolate, &target(InspectMode::Run)));
        let heard: serde_json::Value = serde_json::from_str(&inbox.try_recv().unwrap()).unwrap();
        assert_eq!(heard["params"], json!({ "expression": "debugger", "disableBreaks": true }));
    }

    #[test]
    fn nothing_is_set_for_who_released_nothing() {
        let ready = r#"{"id":2,"method":"Runtime.runIfWaitingForDebugger"}"#;
        let (to_isolate, mut inbox) = unbounded();
        let target = target(InspectMode::Run);
        assert!(forward(ready.to_owned(), &to_isolate, &target));
        target.break_at(Some(&json!({ "scriptId": "7", "lineNumber": 3 })));
        assert_eq!(inbox.try_recv().ok().as_deref(), Some(ready));
        assert!(inbox.try_recv().is_err());
    }
}
