//! What the imports of one store work on.

use isobase_base::Context;
use isobase_database::Door;
use isobase_queue::QueueDoor;
use isobase_realtime::Broadcaster;
use wasmtime::component::ResourceTable;

/// The circumstances of the request that a store is serving. Replaced for each request where a
/// store serves several, one after another.
pub struct Host {
    pub(crate) context: Context,
    pub(crate) door: Option<Door>,
    pub(crate) queues: Option<QueueDoor>,
    pub(crate) broadcaster: Option<Broadcaster>,
    pub(crate) storage: Option<isobase_storage::Door>,
}

/// The host APIs as one request may use them; `None` where the host runs without.
#[derive(Default)]
pub struct Doors {
    pub database: Option<Door>,
    pub queues: Option<QueueDoor>,
    pub broadcaster: Option<Broadcaster>,
    pub storage: Option<isobase_storage::Door>,
}

impl Host {
    pub fn new(context: Context, doors: Doors) -> Self {
        let Doors { database, queues, broadcaster, storage } = doors;
        Self { context, door: database, queues, broadcaster, storage }
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
