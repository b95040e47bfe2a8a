//! What a blob of an object is called.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use uuid::Uuid;

use crate::blob::{BlobKey, Room};

/// A name that no upload had before: a UUID version 7, so that it says when it was given and no clock of
/// a file system has to. Stored in `storage.objects.version`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Version(Uuid);

impl Version {
    pub(crate) fn generate() -> Self {
        let millis = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64;
        let random = *Uuid::new_v4().as_bytes();
        let tail = random[..10].try_into().expect("ten of sixteen bytes");
        Self(uuid::Builder::from_unix_timestamp_millis(millis, &tail).into_uuid())
    }

    /// `None` for what no host of ours gave: rows that were written by hand or came from elsewhere.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Uuid::try_parse(text).ok().filter(|id| id.get_version_num() == 7).map(Self)
    }

    pub(crate) fn blob(self) -> BlobKey {
        BlobKey::new(Room::Objects, self.to_string())
    }

    /// How long ago it was given; zero when clocks disagree.
    pub(crate) fn age(self) -> Duration {
        let bytes = self.0.as_bytes();
        let millis = bytes[..6].iter().fold(0_u64, |millis, byte| millis << 8 | u64::from(*byte));
        let given = UNIX_EPOCH + Duration::from_millis(millis);
        SystemTime::now().duration_since(given).unwrap_or_default()
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::Version;
    use std::time::Duration;

    #[test]
    fn versions_differ_and_know_their_age() {
        let (first, second) = (Version::generate(), Version::generate());
        assert_ne!(first, second);
        assert_eq!(Version::parse(&first.to_string()), Some(first));
        assert!(first.age() < Duration::from_secs(60));
        let old = Version::parse("01890000-0000-7000-8000-000000000000").unwrap();
        assert!(old.age() > Duration::from_secs(365 * 24 * 3600));
    }

    #[test]
    fn foreign_versions_are_no_names_of_blobs() {
        for text in ["", "../../etc/passwd", "3f0c3ad6-5f0f-4a5e-9a28-7c1a0c0e9b5d", "1"] {
            assert_eq!(Version::parse(text), None, "{text}");
        }
    }
}
