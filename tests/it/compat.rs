//! The scenarios of `tests/compat`, played through the whole host.

#[path = "../compat/runner.rs"]
mod runner;
#[path = "../compat/scenario.rs"]
mod scenario;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use crate::app::{ALICE, Project, checkout};

/// Scenarios that fail, with the reason: a list that can only shrink.
fn known_failures(folder: &Path) -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(folder.join("known-failures.toml")).expect("the list is there");
    toml::from_str(&text).expect("the list maps names to reasons")
}

#[tokio::test]
async fn the_data_api_behaves_as_postgrest() {
    let folder = checkout("tests/compat");
    let project = Project::empty();
    project.configure("[api]\nschemas = [\"public\", \"archive\"]\nmax_rows = 1000");
    let fixture = std::fs::read(folder.join("rest/fixture.sql")).expect("the fixture is there");
    project.write("supabase/migrations/20260101000000_fixture.sql", fixture);
    let app = project.start().await;
    let keys = runner::Keys {
        anon: app.value("ANON_KEY").into(),
        user: app.token(ALICE),
        service: app.value("SERVICE_ROLE_KEY").into(),
    };
    let report =
        runner::run_all(app.value("REST_URL"), &keys, &folder.join("rest"), &known_failures(&folder))
            .await
            .expect("the scenarios can be played");
    let mut text = String::new();
    for (name, difference) in &report.failed {
        writeln!(text, "--- {name}\n{difference}").expect("writing to a string cannot fail");
    }
    for name in &report.healed {
        writeln!(text, "--- {name}: passes now; take it off known-failures.toml")
            .expect("writing to a string cannot fail");
    }
    assert!(
        report.is_good(),
        "{} passed, {} failed, {} known, {} skipped\n{text}",
        report.passed,
        report.failed.len(),
        report.known.len(),
        report.skipped.len()
    );
}
