//! LISTEN, counted.
//!
//! One connection beside the pool listens to every channel that somebody asked about. Each has a
//! generation: a number that grows with every notification, and with every time listening began
//! anew, since what was missed meanwhile nobody knows. A cache that remembers the generation it was
//! filled under knows without asking the server whether it is stale.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use isobase_base::limits::{DATABASE_CHANNELS_MAX, DATABASE_LISTEN_BACKOFF_MAX};
use isobase_base::observe::{DatabaseEvent, Observation};
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::connection::{Connection, Trouble};
use crate::pool::{Pool, back_off};

/// Longest name of a channel, in bytes: Postgres cuts identifiers there.
const CHANNEL_BYTES_MAX: usize = 63;
/// First pause before the listening connection is made again.
const BACKOFF: Duration = Duration::from_millis(100);

#[derive(Debug, Default)]
pub(crate) struct Channels {
    generations: Mutex<HashMap<String, watch::Sender<u64>>>,
    /// Somebody asked about a channel for the first time.
    asked: Notify,
}

impl Channels {
    /// Zero until listening has begun, and for names that cannot be listened to.
    pub(crate) fn generation(&self, channel: &str) -> u64 {
        let known = self.generations.lock().get(channel).map(|generation| *generation.borrow());
        known.unwrap_or_else(|| self.subscribe(channel).map_or(0, |generation| *generation.borrow()))
    }

    /// Watches a channel's generation; `None` for a name that cannot be one, and when too many
    /// are listened to already.
    pub(crate) fn subscribe(&self, channel: &str) -> Option<watch::Receiver<u64>> {
        let mut generations = self.generations.lock();
        if let Some(generation) = generations.get(channel) {
            return Some(generation.subscribe());
        }
        let well_formed =
            !channel.is_empty() && channel.len() <= CHANNEL_BYTES_MAX && !channel.contains('\0');
        if !well_formed || generations.len() >= DATABASE_CHANNELS_MAX {
            return None;
        }
        let (sender, receiver) = watch::channel(0);
        generations.insert(channel.to_owned(), sender);
        self.asked.notify_one();
        Some(receiver)
    }

    fn advance(&self, channel: &str) {
        if let Some(generation) = self.generations.lock().get(channel) {
            generation.send_modify(|generation| *generation += 1);
        }
    }

    fn not_in(&self, listening: &HashSet<String>) -> Vec<String> {
        self.generations.lock().keys().filter(|channel| !listening.contains(*channel)).cloned().collect()
    }
}

/// Listens until `stop`, over as many connections as it takes.
pub(crate) async fn listen(channels: Arc<Channels>, pool: Arc<Pool>, stop: CancellationToken) {
    let mut pause = BACKOFF;
    loop {
        let session = async {
            match pool.connect_once().await {
                Ok(mut connection) => {
                    pause = BACKOFF;
                    let ended = serve(&channels, &mut connection).await;
                    match ended {
                        Err(Trouble::Lost { why, .. }) => why,
                        Err(Trouble::Sql(error) | Trouble::Stale(error)) => error.to_string(),
                        Err(Trouble::Other(error)) => error.to_string(),
                        Ok(never) => match never {},
                    }
                }
                Err(error) => error.to_string(),
            }
        };
        let Some(why) = stop.run_until_cancelled(session).await else { return };
        let event = DatabaseEvent::Lost { why: &why };
        pool.observer().record(Observation::DatabaseConnection { event });
        if stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
            return;
        }
        pause = back_off(pause, DATABASE_LISTEN_BACKOFF_MAX);
    }
}

/// Listens on one connection until it fails.
async fn serve(
    channels: &Channels,
    connection: &mut Connection,
) -> Result<std::convert::Infallible, Trouble> {
    let mut listening = HashSet::new();
    loop {
        for channel in channels.not_in(&listening) {
            connection.fetch(&format!("LISTEN {}", quoted(&channel))).await?;
            channels.advance(&channel);
            listening.insert(channel);
        }
        tokio::select! {
            () = channels.asked.notified() => {}
            channel = connection.notification() => channels.advance(&channel?),
        }
    }
}

/// An identifier as SQL writes it whatever it holds.
fn quoted(identifier: &str) -> String {
    format!("\"{}\"", identifier.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::{Channels, quoted};

    #[test]
    fn channels_are_quoted_and_bounded() {
        assert_eq!(quoted("a\"; drop table x; --"), "\"a\"\"; drop table x; --\"");
        let channels = Channels::default();
        for bad in ["", "a\0b", &"x".repeat(64)] {
            assert!(channels.subscribe(bad).is_none(), "{bad:?}");
        }
        for index in 0..300 {
            assert_eq!(channels.generation(&format!("channel{index}")), 0);
        }
        assert_eq!(channels.generations.lock().len(), 256);
    }
}
