//! A file of the suite: what its `// META:` lines ask for, and the text that runs.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;

use crate::origin::fill;

/// Where the files are.
pub(crate) fn suite() -> PathBuf {
    // Asked for at run time: checkouts that share a target folder share this program too.
    let package = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo says where the package is");
    Path::new(&package).join("../../tests/wpt")
}

/// One way to run one file.
#[derive(Clone, Debug)]
pub(crate) struct TestFile {
    /// Below the suite, `url/url-origin.any.js`, with the variant's query if it has one.
    pub(crate) name: String,
    path: String,
    meta: Meta,
}

#[derive(Clone, Debug, Default)]
struct Meta {
    scripts: Vec<String>,
    title: Option<String>,
    is_long: bool,
    /// The scopes it is for; empty means a window and a worker.
    globals: Vec<String>,
}

/// The `.any.js` files below `area`, each once for each of its variants, in order.
pub(crate) fn files_of(area: &str) -> Vec<TestFile> {
    let root = suite().join("vendor");
    let mut paths = Vec::new();
    collect(&root.join(area), &mut paths);
    paths.sort();
    let mut files = Vec::new();
    for path in paths {
        let text = fs::read_to_string(&path).expect("a test is text");
        let path = path.strip_prefix(&root).expect("below the suite").to_string_lossy().into_owned();
        let (meta, variants) = Meta::parse(&text);
        for variant in variants {
            files.push(TestFile { name: format!("{path}{variant}"), path: path.clone(), meta: meta.clone() });
        }
    }
    files
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.expect("a folder of the suite can be read").path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.to_string_lossy().ends_with(".any.js") {
            found.push(path);
        }
    }
}

impl Meta {
    /// What the lines say, and the variants, of which there is always one.
    fn parse(text: &str) -> (Self, Vec<String>) {
        let mut meta = Self::default();
        let mut variants = Vec::new();
        for line in text.lines().take_while(|line| line.starts_with("//")) {
            let Some((key, value)) = line
                .trim_start_matches('/')
                .trim_start()
                .strip_prefix("META:")
                .and_then(|rest| rest.split_once('='))
            else {
                continue;
            };
            let value = value.trim().to_owned();
            match key.trim() {
                "script" => meta.scripts.push(value),
                "title" => meta.title = Some(value),
                "timeout" => meta.is_long = value == "long",
                "global" => meta.globals = value.split(',').map(|scope| scope.trim().to_owned()).collect(),
                "variant" => variants.push(value),
                _ => {}
            }
        }
        if variants.is_empty() {
            variants.push(String::new());
        }
        (meta, variants)
    }
}

impl TestFile {
    /// A function is most like a worker. What is only for windows runs as if it were one, and so do checks of
    /// interfaces, since the global object is a `Window`.
    fn is_window(&self) -> bool {
        let worker = |scope: &String| scope.contains("worker");
        let globals = &self.meta.globals;
        self.path.contains("idlharness") || (!globals.is_empty() && !globals.iter().any(worker))
    }

    /// As long as the suite itself gives a test.
    pub(crate) fn patience(&self) -> Duration {
        Duration::from_secs(if self.meta.is_long { 60 } else { 10 })
    }

    /// The function that runs it. `origin` is where the suite's files are served.
    pub(crate) fn function(&self, origin: &str) -> String {
        let settings = json!({
            "url": format!("{origin}/{}", self.name.replace(".any.js", ".any.html")),
            "isWindow": self.is_window(),
            "title": self.meta.title,
            "harness": read("resources/testharness.js"),
            "script": self.script(origin),
            "milliseconds": self.patience().as_millis(),
        });
        let driver = fs::read_to_string(suite().join("driver.js")).expect("the driver is there");
        format!("const SETTINGS = {settings};\n{driver}")
    }

    /// All of it as one script, since `const` at the top of one is seen by the next.
    fn script(&self, origin: &str) -> String {
        let folder = Path::new(&self.path).parent().expect("a test is in a folder");
        let mut parts: Vec<String> = Vec::new();
        for script in &self.meta.scripts {
            parts.push(match script.strip_prefix('/') {
                Some("resources/WebIDLParser.js") => read("resources/webidl2/lib/webidl2.js"),
                Some(path) => filled(path, origin),
                None => filled(&folder.join(script).to_string_lossy(), origin),
            });
        }
        parts.push(filled(&self.path, origin));
        // Apart, only those that say so would be strict.
        let mode = if parts.iter().all(|part| is_strict(part)) { "'use strict';" } else { ";" };
        format!("{mode}\n{}", parts.join("\n;\n"))
    }
}

/// The text of a script, a template filled in.
fn filled(path: &str, origin: &str) -> String {
    let text = read(path);
    if path.contains(".sub.") { fill(&text, origin, |_| String::new()) } else { text }
}

/// Whether the first statement asks for strict mode.
fn is_strict(script: &str) -> bool {
    let first = script.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with("//"));
    first.is_some_and(|line| line.starts_with("'use strict'") || line.starts_with("\"use strict\""))
}

fn read(path: &str) -> String {
    let path = suite().join("vendor").join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
