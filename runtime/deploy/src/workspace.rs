//! Members of a Deno workspace, by the names that others import them by.

use std::path::{Path, PathBuf};

use isobase_base::limits::PACKAGE_SETTINGS_BYTES_MAX;
use serde_json::Value;

use crate::jsonc;
use crate::probes::Probes;
use crate::resolve::absolute;

/// The folders of the members of the workspace in `folder`. `members` is the value of `workspace`: paths, of
/// which the last part may be `*`.
pub(crate) fn folders(members: Option<&Value>, folder: &Path, probes: &mut Probes) -> Vec<PathBuf> {
    let listed = match members {
        Some(Value::Object(object)) => object.get("members"),
        other => other,
    };
    let paths = listed.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let mut folders = Vec::new();
    for path in paths {
        match path.strip_suffix("/*") {
            Some(parent) => folders.extend(probes.list(&absolute(folder, parent))),
            None => folders.push(absolute(folder, path)),
        }
    }
    folders
}

/// Where the settings of `member` are.
pub(crate) fn settings(member: &Path, probes: &mut Probes) -> Option<PathBuf> {
    ["deno.json", "deno.jsonc"].map(|name| member.join(name)).into_iter().find(|file| probes.is_file(file))
}

/// What `member` exports: specifier and file.
pub(crate) fn exports(member: &Path, probes: &mut Probes) -> Vec<(String, PathBuf)> {
    let Some(file) = settings(member, probes) else { return Vec::new() };
    let text = probes.read(&file, PACKAGE_SETTINGS_BYTES_MAX).unwrap_or_default();
    let value = jsonc::parse(&String::from_utf8_lossy(&text)).unwrap_or_default();
    let Some(name) = value.get("name").and_then(Value::as_str) else { return Vec::new() };
    match value.get("exports") {
        Some(Value::String(main)) => vec![(name.to_owned(), absolute(member, main))],
        Some(Value::Object(exports)) => {
            let entry = |(key, path): (&String, &Value)| {
                let key = format!("{name}{}", key.strip_prefix('.')?);
                Some((key, absolute(member, path.as_str()?)))
            };
            exports.iter().filter_map(entry).collect()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::{exports, folders};
    use crate::probes::Probes;

    #[test]
    fn members_are_known_by_name() {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in [
            ("libs/a/deno.json", r#"{ "name": "@me/a", "exports": "./mod.ts" }"#),
            (
                "libs/b/deno.jsonc",
                r#"{ "name": "@me/b", "exports": { ".": "./b.ts", "./x": "./src/x.ts" } }"#,
            ),
            ("libs/nameless/deno.json", "{}"),
            ("other/deno.json", r#"{ "name": "other" }"#),
        ] {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let listed = serde_json::json!(["./libs/*", "other", "./missing"]);
        let mut probes = Probes::default();
        let members = folders(Some(&listed), folder.path(), &mut probes);
        let found: Vec<_> = members.iter().flat_map(|member| exports(member, &mut probes)).collect();
        let at = |path: &str| folder.path().join(path);
        let expected = [
            ("@me/a".to_owned(), at("libs/a/mod.ts")),
            ("@me/b".to_owned(), at("libs/b/b.ts")),
            ("@me/b/x".to_owned(), at("libs/b/src/x.ts")),
        ];
        assert_eq!(found, expected);
    }
}
