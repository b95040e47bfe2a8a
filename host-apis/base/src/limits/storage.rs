//! Stored objects.

use std::time::Duration;

/// An object, in bytes, where `[storage]` says nothing: the Supabase CLI's default.
pub const STORAGE_OBJECT_BYTES_MAX: u64 = 50 * 1024 * 1024;
/// What `[storage]` may allow for one object; beyond it offsets no longer fit every client's numbers.
pub const STORAGE_OBJECT_SETTING_MAX: u64 = 5 * 1024 * 1024 * 1024 * 1024;
/// An object's name, in bytes; S3's bound. Indexes on names break beyond 2,700.
pub const STORAGE_NAME_BYTES_MAX: usize = 1024;
/// A bucket's name, in characters, as Supabase's own trigger has it.
pub const STORAGE_BUCKET_NAME_CHARS_MAX: usize = 100;
/// An object's own metadata, as JSON text, in bytes: it is read with every row.
pub const STORAGE_METADATA_BYTES_MAX: usize = 1024 * 1024;
/// Objects named in one call that deletes.
pub const STORAGE_DELETE_MAX: usize = 1_000;
/// Entries of one page of a list; all of a page is held in memory.
pub const STORAGE_LIST_MAX: u32 = 1_000;
/// Entries of one page where the caller says nothing, as upstream.
pub const STORAGE_LIST_DEFAULT: u32 = 100;
/// Of an object on its way to the disk, what is gathered before one write: twice as much is held per
/// upload.
pub const STORAGE_WRITE_BYTES: usize = 512 * 1024;
/// Of an object on its way from the disk, what one read takes; it is what a slow reader holds.
pub const STORAGE_READ_BYTES: usize = 256 * 1024;
/// An upload longer than this, or of unknown length, is tried against the policies before its body is
/// read: refusing it later would have cost the disk more than the question does.
pub const STORAGE_TRIAL_BYTES_MIN: u64 = 256 * 1024;
/// Chunks that a guest has written to an upload and the disk has not taken yet; then the guest waits.
pub const STORAGE_UPLOAD_CHUNKS_WAITING_MAX: usize = 4;
/// An object that a function reads whole in one call, in bytes: the host holds it meanwhile.
pub const STORAGE_COLLECT_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Settings of buckets remembered; beyond it they are asked for again.
pub const STORAGE_BUCKETS_CACHED_MAX: usize = 10_000;
/// How long the content of deleted and overwritten objects stays where `[storage]` says nothing. It
/// must outlast every upload and every transaction under way.
pub const STORAGE_KEEP_DELETED: Duration = Duration::from_secs(3_600);
/// The longest that `[storage]` may keep it: a month of backups.
pub const STORAGE_KEEP_DELETED_SETTING_MAX: Duration = Duration::from_secs(31 * 24 * 3_600);
/// After an upload that was given up while its row was being written: by then every statement has
/// ended, and it is known whether there is a row.
pub const STORAGE_DOUBT: Duration = Duration::from_secs(150);
/// Uploads in doubt before those that no longer are get forgotten.
pub const STORAGE_DOUBTS_REMEMBERED: usize = 4_096;
/// Shortest and longest pause between two sweeps.
pub const STORAGE_SWEEP_INTERVAL_MIN: Duration = Duration::from_secs(1);
pub const STORAGE_SWEEP_INTERVAL_MAX: Duration = Duration::from_secs(3_600);
/// Blobs that one statement of a sweep asks about.
pub const STORAGE_SWEEP_BATCH: usize = 1_000;
/// The longest validity of a signed URL; beyond it nobody remembers having given it away.
pub const STORAGE_SIGNED_FOR_MAX: Duration = Duration::from_secs(10 * 365 * 24 * 3_600);
/// Objects being read or written that one request of an isolate may hold open; each holds a file.
pub const STORAGE_HELD_PER_REQUEST_MAX: usize = 64;
