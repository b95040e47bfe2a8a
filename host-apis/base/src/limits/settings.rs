//! What a project's settings may ask for.

use std::time::Duration;

/// A dotenv file, in bytes; a longer one is something else and is refused.
pub const DOTENV_BYTES_MAX: usize = 1024 * 1024;
/// One value in a dotenv file, in bytes. Supabase: 24,576 characters, 48 KiB.
pub const DOTENV_VALUE_BYTES_MAX: usize = 48 * 1024;
/// The memory a function may ask for; below it no isolate starts.
pub const FUNCTION_MEMORY_SETTING_MIN: u64 = 16 * 1024 * 1024;
/// The memory a function may ask for; beyond it 32-bit linear memory ends.
pub const FUNCTION_MEMORY_SETTING_MAX: u64 = 4 * 1024 * 1024 * 1024;
/// Any clock a function may ask for; a longer run belongs into a queue.
pub const FUNCTION_CLOCK_SETTING_MAX: Duration = Duration::from_secs(24 * 3600);
/// The concurrency a function may ask for in one worker.
pub const FUNCTION_CONCURRENCY_SETTING_MAX: u64 = 10_000;
/// Messages in one delivery that a consumer may ask for.
pub const QUEUE_BATCH_SETTING_MAX: u64 = 1_000;
/// How long a consumer may wait for a batch to fill. Cloudflare Queues: 60 s.
pub const QUEUE_BATCH_WAIT_SETTING_MAX: Duration = Duration::from_secs(60);
/// The visibility timeout a consumer may ask for. Amazon SQS: 12 hours.
pub const QUEUE_VISIBILITY_SETTING_MAX: Duration = Duration::from_secs(12 * 3600);
/// Retries and deliveries at once that a consumer may ask for. Cloudflare Queues: 100 and 250.
pub const QUEUE_RETRIES_SETTING_MAX: u64 = 100;
pub const QUEUE_CONCURRENCY_SETTING_MAX: u64 = 250;
