//! PostgREST's own specification, played against this crate on a bare Postgres.
//!
//! The cases are data in `tests/compat/postgrest`, taken from PostgREST's test suite together with the
//! database they expect. What fails is listed in `expectations.toml` there, each with its reason; a case
//! that passes while listed is an error, so the list can only shrink. What needs an extension that the
//! Postgres at hand does not have is skipped, and said so.
//!
//! `SPECIFICATION=word` plays only the cases whose file or name holds that word and prints them;
//! `SPECIFICATION_REPORT=file` writes every failure there.

mod case;
mod fixture;
mod generated;
mod judge;
mod mangled;
mod vocabulary;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use isobase_rest::{Catalog, Incoming, Settings, catalog_sql, serve};
use serde_json::Value;

use crate::cluster::Cluster;
use crate::host::{Bench, Session};

use case::{Case, Setting, Step, expectations, load};
use fixture::Geometry;
use judge::Given;

const ANONYMOUS: &str = "postgrest_test_anonymous";

fn folder() -> PathBuf {
    PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"))
        .join("../../tests/compat/postgrest")
}

/// PostgREST's configuration of a case: that of its test suite, with what the case changes.
struct Configuration {
    settings: Settings,
    /// Transactions roll back unless the client may and does ask for a commit.
    rolls_back: bool,
}

impl Configuration {
    fn of(config: &BTreeMap<String, Setting>) -> Self {
        let text = |name: &str| match config.get(name) {
            Some(Setting::Text(text)) => Some(text.clone()),
            Some(Setting::List(_)) => None,
            None => match name {
                "PGRST_DB_ANON_ROLE" => Some(ANONYMOUS.to_owned()),
                "PGRST_DB_PRE_REQUEST" => Some("test.switch_role".to_owned()),
                "PGRST_DB_TX_END" => Some("rollback-allow-override".to_owned()),
                "PGRST_DB_MAX_ROWS" => Some(String::new()),
                _ => None,
            },
        };
        let list = |name: &str, default: &[&str]| match config.get(name) {
            Some(Setting::List(list)) => list.clone(),
            Some(Setting::Text(text)) => vec![text.clone()],
            None => default.iter().map(|item| (*item).to_owned()).collect(),
        };
        let settings = Settings {
            schemas: list("PGRST_DB_SCHEMAS", &["test"]),
            extra_search_path: list("PGRST_DB_EXTRA_SEARCH_PATH", &[]),
            ..Settings::from_environment(text)
        };
        let rolls_back = text("PGRST_DB_TX_END").is_some_and(|end| end.starts_with("rollback"));
        Self { settings, rolls_back }
    }
}

/// Role and claims of a step's token. Who calls is decided before the data API is asked, so nobody
/// verifies the token here.
fn caller(step: &Step) -> (String, String) {
    let claims = step
        .header("authorization")
        .and_then(|value| value.strip_prefix("Bearer "))
        .and_then(|token| token.split('.').nth(1))
        .and_then(|payload| URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok())
        .and_then(|json| serde_json::from_slice::<Value>(&json).ok());
    let mut claims = claims.unwrap_or_else(|| Value::Object(serde_json::Map::new()));
    let role = claims["role"].as_str().unwrap_or(ANONYMOUS).to_owned();
    claims["role"] = role.clone().into();
    (role, claims.to_string())
}

fn play(step: &Step, configuration: &Configuration, bench: &mut Bench, catalog: &Catalog) -> Given {
    let headers = step
        .headers
        .iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value.clone().into_bytes()))
        .collect::<Vec<_>>();
    let (method, target) = step.request.split_once(' ').expect("a method and a target");
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let body = step.body();
    let (role, claims) = caller(step);
    let commits = configuration.settings.transaction_end_allowed && step.prefers("tx=commit");
    let mut session = Session::new(bench, &role, &claims, &body);
    session.rolls_back = configuration.rolls_back && !commits;
    let incoming = Incoming { method, path, query, headers: &headers };
    let answer = serve(&incoming, catalog, &configuration.settings, &mut session);
    Given::new(method, answer, session.into_document())
}

/// What is wrong with a case; nothing when it holds.
fn faults(
    case: &Case,
    bench: &mut Bench,
    catalogs: &mut HashMap<(Vec<String>, Vec<String>), Catalog>,
) -> String {
    let configuration = Configuration::of(&case.config);
    let settings = &configuration.settings;
    let schemas = (settings.schemas.clone(), settings.extra_search_path.clone());
    let catalog = catalogs
        .entry(schemas)
        .or_insert_with(|| Catalog::decode(bench.first_text(&catalog_sql(settings))).expect("a catalog"));
    let mut report = String::new();
    for step in &case.step {
        let given = play(step, &configuration, bench, catalog);
        let faults = given.faults(step);
        if !faults.is_empty() {
            let shown: String = given.text().chars().take(700).collect();
            let _ = write!(report, "  {}\n{faults}    given {}: {shown}\n", step.request, given.status);
        }
    }
    report
}

/// What became of the cases.
#[derive(Default)]
struct Tally {
    /// By file: passed, failed, known to fail.
    counts: BTreeMap<String, [usize; 3]>,
    failures: String,
    /// Everything that fails, known or not.
    all_failures: String,
    /// Known to fail, but they hold.
    surprises: Vec<String>,
    /// How many were not played, by the extension that they need.
    skipped: BTreeMap<String, usize>,
}

impl Tally {
    fn skip(&mut self, extension: &str) {
        *self.skipped.entry(extension.to_owned()).or_default() += 1;
    }

    fn add(&mut self, case: &Case, faults: &str, is_known: bool) {
        let count = self.counts.entry(case.file.clone()).or_default();
        let report = format!("{}: {}\n{faults}\n", case.file, case.name);
        match (faults.is_empty(), is_known) {
            (true, false) => count[0] += 1,
            (true, true) => self.surprises.push(format!("{}: {}", case.file, case.name)),
            (false, false) => {
                count[1] += 1;
                self.failures.push_str(&report);
            }
            (false, true) => count[2] += 1,
        }
        if !faults.is_empty() {
            self.all_failures.push_str(&report);
        }
    }

    #[expect(clippy::print_stdout, reason = "the summary is for the reader of a test run")]
    fn print(&self, with_failures: bool) {
        println!("{:32}{:>8}{:>8}{:>8}", "", "passed", "failed", "known");
        for (file, [passed, failed, known]) in &self.counts {
            println!("{file:32}{passed:>8}{failed:>8}{known:>8}");
        }
        for (extension, cases) in &self.skipped {
            println!("{cases} cases are skipped: this Postgres has no extension {extension}");
        }
        if with_failures {
            println!("{}", self.all_failures);
        }
    }
}

#[test]
fn the_specification_holds() {
    let mut cluster = Cluster::start("specification");
    let (mut known, needs) = expectations(&folder().join("expectations.toml"));
    let mut bench = Bench::connect(&mut cluster);
    let mut missing = needs.values().collect::<BTreeSet<_>>();
    missing.retain(|extension| !fixture::is_available(extension, &mut bench));
    let geometry =
        if missing.iter().any(|name| *name == "postgis") { Geometry::Text } else { Geometry::PostGis };
    fixture::load(&folder().join("vendor"), &cluster, geometry);
    let mut bench = Bench::connect(&mut cluster);
    let only = std::env::var("SPECIFICATION").ok();
    let is_wanted =
        |case: &&Case| only.as_ref().is_none_or(|only| case.file.contains(only) || case.name.contains(only));
    let mut catalogs = HashMap::new();
    let mut tally = Tally::default();
    for case in load(&folder()).iter().filter(is_wanted) {
        let name = (case.file.clone(), case.name.clone());
        let is_known = known.remove(&name).is_some();
        if let Some(extension) = needs.get(&name).filter(|extension| missing.contains(extension)) {
            tally.skip(extension);
            continue;
        }
        let faults = faults(case, &mut bench, &mut catalogs);
        tally.add(case, &faults, is_known);
    }
    tally.print(only.is_some());
    if let Some(path) = std::env::var_os("SPECIFICATION_REPORT") {
        std::fs::write(path, &tally.all_failures).expect("a writable report");
    }
    let forgotten = known.keys().filter(|_| only.is_none()).collect::<BTreeSet<_>>();
    assert!(forgotten.is_empty(), "expectations.toml names cases that are not there: {forgotten:#?}");
    let surprises = tally.surprises;
    assert!(surprises.is_empty(), "these hold now, take them off expectations.toml: {surprises:#?}");
    assert!(tally.failures.is_empty(), "these do not hold:\n\n{}", tally.failures);
}

/// The specification's database with a catalog, under a name for its folder.
fn prepared(name: &str) -> (Cluster, Bench, Configuration, Catalog) {
    let mut cluster = Cluster::start(name);
    drop(Bench::connect(&mut cluster));
    // Made-up requests ask for errors, and what PostGIS says of texts that are no geometries looks like
    // one of ours.
    fixture::load(&folder().join("vendor"), &cluster, Geometry::Text);
    let mut bench = Bench::connect(&mut cluster);
    let mut configuration = Configuration::of(&BTreeMap::new());
    configuration.settings.aggregates_enabled = true;
    let text = bench.first_text(&catalog_sql(&configuration.settings));
    (cluster, bench, configuration, Catalog::decode(text).expect("a catalog"))
}

#[test]
fn generated_requests_are_answered_soundly() {
    let (_cluster, mut bench, configuration, catalog) = prepared("generated");
    let unsound = generated::unsound(&configuration, &mut bench, &catalog);
    assert!(unsound.is_empty(), "{} are not answered soundly:\n{}", unsound.len(), unsound.join("\n"));
}

#[test]
fn mangled_requests_do_no_harm() {
    let (_cluster, mut bench, configuration, catalog) = prepared("mangled");
    let cases = load(&folder());
    let steps = cases.iter().filter(|case| case.config.is_empty()).flat_map(|case| &case.step);
    let steps = steps.filter(|step| !step.prefers("tx=commit")).collect::<Vec<_>>();
    let failures = mangled::failures(&steps, &configuration, &mut bench, &catalog);
    assert!(failures.is_empty(), "{} end in a failure:\n{}", failures.len(), failures.join("\n"));
}

/// As above, for what the data API can do beyond the specification.
#[test]
fn mangled_scenarios_do_no_harm() {
    let mut cluster = Cluster::start("mangled-scenarios");
    let mut bench = Bench::connect(&mut cluster);
    bench.batch(&std::fs::read_to_string(crate::compat().join("fixture.sql")).expect("the fixture"));
    let configuration = Configuration { settings: crate::settings(None), rolls_back: true };
    let catalog =
        Catalog::decode(bench.first_text(&catalog_sql(&configuration.settings))).expect("a catalog");
    let scenarios = crate::scenario::load(&crate::compat());
    let scenarios = scenarios.iter().filter(|scenario| scenario.setting.is_none());
    let steps = scenarios.map(Step::of).collect::<Vec<_>>();
    let steps = steps.iter().collect::<Vec<_>>();
    let failures = mangled::failures(&steps, &configuration, &mut bench, &catalog);
    assert!(failures.is_empty(), "{} end in a failure:\n{}", failures.len(), failures.join("\n"));
}
