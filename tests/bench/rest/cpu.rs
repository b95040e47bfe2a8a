//! The time that processes have spent on a processor.

use std::fs;

use anyhow::Context;

use crate::memory::children;

/// The kernel's unit in `/proc`: `USER_HZ`, a hundred per second on every Linux.
const TICK_MICROSECONDS: f64 = 10_000.0;

/// Microseconds of two sides at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cpu {
    pub(super) host: f64,
    pub(super) postgres: f64,
}

/// `host` is the process of isobase; everything below `owner`, the host that manages Postgres, is
/// Postgres.
pub(super) fn spent(host: i32, owner: i32) -> anyhow::Result<Cpu> {
    let (own, _) = ticks(host)?;
    let mut postgres = 0.0;
    let mut pending = children(owner);
    while let Some(process) = pending.pop() {
        // One that has ended meanwhile is counted by its parent.
        let (own, ended) = ticks(process).unwrap_or_default();
        postgres += own + ended;
        pending.extend(children(process));
    }
    Ok(Cpu { host: own * TICK_MICROSECONDS, postgres: postgres * TICK_MICROSECONDS })
}

/// What the process has used itself, and what its ended children had.
fn ticks(process: i32) -> anyhow::Result<(f64, f64)> {
    let text = fs::read_to_string(format!("/proc/{process}/stat"))?;
    parse(&text).with_context(|| format!("/proc/{process}/stat is not as expected: {text}"))
}

/// Fields 14 to 17 of `proc(5)`; the name before them may hold anything, blanks too.
fn parse(text: &str) -> Option<(f64, f64)> {
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11).map_while(|word| word.parse::<f64>().ok());
    let own = fields.next()? + fields.next()?;
    let ended = fields.next()? + fields.next()?;
    Some((own, ended))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_kernel() {
        let line = "123 (a (b) c) S 1 2 3 4 5 6 7 8 9 10 100 20 3 4 20 0 1 0";
        assert_eq!(parse(line), Some((120.0, 7.0)));
        assert!(ticks(i32::try_from(std::process::id()).unwrap()).is_ok());
    }
}
