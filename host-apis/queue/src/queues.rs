//! All queues of a database.

use std::sync::Arc;

use isobase_base::{Context, Grant};
use isobase_database::Database;

use crate::QueueDoor;
use crate::commits::Commits;

/// The queues, for as many invocations as there are. Clones share one set of pending sends.
#[derive(Clone)]
pub struct Queues {
    database: Database,
    commits: Arc<Commits>,
}

impl Queues {
    /// The runtime it is called on is the one that commits what is sent: it outlives every isolate.
    pub fn new(database: Database) -> Self {
        let commits = Arc::new(Commits::new(database.clone(), tokio::runtime::Handle::current()));
        Self { database, commits }
    }

    /// The queues as one invocation sees them. Cheap.
    pub fn door(&self, context: Context, grant: Grant) -> QueueDoor {
        let database = self.database.session_door(context.clone(), grant);
        QueueDoor { commits: Arc::clone(&self.commits), database, context, grant }
    }
}
