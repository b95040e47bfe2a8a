//! The specification's requests with damage: whatever arrives, it is answered, by no failure of ours,
//! and by SQL of the words that sound requests use.

use std::collections::BTreeSet;

use serde_json::Value;

use super::case::Step;
use super::generated::Dice;
use super::judge::Given;
use super::vocabulary::words;
use super::{Configuration, play};
use crate::host::Bench;
use isobase_rest::Catalog;

/// Requests per run.
const REQUESTS: usize = 1500;

/// What is put where it does not belong.
const DEBRIS: [&str; 40] = [
    "%00",
    "%ff",
    "%",
    "\"",
    "%22",
    "'",
    "\\",
    ";",
    "--",
    "/*",
    "$1",
    "::",
    "->",
    "->>",
    "(",
    ")",
    "{",
    "}",
    ",",
    ".",
    "!",
    "*",
    "...",
    "&",
    "=",
    "|",
    "\u{202e}",
    "é",
    "%F0%9F%98%80",
    " ",
    "+",
    "not.",
    "is.null",
    "in.()",
    "order",
    "9999999999999999999",
    "-1",
    "select",
    "limit=",
    "()",
];

/// SQLSTATEs that speak of the statement's text.
const UNSOUND: [&str; 5] = ["42601", "42P02", "42P18", "XX000", "PGRSTX00"];

/// What fails by itself in the specification's database.
const FAILING: [&str; 3] = ["/rpc/", "/bad_subquery", "/infinite_recursion"];

fn mangle(text: &str, dice: &mut Dice) -> String {
    let mut places = text.char_indices().map(|(place, _)| place).collect::<Vec<_>>();
    places.push(text.len());
    let (one, two) = (*dice.pick(&places), *dice.pick(&places));
    let (start, end) = (one.min(two), one.max(two));
    match dice.roll(6) {
        0 => format!("{}{}", &text[..start], &text[end..]),
        1 => format!("{}{}{}", &text[..end], &text[start..end], &text[end..]),
        2 => text[..start].to_owned(),
        _ => format!("{}{}{}", &text[..start], dice.pick(&DEBRIS), &text[start..]),
    }
}

fn damaged(step: &Step, dice: &mut Dice) -> Step {
    let mut damaged = step.clone();
    let (method, target) = step.request.split_once(' ').expect("a method and a target");
    match dice.roll(8) {
        0 if step.text().is_some() => damaged.set_text(mangle(step.text().unwrap_or_default(), dice)),
        1 if !step.headers.is_empty() => {
            let index = dice.roll(step.headers.len());
            // The host judges tokens.
            if !damaged.headers[index].0.eq_ignore_ascii_case("authorization") {
                damaged.headers[index].1 = mangle(&step.headers[index].1, dice);
            }
        }
        _ => damaged.request = format!("{method} {}", mangle(target, dice)),
    }
    damaged
}

fn fault(step: &Step, given: &Given) -> Option<String> {
    let body = given.text();
    let code = serde_json::from_str::<Value>(&body).unwrap_or_default()["code"].clone();
    let code = code.as_str().unwrap_or_default();
    // What SQL code of the fixture answers by itself is its own business.
    let chosen = FAILING.iter().any(|path| step.request.contains(path));
    // As PostgREST has it, it is 500 that a view cannot be written.
    let failed = given.status >= 500 && !chosen && code != "55000";
    // A text search has a syntax of its own, and a cast may name what is a keyword to Postgres.
    let allowed = body.contains(" in tsquery: ") || step.request.contains("::");
    let unsound = UNSOUND.contains(&code) && !(code == "42601" && allowed);
    (failed || unsound).then(|| {
        format!("{}\n  {:?} {:?}\n  {} {body}", step.request, step.headers, step.text(), given.status)
    })
}

/// Requests that are answered by a failure.
pub(super) fn failures(
    steps: &[&Step],
    configuration: &Configuration,
    bench: &mut Bench,
    catalog: &Catalog,
) -> Vec<String> {
    let known = vocabulary(steps, configuration, bench, catalog);
    let mut dice = Dice::cast();
    let mut failures = Vec::new();
    for _ in 0..REQUESTS {
        let mut step = damaged(steps[dice.roll(steps.len())], &mut dice);
        for _ in 0..dice.roll(3) {
            step = damaged(&step, &mut dice);
        }
        let given = play(&step, configuration, bench, catalog);
        failures.extend(fault(&step, &given));
        for sql in bench.statements.drain(..) {
            let strange = words(&sql).into_iter().filter(|word| !known.contains(word)).collect::<Vec<_>>();
            if !strange.is_empty() {
                failures.push(format!("{}\n  {strange:?} in {sql}", step.request));
            }
        }
    }
    failures
}

/// The words of all statements that the sound requests make.
fn vocabulary(
    steps: &[&Step],
    configuration: &Configuration,
    bench: &mut Bench,
    catalog: &Catalog,
) -> BTreeSet<String> {
    for step in steps {
        play(step, configuration, bench, catalog);
    }
    let mut known = bench.statements.drain(..).flat_map(|sql| words(&sql)).collect::<BTreeSet<_>>();
    // One object with the defaults of its columns, which the specification only sends as arrays.
    known.insert("jsonb_to_record".to_owned());
    known
}
