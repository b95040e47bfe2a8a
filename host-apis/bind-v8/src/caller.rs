//! Who called, per invocation, and what the invocation holds open.

use std::collections::HashMap;

use deno_core::{OpState, op2};
use deno_error::JsErrorBox;
use isobase_base::{Context, Grant};
use isobase_database::{Database, Door};
use isobase_realtime::{Broadcaster, Hub};

use crate::database::{Held, QueryError};

/// The requests that an isolate serves, and what their function may use.
pub struct Callers {
    alive: HashMap<u32, Caller>,
    database: Option<Database>,
    grant: Grant,
    realtime: Option<(Hub, Grant)>,
}

/// One invocation.
pub(crate) struct Caller {
    context: Context,
    /// Made at the first use of the database: most requests never ask.
    door: Option<Door>,
    /// Transactions and row streams. They end with the invocation: dropping one rolls back.
    pub(crate) held: Held,
}

impl Default for Callers {
    fn default() -> Self {
        Self::new(None, Grant::None)
    }
}

impl Callers {
    pub fn new(database: Option<Database>, grant: Grant) -> Self {
        Self { alive: HashMap::new(), database, grant, realtime: None }
    }

    #[must_use]
    pub fn with_realtime(mut self, hub: Option<Hub>, grant: Grant) -> Self {
        self.realtime = hub.map(|hub| (hub, grant));
        self
    }

    pub fn is_empty(&self) -> bool {
        self.alive.is_empty()
    }

    /// Invocation `id` begins on behalf of the caller in `context`.
    pub fn enter(&mut self, id: u32, context: Context) {
        self.alive.insert(id, Caller { context, door: None, held: Held::default() });
    }

    /// It is over: what it held open is closed, and code that still runs for it is refused.
    pub fn leave(&mut self, id: u32) {
        self.alive.remove(&id);
    }

    pub(crate) fn caller(&mut self, id: u32) -> Result<&mut Caller, QueryError> {
        self.alive.get_mut(&id).ok_or_else(|| QueryError::refused(OVER))
    }

    pub(crate) fn door(&mut self, id: u32) -> Result<Door, QueryError> {
        let caller = self.alive.get_mut(&id).ok_or_else(|| QueryError::refused(OVER))?;
        let Some(database) = &self.database else {
            return Err(QueryError::refused("this host runs without a database"));
        };
        let door =
            caller.door.get_or_insert_with(|| database.session_door(caller.context.clone(), self.grant));
        Ok(door.clone())
    }

    /// Realtime as invocation `id` may use it; `None` where the host runs without.
    pub(crate) fn broadcaster(&self, id: u32) -> Result<Option<Broadcaster>, JsErrorBox> {
        let principal = self.context(id)?.principal.clone();
        Ok(self.realtime.as_ref().map(|(hub, grant)| hub.broadcaster(principal, *grant)))
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
