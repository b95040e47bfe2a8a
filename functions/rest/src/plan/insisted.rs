//! How many rows a client insists on.

use std::ops::RangeInclusive;

use crate::request::{Action, Intent, Media};

use super::{Operation, Plan};

/// The numbers of rows with which a write stands, where others make it fail; nothing for reads, on whose
/// transaction nothing depends, nor for who asks how a statement is carried out and sees no rows.
pub(crate) fn insisted_rows(plan: &Plan<'_>, intent: &Intent<'_>) -> Option<RangeInclusive<i64>> {
    if matches!(plan.media, Media::Plan(_)) {
        return None;
    }
    match &plan.operation {
        // How it would run is told however many rows it has.
        _ if matches!(plan.media, Media::Plan(_)) => return None,
        Operation::Write { .. } => {}
        // One result is one row, whatever happens.
        Operation::Call { call, .. } if !super::is_safe_call(intent.action, call.function) => {
            if call.function.returns_one() {
                return None;
            }
        }
        _ => return None,
    }
    let one = intent.action == Action::Replace || matches!(plan.media, Media::Object { .. });
    let limited = matches!(intent.action, Action::Update | Action::Delete) || intent.action.is_call();
    match (one, intent.preferences.affected_max().filter(|_| limited)) {
        (true, most) => Some(1..=most.unwrap_or(1).min(1)),
        (false, Some(most)) => Some(0..=most),
        (false, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::catalog::Catalog;
    use crate::plan::plan;
    use crate::request::{Incoming, Intent, Parameters, read_body};
    use crate::respond::check;
    use crate::settings::Settings;

    use super::insisted_rows;

    const CATALOG: &str = r#"{
      "relations": [["public", "items", false, 28, ["id"], [["id", "pg_catalog", "int4", "int4", null]]]],
      "foreign_keys": [], "view_keys": [], "view_tables": [], "computed": [],
      "functions": [["public", "all", [], true, true, "public", "items", "v", null],
                    ["public", "one", [], false, true, "public", "items", "v", null]]
    }"#;

    /// Whether the statement refuses the rows that the answer would refuse, and no others.
    fn agrees(method: &str, path: &str, query: &str, accept: &str, prefer: &str) {
        let catalog = Catalog::decode(CATALOG).expect("a catalog");
        let settings = Settings::default();
        let headers = [("accept", accept), ("prefer", prefer)]
            .map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()));
        let incoming = Incoming { method, path, query, headers: &headers };
        let parameters = Parameters::decode(query);
        let intent = Intent::parse(&incoming, &parameters, &settings).expect("an intent");
        let body: &[u8] = if path.starts_with("/rpc") { b"{}" } else { br#"{"id":1}"# };
        let payload = intent.needs_body().then(|| read_body(body, &intent.content, intent.action.is_call()));
        let payload = payload.transpose().expect("a payload");
        let Ok(plan) = plan(&intent, payload.as_ref(), &catalog, &settings) else { return };
        let insisted = insisted_rows(&plan, &intent);
        let only_one = path == "/rpc/one";
        for rows in if only_one { 1..=1 } else { 0..=4 } {
            let stands = insisted.as_ref().is_none_or(|insisted| insisted.contains(&rows));
            let told = check(&plan, &intent, rows).is_ok();
            assert_eq!(stands, told, "{method} {path} {accept} {prefer}: {rows} rows, {insisted:?}");
        }
    }

    #[test]
    fn statements_refuse_what_answers_refuse() {
        let targets = [
            ("POST", "/items", ""),
            ("PUT", "/items", "id=eq.1"),
            ("PATCH", "/items", ""),
            ("DELETE", "/items", ""),
            ("POST", "/rpc/all", ""),
            ("POST", "/rpc/one", ""),
        ];
        let preferences =
            ["", "max-affected=2", "handling=strict,max-affected=2", "handling=strict,max-affected=0"];
        for (method, path, query) in targets {
            for accept in ["application/json", "application/vnd.pgrst.object+json"] {
                for prefer in preferences {
                    for returning in ["", ",return=representation"] {
                        agrees(method, path, query, accept, &format!("{prefer}{returning}"));
                    }
                }
            }
        }
    }
}
