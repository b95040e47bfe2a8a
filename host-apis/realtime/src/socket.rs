//! One WebSocket: frames in, frames out, and its end.

use std::convert::Infallible;
use std::future::{pending, ready};
use std::time::Duration;

use bytes::BytesMut;
use fastwebsockets::{Frame, OpCode, Role, WebSocketError, WebSocketRead, after_handshake_split};
use isobase_base::observe::RealtimeEvent;
use isobase_base::{UpgradedIo, limits};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::Hub;
use crate::frame::{self, CloseCode, Opcode};
use crate::outbox::{Ending, Next, Outbox};
use crate::session::{Form, Session};

/// How often a session looks at its clocks. Its timeouts are this exact.
const TICK: Duration = Duration::from_secs(5);
/// For the farewell of a socket whose peer may not be reading.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Talks until either side ends. Reading, writing and the clocks run side by side in one task: each
/// is one long future, so none is ever cut in the middle of a frame.
pub(crate) async fn run(connection: Box<dyn UpgradedIo>, session: Session, hub: Hub) {
    hub.observe(RealtimeEvent::SocketOpened);
    let outbox = session.outbox();
    let session = Mutex::new(session);
    let (read, mut write) = tokio::io::split(connection);
    let (mut reader, _) = after_handshake_split(read, tokio::io::sink(), Role::Server);
    reader.set_auto_close(false);
    reader.set_max_message_size(limits::REALTIME_FRAME_BYTES_MAX);
    let closing = hub.closing();
    let ending = tokio::select! {
        ending = write_frames(&mut write, &outbox) => ending,
        () = async {
            let ending = read_messages(&mut reader, &session, &outbox).await;
            outbox.end(ending);
            pending().await
        } => unreachable!("it waits for the writer's end"),
        () = tick(&session) => unreachable!("clocks go on"),
        () = async {
            closing.cancelled().await;
            outbox.end(Ending::Close(CloseCode::Restart));
            pending().await
        } => unreachable!("it waits for the writer's end"),
    };
    // Memberships go first: nothing more is published to a socket that ends.
    drop(session);
    match ending {
        Ending::Close(code) => {
            // A peer that is gone needs no farewell.
            _ = timeout(CLOSE_TIMEOUT, async {
                write.write_all(&frame::close(code)).await?;
                write.shutdown().await
            })
            .await;
        }
        Ending::TooSlow => hub.observe(RealtimeEvent::TooSlow),
        Ending::Drop => {}
    }
    hub.observe(RealtimeEvent::SocketClosed);
}

async fn tick(session: &Mutex<Session>) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        session.lock().tick();
    }
}

async fn write_frames(write: &mut (impl AsyncWrite + Unpin), outbox: &Outbox) -> Ending {
    loop {
        let piece = match outbox.next().await {
            Next::Write(piece) => piece,
            Next::End(ending) => return ending,
        };
        let written = timeout(limits::REALTIME_WRITE_TIMEOUT, async {
            write.write_all(&piece).await?;
            write.flush().await
        });
        match written.await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Ending::Drop,
            Err(_) => return Ending::TooSlow,
        }
    }
}

/// Hands whole messages to the session until the peer ends or errs.
async fn read_messages<R: AsyncRead + Unpin>(
    reader: &mut WebSocketRead<R>,
    session: &Mutex<Session>,
    outbox: &Outbox,
) -> Ending {
    let mut fragments = Fragments::default();
    loop {
        let mut answer = |frame: Frame<'_>| {
            outbox.push(frame::frame(Opcode::Pong, &[&frame.payload]));
            ready(Ok::<_, Infallible>(()))
        };
        let frame = match reader.read_frame(&mut answer).await {
            Ok(frame) => frame,
            Err(error) => return ending_of(&error),
        };
        session.lock().heard();
        match fragments.add(&frame) {
            Ok(Step::Message(form)) => session.lock().receive(form, &frame.payload),
            Ok(Step::Whole(form, message)) => session.lock().receive(form, &message),
            Ok(Step::More) => {}
            Ok(Step::Closed) => return Ending::Close(CloseCode::Normal),
            Err(code) => return Ending::Close(code),
        }
    }
}

fn ending_of(error: &WebSocketError) -> Ending {
    match error {
        WebSocketError::UnexpectedEOF | WebSocketError::ConnectionClosed | WebSocketError::IoError(_) => {
            Ending::Drop
        }
        WebSocketError::FrameTooLarge => Ending::Close(CloseCode::TooBig),
        _ => Ending::Close(CloseCode::Protocol),
    }
}

/// The beginning of a message that comes in several frames, bounded like a single one.
#[derive(Default)]
struct Fragments {
    begun: Option<(Form, BytesMut)>,
}

enum Step {
    /// The frame is the message.
    Message(Form),
    /// The frame was the last of this message.
    Whole(Form, BytesMut),
    More,
    Closed,
}

impl Fragments {
    fn add(&mut self, frame: &Frame<'_>) -> Result<Step, CloseCode> {
        let form = match frame.opcode {
            OpCode::Close => return Ok(Step::Closed),
            OpCode::Ping | OpCode::Pong => return Ok(Step::More),
            OpCode::Continuation => return self.go_on(frame),
            OpCode::Text => Form::Text,
            OpCode::Binary => Form::Binary,
        };
        if self.begun.is_some() {
            return Err(CloseCode::Protocol);
        }
        if frame.fin {
            return Ok(Step::Message(form));
        }
        self.begun = Some((form, BytesMut::from(&frame.payload[..])));
        Ok(Step::More)
    }

    fn go_on(&mut self, frame: &Frame<'_>) -> Result<Step, CloseCode> {
        let (form, mut message) = self.begun.take().ok_or(CloseCode::Protocol)?;
        if message.len() + frame.payload.len() > limits::REALTIME_FRAME_BYTES_MAX {
            return Err(CloseCode::TooBig);
        }
        message.extend_from_slice(&frame.payload);
        if frame.fin {
            return Ok(Step::Whole(form, message));
        }
        self.begun = Some((form, message));
        Ok(Step::More)
    }
}
