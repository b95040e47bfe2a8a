//! The host is killed at random moments while objects are stored, replaced and deleted: what was
//! acknowledged is there and whole, what was not is there or not, and nothing is left over.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::app::{ALICE, App};
use crate::storage::{call, project};

/// `ISOBASE_KILLS` for more.
const KILLS: usize = 12;
const WORKERS: usize = 4;
/// Names of one worker; few, so that most writes replace or delete.
const NAMES: u64 = 6;
const BYTES_MAX: u64 = 900 * 1024;

/// What a name may hold: the number of the write that made it, or nothing.
type State = Option<u64>;

/// What one worker knows of its objects.
#[derive(Default)]
struct Worker {
    number: usize,
    /// Every write has a number of its own, which also makes its bytes.
    writes: u64,
    acknowledged: HashMap<String, State>,
    /// The write that nobody answered before the host died.
    in_doubt: Option<(String, State)>,
}

/// xorshift64*: <https://doi.org/10.18637/jss.v008.i14>
fn next(random: &mut u64) -> u64 {
    *random ^= *random >> 12;
    *random ^= *random << 25;
    *random ^= *random >> 27;
    random.wrapping_mul(0x2545_f491_4f6c_dd1d)
}

/// As long and as random as `write` says.
fn content(write: u64) -> Vec<u8> {
    let mut random = write * 2 + 1;
    for _ in 0..8 {
        next(&mut random);
    }
    let length = next(&mut random) % BYTES_MAX;
    let mut bytes = Vec::with_capacity(length as usize + 8);
    while (bytes.len() as u64) < length {
        bytes.extend_from_slice(&next(&mut random).to_le_bytes());
    }
    bytes.truncate(length as usize);
    bytes
}

impl Worker {
    /// Half of them in TypeScript.
    fn function(&self) -> &'static str {
        if self.number.is_multiple_of(2) { "guests" } else { "script" }
    }

    /// Stores, replaces and deletes until the host is gone.
    async fn run(&mut self, app: &App, answered: &AtomicUsize) {
        loop {
            self.writes += 1;
            let write = self.writes * WORKERS as u64 + self.number as u64;
            let mut random = write * 2 + 1;
            let name = format!("{ALICE}/{}/{}", self.number, next(&mut random) % NAMES);
            let there = self.acknowledged.get(&name).copied().flatten();
            let (state, call) = if there.is_some() && next(&mut random).is_multiple_of(3) {
                let path = format!("file-remove?bucket=files&name={name}");
                (None, call(app, ALICE, self.function(), "POST", &path))
            } else {
                let path = format!("file-put?bucket=files&name={name}&upsert");
                (Some(write), call(app, ALICE, self.function(), "POST", &path).bytes(content(write)))
            };
            match call.try_send().await {
                Ok(answer) if answer.status == 200 => {
                    self.acknowledged.insert(name, state);
                    answered.fetch_add(1, Ordering::Relaxed);
                }
                // An answer that is no success may come while the host falls; nothing was acknowledged.
                Ok(_) | Err(_) => {
                    self.in_doubt = Some((name, state));
                    return;
                }
            }
        }
    }

    /// Every object holds what was acknowledged last, or the write in doubt, whole.
    async fn check(&mut self, app: &App, round: usize) {
        let doubt = self.in_doubt.take();
        let names: Vec<String> =
            self.acknowledged.keys().cloned().chain(doubt.iter().map(|(name, _)| name.clone())).collect();
        for name in names {
            let path = format!("file-get?bucket=files&name={name}");
            let answer = call(app, ALICE, self.function(), "GET", &path).send().await;
            let acknowledged = self.acknowledged.get(&name).copied().flatten();
            let doubted = doubt.iter().filter(|(doubted, _)| *doubted == name).map(|(_, state)| *state);
            let found = std::iter::once(acknowledged).chain(doubted).find(|state| match state {
                Some(write) => answer.status == 200 && *answer.body == content(*write)[..],
                None => answer.status == 400 && answer.json()["code"] == "NoSuchKey",
            });
            let Some(found) = found else {
                panic!(
                    "round {round}, {name}: {} with {} bytes is neither write {acknowledged:?} nor {doubt:?}",
                    answer.status,
                    answer.body.len()
                );
            };
            self.acknowledged.insert(name, found);
        }
    }
}

/// Files beneath `folder` whose folder's path contains `part`.
fn files(folder: &Path, part: &str) -> usize {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| {
            let path = entry.path();
            if path.is_dir() {
                files(&path, part)
            } else {
                usize::from(folder.to_string_lossy().contains(part))
            }
        })
        .sum()
}

#[tokio::test]
#[allow(clippy::print_stdout, reason = "a long run is told in numbers")]
async fn killing_the_host_at_random_moments_tears_nothing() {
    let kills = std::env::var("ISOBASE_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(KILLS);
    let mut app = project().start().await;
    let mut workers: Vec<Worker> =
        (0..WORKERS).map(|number| Worker { number, ..Worker::default() }).collect();
    let mut random = u64::from(std::process::id()) << 20 | 1;
    let (mut acknowledged, mut doubted) = (0, 0);
    for round in 0..kills {
        let answered = AtomicUsize::new(0);
        let process = app.process_id();
        let (enough, moment) =
            (WORKERS + (next(&mut random) % 24) as usize, Duration::from_micros(next(&mut random) % 20_000));
        let fault = async {
            app.until("some writes were acknowledged", || async {
                answered.load(Ordering::Relaxed) >= enough
            })
            .await;
            // No condition to wait for: any moment is as good as another, which is the point.
            tokio::time::sleep(moment).await;
            kill(Pid::from_raw(process), Signal::SIGKILL).expect("the host can be killed");
        };
        let load = futures::future::join_all(workers.iter_mut().map(|worker| worker.run(&app, &answered)));
        tokio::join!(load, fault);
        acknowledged += answered.into_inner();
        doubted += workers.iter().filter(|worker| worker.in_doubt.is_some()).count();
        app = app.kill().await.start().await;
        for worker in &mut workers {
            worker.check(&app, round).await;
        }
    }
    let folder = app.project.path().join(".isobase/storage");
    app.until("only what rows name is left", || async {
        let rows = app.sql("select count(*) from storage.objects").await.remove(0).remove(0);
        rows == Some(files(&folder, "/objects/").to_string())
    })
    .await;
    assert_eq!(files(&folder, "/drafts"), 0, "a draft is left");
    let there = workers.iter().flat_map(|worker| worker.acknowledged.values()).flatten().count();
    assert_eq!(there, files(&folder, "/objects/"));
    println!("{kills} kills, {acknowledged} writes acknowledged, {doubted} in doubt, {there} objects");
}
