//! How many requests a host may have under way. A host that answers earns more room, one that does not
//! loses it, so that those which answer nobody hold few places however many they are.

use std::collections::HashMap;

use isobase_base::limits::{OUTBOUND_SENDING_BYTES_MAX, OUTBOUND_SENDING_MAX, OUTBOUND_SENDING_PER_HOST_MAX};

/// Room of a host nothing is known of.
pub(super) const ROOM_AT_FIRST: usize = 16;
const ROOM_MIN: usize = 2;
/// Hosts remembered beyond those being sent to.
const REMEMBERED_MAX: usize = 4_096;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Lane {
    sending: usize,
    room: usize,
}

/// How an attempt went, as far as the host's health goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Health {
    Answered,
    Silent,
}

/// An attempt that ended, on its way to the lanes.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) host: String,
    /// Of the request's body.
    pub(super) bytes: usize,
    pub(super) health: Health,
}

#[derive(Debug, Default)]
pub(super) struct Lanes {
    lanes: HashMap<String, Lane>,
    sending: usize,
    bytes: usize,
}

impl Lanes {
    pub(super) fn sending(&self) -> usize {
        self.sending
    }

    pub(super) fn free(&self) -> usize {
        if self.free_bytes() == 0 { 0 } else { OUTBOUND_SENDING_MAX.saturating_sub(self.sending) }
    }

    pub(super) fn free_bytes(&self) -> usize {
        OUTBOUND_SENDING_BYTES_MAX.saturating_sub(self.bytes)
    }

    /// Hosts whose room differs from a stranger's, with what is free of it.
    pub(super) fn known(&self) -> (Vec<&str>, Vec<i32>) {
        let free = |lane: &Lane| i32::try_from(lane.room.saturating_sub(lane.sending)).unwrap_or(0);
        let known = self.lanes.iter().filter(|(_, lane)| free(lane) != ROOM_AT_FIRST as i32);
        known.map(|(host, lane)| (host.as_str(), free(lane))).unzip()
    }

    pub(super) fn begin(&mut self, host: &str, bytes: usize) {
        self.sending += 1;
        self.bytes += bytes;
        match self.lanes.get_mut(host) {
            Some(lane) => lane.sending += 1,
            None => _ = self.lanes.insert(host.to_owned(), Lane { sending: 1, room: ROOM_AT_FIRST }),
        }
    }

    /// True if the host had no room left until now.
    pub(super) fn end(&mut self, Ended { host, bytes, health }: &Ended) -> bool {
        self.sending = self.sending.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(*bytes);
        let Some(lane) = self.lanes.get_mut(host) else { return false };
        let was_full = lane.sending >= lane.room;
        lane.sending = lane.sending.saturating_sub(1);
        lane.room = match health {
            Health::Answered => (lane.room * 2).clamp(ROOM_AT_FIRST, OUTBOUND_SENDING_PER_HOST_MAX),
            Health::Silent => (lane.room / 2).max(ROOM_MIN),
        };
        if self.lanes.len() > REMEMBERED_MAX {
            self.lanes.retain(|_, lane| lane.sending > 0);
        }
        was_full
    }
}

#[cfg(test)]
mod tests {
    use isobase_base::limits::OUTBOUND_SENDING_BYTES_MAX;

    use super::{Ended, Health, Lanes, ROOM_AT_FIRST};

    fn ended(health: Health) -> Ended {
        Ended { host: "dead".into(), bytes: 0, health }
    }

    #[test]
    fn a_silent_host_loses_its_room_and_an_answer_gives_it_back() {
        let mut lanes = Lanes::default();
        for _ in 0..ROOM_AT_FIRST {
            lanes.begin("dead", 0);
        }
        assert_eq!(lanes.known(), (vec!["dead"], vec![0]));
        assert!(lanes.end(&ended(Health::Silent)), "it was full");
        for _ in 1..ROOM_AT_FIRST {
            lanes.end(&ended(Health::Silent));
        }
        assert_eq!((lanes.sending(), lanes.known()), (0, (vec!["dead"], vec![2])));
        lanes.begin("dead", 0);
        lanes.end(&ended(Health::Answered));
        assert_eq!(lanes.known().0.len(), 0, "as much room as a stranger");
    }

    #[test]
    fn bodies_that_fill_the_memory_close_the_door() {
        let mut lanes = Lanes::default();
        lanes.begin("large", OUTBOUND_SENDING_BYTES_MAX);
        assert_eq!(lanes.free(), 0);
        lanes.end(&Ended {
            host: "large".into(),
            bytes: OUTBOUND_SENDING_BYTES_MAX,
            health: Health::Answered,
        });
        assert!(lanes.free() > 0);
    }
}
