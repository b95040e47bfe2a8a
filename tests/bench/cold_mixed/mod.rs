//! Functions of several kinds, called by more and more callers at once; half of the calls find no isolate.
//!
//! The counterpart of what edge-runtime publishes of its first requests (18 July 2025, `k6/specs/mixed.ts`): hello,
//! JSON, a loop, supabase-js and other packages of npm, cold and warm mixed. A copy of a function whose isolate
//! ends with each answer is called again only after all others of its kind, so it starts anew each time; how
//! often it was called before is part of its answer, so what is taken for a first request is one.

mod calls;

use std::time::Duration;

use crate::fixture::Workplace;
use crate::load::{median, percentile};
use crate::product::Product;
use crate::report::{Figure, Goal, Measured, Unit, progress};
use calls::{Call, Calls};

/// Functions in this folder.
const KINDS: [&str; 6] = ["hello", "json", "loop", "supabase-js", "openai", "drizzle"];
/// Of each kind, so that one has ended long before its turn comes again.
const COPIES: usize = 16;
/// How many call at once, one stage after another.
const STAGES: [usize; 5] = [1, 2, 4, 8, 4];
const STAGE: Duration = Duration::from_secs(6);
/// Of a caller, between an answer and its next call.
const PAUSE: Duration = Duration::from_millis(100);
/// Milliseconds. Published of edge-runtime: 86, 460, 1,630.
const P95_GOAL: f64 = 30.0;
const P99_GOAL: f64 = 80.0;
const SLOWEST_GOAL: f64 = 1_000.0;

/// Of each kind one function that stays and [`COPIES`] that end.
pub(crate) fn project() -> anyhow::Result<Workplace> {
    Workplace::cold_mixed(&KINDS, COPIES)
}

pub(crate) async fn measure(product: &Product) -> anyhow::Result<Measured> {
    progress(&format!("functions of {} kinds, cold and warm, for {:?}", KINDS.len(), STAGE * 5));
    let calls = Calls::new(product)?;
    calls.warm_up().await?;
    let mut made = Vec::new();
    for callers in STAGES {
        let stage = calls.run(callers).await?;
        tell(callers, &stage);
        made.extend(stage);
    }
    let times = |is_first: bool| times(made.iter().filter(move |call| call.is_first == is_first));
    let (first, later) = (times(true), times(false));
    let count = format!(
        "{} first requests among {} calls by up to 8 callers at once, which pause for {PAUSE:?}; at the client",
        first.len(),
        made.len()
    );
    let figure = |what: &str, ours, goal, how: &str| Figure {
        name: format!("cold and warm mixed: {what}"),
        ours,
        unit: Unit::Milliseconds,
        peer: None,
        goal,
        how: how.into(),
    };
    let slowest = percentile(first.clone(), 100);
    Ok(Measured {
        figures: vec![
            figure("first request, p50", percentile(first.clone(), 50), Goal::Information, &count),
            figure("first request, p95", percentile(first.clone(), 95), Goal::AtMost(P95_GOAL), "the same"),
            figure("first request, p99", percentile(first, 99), Goal::AtMost(P99_GOAL), "the same"),
            figure("first request, slowest", slowest, Goal::AtMost(SLOWEST_GOAL), "the same"),
            figure("later request, p99", percentile(later, 99), Goal::Information, "the others"),
        ],
        left_out: Vec::new(),
    })
}

fn times<'a>(calls: impl Iterator<Item = &'a Call>) -> Vec<f64> {
    calls.map(|call| call.milliseconds).collect()
}

/// How first requests of each kind went in one stage.
fn tell(callers: usize, stage: &[Call]) {
    let kinds = KINDS.iter().enumerate().map(|(index, kind)| {
        let of_kind = stage.iter().filter(|call| call.kind == index && call.is_first);
        format!("{kind} {:.1} ms", median(times(of_kind)))
    });
    progress(&format!("  {callers} callers: {}", kinds.collect::<Vec<_>>().join(", ")));
}
