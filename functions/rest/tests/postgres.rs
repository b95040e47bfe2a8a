//! The data API's library against a real Postgres, without a host: all compatibility scenarios, and
//! PostgREST's own specification.

mod cluster;
mod host;
#[path = "../../../tests/compat/scenario.rs"]
mod scenario;
mod sequences;
mod specification;

use std::path::PathBuf;

use isobase_rest::{Catalog, Incoming, Settings, catalog_sql, serve};

use cluster::Cluster;
use host::{Bench, Session};
use scenario::{Caller, Given, Scenario, Setting};

fn compat() -> PathBuf {
    PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"))
        .join("../../tests/compat/rest")
}

fn settings(setting: Option<Setting>) -> Settings {
    let settings = Settings {
        schemas: vec!["public".into(), "archive".into()],
        extra_search_path: vec!["public".into()],
        ..Settings::default()
    };
    match setting {
        None => settings,
        Some(Setting::Aggregates) => Settings { aggregates_enabled: true, ..settings },
        Some(Setting::Rollback) => Settings { transaction_end_allowed: true, ..settings },
        Some(Setting::Capped) => Settings { rows_max: Some(2), ..settings },
        Some(Setting::Undescribed) => Settings { open_api_enabled: false, ..settings },
        Some(Setting::Unguarded) => Settings { open_api_ignores_privileges: true, ..settings },
        Some(Setting::Addressed) => Settings {
            open_api_security_active: true,
            open_api_proxy_uri: Some("https://example.org/api".into()),
            ..settings
        },
        Some(Setting::Fronted) => Settings { root_function: Some("public.front_page".into()), ..settings },
        Some(Setting::Explained) => Settings { plan_enabled: true, ..settings },
        Some(Setting::Rehearsed) => {
            Settings { plan_enabled: true, transaction_end_allowed: true, ..settings }
        }
        Some(Setting::Timed) => {
            Settings { server_timing_enabled: true, trace_header: Some("x-trace".into()), ..settings }
        }
        Some(Setting::Terse) => Settings { errors_detailed: false, ..settings },
    }
}

fn play(scenario: &Scenario, bench: &mut Bench, catalog: &Catalog) -> Given {
    let (role, claims) = match scenario.caller {
        Caller::Anon => ("anon", r#"{"role":"anon"}"#),
        Caller::User => {
            ("authenticated", r#"{"sub":"11111111-1111-1111-1111-111111111111","role":"authenticated"}"#)
        }
        Caller::Service => ("service_role", r#"{"role":"service_role"}"#),
    };
    let mut headers = scenario
        .headers
        .iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value.clone().into_bytes()))
        .collect::<Vec<_>>();
    if !scenario.body.is_empty() && !headers.iter().any(|(name, _)| name == "content-type") {
        headers.push(("content-type".into(), b"application/json".to_vec()));
    }
    let (path, query) = scenario.target().split_once('?').unwrap_or((scenario.target(), ""));
    let incoming = Incoming { method: scenario.method(), path, query, headers: &headers };
    let mut session = Session::new(bench, role, claims, scenario.body.as_bytes());
    let answer = serve(&incoming, catalog, &settings(scenario.setting), &mut session);
    session.given(answer)
}

#[test]
fn all_scenarios_hold() {
    let mut cluster = Cluster::start("scenarios");
    let mut bench = Bench::connect(&mut cluster);
    let fixture = std::fs::read_to_string(compat().join("fixture.sql")).expect("the fixture");
    bench.batch(&fixture);
    let text = bench.first_text(&catalog_sql(&settings(None)));
    let catalog = Catalog::decode(text).expect("a catalog");
    let scenarios = scenario::load(&compat());
    let only = std::env::var("SCENARIO").ok();
    let mut failures = Vec::new();
    let mut played = 0;
    for scenario in
        scenarios.iter().filter(|scenario| only.as_ref().is_none_or(|only| scenario.name.contains(only)))
    {
        let given = play(scenario, &mut bench, &catalog);
        if scenario.writes() {
            bench.batch("select public.compat_reset()");
        }
        played += 1;
        failures.extend(scenario.mismatch(&given));
    }
    assert!(failures.is_empty(), "{} of {played} scenarios fail:\n\n{}", failures.len(), failures.join("\n"));
    assert!(played > 0, "no scenario is called {only:?}");
    if only.is_none() {
        let settings = settings(None);
        let mut other = Some(Bench::connect(&mut cluster));
        let (bench, other) = (&mut bench, &mut other);
        sequences::hold(&mut sequences::Client { bench, other, catalog: &catalog, settings });
    }
}

#[test]
fn the_database_holds_settings() {
    let mut cluster = Cluster::start("settings");
    let mut bench = Bench::connect(&mut cluster);
    bench.batch(
        "create role authenticator nologin;
         create schema shown; create table shown.things (id int); create schema also_shown;
         alter role authenticator set pgrst.db_plan_enabled = 'true';
         alter role authenticator set pgrst.db_max_rows = '100';
         alter role authenticator in database postgres set pgrst.db_max_rows = '7';
         alter role authenticator in database template1 set pgrst.db_anon_role = 'nobody';
         alter role authenticator set pgrst.db_schemas = 'shown, also_shown';
         alter role authenticator set statement_timeout = '8s';",
    );
    let catalog = Catalog::decode(bench.first_text(&catalog_sql(&settings(None)))).expect("a catalog");
    let given = Settings::from_environment(|name| catalog.setting(name).map(str::to_owned));
    let expected = Settings {
        plan_enabled: true,
        rows_max: Some(7),
        schemas: vec!["shown".into(), "also_shown".into()],
        ..Settings::default()
    };
    assert_eq!(given, expected);
    let incoming = Incoming { method: "OPTIONS", path: "/things", query: "", headers: &[] };
    let answer = serve(&incoming, &catalog, &given, &mut Session::new(&mut bench, "postgres", "{}", b""));
    assert_eq!(answer.status, 200);
}
