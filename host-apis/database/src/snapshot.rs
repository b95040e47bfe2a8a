//! Texts that the host keeps for its functions: read once, served to all, read again when a channel
//! is notified. The data API's picture of the schema is one.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use isobase_base::limits::{DATABASE_SNAPSHOT_RETRY, DATABASE_SNAPSHOTS_MAX};
use isobase_base::{Context, Grant, Principal};
use parking_lot::Mutex;

use crate::session::{AccessMode, Identity};
use crate::{Door, Error, Session, Statement};

/// A text and what it was read under.
#[derive(Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The channel's generation before the text was read. Compare with [`Door::generation`].
    pub generation: u64,
    pub text: Arc<str>,
}

#[derive(Default)]
pub(crate) struct Snapshots {
    kept: Mutex<HashMap<(String, String), Arc<Kept>>>,
}

#[derive(Default)]
struct Kept {
    latest: Mutex<Option<Arc<Snapshot>>>,
    /// Held by whoever reads; the time before which a failed reading is not tried again.
    reading: Arc<tokio::sync::Mutex<Option<Instant>>>,
}

impl Snapshots {
    pub(crate) async fn get(&self, door: &Door, channel: &str, sql: &str) -> Result<Arc<Snapshot>, Error> {
        let kept = self.kept(channel, sql)?;
        let latest = kept.latest.lock().clone();
        match latest {
            Some(snapshot) if snapshot.generation >= door.core.channels.generation(channel) => Ok(snapshot),
            Some(old) => {
                kept.renew(door, channel, sql);
                Ok(old)
            }
            None => {
                // The first: all who ask wait for one of them to read it.
                let _reading = kept.reading.lock().await;
                if let Some(snapshot) = kept.latest.lock().clone() {
                    return Ok(snapshot);
                }
                kept.read(door, channel, sql).await
            }
        }
    }

    fn kept(&self, channel: &str, sql: &str) -> Result<Arc<Kept>, Error> {
        let mut kept = self.kept.lock();
        let key = (channel.to_owned(), sql.to_owned());
        if let Some(found) = kept.get(&key) {
            return Ok(Arc::clone(found));
        }
        if kept.len() >= DATABASE_SNAPSHOTS_MAX {
            return Err(Error::Refused(format!("the host keeps at most {DATABASE_SNAPSHOTS_MAX} snapshots")));
        }
        Ok(Arc::clone(kept.entry(key).or_default()))
    }
}

impl Kept {
    /// Reads a new one in the background, unless somebody does already. The reader acts for no
    /// request: its deadline is its own.
    fn renew(self: &Arc<Self>, door: &Door, channel: &str, sql: &str) {
        let Ok(mut reading) = Arc::clone(&self.reading).try_lock_owned() else { return };
        if reading.is_some_and(|not_before| Instant::now() < not_before) {
            return;
        }
        let statement_timeout = door.core.pool.config().statement_timeout;
        let context = Context { deadline: Instant::now() + statement_timeout, ..door.context.clone() };
        let door = Door { context, ..door.clone() };
        let (kept, channel, sql) = (Arc::clone(self), channel.to_owned(), sql.to_owned());
        let pool = Arc::clone(&door.core.pool);
        pool.spawn("database snapshot", async move {
            *reading = match kept.read(&door, &channel, &sql).await {
                Ok(_) => None,
                Err(error) => {
                    tracing::warn!(channel, %error, "a snapshot could not be read again; the old one is served");
                    Some(Instant::now() + DATABASE_SNAPSHOT_RETRY)
                }
            };
        });
    }

    async fn read(&self, door: &Door, channel: &str, sql: &str) -> Result<Arc<Snapshot>, Error> {
        let mut watched = door.core.channels.subscribe(channel).ok_or_else(|| {
            Error::Refused("the channel's name is not valid, or too many are in use".to_owned())
        })?;
        // Only what is read after listening began is known to be notified of its changes.
        let generation = *watched
            .wait_for(|generation| *generation > 0)
            .await
            .map_err(|_| Error::Unavailable("the host is stopping".to_owned()))?;
        let context = Context { principal: Principal::service(), ..door.context.clone() };
        let door = Door { context, grant: Grant::Service, core: Arc::clone(&door.core) };
        let session =
            Session { identity: Identity::Service, access_mode: AccessMode::ReadOnly, ..Session::default() };
        let document = door.query_document(&session, Statement::from(sql)).await?;
        let text = match document.body {
            Some(mut body) => body.read().await?,
            None => bytes::Bytes::new(),
        };
        let text = std::str::from_utf8(&text).map_err(|_| Error::Refused("a snapshot is text".to_owned()))?;
        let snapshot = Arc::new(Snapshot { generation, text: text.into() });
        *self.latest.lock() = Some(Arc::clone(&snapshot));
        Ok(snapshot)
    }
}
