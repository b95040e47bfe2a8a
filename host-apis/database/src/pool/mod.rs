//! Connections, shared by all requests.
//!
//! Bounded in number, in waiters and in waiting time; first come, first served. An idle connection
//! that acted last as the same role is preferred: the server plans queries under row level security
//! for one role and plans them again for another. Among these, one that knows the statement is: what
//! the connections have parsed is then one store rather than as many copies of the same.

mod lease;
mod opener;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use isobase_base::limits::DRAIN_TIMEOUT;
use isobase_base::observe::{AcquireOutcome, DatabaseEvent, Observation, Observer};
use isobase_base::{Role, task};
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::{Notify, oneshot};

pub(crate) use lease::Lease;

use crate::connection::{Connection, Fingerprint};
use crate::wire::Login;
use crate::{DatabaseConfig, Error, Exhaustion};

/// The pool's connections at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolStatus {
    pub idle: usize,
    /// In use, or being brought back to a clean session.
    pub busy: usize,
    /// Requests waiting for a connection.
    pub waiting: usize,
}

pub(crate) struct Pool {
    config: DatabaseConfig,
    login: Login,
    observer: Observer,
    /// Where connections are opened and recovered: requests may come from other runtimes' threads.
    runtime: Handle,
    state: Mutex<State>,
    /// Told when the last connection has ended.
    emptied: Notify,
}

#[derive(Default)]
struct State {
    /// The most recently used last. Boxed, for connections move with every request.
    #[allow(clippy::vec_box, reason = "moved on every request")]
    idle: Vec<Box<Connection>>,
    /// Established connections, idle or not.
    live: usize,
    opening: usize,
    waiting: VecDeque<Waiter>,
    closed: bool,
}

type Waiter = oneshot::Sender<Result<Lease, Error>>;

/// What a request gets when it asks.
enum Claim {
    Ready(Lease),
    Wait(oneshot::Receiver<Result<Lease, Error>>),
}

impl Pool {
    /// A pool of connections that log in as `login`.
    pub(crate) fn new(
        config: DatabaseConfig,
        login: &Login,
        observer: Observer,
        runtime: Handle,
    ) -> Arc<Self> {
        let login = config.session_login(login);
        Arc::new(Self { config, login, observer, runtime, state: Mutex::default(), emptied: Notify::new() })
    }

    pub(crate) fn config(&self) -> &DatabaseConfig {
        &self.config
    }

    pub(crate) fn observer(&self) -> &Observer {
        &self.observer
    }

    /// Spawns on the pool's own runtime, from whatever thread.
    pub(crate) fn spawn(&self, name: &'static str, future: impl Future<Output = ()> + Send + 'static) {
        let _entered = self.runtime.enter();
        task::spawn(task::TaskKind::Request, name, future);
    }

    /// A clean connection, at best one that acted as `role` last and has parsed `sql`. Waits at most
    /// the configured time; cancel-safe, a place in the queue is given up by dropping.
    pub(crate) async fn acquire(self: &Arc<Self>, role: &Role, sql: &str) -> Result<Lease, Error> {
        let begun = Instant::now();
        let result = match self.claim(role, Fingerprint::of(sql)) {
            Ok(Claim::Ready(lease)) => Ok(lease),
            Ok(Claim::Wait(receiver)) => self.wait(receiver).await,
            Err(error) => Err(error),
        };
        let outcome = match &result {
            Ok(_) => AcquireOutcome::Acquired,
            Err(Error::Exhausted(Exhaustion::WaitOver)) => AcquireOutcome::TimedOut,
            Err(_) => AcquireOutcome::Refused,
        };
        self.observer.record(Observation::DatabaseAcquire { wait: begun.elapsed(), outcome });
        result
    }

    fn claim(self: &Arc<Self>, role: &Role, statement: Fingerprint) -> Result<Claim, Error> {
        let mut state = self.state.lock();
        if state.closed {
            return Err(stopping());
        }
        while let Some(mut connection) = take_idle(&mut state, role, statement) {
            if connection.is_alive() && connection.age() < self.config.connection_age_max {
                return Ok(Claim::Ready(Lease::new(connection, self)));
            }
            state.live -= 1;
            let closed_by_server = connection.age() < self.config.connection_age_max;
            connection.close();
            if closed_by_server {
                self.report(DatabaseEvent::Lost { why: "the server closed it while it was idle" });
            }
        }
        if state.waiting.len() >= self.config.waiters_max {
            state.waiting.retain(|waiter| !waiter.is_closed());
            if state.waiting.len() >= self.config.waiters_max {
                return Err(Error::Exhausted(Exhaustion::QueueFull));
            }
        }
        let (sender, receiver) = oneshot::channel();
        state.waiting.push_back(sender);
        self.open_as_needed(&mut state);
        Ok(Claim::Wait(receiver))
    }

    async fn wait(&self, receiver: oneshot::Receiver<Result<Lease, Error>>) -> Result<Lease, Error> {
        match tokio::time::timeout(self.config.acquire_timeout, receiver).await {
            Ok(Ok(result)) => result,
            Ok(Err(_closed)) => Err(stopping()),
            Err(_elapsed) if self.state.lock().live == 0 => {
                Err(Error::Unavailable("no connection could be opened in time".to_owned()))
            }
            Err(_elapsed) => Err(Error::Exhausted(Exhaustion::WaitOver)),
        }
    }

    /// Opens connections while more requests wait than are being opened, up to the bound.
    fn open_as_needed(self: &Arc<Self>, state: &mut State) {
        while !state.closed
            && state.opening < state.waiting.len()
            && state.live + state.opening < self.config.connections_max
        {
            state.opening += 1;
            self.spawn("database connect", opener::open(Arc::clone(self)));
        }
    }

    /// Takes a clean connection back: to whoever waits longest, or to the idle ones.
    fn put_back(self: &Arc<Self>, mut connection: Box<Connection>) {
        if connection.age() >= self.config.connection_age_max {
            return self.discard(connection, None);
        }
        loop {
            let waiter = {
                let mut state = self.state.lock();
                if state.closed {
                    drop(state);
                    return self.discard(connection, None);
                }
                match state.waiting.pop_front() {
                    Some(waiter) => waiter,
                    None => return state.idle.push(connection),
                }
            };
            match waiter.send(Ok(Lease::new(connection, self))) {
                Ok(()) => return,
                Err(Ok(lease)) => match lease.into_connection() {
                    Some(unwanted) => connection = unwanted,
                    None => return,
                },
                Err(Err(_)) => return,
            }
        }
    }

    /// Ends a connection; `why` is told when it was not by choice.
    fn discard(self: &Arc<Self>, connection: Box<Connection>, why: Option<&str>) {
        connection.close();
        {
            let mut state = self.state.lock();
            state.live -= 1;
            self.open_as_needed(&mut state);
            if state.live + state.opening == 0 {
                self.emptied.notify_waiters();
            }
        }
        if let Some(why) = why {
            self.report(DatabaseEvent::Lost { why });
        }
    }

    pub(crate) fn status(&self) -> PoolStatus {
        let state = self.state.lock();
        PoolStatus {
            idle: state.idle.len(),
            busy: state.live - state.idle.len(),
            waiting: state.waiting.iter().filter(|waiter| !waiter.is_closed()).count(),
        }
    }

    /// Hands out nothing more, waits for what is out (bounded), closes all.
    pub(crate) async fn close(&self) {
        let emptied = self.emptied.notified();
        tokio::pin!(emptied);
        emptied.as_mut().enable();
        let (idle, waiting, empty) = {
            let mut state = self.state.lock();
            state.closed = true;
            let idle = std::mem::take(&mut state.idle);
            state.live -= idle.len();
            (idle, std::mem::take(&mut state.waiting), state.live + state.opening == 0)
        };
        for waiter in waiting {
            let _ = waiter.send(Err(stopping()));
        }
        for connection in idle {
            connection.close();
        }
        if !empty && tokio::time::timeout(DRAIN_TIMEOUT, emptied).await.is_err() {
            tracing::warn!("database connections are still in use at the end of the drain; they are cut");
        }
    }

    fn report(&self, event: DatabaseEvent<'_>) {
        self.observer.record(Observation::DatabaseConnection { event });
    }
}

/// The idle connection for `role`: the last used of the same role that knows the statement; or the longest
/// unused of the same role, since were it the last used, that one alone would parse all that is new and forget
/// it again while the others know little; or the longest unused of all, whose plans are the least missed.
fn take_idle(state: &mut State, role: &Role, statement: Fingerprint) -> Option<Box<Connection>> {
    let is_of_role = |connection: &Connection| connection.role.as_ref() == Some(role);
    let idle = || state.idle.iter();
    let knowing = idle().rposition(|connection| is_of_role(connection) && connection.knows(statement));
    let longest_unused = || idle().position(|connection| is_of_role(connection));
    let index = knowing.or_else(longest_unused).unwrap_or(0);
    (!state.idle.is_empty()).then(|| state.idle.remove(index))
}

fn stopping() -> Error {
    Error::Unavailable("the host is stopping".to_owned())
}

/// Doubles a pause up to a bound.
pub(crate) fn back_off(pause: Duration, pause_max: Duration) -> Duration {
    (pause * 2).min(pause_max)
}
