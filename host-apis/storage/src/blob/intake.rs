//! A body as it comes in: gathered into pieces that are worth a write, and bounded.

use bytes::Bytes;
use http_body_util::BodyExt;
use isobase_base::Body;
use isobase_base::limits::STORAGE_WRITE_BYTES;

use super::BlobError;

pub(super) struct Intake {
    body: Body,
    bytes: u64,
    bytes_max: u64,
}

/// What came, and whether more follows.
pub(super) struct Gathered {
    pub(super) chunks: Vec<Bytes>,
    pub(super) is_last: bool,
}

impl Intake {
    pub(super) fn new(body: Body, bytes_max: u64) -> Self {
        Self { body, bytes: 0, bytes_max }
    }

    /// Waits until there is enough for a write, or the body has ended.
    pub(super) async fn gather(&mut self) -> Result<Gathered, BlobError> {
        let mut chunks = Vec::new();
        let mut gathered = 0;
        while gathered < STORAGE_WRITE_BYTES {
            let Some(frame) = self.body.frame().await else {
                return Ok(Gathered { chunks, is_last: true });
            };
            let Ok(chunk) = frame.map_err(BlobError::Body)?.into_data() else { continue };
            self.bytes += chunk.len() as u64;
            if self.bytes > self.bytes_max {
                return Err(BlobError::TooLarge { bytes_max: self.bytes_max });
            }
            gathered += chunk.len();
            chunks.push(chunk);
        }
        Ok(Gathered { chunks, is_last: false })
    }
}
