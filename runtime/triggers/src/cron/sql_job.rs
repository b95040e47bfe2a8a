//! SQL jobs: as the job's role, in the job's database, on sessions that are clean before and after.
//!
//! A job must not become more than its role, whatever it says: `reset role` in a job of `anon` must not
//! lead to a superuser. So its session has logged in as the job's role itself, or as one of the two
//! log-ins of requests, which can become the three roles of requests and nothing more. Jobs of other
//! roles are refused; a `set role` from a mightier log-in would be a door, not a wall.

use std::collections::HashMap;
use std::pin::pin;
use std::time::{Duration, Instant};

use chrono::{SecondsFormat, Utc};
use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime};
use futures::TryStreamExt;
use isobase_base::limits;
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::time::error::Elapsed;
use tokio_postgres::error::SqlState;
use tokio_postgres::{CancelToken, Config, NoTls, SimpleQueryMessage};

use super::job::Job;
use super::outcome::{OnBegin, Outcome};
use super::store::Run;

/// A way into the server.
#[derive(Clone)]
pub struct LogIn {
    config: Config,
    /// Roles that it can become and that can become nothing more than it.
    roles: Vec<String>,
}

impl LogIn {
    /// For jobs of the role that the address logs in as.
    pub fn of_its_role(config: Config) -> Self {
        Self { config, roles: Vec::new() }
    }

    /// For jobs of `roles`, which the address's role switches to and has no rights beside.
    pub fn switching_to(config: Config, roles: &[&str]) -> Self {
        Self { config, roles: roles.iter().map(|&role| role.to_owned()).collect() }
    }
}

/// Runs SQL, so much at a time.
pub(super) struct SqlJobs {
    log_ins: Vec<LogIn>,
    /// By log-in's number and database.
    pools: Mutex<HashMap<(usize, String), Pool>>,
    permits: Semaphore,
}

/// An attempt that ended, and the server process that had it.
pub(super) struct Ran {
    pub(super) outcome: Outcome,
    pub(super) process: Option<i32>,
}

impl Ran {
    fn without_session(outcome: Outcome) -> Self {
        Self { outcome, process: None }
    }
}

impl SqlJobs {
    pub(super) fn new(log_ins: Vec<LogIn>) -> Self {
        Self { log_ins, pools: Mutex::default(), permits: Semaphore::new(limits::CRON_SQL_RUNS_MAX) }
    }

    /// Runs `command`. Dropping the future leaves the session to be cancelled and closed.
    pub(super) async fn run(&self, job: &Job, run: &Run, command: &str, on_begin: OnBegin<'_>) -> Ran {
        let Some((pool, switches)) = self.pool(job) else {
            return Ran::without_session(Outcome::Hopeless(self.refusal(job)));
        };
        let pool = match pool {
            Ok(pool) => pool,
            Err(message) => return Ran::without_session(Outcome::Hopeless(message)),
        };
        let _permit = self.permits.acquire().await.expect("the semaphore is never closed");
        self.make_room(&pool);
        let mut session = match pool.get().await {
            Ok(session) => Session::new(session),
            Err(error) => {
                return Ran::without_session(Outcome::Failed(format!(
                    "connection failed: {}",
                    chain(&error)
                )));
            }
        };
        let prelude = prelude(job, run, switches);
        let (ran, is_clean) = session.execute(&prelude, command, switches, job.timeout, on_begin).await;
        session.is_clean = is_clean;
        ran
    }

    /// Sessions for the job, and whether they must still switch to its role.
    fn pool(&self, job: &Job) -> Option<(Result<Pool, String>, bool)> {
        let is_direct = |log_in: &LogIn| log_in.config.get_user() == Some(job.username.as_str());
        let direct = self.log_ins.iter().position(is_direct);
        let by_switch = || self.log_ins.iter().position(|log_in| log_in.roles.contains(&job.username));
        let (number, switches) = match direct {
            Some(number) => (number, false),
            None => (by_switch()?, true),
        };
        let mut pools = self.pools.lock();
        let is_full = pools.len() >= limits::CRON_DATABASES_MAX;
        let key = (number, job.database.clone());
        if !pools.contains_key(&key) && is_full {
            return Some((Err("too many databases have jobs".into()), switches));
        }
        let pool = pools.entry(key).or_insert_with(|| pool(&self.log_ins[number].config, &job.database));
        Some((Ok(pool.clone()), switches))
    }

    /// Sessions of all pools together are not to be more than runs may be: where that many are open, idle
    /// ones of other roles and databases are closed before another is opened.
    fn make_room(&self, wanted: &Pool) {
        if wanted.status().available > 0 {
            return;
        }
        let pools = self.pools.lock();
        let open: usize = pools.values().map(|pool| pool.status().size).sum();
        if open >= limits::CRON_SQL_RUNS_MAX {
            for pool in pools.values() {
                pool.retain(|_session, _metrics| false);
            }
        }
    }

    fn refusal(&self, job: &Job) -> String {
        let mut known: Vec<&str> = Vec::new();
        for log_in in &self.log_ins {
            let roles = log_in.roles.iter().map(String::as_str);
            let own = log_in.config.get_user().filter(|_| log_in.roles.is_empty());
            known.extend(own.into_iter().chain(roles));
        }
        let known = known.join(", ");
        format!("jobs of role {:?} cannot be run here: the host can log in for {known}", job.username)
    }

    /// Closes sessions that nobody has used for some time, and forgets databases without any.
    pub(super) fn close_idle(&self) {
        self.pools.lock().retain(|_key, pool| {
            pool.retain(|_session, metrics| metrics.last_used() < limits::CRON_SESSION_IDLE_MAX);
            pool.status().size > 0
        });
    }

    pub(super) fn close(&self) {
        for pool in self.pools.lock().values() {
            pool.close();
        }
    }
}

fn pool(config: &Config, database: &str) -> Pool {
    let mut config = config.clone();
    config
        .dbname(database)
        .application_name("isobase cron")
        .connect_timeout(limits::POSTGRES_CONNECT_TIMEOUT);
    let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let pool = Pool::builder(Manager::from_config(config, NoTls, recycling))
        .max_size(limits::CRON_SQL_RUNS_MAX)
        .wait_timeout(Some(limits::POSTGRES_CONNECT_TIMEOUT))
        .create_timeout(Some(limits::POSTGRES_CONNECT_TIMEOUT))
        .runtime(Runtime::Tokio1)
        .build();
    pool.expect("the pool has a runtime for its timeouts")
}

/// What precedes the command, in a message of its own so that the command has its own transaction. The
/// command can read `current_setting('isobase.idempotency_key')`.
fn prelude(job: &Job, run: &Run, switches: bool) -> String {
    // `set` is half the work of `set_config`, which is planned as a query.
    let settings = format!(
        "set isobase.idempotency_key = '{}'; set isobase.scheduled_at = '{}'; set isobase.attempt = '{}'; \
         select pg_backend_pid()",
        run.idempotency_key(),
        run.due.to_rfc3339_opts(SecondsFormat::AutoSi, true),
        run.attempt,
    );
    if !switches {
        return settings;
    }
    // The limits of requests, which these log-ins have, are not for jobs.
    let role = job.username.replace('"', "\"\"");
    format!("set statement_timeout = 0; set lock_timeout = 0; set role \"{role}\"; {settings}")
}

/// A session at work. Dropped before it is clean, its statement is cancelled and it is closed; else it
/// goes back into its pool.
struct Session {
    client: Option<Object>,
    cancel: CancelToken,
    is_clean: bool,
}

impl Session {
    fn new(client: Object) -> Self {
        let cancel = client.cancel_token();
        Self { client: Some(client), cancel, is_clean: false }
    }

    fn client(&self) -> &Object {
        self.client.as_ref().expect("only dropping takes it")
    }

    /// Runs the command, and tells whether the session is as it was before.
    async fn execute(
        &self,
        prelude: &str,
        command: &str,
        switches: bool,
        timeout: Duration,
        on_begin: OnBegin<'_>,
    ) -> (Ran, bool) {
        let client = self.client();
        let began = Utc::now();
        let prelude = async {
            let messages = client.simple_query(prelude).await?;
            let process = messages.iter().find_map(|message| match message {
                SimpleQueryMessage::Row(row) => row.get(0)?.parse().ok(),
                _ => None,
            });
            on_begin(began, process);
            Ok(process)
        };
        let command = command_outcome(client, command);
        // A role must be switched to before anything is done as it.
        let (done, is_clean) = if switches {
            match tokio::time::timeout(timeout, prelude).await {
                Ok(Ok(process)) => {
                    let (outcome, is_clean) = then_discard(client, timeout, command).await;
                    (outcome.map(|outcome| (Ok(process), outcome)), is_clean)
                }
                Ok(Err(error)) => (Ok((Err(error), Outcome::Failed(String::new()))), false),
                Err(elapsed) => (Err(elapsed), false),
            }
        } else {
            then_discard(client, timeout, async { tokio::join!(prelude, command) }).await
        };
        let ran = match done {
            Ok((Ok(process), outcome)) => Ran { outcome, process },
            Ok((Err(error), _)) => Ran::without_session(failed(&error)),
            Err(_elapsed) => {
                let message = format!("canceling statement due to job timeout after {timeout:?}");
                Ran::without_session(Outcome::Failed(message))
            }
        };
        (ran, is_clean)
    }
}

/// Does `work` within `timeout`, and tells whether nothing of it stays for the next job: settings,
/// temporary tables, locks, an open transaction. The statement that clears up leaves with those of `work`,
/// which saves the wait for an answer: where a thousand jobs are due at once, others wait for this session.
async fn then_discard<T>(
    client: &Object,
    timeout: Duration,
    work: impl Future<Output = T>,
) -> (Result<T, Elapsed>, bool) {
    const DISCARD: &str = "discard all";
    let mut work = pin!(tokio::time::timeout(timeout, work));
    let mut discard = pin!(client.batch_execute(DISCARD));
    let mut discarded = None;
    let done = loop {
        tokio::select! {
            // In this order they are sent.
            biased;
            done = &mut work => break done,
            result = &mut discard, if discarded.is_none() => discarded = Some(result),
        }
    };
    if done.is_err() {
        return (done, false);
    }
    let clearing = async {
        let discarded = match discarded {
            Some(result) => result,
            None => discard.await,
        };
        match discarded {
            Err(error) if is_in_transaction(&error) => {
                client.batch_execute("rollback").await?;
                client.batch_execute(DISCARD).await
            }
            other => other,
        }
    };
    let cleared = tokio::time::timeout(limits::DATABASE_RECOVERY_TIMEOUT, clearing).await;
    (done, matches!(cleared, Ok(Ok(()))))
}

impl Drop for Session {
    fn drop(&mut self) {
        let Some(client) = self.client.take() else { return };
        if self.is_clean {
            return;
        }
        // Out of the pool, so that nobody else gets it.
        let client = Object::take(client);
        let cancel = self.cancel.clone();
        isobase_base::task::spawn(isobase_base::task::TaskKind::Request, "cron cancel", async move {
            let since = Instant::now();
            if let Err(error) = cancel.cancel_query(NoTls).await {
                tracing::debug!(%error, waited = ?since.elapsed(), "a job's statement could not be cancelled");
            }
            drop(client);
        });
    }
}

fn is_in_transaction(error: &tokio_postgres::Error) -> bool {
    let states = [SqlState::ACTIVE_SQL_TRANSACTION, SqlState::IN_FAILED_SQL_TRANSACTION];
    error.code().is_some_and(|code| states.contains(code))
}

async fn command_outcome(client: &Object, command: &str) -> Outcome {
    match run_command(client, command).await {
        Ok(message) => Outcome::Succeeded(message),
        Err(error) => failed(&error),
    }
}

/// What libpq would say of the last statement: rows, or a command tag.
async fn run_command(client: &Object, command: &str) -> Result<String, tokio_postgres::Error> {
    let mut stream = pin!(client.simple_query_raw(command).await?);
    let mut has_rows = false;
    let mut last = None;
    while let Some(message) = stream.try_next().await? {
        match message {
            SimpleQueryMessage::RowDescription(_) => has_rows = true,
            SimpleQueryMessage::CommandComplete(count) => {
                last = Some((has_rows, count));
                has_rows = false;
            }
            _row => {}
        }
    }
    Ok(match last {
        None => "empty query".into(),
        Some((true, 1)) => "1 row".into(),
        Some((true, count)) => format!("{count} rows"),
        Some((false, count)) => tag(command, count),
    })
}

/// The driver keeps a tag's number only, so its words come from the text of the last statement.
fn tag(command: &str, count: u64) -> String {
    let last = command.trim_end_matches(|char: char| char == ';' || char.is_whitespace());
    let last = last.rsplit(';').next().unwrap_or(last);
    let mut words = last.split_whitespace().map(str::to_ascii_uppercase);
    let first = words.next().unwrap_or_default();
    match first.as_str() {
        "INSERT" => format!("INSERT 0 {count}"),
        "UPDATE" | "DELETE" | "MERGE" | "COPY" => format!("{first} {count}"),
        "CREATE" | "ALTER" | "DROP" | "REFRESH" => {
            format!("{first} {}", words.next().unwrap_or_default())
        }
        word if word.bytes().all(|byte| byte.is_ascii_alphabetic()) => first,
        _ => "OK".into(),
    }
}

/// In libpq's form.
fn failed(error: &tokio_postgres::Error) -> Outcome {
    let Some(said) = error.as_db_error() else { return Outcome::Failed(format!("connection lost: {error}")) };
    let mut text = format!("{}:  {}", said.severity(), said.message());
    let extras = [("DETAIL", said.detail()), ("HINT", said.hint()), ("CONTEXT", said.where_())];
    for (name, extra) in extras.into_iter().filter_map(|(name, extra)| Some((name, extra?))) {
        text.push_str(&format!("\n{name}:  {extra}"));
    }
    Outcome::Failed(text)
}

/// An error and what caused it, on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(&format!(": {cause_text}"));
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::tag;

    #[test]
    fn tags_are_those_of_the_last_statement() {
        for (command, count, expected) in [
            ("insert into t values (1)", 1, "INSERT 0 1"),
            ("select 1; delete from t;\n", 7, "DELETE 7"),
            ("VACUUM analyze t", 0, "VACUUM"),
            ("create table t ()", 0, "CREATE TABLE"),
            ("call f()", 0, "CALL"),
            ("(table t)", 0, "OK"),
        ] {
            assert_eq!(tag(command, count), expected, "{command}");
        }
    }
}
