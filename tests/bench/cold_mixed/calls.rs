//! Who calls what, and when.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::{Context, ensure};
use futures::future::try_join_all;

use super::{COPIES, KINDS, PAUSE, STAGE};
use crate::http::Client;
use crate::product::Product;

/// One that was answered.
pub(super) struct Call {
    /// Index among [`KINDS`].
    pub(super) kind: usize,
    /// Its function's isolate had answered nobody before.
    pub(super) is_first: bool,
    pub(super) milliseconds: f64,
}

pub(super) struct Calls {
    client: Client,
    /// The next copy of each kind to be called.
    turns: [AtomicUsize; KINDS.len()],
}

impl Calls {
    pub(super) fn new(product: &Product) -> anyhow::Result<Self> {
        let client = product.client(product.value("ANON_KEY")?);
        Ok(Self { client, turns: [const { AtomicUsize::new(0) }; KINDS.len()] })
    }

    /// Every function once: they are built, and the code they share is compiled.
    pub(super) async fn warm_up(&self) -> anyhow::Result<()> {
        for kind in 0..KINDS.len() {
            self.call(kind, false).await?;
            for _ in 0..COPIES {
                self.call(kind, true).await?;
            }
        }
        Ok(())
    }

    /// One stage.
    pub(super) async fn run(&self, callers: usize) -> anyhow::Result<Vec<Call>> {
        let until = Instant::now() + STAGE;
        let callers = try_join_all((0..callers).map(|caller| self.caller(caller, until))).await?;
        Ok(callers.into_iter().flatten().collect())
    }

    /// All kinds in turns, as every second round's first requests; no two callers at the same place.
    async fn caller(&self, number: usize, until: Instant) -> anyhow::Result<Vec<Call>> {
        let mut made = Vec::new();
        for turn in number * (KINDS.len() + 1).. {
            if Instant::now() > until {
                break;
            }
            let is_cold = (turn / KINDS.len()).is_multiple_of(2);
            made.push(self.call(turn % KINDS.len(), is_cold).await?);
            tokio::time::sleep(PAUSE).await;
        }
        Ok(made)
    }

    async fn call(&self, kind: usize, is_cold: bool) -> anyhow::Result<Call> {
        let name = KINDS[kind];
        let path = if is_cold {
            let copy = self.turns[kind].fetch_add(1, Ordering::Relaxed) % COPIES;
            format!("/functions/v1/{name}-{copy}")
        } else {
            format!("/functions/v1/{name}-stays")
        };
        let since = Instant::now();
        let answer = self.client.get(&path).await.with_context(|| format!("no answer of {path}"))?;
        let milliseconds = since.elapsed().as_secs_f64() * 1_000.0;
        let calls = answer.body.strip_suffix(" hello").and_then(|calls| calls.parse::<usize>().ok());
        ensure!(answer.is_ok(), "{path} answered {} {}", answer.status, answer.body);
        let calls = calls.with_context(|| format!("{path} answered {}", answer.body))?;
        Ok(Call { kind, is_first: calls == 1, milliseconds })
    }
}
