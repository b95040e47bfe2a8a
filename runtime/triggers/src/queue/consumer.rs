//! Who consumes what.

use std::time::Duration;

use isobase_base::FunctionSlug;
use isobase_base::project::QueueSettings;

/// A queue and the function that its messages are handed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueConsumer {
    pub queue: String,
    pub function: FunctionSlug,
    /// Messages in one delivery at most.
    pub batch_size_max: usize,
    /// How long a delivery waits to be full; zero hands over what is there.
    pub batch_wait: Duration,
    /// How long a message stays hidden after the host that works on it died.
    pub visibility_timeout: Duration,
    /// Further attempts after the first one failed.
    pub retries_max: u32,
    /// The pause before the first retry; each further one doubles it.
    pub retry_backoff: Duration,
    /// Where messages go whose attempts are used up; `None`: the queue's archive.
    pub dead_letter_queue: Option<String>,
    /// Deliveries under way at once, on this host.
    pub deliveries_max: usize,
}

impl QueueConsumer {
    /// The consumer of the queue `name`, as settings say it.
    pub fn new(name: &str, queue: &QueueSettings) -> Self {
        Self {
            queue: name.into(),
            function: queue.function.clone(),
            batch_size_max: queue.max_batch_size,
            batch_wait: queue.max_batch_timeout,
            visibility_timeout: queue.visibility_timeout,
            retries_max: queue.max_retries,
            retry_backoff: queue.retry_backoff,
            dead_letter_queue: queue.dead_letter_queue.clone(),
            deliveries_max: queue.max_concurrency,
        }
    }

    /// Whether a message that was attempted so often may be attempted once more.
    pub(super) fn has_attempts_left(&self, attempts: i32) -> bool {
        i64::from(attempts) <= i64::from(self.retries_max)
    }
}
