//! Names that CommonJS modules hand on: `module.exports = require("./other")`.

use std::collections::{BTreeSet, HashMap};

use isobase_engine::{Code, Module};

use crate::transpile::CommonExports;

/// Adds to each CommonJS module the names of those that it hands on, and of those that these hand on.
pub(super) fn hand_on(modules: &mut [Module], common: &[Option<CommonExports>]) {
    let by_specifier: HashMap<&str, usize> =
        modules.iter().enumerate().map(|(number, module)| (module.specifier.as_str(), number)).collect();
    let gather = |start: usize| {
        let (mut names, mut seen) = (BTreeSet::new(), BTreeSet::from([start]));
        let mut waiting = vec![start];
        while let Some(number) = waiting.pop() {
            match common.get(number) {
                Some(Some(exports)) => {
                    names.extend(exports.names.iter().cloned());
                    let handed = exports.from.iter().filter_map(|from| modules[number].imports.get(from));
                    let handed = handed.filter_map(|meant| by_specifier.get(meant.as_str()));
                    waiting.extend(handed.filter(|&&number| seen.insert(number)));
                }
                _ => names.extend(json_names(&modules[number].code)),
            }
        }
        names.remove("default");
        names.into_iter().collect::<Vec<_>>()
    };
    let hands_on = |exports: &Option<CommonExports>| {
        let known = exports.as_ref();
        known.is_some_and(|known| !known.from.is_empty() || known.names.iter().any(|name| name == "default"))
    };
    let gathered: Vec<_> = common
        .iter()
        .enumerate()
        .filter(|(_, exports)| hands_on(exports))
        .map(|(number, _)| (number, gather(number)))
        .collect();
    for (number, names) in gathered {
        if let Code::CommonJs { exports, .. } = &mut modules[number].code {
            *exports = names;
        }
    }
}

fn json_names(code: &Code) -> Vec<String> {
    let Code::Json(text) = code else { return Vec::new() };
    match serde_json::from_str(text) {
        Ok(serde_json::Value::Object(object)) => object.into_iter().map(|(name, _)| name).collect(),
        Ok(_) | Err(_) => Vec::new(),
    }
}
