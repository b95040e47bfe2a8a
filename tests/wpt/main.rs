//! The selection of the Web Platform Tests in `vendor/`, unmodified: each file runs as a function, in an
//! isolate of its own, on our engine. What is expected to fail is in `expectations/`, with the reason; a
//! failure that is not on the list fails the run, and so does a test that is on it and passes.
//!
//! `UPDATE_EXPECT=1` writes the lists anew; new entries then want a reason. `WPT_FILE=name` runs the files
//! whose path holds it, `WPT_REPORT=folder` writes how each subtest went, and `WPT_PEER=path/of/deno` has Deno run
//! the same, to compare.

mod expectations;
mod origin;
mod outcome;
mod scripts;
mod test_file;

use std::io::Write;
use std::path::Path;
use std::time::Instant;

use futures::{StreamExt, stream};

use crate::expectations::{Expectations, Outcomes, totals};
use crate::outcome::run;
use crate::test_file::files_of;

/// Isolates of one area at once: tests wait more than they compute.
const FILES_AT_ONCE: usize = 4;
/// Of a report, in bytes; a broken engine fails everything.
const REPORT_BYTES_MAX: usize = 20_000;

async fn check(area: &str) {
    let began = Instant::now();
    let origin = origin::serve().await;
    let wanted = std::env::var("WPT_FILE").unwrap_or_default();
    let files = files_of(area).into_iter().filter(|file| file.name.contains(&wanted));
    let outcomes: Outcomes = stream::iter(files)
        .map(|file| async {
            let outcome = run(&file, &origin).await;
            (file.name, outcome)
        })
        .buffer_unordered(FILES_AT_ONCE)
        .collect()
        .await;
    let (subtests, passed) = totals(&outcomes);
    // Past the capture of test output: who waits wants to see how far it is.
    _ = writeln!(
        std::io::stderr(),
        "wpt {area}: {} files, {passed} of {subtests} subtests pass, {:.1} s",
        outcomes.len(),
        began.elapsed().as_secs_f64()
    );
    if let Some(folder) = std::env::var_os("WPT_REPORT") {
        let report = Path::new(&folder).join(format!("{}.json", area.replace('/', "_")));
        let text = serde_json::to_vec_pretty(&outcomes).expect("it is plain data");
        std::fs::write(report, text).expect("the report can be written");
    }
    let mut expectations = Expectations::load(area);
    if !wanted.is_empty() {
        expectations = expectations.only(&wanted, &outcomes);
    } else if std::env::var_os("UPDATE_EXPECT").is_some() {
        expectations.update(area, &outcomes);
    }
    let mut differences = expectations.differences(&outcomes);
    differences.truncate(differences.floor_char_boundary(REPORT_BYTES_MAX));
    assert!(differences.is_empty(), "{area}:\n{differences}");
}

/// One test for each area.
macro_rules! areas {
    ($($name:ident $area:literal)*) => {
        $(#[tokio::test]
        async fn $name() {
            check($area).await;
        })*
    };
}

areas! {
    compression "compression"
    dom_abort "dom/abort"
    dom_events "dom/events"
    encoding "encoding"
    eventsource "eventsource"
    fetch "fetch/api"
    file_api "FileAPI"
    hr_time "hr-time"
    html "html/webappapis"
    streams "streams"
    url "url"
    urlpattern "urlpattern"
    user_timing "user-timing"
    web_crypto "WebCryptoAPI"
}
