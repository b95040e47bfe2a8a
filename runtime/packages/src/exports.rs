//! The `exports` and `imports` of a package: `PACKAGE_EXPORTS_RESOLVE`, `PACKAGE_IMPORTS_RESOLVE` and
//! `PACKAGE_TARGET_RESOLVE` of Node's module algorithm, without the disk.

use serde_json::{Map, Value};

/// How something is asked for; a condition of its own in `exports`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Asked {
    Import,
    Require,
}

/// What an entry leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// A file, relative to the package's folder, without `./`.
    File(String),
    /// Of `imports` only: another package, or a module of Node.
    Bare(String),
}

/// Conditions nest, and lists in them; deeper ones than this are no map but an attack.
const DEPTH_MAX: usize = 32;

impl Asked {
    fn holds(self, condition: &str) -> bool {
        match condition {
            "deno" | "node" | "default" => true,
            "import" => self == Self::Import,
            "require" => self == Self::Require,
            _ => false,
        }
    }
}

/// The file that `subpath` (`.` or `./x`) of a package with these `exports` means.
pub(crate) fn exported(exports: &Value, subpath: &str, asked: Asked) -> Option<String> {
    let found = match exports {
        Value::Object(map) if map.keys().any(|key| key.starts_with('.')) => {
            mapped(map, subpath, asked, false)?
        }
        main if subpath == "." => target(main, None, asked, false, 0)??,
        _ => return None,
    };
    match found {
        Target::File(file) => Some(file),
        Target::Bare(_) => None,
    }
}

/// What `specifier` (`#x`) means in a package with these `imports`.
pub(crate) fn imported(imports: &Map<String, Value>, specifier: &str, asked: Asked) -> Option<Target> {
    mapped(imports, specifier, asked, true)
}

/// Exact keys first, then the pattern with the longest part before its star.
fn mapped(map: &Map<String, Value>, key: &str, asked: Asked, bare: bool) -> Option<Target> {
    if let Some(value) = map.get(key).filter(|_| !key.contains('*')) {
        return target(value, None, asked, bare, 0)?;
    }
    let fitting = map.iter().filter_map(|(pattern, value)| {
        let (before, after) = pattern.split_once('*')?;
        let matched = key.strip_prefix(before)?.strip_suffix(after)?;
        (!after.contains('*') && !matched.is_empty()).then_some((before.len(), pattern.len(), matched, value))
    });
    let (_, _, matched, value) = fitting.max_by_key(|(before, whole, _, _)| (*before, *whole))?;
    target(value, Some(matched), asked, bare, 0)?
}

/// The outer `None`: no condition fits, go on. The inner one: forbidden, or not a valid target.
fn target(
    value: &Value,
    matched: Option<&str>,
    asked: Asked,
    bare: bool,
    depth: usize,
) -> Option<Option<Target>> {
    if depth > DEPTH_MAX {
        return Some(None);
    }
    match value {
        Value::String(text) => Some(path(text, matched, bare)),
        Value::Object(conditions) => conditions
            .iter()
            .filter(|(condition, _)| asked.holds(condition))
            .find_map(|(_, value)| target(value, matched, asked, bare, depth + 1)),
        Value::Array(candidates) => {
            let mut last = None;
            for candidate in candidates {
                match target(candidate, matched, asked, bare, depth + 1) {
                    Some(Some(found)) => return Some(Some(found)),
                    other => last = other.or(last),
                }
            }
            last
        }
        _ => Some(None),
    }
}

fn path(text: &str, matched: Option<&str>, bare: bool) -> Option<Target> {
    let filled = match matched {
        Some(matched) => text.replace('*', matched),
        None => text.to_owned(),
    };
    let Some(inside) = filled.strip_prefix("./") else {
        let other = bare && !filled.starts_with("../") && !filled.starts_with('/') && !filled.is_empty();
        return other.then_some(Target::Bare(filled));
    };
    let leaves = inside.split(['/', '\\']).any(|part| matches!(part, "." | ".." | "node_modules"));
    (!leaves).then(|| Target::File(inside.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::{Asked, exported, imported};
    use serde_json::json;

    #[test]
    fn exports_follow_conditions_and_patterns() {
        let map = json!({
            ".": { "types": "./t.d.ts", "import": "./esm.mjs", "require": { "node": "./cjs.cjs" } },
            "./exact": "./lib/exact.js",
            "./features/*.js": "./src/*.js",
            "./features/private/*": null,
            "./deep/*": { "worker": "./w/*.js", "default": ["not a path", "./d/*/index.js"] },
            "./out/*": "../*",
            "./browser": { "browser": "./b.js" },
        });
        let shown = |subpath: &str, asked| exported(&map, subpath, asked).unwrap_or_else(|| "-".into());
        for (subpath, asked, expected) in [
            (".", Asked::Import, "esm.mjs"),
            (".", Asked::Require, "cjs.cjs"),
            ("./exact", Asked::Import, "lib/exact.js"),
            ("./exact/more", Asked::Import, "-"),
            ("./features/a/b.js", Asked::Import, "src/a/b.js"),
            ("./features/private/x", Asked::Import, "-"),
            ("./deep/x", Asked::Import, "d/x/index.js"),
            ("./deep/../../x", Asked::Import, "-"),
            ("./out/x", Asked::Import, "-"),
            ("./browser", Asked::Import, "-"),
            ("./*", Asked::Import, "-"),
        ] {
            assert_eq!(shown(subpath, asked), expected, "{subpath}");
        }
        let main = json!({ "deno": "./deno.js", "default": "./index.js" });
        assert_eq!(exported(&main, ".", Asked::Require).unwrap(), "deno.js");
        assert_eq!(exported(&json!("./only.js"), ".", Asked::Import).unwrap(), "only.js");
        assert_eq!(exported(&json!("./only.js"), "./package.json", Asked::Import), None);
        let nested = (0..100).fold(json!("./x.js"), |inner, _| json!({ "node": inner }));
        assert_eq!(exported(&nested, ".", Asked::Import), None);
    }

    #[test]
    fn imports_may_name_packages() {
        let map = json!({ "#dep": { "node": "node:fs", "default": "./x.js" }, "#in/*": "./in/*.js", "#p": "other/x" });
        let map = map.as_object().unwrap();
        let shown = |specifier: &str| format!("{:?}", imported(map, specifier, Asked::Import));
        assert_eq!(shown("#dep"), r#"Some(Bare("node:fs"))"#);
        assert_eq!(shown("#in/a"), r#"Some(File("in/a.js"))"#);
        assert_eq!(shown("#p"), r#"Some(Bare("other/x"))"#);
        assert_eq!(shown("#q"), "None");
    }
}
