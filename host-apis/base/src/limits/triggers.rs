//! Webhooks, queues and schedules.

use std::time::Duration;

// ---- Webhooks --------------------------------------------------------------------------------------

/// Body of a webhook, in bytes, before 413: it is held whole while its signature is checked. GitHub
/// sends up to 25 MB, the others far less.
pub const WEBHOOK_BODY_BYTES_MAX: u64 = 25 * 1024 * 1024;
/// How old, or how far ahead, a webhook's signature may be said to be.
pub const WEBHOOK_TOLERANCE_SETTING_MAX: Duration = Duration::from_secs(24 * 3600);
/// Attempts to deliver a webhook from the inbox; then it is dead until somebody replays it. With the
/// pauses between them, nine hours: a night's outage.
pub const WEBHOOK_ATTEMPTS_MAX: u32 = 16;
/// Pause after the first failed attempt; each further one doubles it.
pub const WEBHOOK_RETRY_MIN: Duration = Duration::from_secs(1);
/// Longest pause between two attempts.
pub const WEBHOOK_RETRY_MAX: Duration = Duration::from_secs(6 * 3600);
/// Webhooks that one host delivers from the inbox at once.
pub const WEBHOOK_DELIVERIES_MAX: usize = 16;
/// A host that delivers says so this often, and one that has not for the length of a lease is taken
/// for gone: its deliveries begin again.
pub const WEBHOOK_LEASE: Duration = Duration::from_secs(15);
pub const WEBHOOK_LEASE_RENEWAL: Duration = Duration::from_secs(5);
/// Bytes of a function's answer that are read: only its status counts.
pub const WEBHOOK_ANSWER_BYTES_MAX: u64 = 64 * 1024;
/// How long a delivered webhook is kept: to be shown, replayed, and told from one sent again. Senders
/// try for up to three days.
pub const WEBHOOK_KEPT: Duration = Duration::from_secs(7 * 24 * 3600);
/// How often those that are older are looked for.
pub const WEBHOOK_SWEEP: Duration = Duration::from_secs(3600);
/// Webhooks in one list, and attempts shown of one webhook.
pub const WEBHOOKS_LISTED_MAX: u32 = 1_000;
/// Pause after the database could not be asked for webhooks that are due.
pub const WEBHOOK_DATABASE_RETRY: Duration = Duration::from_millis(500);

// ---- Queues ----------------------------------------------------------------------------------------

/// A queue's name, in bytes: names of tables, indexes and notification channels are made of it, and
/// Postgres cuts those at 63. pgmq's own bound.
pub const QUEUE_NAME_BYTES_MAX: usize = 47;
/// One message or its headers, in bytes of JSON. Larger things belong into storage, their names into
/// a queue.
pub const QUEUE_MESSAGE_BYTES_MAX: usize = 1024 * 1024;
/// Messages of one call: sent as a batch, read, acknowledged.
pub const QUEUE_BATCH_MESSAGES_MAX: usize = 1_000;
/// A delay or a visibility timeout. Beyond a year a table of the function's own serves better.
pub const QUEUE_DELAY_MAX: Duration = Duration::from_secs(366 * 24 * 3600);
/// Single sends that leave in one insert and one commit, in messages and in bytes. Beyond it the last
/// waits longer for the first than for another commit.
pub const QUEUE_COMMIT_MESSAGES_MAX: usize = 512;
pub const QUEUE_COMMIT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How long a commit waits for company when the one before it had some.
pub const QUEUE_GATHER_WAIT: Duration = Duration::from_micros(300);
/// Single sends that wait for their commit, over all queues; the next is refused at once.
pub const QUEUE_SENDS_WAITING_MAX: usize = 20_000;
/// Queues that functions consume, on one host: each has a task and a channel to listen to.
pub const QUEUE_CONSUMERS_MAX: usize = 128;
/// Messages that a consumer claims at once, for all its free deliveries; they are held in memory.
pub const QUEUE_CLAIM_MESSAGES_MAX: usize = 1_000;
/// Bytes of the messages in one delivery; a batch is cut there, since the function reads it whole.
pub const QUEUE_DELIVERY_BYTES_MAX: usize = 16 * 1024 * 1024;
/// What a function answers to a delivery, in bytes: the ids of the messages to try again.
pub const QUEUE_ANSWER_BYTES_MAX: u64 = 1024 * 1024;
/// Longest pause between two attempts at a message, however often it has failed.
pub const QUEUE_RETRY_DELAY_MAX: Duration = Duration::from_secs(3_600);
/// Before a message is tried again that its function never saw: it is missing, or all its workers
/// are busy.
pub const QUEUE_UNDELIVERED_PAUSE: Duration = Duration::from_secs(1);
/// First and longest pause of a consumer whose queue or server cannot be reached.
pub const QUEUE_TROUBLE_PAUSE_MIN: Duration = Duration::from_millis(100);
pub const QUEUE_TROUBLE_PAUSE_MAX: Duration = Duration::from_secs(10);
/// Why a message failed, in bytes, as it is kept with the message.
pub const QUEUE_FAILURE_BYTES_MAX: usize = 1_000;

// ---- Schedules -------------------------------------------------------------------------------------

/// Active jobs of one database that are kept in memory; those with the highest ids beyond it are not
/// run, and a warning says so.
pub const CRON_JOBS_MAX: usize = 10_000;
/// How long before it is due a run is claimed in the database, so that claiming costs no punctuality.
/// A longer time would start more runs of jobs that were changed meanwhile.
pub const CRON_CLAIM_AHEAD: Duration = Duration::from_millis(500);
/// Claims of this much time go into one statement.
pub const CRON_CLAIM_WINDOW: Duration = Duration::from_millis(250);
/// Runs claimed by one statement; more are claimed by the next.
pub const CRON_CLAIMS_MAX: usize = 2_000;
/// A run that could not begin by then (no host was up, the database was gone) was missed, and its
/// job's misfire policy decides.
pub const CRON_LATENESS_MAX: Duration = Duration::from_secs(5);
/// Missed runs of one job that are made up under `misfire = all`: the latest ones.
pub const CRON_MISFIRES_MAX: usize = 100;
/// Runs of one job that wait for the one before them, where the schedule names times of day. Of an
/// interval one waits, as in pg_cron.
pub const CRON_QUEUED_RUNS_MAX: usize = 16;
/// SQL jobs that run at once on one host; each holds a session.
pub const CRON_SQL_RUNS_MAX: usize = 16;
/// Functions called by schedules at once on one host.
pub const CRON_FUNCTION_RUNS_MAX: usize = 500;
/// A run's time where its job sets none. Beyond it something is stuck, and holds a session for good.
pub const CRON_RUN_TIMEOUT: Duration = Duration::from_secs(24 * 3600);
/// Pause between two attempts of a run, however often it has failed.
pub const CRON_BACKOFF_MAX: Duration = Duration::from_secs(3600);
/// Attempts after the first that a schedule may ask for.
pub const CRON_RETRIES_MAX: u64 = 100;
/// A host that has not renewed its lease for this long counts as dead and loses its runs to the
/// others. Shorter would take runs from a host that is only slow.
pub const CRON_LEASE: Duration = Duration::from_secs(10);
/// Between two renewals; three in a row may fail.
pub const CRON_LEASE_RENEWAL: Duration = Duration::from_millis(2_500);
/// A host stops to begin runs this long before others may take them over: clocks tick unevenly.
pub const CRON_LEASE_MARGIN: Duration = Duration::from_secs(2);
/// Runs taken over from dead hosts at once.
pub const CRON_RECOVERED_MAX: i64 = 1_000;
/// Longest time between two looks at the table of jobs; changes announce themselves before that.
pub const CRON_JOBS_POLL: Duration = Duration::from_secs(60);
/// Changes of jobs that come one after another are read together.
pub const CRON_JOBS_DEBOUNCE: Duration = Duration::from_millis(20);
/// Pause after the database could not be asked.
pub const CRON_DATABASE_RETRY: Duration = Duration::from_millis(250);
/// Pause before a run is claimed again that waits for its job's run on another host.
pub const CRON_BLOCKED_RETRY: Duration = Duration::from_secs(1);
/// What became of runs and is not yet written; beyond it ending a run waits for the database.
pub const CRON_HISTORY_WAITING_MAX: usize = 10_000;
/// Entries of the history are gathered for this long and written together: in the moment when a
/// thousand runs begin, writing about them would delay them.
pub const CRON_HISTORY_DELAY: Duration = Duration::from_millis(50);
/// A run's message in its history, in bytes; the rest is cut.
pub const CRON_MESSAGE_BYTES_MAX: usize = 4 * 1024;
/// Between two removals of old history.
pub const CRON_TRIM_INTERVAL: Duration = Duration::from_secs(60);
/// Sessions of SQL jobs that nobody used for this long are closed.
pub const CRON_SESSION_IDLE_MAX: Duration = Duration::from_secs(60);
/// Databases that SQL jobs run in; each has sessions of its own.
pub const CRON_DATABASES_MAX: usize = 32;
/// For runs that are at work when the host stops; then they are cut off and count as unfinished.
pub const CRON_DRAIN_TIMEOUT: Duration = Duration::from_secs(5);
