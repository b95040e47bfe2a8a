//! Users who read and write their own rows through the data API while the schema changes, connections are killed
//! and clients hang up. Every row says whose it is, so one that came to somebody else would be seen: then there is
//! no figure but an error.

mod callers;
mod trouble;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures::future::try_join_all;
use tokio::try_join;

use crate::fixture::Workplace;
use crate::memory::{growth, resident};
use crate::options::Options;
use crate::product::Product;
use crate::report::{Figure, Goal, Measured, Unit, progress};

const USERS: usize = 12;
const HANGING_UP: usize = 2;
/// Before memory is looked at for the first time: caches fill, sessions open.
const WARM_UP: Duration = Duration::from_secs(10);

/// What happened.
#[derive(Debug, Default)]
struct Tally {
    answered: AtomicUsize,
    /// With 503, for their connection was killed.
    refused: AtomicUsize,
    given_up: AtomicUsize,
    killed: AtomicUsize,
    changes: AtomicUsize,
}

impl Tally {
    fn count(counter: &AtomicUsize) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

pub(crate) async fn measure(
    product: &Product,
    workplace: &Workplace,
    options: &Options,
) -> anyhow::Result<Measured> {
    let process = product.process_id()?;
    run(product, workplace, &Tally::default(), WARM_UP).await?;
    let before = resident(process)?;
    let (tally, length) = (Tally::default(), options.mixed_length());
    run(product, workplace, &tally, length).await?;
    let after = resident(process)?;
    let told = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
    let speed = Figure {
        name: "mixed: requests amid trouble".into(),
        ours: told(&tally.answered) as f64 / length.as_secs_f64(),
        unit: Unit::RequestsPerSecond,
        peer: None,
        goal: Goal::Information,
        how: format!(
            "{USERS} users, anon and service for {length:?}; {} schema changes, {} connections killed, {} requests \
             given up, {} answered with 503; no row came to a stranger",
            told(&tally.changes),
            told(&tally.killed),
            told(&tally.given_up),
            told(&tally.refused)
        ),
    };
    let how = format!("warm is {WARM_UP:?} after the first request");
    let memory = growth("mixed: memory afterwards".into(), ("after the warm-up", before), after, &how);
    Ok(Measured { figures: vec![speed, memory], left_out: Vec::new() })
}

async fn run(
    product: &Product,
    workplace: &Workplace,
    tally: &Tally,
    length: Duration,
) -> anyhow::Result<()> {
    progress(&format!("{USERS} users amid trouble, for {length:?}"));
    let until = Instant::now() + length;
    let users = (0..USERS).map(|number| callers::user(product, number, tally, until));
    let others = ["anon", "service_role"].map(|role| callers::of_role(product, role, tally, until));
    let hanging_up = (0..HANGING_UP).map(|number| callers::hanging_up(product, number, tally, until));
    try_join!(
        try_join_all(users),
        try_join_all(others),
        try_join_all(hanging_up),
        trouble::make(workplace, tally, until),
    )?;
    Ok(())
}
