//! What is in a file.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use isobase_base::limits;
use parking_lot::Mutex;

use super::disk::{Fault, Room};

/// Bytes that are the function's, or were written by it.
#[derive(Clone, Debug)]
pub(super) enum Content {
    Given(Bytes),
    Written(Arc<Written>),
}

/// A file in `/tmp`. It lasts as long as somebody has it open, removed or not.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) id: u64,
    room: Arc<Room>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    bytes: Vec<u8>,
    changed: i64,
}

impl Written {
    pub(super) fn new(id: u64, room: Arc<Room>) -> Arc<Self> {
        Arc::new(Self { id, room, state: Mutex::new(State { bytes: Vec::new(), changed: now() }) })
    }

    /// Writes at `at`, or at the end; what lies between is zero. Gives the position behind it.
    pub(super) fn write(&self, at: Option<u64>, bytes: &[u8]) -> Result<u64, Fault> {
        let mut state = self.state.lock();
        let at = match at {
            Some(at) => usize::try_from(at).map_err(|_| Fault::TooLarge)?,
            None => state.bytes.len(),
        };
        let end = at.checked_add(bytes.len()).ok_or(Fault::TooLarge)?;
        if end > state.bytes.len() {
            self.resize(&mut state, end)?;
        }
        state.bytes[at..end].copy_from_slice(bytes);
        state.changed = now();
        Ok(end as u64)
    }

    pub(super) fn truncate(&self, length: u64) -> Result<(), Fault> {
        let mut state = self.state.lock();
        let length = usize::try_from(length).map_err(|_| Fault::TooLarge)?;
        self.resize(&mut state, length)?;
        state.changed = now();
        Ok(())
    }

    /// What is counted is what the vector holds, which grows in steps.
    fn resize(&self, state: &mut State, length: usize) -> Result<(), Fault> {
        let held = state.bytes.capacity();
        if length > held {
            let wanted = length.max(held.saturating_mul(2).min(held + limits::V8_FILE_GROWTH_BYTES_MAX));
            if !self.room.take((wanted - held) as u64) {
                return Err(Fault::NoSpace);
            }
            let length_now = state.bytes.len();
            state.bytes.reserve_exact(wanted - length_now);
        }
        state.bytes.resize(length, 0);
        if length == 0 {
            state.bytes = Vec::new();
            self.room.give_back(held as u64);
        }
        Ok(())
    }

    pub(super) fn set_changed(&self, millis: i64) {
        self.state.lock().changed = millis;
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        self.room.give_back(self.state.get_mut().bytes.capacity() as u64);
    }
}

impl Content {
    pub(super) fn length(&self) -> u64 {
        self.with(|bytes| bytes.len() as u64)
    }

    /// Copies what is at `at` into `into`; zero at the end.
    pub(super) fn read(&self, at: u64, into: &mut [u8]) -> usize {
        self.with(|bytes| {
            let rest = usize::try_from(at).ok().and_then(|at| bytes.get(at..)).unwrap_or_default();
            let count = rest.len().min(into.len());
            into[..count].copy_from_slice(&rest[..count]);
            count
        })
    }

    pub(super) fn from(&self, at: u64) -> Vec<u8> {
        self.with(|bytes| {
            usize::try_from(at).ok().and_then(|at| bytes.get(at..)).unwrap_or_default().to_vec()
        })
    }

    /// When it was last written, in milliseconds since 1970; a function's own files have no date.
    pub(super) fn changed(&self) -> i64 {
        match self {
            Self::Given(_) => 0,
            Self::Written(written) => written.state.lock().changed,
        }
    }

    fn with<T>(&self, look: impl FnOnce(&[u8]) -> T) -> T {
        match self {
            Self::Given(bytes) => look(bytes),
            Self::Written(written) => look(&written.state.lock().bytes),
        }
    }
}

pub(super) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
