//! Group commit: single sends that come together leave together.
//!
//! Sends of one principal to one queue form a *lane*. While one insert of a lane is under way the next
//! ones gather; when it is committed, all that have gathered become the next insert. So nobody waits
//! for a timer, a lonely send leaves at once, and the more come the fewer commits each costs. A lane
//! belongs to one principal because an insert runs as somebody, and row level security judges it.
//!
//! An insert that Postgres refuses says nothing about the single messages in it, so each is then sent
//! alone and gets its own answer.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Instant;

use isobase_base::limits::{
    DATABASE_ACQUIRE_TIMEOUT, DATABASE_STATEMENT_TIMEOUT, QUEUE_COMMIT_BYTES_MAX, QUEUE_COMMIT_MESSAGES_MAX,
    QUEUE_GATHER_WAIT, QUEUE_SENDS_WAITING_MAX,
};
use isobase_base::task::{self, TaskKind};
use isobase_base::{Client, Context, Grant, Principal, RequestId, TraceContext};
use isobase_database::{Database, Error, Exhaustion, Parameter, Session, Statement};
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::name::QueueName;
use crate::{message, sql};

/// A commit that takes this many times the wait for company is worth waiting for.
const SLOW_COMMIT: u32 = 4;

/// Which sends may share an insert.
#[derive(Clone, Debug)]
pub(crate) struct LaneKey {
    pub(crate) queue: QueueName,
    pub(crate) principal: Principal,
    pub(crate) grant: Grant,
}

impl LaneKey {
    fn parts(&self) -> (&QueueName, &str, &str, bool) {
        let principal = &self.principal;
        let is_service = self.grant == Grant::Service;
        (&self.queue, principal.role().as_str(), principal.claims_json(), is_service)
    }
}

impl PartialEq for LaneKey {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl Eq for LaneKey {}

impl Hash for LaneKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.parts().hash(state);
    }
}

/// A send that waits for its commit.
struct Pending {
    /// See [`message::Outgoing::element`].
    element: String,
    answer: oneshot::Sender<Result<i64, Error>>,
}

#[derive(Default)]
struct State {
    /// A lane is here while a task works on it.
    lanes: HashMap<LaneKey, VecDeque<Pending>>,
    waiting: usize,
}

pub(crate) struct Commits {
    database: Database,
    runtime: Handle,
    state: Mutex<State>,
}

impl Commits {
    pub(crate) fn new(database: Database, runtime: Handle) -> Self {
        Self { database, runtime, state: Mutex::default() }
    }

    /// Resolves after the commit.
    pub(crate) async fn send(self: &Arc<Self>, key: LaneKey, element: String) -> Result<i64, Error> {
        let (answer, answered) = oneshot::channel();
        self.enqueue(key, Pending { element, answer })?;
        answered.await.unwrap_or_else(|_| Err(Error::Unavailable("the host is stopping".to_owned())))
    }

    fn enqueue(self: &Arc<Self>, key: LaneKey, pending: Pending) -> Result<(), Error> {
        let mut state = self.state.lock();
        if state.waiting >= QUEUE_SENDS_WAITING_MAX {
            return Err(Error::Exhausted(Exhaustion::QueueFull));
        }
        state.waiting += 1;
        match state.lanes.entry(key) {
            Entry::Occupied(mut lane) => lane.get_mut().push_back(pending),
            Entry::Vacant(lane) => {
                let key = lane.key().clone();
                lane.insert(VecDeque::from([pending]));
                // Not on the caller's runtime: that of an isolate ends with it.
                let _entered = self.runtime.enter();
                task::spawn(TaskKind::Request, "queue commits", Arc::clone(self).drive(key));
            }
        }
        Ok(())
    }

    /// Commits what gathers in a lane until nothing does.
    async fn drive(self: Arc<Self>, key: LaneKey) {
        let statement: Arc<str> = sql::insert(&key.queue).into();
        while let Some(batch) = self.gathered(&key) {
            let (count, since) = (batch.len(), Instant::now());
            self.commit(&key, &statement, batch).await;
            self.state.lock().waiting -= count;
            // Those just answered send again now; where commits are slow, the first should not leave
            // without the others.
            if count > 1 && since.elapsed() > QUEUE_GATHER_WAIT * SLOW_COMMIT {
                tokio::time::sleep(QUEUE_GATHER_WAIT).await;
            }
        }
    }

    /// The next insert; `None`, and no lane any more, when nobody waits.
    fn gathered(&self, key: &LaneKey) -> Option<Vec<Pending>> {
        let mut state = self.state.lock();
        let mut gone = 0;
        let mut batch = Vec::new();
        if let Some(lane) = state.lanes.get_mut(key) {
            let mut bytes = 0;
            while let Some(next) = lane.front() {
                bytes += next.element.len();
                let is_full = batch.len() == QUEUE_COMMIT_MESSAGES_MAX || bytes > QUEUE_COMMIT_BYTES_MAX;
                if is_full && !batch.is_empty() {
                    break;
                }
                let Some(pending) = lane.pop_front() else { break };
                // Whoever gave up before it was sent need not be surprised by it.
                if pending.answer.is_closed() { gone += 1 } else { batch.push(pending) }
            }
        }
        state.waiting -= gone;
        if batch.is_empty() {
            state.lanes.remove(key);
            return None;
        }
        Some(batch)
    }

    async fn commit(&self, key: &LaneKey, statement: &Arc<str>, batch: Vec<Pending>) {
        let array = array_of(batch.iter().map(|pending| pending.element.as_str()));
        match self.insert(key, statement, array).await {
            Ok(ids) if ids.len() == batch.len() => {
                for (pending, id) in batch.into_iter().zip(ids) {
                    // A caller that is gone has nobody to tell.
                    let _ = pending.answer.send(Ok(id));
                }
            }
            Ok(_) => {
                tell(batch, &Error::Refused("a trigger of the queue's table kept messages out".to_owned()))
            }
            // Postgres undid all of it; one message may be to blame.
            Err(Error::Sql(_)) if batch.len() > 1 => {
                for pending in batch {
                    let alone = self.insert(key, statement, array_of([pending.element.as_str()])).await;
                    let answer = alone.and_then(|ids| {
                        let kept_out = || Error::Refused("a trigger kept the message out".to_owned());
                        ids.first().copied().ok_or_else(kept_out)
                    });
                    let _ = pending.answer.send(answer);
                }
            }
            Err(error) => tell(batch, &error),
        }
    }

    /// One transaction as the lane's principal; returns after the commit.
    async fn insert(&self, key: &LaneKey, statement: &Arc<str>, array: String) -> Result<Vec<i64>, Error> {
        let context = Context {
            request_id: RequestId::generate(),
            trace: TraceContext::generate(),
            principal: key.principal.clone(),
            // Whoever waits has a deadline of its own; the others' commit goes on.
            deadline: Instant::now() + DATABASE_ACQUIRE_TIMEOUT + DATABASE_STATEMENT_TIMEOUT,
            client: Client { address: IpAddr::V4(Ipv4Addr::LOCALHOST) },
        };
        let door = self.database.session_door(context, key.grant);
        let statement = Statement::new(Arc::clone(statement), vec![Parameter::Text(array.into())]);
        message::ids(door.query(&Session::default(), statement).await?.rows)
    }
}

fn tell(batch: Vec<Pending>, error: &Error) {
    for pending in batch {
        let _ = pending.answer.send(Err(error.clone()));
    }
}

/// JSON elements as an array.
pub(crate) fn array_of<'a>(elements: impl IntoIterator<Item = &'a str>) -> String {
    let mut array = String::from("[");
    for element in elements {
        if array.len() > 1 {
            array.push(',');
        }
        array.push_str(element);
    }
    array.push(']');
    array
}
