//! Requests inside an isolate, from the moment they arrive on its thread until nothing in it works
//! for them any more.

use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use isobase_base::{Body, Context, Failure, RequestId};
use isobase_engine::Usage;
use tokio::sync::oneshot;

use crate::cpu::TurnClock;
use crate::memory::MemoryMeter;

/// Names one invocation within its isolate; never zero. Fits a small integer of V8.
pub(crate) type InvocationId = u32;

/// Where the answer goes. Closed when nobody waits for it any more.
pub(crate) type Reply = oneshot::Sender<Result<Response<Body>, Failure>>;

/// A request on its way to an isolate.
pub(crate) struct Arrival {
    pub(crate) id: InvocationId,
    pub(crate) request: Request<Body>,
    pub(crate) context: Context,
    pub(crate) reply: Reply,
    /// When it was put before the isolate.
    pub(crate) sent: Instant,
}

/// A request that the isolate works on.
pub(crate) struct Invocation {
    pub(crate) head: Parts,
    pub(crate) body: Option<Body>,
    /// Bytes before those of `body`, when somebody has looked at it.
    pub(crate) body_begin: Bytes,
    pub(crate) client: IpAddr,
    pub(crate) request_id: RequestId,
    reply: Option<Reply>,
    progress: Progress,
    /// The client went away or the time was over.
    pub(crate) cancelled: bool,
    /// A script holds a callback for the case that it is cancelled.
    pub(crate) watched: bool,
    /// A script has taken the connection and may answer 101.
    pub(crate) upgrading: bool,
    /// Promises given to `waitUntil` that have not settled.
    promises: u32,
    /// Reading of the isolate's shared CPU clock when it began; see [`crate::cpu`].
    pub(crate) cpu_begin: Duration,
    pub(crate) began: Instant,
    usage: Usage,
}

/// How far the response is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    /// The handler has not answered.
    Awaited,
    /// The head is sent, the body still flows.
    Streaming,
    /// Nothing more will be sent.
    Done,
}

impl Invocation {
    fn note_usage(&self, shared: Duration, memory: &MemoryMeter) {
        self.usage.set_cpu(shared.saturating_sub(self.cpu_begin));
        self.usage.set_memory(memory.held());
    }
}

/// All invocations of one isolate.
pub(crate) struct Invocations {
    clock: Rc<TurnClock>,
    memory: Arc<MemoryMeter>,
    live: HashMap<InvocationId, Invocation>,
    /// Ids that are over and nobody has been told of yet, and whether a script watched them.
    over: Vec<(InvocationId, bool)>,
    begun: u64,
    /// Failures in a turn that seemed to be over a limit.
    doubtful: Vec<(InvocationId, Failure)>,
}

impl Invocations {
    pub(crate) fn new(clock: Rc<TurnClock>, memory: Arc<MemoryMeter>) -> Self {
        Self { clock, memory, live: HashMap::new(), over: Vec::new(), begun: 0, doubtful: Vec::new() }
    }

    /// Takes `arrival` in, unless nobody waits for its answer any more.
    pub(crate) fn admit(&mut self, arrival: Arrival, cpu_begin: Duration) -> bool {
        if arrival.reply.is_closed() {
            return false;
        }
        let (mut head, body) = arrival.request.into_parts();
        let usage = head.extensions.remove::<Usage>().unwrap_or_default();
        let invocation = Invocation {
            head,
            body: Some(body),
            body_begin: Bytes::new(),
            client: arrival.context.client.address,
            request_id: arrival.context.request_id,
            reply: Some(arrival.reply),
            progress: Progress::Awaited,
            cancelled: false,
            watched: false,
            upgrading: false,
            promises: 0,
            cpu_begin,
            began: Instant::now(),
            usage,
        };
        self.live.insert(arrival.id, invocation);
        self.begun += 1;
        true
    }

    pub(crate) fn memory(&self) -> &Arc<MemoryMeter> {
        &self.memory
    }

    /// Fails the invocation once the turn has ended without a limit hit.
    pub(crate) fn fail_unless_over_limit(&mut self, id: InvocationId, failure: Failure) {
        self.doubtful.push((id, failure));
    }

    /// No limit was hit in the turn.
    pub(crate) fn no_limit_was_hit(&mut self) {
        for (id, failure) in std::mem::take(&mut self.doubtful) {
            self.answer(id, Err(failure), false);
        }
    }

    /// Whether the turn under way is being ended for a limit.
    pub(crate) fn is_over_limit(&self) -> bool {
        self.clock.is_over() || self.memory.exceeded()
    }

    /// How many were taken in so far.
    pub(crate) fn begun(&self) -> u64 {
        self.begun
    }

    pub(crate) fn get(&self, id: InvocationId) -> Option<&Invocation> {
        self.live.get(&id)
    }

    pub(crate) fn get_mut(&mut self, id: InvocationId) -> Option<&mut Invocation> {
        self.live.get_mut(&id)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.live.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.live.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (InvocationId, &Invocation)> {
        self.live.iter().map(|(id, invocation)| (*id, invocation))
    }

    /// Sends the answer; a second one is dropped. With `streaming` the invocation goes on until
    /// [`Invocations::body_ended`].
    pub(crate) fn answer(
        &mut self,
        id: InvocationId,
        answer: Result<Response<Body>, Failure>,
        streaming: bool,
    ) -> bool {
        let sharers = self.live.len();
        let Some(invocation) = self.live.get_mut(&id) else { return false };
        let Some(reply) = invocation.reply.take() else { return false };
        // Whoever hears the answer may write down at once what it cost.
        invocation.note_usage(self.clock.read(sharers), &self.memory);
        let heard = reply.send(answer).is_ok();
        invocation.progress = if streaming && heard { Progress::Streaming } else { Progress::Done };
        invocation.cancelled |= !heard;
        self.settle(id);
        heard
    }

    /// The last byte of the response was handed over, or nobody wants it any more.
    pub(crate) fn body_ended(&mut self, id: InvocationId) {
        if let Some(invocation) = self.live.get_mut(&id) {
            invocation.progress = Progress::Done;
            self.settle(id);
        }
    }

    /// Nobody waits for the answer any more. True if JavaScript should be told.
    pub(crate) fn cancel(&mut self, id: InvocationId) -> bool {
        let Some(invocation) = self.live.get_mut(&id) else { return false };
        if invocation.progress == Progress::Done || invocation.cancelled {
            return false;
        }
        invocation.cancelled = true;
        invocation.progress = Progress::Done;
        invocation.reply = None;
        invocation.body = None;
        true
    }

    /// Its time is over, or its budget: nobody waits for what it left to be done either.
    pub(crate) fn give_up(&mut self, id: InvocationId) {
        if let Some(invocation) = self.live.get_mut(&id) {
            invocation.progress = Progress::Done;
            invocation.promises = 0;
            self.settle(id);
        }
    }

    /// `waitUntil`: false when the invocation is over already.
    pub(crate) fn keep(&mut self, id: InvocationId) -> bool {
        self.live.get_mut(&id).is_some_and(|invocation| {
            invocation.promises += 1;
            true
        })
    }

    /// A promise given to `waitUntil` settled.
    pub(crate) fn let_go(&mut self, id: InvocationId) {
        if let Some(invocation) = self.live.get_mut(&id) {
            invocation.promises = invocation.promises.saturating_sub(1);
            self.settle(id);
        }
    }

    /// Forgets the invocation if nothing is left to do for it.
    pub(crate) fn settle(&mut self, id: InvocationId) {
        let is_over = self
            .live
            .get(&id)
            .is_some_and(|invocation| invocation.progress == Progress::Done && invocation.promises == 0);
        if is_over && let Some(invocation) = self.live.remove(&id) {
            self.over.push((id, invocation.watched));
        }
    }

    /// The end of a turn: `shared` is the reading of the clock. Only of responses that still flow: who
    /// has not answered is read when it does.
    pub(crate) fn note_usage(&mut self, shared: Duration) {
        let streaming = self.live.values().filter(|invocation| invocation.progress == Progress::Streaming);
        streaming.for_each(|invocation| invocation.note_usage(shared, &self.memory));
    }

    /// Ids that ended since the last call, and whether a script watched them.
    pub(crate) fn take_over(&mut self) -> Vec<(InvocationId, bool)> {
        std::mem::take(&mut self.over)
    }

    /// Fails whatever still waits for an answer. Returns the rest: what follows their responses ends
    /// without anybody being told.
    pub(crate) fn fail_all(&mut self, failure: impl Fn(InvocationId) -> Failure) -> Vec<InvocationId> {
        let (waiting, answered): (Vec<_>, Vec<_>) =
            self.live.iter().map(|(id, one)| (*id, one.reply.is_some())).partition(|(_, waits)| *waits);
        for (id, _) in waiting {
            self.answer(id, Err(failure(id)), false);
        }
        answered.into_iter().map(|(id, _)| id).collect()
    }
}
