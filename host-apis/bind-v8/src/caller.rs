//! Who called, per invocation, and what the invocation holds open.

use std::collections::HashMap;

use deno_core::{OpState, op2};
use deno_error::JsErrorBox;
use isobase_base::{Capabilities, Context, Grant, TraceContext};
use isobase_database::{Database, Door};
use isobase_queue::{QueueDoor, Queues};
use isobase_realtime::{Broadcaster, Hub};
use isobase_storage::Storage;

use crate::database::{Held, QueryError};
use crate::storage::{OpenContents, StorageError};

/// The host APIs; `None` where the host runs without.
#[derive(Clone, Default)]
pub struct HostApis {
    pub database: Option<Database>,
    pub queues: Option<Queues>,
    pub realtime: Option<Hub>,
    pub storage: Option<Storage>,
}

/// The requests that an isolate serves, and what their function may use.
pub struct Callers {
    alive: HashMap<u32, Caller>,
    apis: HostApis,
    grants: Capabilities,
}

/// One invocation.
pub(crate) struct Caller {
    context: Context,
    /// Made at the first use of the database: most requests never ask.
    door: Option<Door>,
    /// Transactions and row streams. They end with the invocation: dropping one rolls back.
    pub(crate) held: Held,
    /// Stored objects that are being read. They end with the invocation too.
    pub(crate) contents: OpenContents,
}

impl Default for Callers {
    fn default() -> Self {
        Self::new(HostApis::default(), Capabilities::all(Grant::None))
    }
}

impl Callers {
    pub fn new(apis: HostApis, grants: Capabilities) -> Self {
        Self { alive: HashMap::new(), apis, grants }
    }

    pub fn is_empty(&self) -> bool {
        self.alive.is_empty()
    }

    /// Invocation `id` begins on behalf of the caller in `context`.
    pub fn enter(&mut self, id: u32, context: Context) {
        let caller = Caller { context, door: None, held: Held::default(), contents: OpenContents::default() };
        self.alive.insert(id, caller);
    }

    /// It is over: what it held open is closed, and code that still runs for it is refused.
    pub fn leave(&mut self, id: u32) {
        self.alive.remove(&id);
    }

    /// The trace that invocation `id` belongs to.
    pub fn trace(&self, id: u32) -> Option<TraceContext> {
        self.alive.get(&id).map(|caller| caller.context.trace)
    }

    pub(crate) fn caller(&mut self, id: u32) -> Result<&mut Caller, QueryError> {
        self.alive.get_mut(&id).ok_or_else(|| QueryError::refused(OVER))
    }

    pub(crate) fn door(&mut self, id: u32) -> Result<Door, QueryError> {
        let caller = self.alive.get_mut(&id).ok_or_else(|| QueryError::refused(OVER))?;
        let Some(database) = &self.apis.database else {
            return Err(QueryError::refused("this host runs without a database"));
        };
        let grant = self.grants.database;
        let door = caller.door.get_or_insert_with(|| database.session_door(caller.context.clone(), grant));
        Ok(door.clone())
    }

    pub(crate) fn queues(&mut self, id: u32) -> Result<QueueDoor, QueryError> {
        let caller = self.alive.get(&id).ok_or_else(|| QueryError::refused(OVER))?;
        match &self.apis.queues {
            Some(queues) => Ok(queues.door(caller.context.clone(), self.grants.queue)),
            None => Err(QueryError::unavailable("this host runs without a database")),
        }
    }

    pub(crate) fn storage(&mut self, id: u32) -> Result<isobase_storage::Door, StorageError> {
        let caller = self.alive.get(&id).ok_or_else(|| StorageError::refused(OVER))?;
        let storage = self.apis.storage.as_ref();
        let storage = storage.ok_or_else(|| StorageError::refused("this host runs without a storage"))?;
        Ok(storage.door(caller.context.clone(), self.grants.storage))
    }

    pub(crate) fn contents(&mut self, id: u32) -> Result<&mut OpenContents, StorageError> {
        let caller = self.alive.get_mut(&id).ok_or_else(|| StorageError::refused(OVER))?;
        Ok(&mut caller.contents)
    }

    /// Realtime as invocation `id` may use it; `None` where the host runs without.
    pub(crate) fn broadcaster(&self, id: u32) -> Result<Option<Broadcaster>, JsErrorBox> {
        let principal = self.context(id)?.principal.clone();
        let hub = self.apis.realtime.as_ref();
        Ok(hub.map(|hub| hub.broadcaster(principal, self.grants.realtime)))
    }

    fn context(&self, id: u32) -> Result<&Context, JsErrorBox> {
        self.alive.get(&id).map(|caller| &caller.context).ok_or_else(|| JsErrorBox::type_error(OVER))
    }
}

const OVER: &str = "the request is over; use EdgeRuntime.waitUntil for work after the response";

#[op2]
#[string]
pub(crate) fn op_isobase_caller_role(state: &OpState, #[smi] id: u32) -> Result<String, JsErrorBox> {
    Ok(state.borrow::<Callers>().context(id)?.principal.role().as_str().to_owned())
}

/// JSON text, the same that row level security reads.
#[op2]
#[string]
pub(crate) fn op_isobase_caller_claims(state: &OpState, #[smi] id: u32) -> Result<String, JsErrorBox> {
    Ok(state.borrow::<Callers>().context(id)?.principal.claims_json().to_owned())
}

#[op2]
#[string]
pub(crate) fn op_isobase_request_id(state: &OpState, #[smi] id: u32) -> Result<String, JsErrorBox> {
    Ok(state.borrow::<Callers>().context(id)?.request_id.to_string())
}

#[op2]
#[string]
pub(crate) fn op_isobase_traceparent(state: &OpState, #[smi] id: u32) -> Result<String, JsErrorBox> {
    Ok(state.borrow::<Callers>().context(id)?.trace.to_string())
}
