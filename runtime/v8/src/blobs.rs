//! The parts of Blob objects. Their bytes lie outside of V8's heap, so they are counted here.
//!
//! A slice or a clone of a part shares its bytes; it is recognised by where they lie, and counted
//! once.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use deno_core::url::Url;
use deno_web::{Blob, BlobPart, BlobStore, BlobStoreTrait};
use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use uuid::Uuid;

use crate::memory::MemoryMeter;

type Part = Arc<dyn BlobPart + Send + Sync>;

/// A store whose parts count against the isolate's memory.
pub(crate) struct CountedBlobs {
    store: BlobStore,
    counted: Arc<Counted>,
}

/// Where the counted bytes lie: begin and end of each part.
struct Counted {
    ranges: Mutex<BTreeMap<usize, usize>>,
    memory: Arc<MemoryMeter>,
}

impl CountedBlobs {
    pub(crate) fn new(memory: Arc<MemoryMeter>) -> Arc<Self> {
        let counted = Arc::new(Counted { ranges: Mutex::default(), memory });
        Arc::new(Self { store: BlobStore::default(), counted })
    }

    /// `part`, such that its bytes are given back to the count when the last user is gone.
    fn counted(&self, part: Part) -> Part {
        // Parts in memory are read at once; there are no others here.
        let Some((begin, bytes)) =
            part.read().now_or_never().map(|bytes| (bytes.as_ptr().addr(), bytes.len()))
        else {
            return part;
        };
        let mut ranges = self.counted.ranges.lock();
        let around = ranges.range(..=begin).next_back();
        if bytes == 0 || around.is_some_and(|(_, end)| begin + bytes <= *end) {
            return part;
        }
        ranges.insert(begin, begin + bytes);
        // It cannot be refused any more; over the limit, the watchdog ends the script.
        self.counted.memory.take(bytes as u64);
        Arc::new(CountedPart { part, begin, counted: self.counted.clone() })
    }
}

/// A part whose bytes are counted until it is dropped.
struct CountedPart {
    part: Part,
    begin: usize,
    counted: Arc<Counted>,
}

impl BlobPart for CountedPart {
    fn read<'a, 'b>(&'a self) -> BoxFuture<'b, &'a [u8]>
    where
        'a: 'b,
        Self: 'b,
    {
        self.part.read()
    }

    fn size(&self) -> usize {
        self.part.size()
    }
}

impl Drop for CountedPart {
    fn drop(&mut self) {
        self.counted.ranges.lock().remove(&self.begin);
        self.counted.memory.release(self.part.size() as u64);
    }
}

impl fmt::Debug for CountedPart {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "CountedPart({} bytes)", self.part.size())
    }
}

impl fmt::Debug for CountedBlobs {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "CountedBlobs({} parts)", self.counted.ranges.lock().len())
    }
}

impl BlobStoreTrait for CountedBlobs {
    fn insert_part(&self, part: Part) -> Uuid {
        self.store.insert_part(self.counted(part))
    }

    fn get_part(&self, id: &Uuid) -> Option<Part> {
        self.store.get_part(id)
    }

    fn remove_part(&self, id: &Uuid) -> Option<Part> {
        self.store.remove_part(id)
    }

    fn get_object_url(&self, url: Url) -> Option<Arc<Blob>> {
        self.store.get_object_url(url)
    }

    fn insert_object_url(&self, blob: Blob, location: Option<Url>) -> Url {
        self.store.insert_object_url(blob, location)
    }

    fn remove_object_url(&self, url: &Url) {
        self.store.remove_object_url(url);
    }

    fn clear(&self) {
        self.store.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use deno_web::{BlobStoreTrait, InMemoryBlobPart};

    use super::CountedBlobs;
    use crate::memory::MemoryMeter;

    #[test]
    fn bytes_count_once_and_until_their_last_user_is_gone() {
        let memory = MemoryMeter::new(1000);
        let blobs = CountedBlobs::new(memory.clone());
        let id = blobs.insert_part(Arc::new(InMemoryBlobPart::from(vec![0; 600])));
        assert_eq!(memory.held(), 600);
        let part = blobs.get_part(&id).unwrap();
        let clone = blobs.insert_part(part);
        assert_eq!(memory.held(), 600);
        blobs.remove_part(&id);
        assert_eq!(memory.held(), 600);
        blobs.remove_part(&clone);
        assert_eq!(memory.held(), 0);
        assert!(!memory.exceeded());
        blobs.insert_part(Arc::new(InMemoryBlobPart::from(vec![0; 1001])));
        assert!(memory.exceeded());
    }
}
