//! What a large catalog costs an instance: time to decode it, and memory that it holds from then on.
//!
//! `cargo bench -p isobase-rest --bench catalog`, on Linux, which tells how much memory a process has.
#![allow(clippy::print_stdout, reason = "a program of its own")]

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Instant;

use isobase_rest::Catalog;

const TABLES: usize = 68_000;
/// Each third table refers to the one before it.
const REFERRING: usize = 3;
const COLUMNS: &str = r#"["id","pg_catalog","int8","int8","nextval('public.some_table_id_seq'::regclass)"],["owner_id","pg_catalog","uuid","uuid","auth.uid()"],["title","pg_catalog","text","text",null],["state","public","order_state","order_state","'new'::order_state"],["data","pg_catalog","jsonb","jsonb","'{}'::jsonb"],["created_at","pg_catalog","timestamptz","timestamptz","now()"]"#;

fn text() -> String {
    let mut text =
        String::from(r#"{"view_keys":[],"view_tables":[],"functions":[],"computed":[],"relations":["#);
    for number in 0..TABLES {
        let comma = if number > 0 { "," } else { "" };
        let _ = write!(text, r#"{comma}["public","some_table_{number}",false,28,["id"],[{COLUMNS}]]"#);
    }
    text.push_str(r#"],"foreign_keys":["#);
    for number in (REFERRING..TABLES).step_by(REFERRING) {
        let comma = if number > REFERRING { "," } else { "" };
        let _ = write!(
            text,
            r#"{comma}["some_table_{number}_fkey","public","some_table_{number}","public","some_table_{}",["owner_id"],["id"],false]"#,
            number - 1
        );
    }
    text.push_str("]}");
    text
}

/// In MiB: now, and at the most so far.
fn memory() -> (u64, u64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let value = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.split_whitespace().next().and_then(|kibibytes| kibibytes.parse::<u64>().ok()).unwrap_or_default()
    };
    (value("VmRSS:") / 1024, value("VmHWM:") / 1024)
}

fn main() {
    let text = text();
    let length = text.len() >> 20;
    let (before, _) = memory();
    let begun = Instant::now();
    let catalog = Catalog::decode(text).expect("a catalog");
    let taken = begun.elapsed();
    let (after, most) = memory();
    black_box(&catalog);
    println!(
        "{TABLES} tables, {length} MiB of text: {:.0} ms, {} MiB beside the text, {} MiB at the most",
        taken.as_secs_f64() * 1e3,
        after.saturating_sub(before),
        most.saturating_sub(before)
    );
}
