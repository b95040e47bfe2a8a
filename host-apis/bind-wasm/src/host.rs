//! What the imports of one store work on.

use isobase_base::Context;
use isobase_database::Door;
use isobase_realtime::Broadcaster;
use wasmtime::component::ResourceTable;

/// The circumstances of the request that a store is serving. Replaced for each request where a
/// store serves several, one after another.
pub struct Host {
    pub(crate) context: Context,
    pub(crate) door: Option<Door>,
    pub(crate) broadcaster: Option<Broadcaster>,
}

impl Host {
    /// `door` is the database as this request may use it; `None` where the host runs without one.
    pub fn new(context: Context, door: Option<Door>) -> Self {
        Self { context, door, broadcaster: None }
    }

    /// `broadcaster` is realtime as this request may use it.
    #[must_use]
    pub fn with_realtime(mut self, broadcaster: Option<Broadcaster>) -> Self {
        self.broadcaster = broadcaster;
        self
    }

    pub fn context(&self) -> &Context {
        &self.context
    }
}

/// A borrow of the [`Host`] and of the resources that the guest holds.
pub struct HostView<'a> {
    pub host: &'a mut Host,
    pub table: &'a mut ResourceTable,
}
