//! Functions with packages, from a registry on the loopback interface.

use std::fmt::Write as _;
use std::path::Path;

use expect_test::{Expect, expect};
use isobase_base::project::Variables;
use isobase_deploy::SourcesConfig;
use isobase_engine::{Artifact, Code, Program};
use isobase_http::Network;
use isobase_packages::{Packages, PackagesConfig};

use crate::registry::Registry;
use crate::stand::{Stand, project};

/// Packages from `registry`, kept in `cache`.
pub(crate) fn packages(registry: &Registry, cache: &Path) -> Packages {
    Packages::new(PackagesConfig {
        cache_folder: cache.to_owned(),
        variables: Variables::from([("NPM_CONFIG_REGISTRY".into(), registry.url.clone())]),
        network: Network::default(),
    })
}

pub(crate) async fn open(registry: &Registry, files: &[(&str, &str)]) -> Stand {
    let stand = project(files);
    let cache = stand.path("/cache");
    let adjust = |config: &mut SourcesConfig| {
        config.packages = Some(packages(registry, &cache));
        config.watch = false;
    };
    stand.open_with(adjust).await
}

pub(crate) fn program(stand: &Stand) -> Program {
    let function = stand.function("f").expect("published");
    match &function.unwrap_or_else(|_| panic!("{}", stand.fault("f"))).artifact {
        Artifact::Program(program) => Program::clone(program),
        Artifact::Component { .. } => panic!("a component"),
    }
}

fn shown(program: &Program) -> String {
    let mut shown = String::new();
    for module in &program.modules {
        let kind = match &module.code {
            Code::Script(_) => "script".to_owned(),
            Code::CommonJs { exports, .. } => format!("commonjs {exports:?}"),
            Code::Json(_) => "json".to_owned(),
            Code::Wasm(bytes) => format!("wasm of {} bytes", bytes.len()),
        };
        _ = writeln!(shown, "{} {kind}", module.specifier);
        for (written, meant) in &module.imports {
            _ = writeln!(shown, "  {written} -> {meant}");
        }
    }
    for (path, content) in &program.files {
        _ = writeln!(shown, "{path}: {} bytes", content.len());
    }
    _ = writeln!(shown, "node: {}", program.needs_node);
    shown
}

async fn check(registry: &Registry, files: &[(&str, &str)], expected: Expect) {
    let stand = open(registry, files).await;
    let shown = match stand.function("f") {
        Some(Ok(_)) => shown(&program(&stand)),
        _ => stand.fault("f").replace(&registry.url, "<registry>/") + "\n",
    };
    expected.assert_eq(&shown);
}

fn registry() -> Registry {
    let registry = Registry::start();
    registry
        .publish(&[
            ("package.json", r##"{"name":"modern","version":"1.2.0","type":"module","exports":{".":"./index.js","./more":"./more.js"},"imports":{"#own":"./own.js"},"dependencies":{"classic":"^2.0.0"}}"##),
            ("index.js", "import { one } from 'classic'; import '#own'; import data from './data.json' with { type: 'json' };\nimport fs from 'fs'; export const modern = [one, data, fs]; export const lazy = () => import('./lazy.js');\n"),
            ("own.js", ""),
            ("more.js", "export default 1;"),
            ("lazy.js", "export {};"),
            ("data.json", "{}"),
        ])
        .publish(&[
            ("package.json", r#"{"name":"classic","version":"2.1.0","main":"./lib"}"#),
            ("lib/index.js", "module.exports = require('./real'); try { require('never-published') } catch {}\nconst path = require('node:path'); require('../package.json'); import('modern');\n"),
            ("lib/real.js", "exports.one = 1; exports.two = require('./deep').deep; Object.defineProperty(exports, '__esModule', { value: true });"),
            ("lib/deep/index.js", "exports.deep = 3; function later() { require('not-there'); }"),
        ])
        .publish(&[
            ("package.json", r#"{"name":"reader","version":"1.0.0"}"#),
            ("index.js", "const data = require('fs').readFileSync(__dirname + '/tables/a.bin'); exports.load = (name) => require('./plugins/' + name);"),
            ("tables/a.bin", "0123456789"),
            ("plugins/x.js", "exports.x = 1;"),
            ("README.md", "no"),
            ("index.d.ts", "no"),
        ])
        .publish(&[
            ("package.json", r#"{"name":"addon","version":"0.1.0"}"#),
            ("index.js", "module.exports = require('./build/addon.node');"),
            ("soft.js", "try { module.exports = require('./build/addon.node'); } catch { exports.slow = 1; }"),
            ("build/addon.node", "\u{7f}ELF"),
        ])
        .publish(&[
            ("package.json", r#"{"name":"@supabase/functions-js","version":"2.4.1","type":"module","exports":{".":"./index.js","./edge-runtime.d.ts":"./e.d.ts"}}"#),
            ("index.js", "export const supabase = 1;"),
        ])
        .publish(&[
            ("package.json", r#"{"name":"broken","version":"1.0.0","type":"module"}"#),
            ("index.js", "export const a = 1;\nimport { b } from './missing.js';\n"),
        ]);
    registry
}

#[tokio::test]
async fn modules_of_both_kinds_with_what_they_ask_for() {
    check(
        &registry(),
        &[
            ("f/deno.json", r#"{ "imports": { "modern": "npm:modern@^1", "classic": "npm:classic@2" } }"#),
            ("f/index.ts", "import { modern } from 'modern';\nimport more from 'modern/more';\nimport classic, { two } from 'classic';\nimport { Buffer } from 'node:buffer';\nimport os from 'os';\nexport default { modern, more, classic, two, Buffer, os };\nconst never = () => import('npm:nothing@1');\n"),
        ],
        expect![[r#"
            file:///f/index.ts script
              classic -> file:///node_modules/classic/lib/index.js
              modern -> file:///node_modules/modern/index.js
              modern/more -> file:///node_modules/modern/more.js
              node:buffer -> node:buffer
              os -> node:os
            file:///node_modules/modern/index.js script
              #own -> file:///node_modules/modern/own.js
              ./data.json -> file:///node_modules/modern/data.json?json
              ./lazy.js -> file:///node_modules/modern/lazy.js
              classic -> file:///node_modules/classic/lib/index.js
              fs -> node:fs
            file:///node_modules/modern/more.js script
            file:///node_modules/classic/lib/index.js commonjs ["__esModule", "one", "two"]
              ../package.json -> file:///node_modules/classic/package.json
              ./real -> file:///node_modules/classic/lib/real.js
              modern -> file:///node_modules/modern/index.js
              node:path -> node:path
            file:///node_modules/modern/own.js script
            file:///node_modules/modern/data.json?json script
            file:///node_modules/modern/lazy.js script
            file:///node_modules/classic/lib/real.js commonjs ["__esModule", "one", "two"]
              ./deep -> file:///node_modules/classic/lib/deep/index.js
            file:///node_modules/classic/package.json json
            file:///node_modules/classic/lib/deep/index.js commonjs ["deep"]
            node: true
        "#]],
    )
    .await;
}

#[tokio::test]
async fn packages_that_read_files_get_them() {
    check(
        &registry(),
        &[("f/index.ts", "import r from 'npm:reader';\nexport default r;\n")],
        expect![[r#"
            file:///f/index.ts script
              npm:reader -> file:///node_modules/reader/index.js
            file:///node_modules/reader/index.js commonjs ["load"]
              fs -> node:fs
            /node_modules/reader/index.js: 124 bytes
            /node_modules/reader/package.json: 35 bytes
            /node_modules/reader/plugins/x.js: 14 bytes
            /node_modules/reader/tables/a.bin: 10 bytes
            node: true
        "#]],
    )
    .await;
}

#[tokio::test]
async fn a_package_json_is_a_map_where_there_is_no_other() {
    check(
        &registry(),
        &[
            ("f/package.json", r#"{ "dependencies": { "classic": "~2.1.0", "renamed": "npm:modern@1", "folder": "file:../x" } }"#),
            ("f/index.ts", "import c from 'classic';\nimport m from 'renamed/more';\nimport { supabase } from 'jsr:@supabase/functions-js@2';\nimport 'jsr:@supabase/functions-js/edge-runtime.d.ts';\nexport default [c, m, supabase];\n"),
        ],
        expect![[r#"
            file:///f/index.ts script
              classic -> file:///node_modules/classic/lib/index.js
              jsr:@supabase/functions-js/edge-runtime.d.ts -> file:///_empty.js
              jsr:@supabase/functions-js@2 -> file:///node_modules/@supabase/functions-js/index.js
              renamed/more -> file:///node_modules/modern/more.js
            file:///node_modules/classic/lib/index.js commonjs ["__esModule", "one", "two"]
              ../package.json -> file:///node_modules/classic/package.json
              ./real -> file:///node_modules/classic/lib/real.js
              modern -> file:///node_modules/modern/index.js
              node:path -> node:path
            file:///node_modules/modern/more.js script
            file:///node_modules/@supabase/functions-js/index.js script
            file:///node_modules/modern/index.js script
              #own -> file:///node_modules/modern/own.js
              ./data.json -> file:///node_modules/modern/data.json?json
              ./lazy.js -> file:///node_modules/modern/lazy.js
              classic -> file:///node_modules/classic/lib/index.js
              fs -> node:fs
            file:///node_modules/classic/lib/real.js commonjs ["__esModule", "one", "two"]
              ./deep -> file:///node_modules/classic/lib/deep/index.js
            file:///node_modules/classic/package.json json
            file:///node_modules/modern/own.js script
            file:///node_modules/modern/data.json?json script
            file:///node_modules/modern/lazy.js script
            file:///node_modules/classic/lib/deep/index.js commonjs ["deep"]
            file:///_empty.js script
            node: true
        "#]],
    )
    .await;
}

#[tokio::test]
async fn the_functions_own_commonjs_wasm_and_static_files() {
    // A module that imports `./env.js`.
    let wasm = "\0asm\u{1}\0\0\0\u{1}\u{4}\u{1}\u{60}\0\0\u{2}\u{e}\u{1}\u{8}./env.js\u{1}f\0\0";
    check(
        &registry(),
        &[
            ("/supabase/config.toml", "[functions.f]\nstatic_files = [\"./functions/f/pages/*.html\"]\n"),
            ("f/index.ts", "import old from './old.cjs';\nimport * as w from './w.wasm';\nexport default [old, w];\n"),
            ("f/old.cjs", "exports.old = require('./data.json'); exports.path = require('path'); const l = require('npm:classic@2');"),
            ("f/data.json", "[1]"),
            ("f/w.wasm", wasm),
            ("f/env.js", "export const f = () => {};"),
            ("f/pages/one page.html", "<p>"),
        ],
        expect![[r#"
            file:///f/index.ts script
              ./old.cjs -> file:///f/old.cjs
              ./w.wasm -> file:///f/w.wasm
            file:///f/old.cjs commonjs ["old", "path"]
              ./data.json -> file:///f/data.json?required
              npm:classic@2 -> file:///node_modules/classic/lib/index.js
              path -> node:path
            file:///f/w.wasm wasm of 30 bytes
              ./env.js -> file:///f/env.js
            file:///f/data.json?required json
            file:///f/env.js script
            file:///node_modules/classic/lib/index.js commonjs ["__esModule", "one", "two"]
              ../package.json -> file:///node_modules/classic/package.json
              ./real -> file:///node_modules/classic/lib/real.js
              node:path -> node:path
            file:///node_modules/classic/lib/real.js commonjs ["__esModule", "one", "two"]
              ./deep -> file:///node_modules/classic/lib/deep/index.js
            file:///node_modules/classic/package.json json
            file:///node_modules/classic/lib/deep/index.js commonjs ["deep"]
            /f/pages/one page.html: 3 bytes
            node: true
        "#]],
    )
    .await;
}

/// Each line in a file that the function imports, with what is said about it.
async fn check_faults<const COUNT: usize>(cases: [(&str, Expect); COUNT]) {
    let registry = registry();
    for (line, expected) in cases {
        let shared = format!("// shared\n{line}\n");
        check(
            &registry,
            &[("f/index.ts", "import '../_shared/a.ts';\n"), ("_shared/a.ts", &shared)],
            expected,
        )
        .await;
    }
}

#[tokio::test]
async fn faults_of_what_is_asked_for_show_the_import_and_the_way() {
    check_faults([
        (
            "import 'npm:nothing@1';",
            expect![[r#"
                there is no package nothing at the registry that NPM_CONFIG_REGISTRY names
                  at supabase/functions/_shared/a.ts:2:8
                1 | // shared
                2 | import 'npm:nothing@1';
                  |        ^^^^^^^^^^^^^^^
                  imported by supabase/functions/f/index.ts
            "#]],
        ),
        (
            "import 'npm:modern@9';",
            expect![[r#"
                no version of modern matches "9"; there are 1.2.0 and the tags latest
                  at supabase/functions/_shared/a.ts:2:8
                1 | // shared
                2 | import 'npm:modern@9';
                  |        ^^^^^^^^^^^^^^
                  imported by supabase/functions/f/index.ts
            "#]],
        ),
        (
            "import 'npm:modern@1/secret';",
            expect![[r#"
                modern@1.2.0 exports no "./secret"
                  at supabase/functions/_shared/a.ts:2:8
                1 | // shared
                2 | import 'npm:modern@1/secret';
                  |        ^^^^^^^^^^^^^^^^^^^^^
                  imported by supabase/functions/f/index.ts
            "#]],
        ),
    ])
    .await;
}

#[tokio::test]
async fn faults_in_packages_show_the_way_to_them() {
    check_faults([
        (
            "import 'npm:addon';",
            expect![[r#"
                addon@0.1.0 is machine code, which functions cannot run
                  at npm:addon@0.1.0/index.js:1:26
                1 | module.exports = require('./build/addon.node');
                  |                          ^^^^^^^^^^^^^^^^^^^^
                  imported by supabase/functions/_shared/a.ts
                  imported by supabase/functions/f/index.ts
                  hint: look for a package in JavaScript or WebAssembly
            "#]],
        ),
        (
            "import 'npm:broken';",
            expect![[r#"
                broken@1.0.0 has no file "./missing.js"
                  at npm:broken@1.0.0/index.js:2:19
                1 | export const a = 1;
                2 | import { b } from './missing.js';
                  |                   ^^^^^^^^^^^^^^
                  imported by supabase/functions/_shared/a.ts
                  imported by supabase/functions/f/index.ts
            "#]],
        ),
        (
            "import 'jsr:@std/path@1';",
            expect![[r#"
                no registry is set up for packages of JSR: "jsr:@std/path@1"
                  at supabase/functions/_shared/a.ts:2:8
                1 | // shared
                2 | import 'jsr:@std/path@1';
                  |        ^^^^^^^^^^^^^^^^^
                  imported by supabase/functions/f/index.ts
                  hint: add @jsr:registry=<URL> to .npmrc, or import the package from npm
            "#]],
        ),
    ])
    .await;
    check(
        &registry(),
        &[("f/index.ts", "import 'npm:addon/soft.js';\n")],
        expect![[r#"
            file:///f/index.ts script
              npm:addon/soft.js -> file:///node_modules/addon/soft.js
            file:///node_modules/addon/soft.js commonjs ["slow"]
            node: true
        "#]],
    )
    .await;
}

#[tokio::test]
async fn a_workspace_stands_behind_the_maps_of_its_members() {
    check(
        &registry(),
        &[
            ("/deno.json", r#"{ "workspace": ["./libs/*", "./supabase/functions/f"], "imports": { "classic": "npm:classic@2", "m": "npm:nothing@1" } }"#),
            ("/libs/text/deno.json", r#"{ "name": "@me/text", "exports": { ".": "./mod.ts", "./upper": "./upper.ts" } }"#),
            ("/libs/text/mod.ts", "export * from './upper.ts';\n"),
            ("/libs/text/upper.ts", "export const upper = 1;\n"),
            ("f/deno.json", r#"{ "imports": { "m": "npm:modern@1/more" } }"#),
            ("f/index.js", "import c from 'classic/lib/deep/index.js'; import m from 'm'; import '@me/text'; import '@me/text/upper';\n"),
        ],
        expect![[r#"
            file:///f/index.js script
              @me/text -> file:///_project/libs/text/mod.ts
              @me/text/upper -> file:///_project/libs/text/upper.ts
              classic/lib/deep/index.js -> file:///node_modules/classic/lib/deep/index.js
              m -> file:///node_modules/modern/more.js
            file:///_project/libs/text/mod.ts script
              ./upper.ts -> file:///_project/libs/text/upper.ts
            file:///_project/libs/text/upper.ts script
            file:///node_modules/classic/lib/deep/index.js commonjs ["deep"]
            file:///node_modules/modern/more.js script
            node: true
        "#]],
    )
    .await;
}

#[tokio::test]
async fn a_save_asks_no_registry() {
    let registry = registry();
    let stand = project(&[("f/index.ts", "import 'npm:modern@1';\n")]);
    let cache = stand.path("/cache");
    let mut stand = stand.open_with(|config| config.packages = Some(packages(&registry, &cache))).await;
    assert!(program(&stand).needs_node);
    assert!(!registry.asked().is_empty());
    registry.publish(&[("package.json", r#"{"name":"modern","version":"1.9.0"}"#), ("index.js", "")]);
    stand.write("f/index.ts", "import 'npm:modern@1';\nconsole.log('saved');\n");
    stand.shows("f", "saved").await;
    // Nor does the next start.
    stand.close();
    let stand = stand.open_with(|config| config.packages = Some(packages(&registry, &cache))).await;
    assert!(shown(&program(&stand)).contains("node_modules/modern/own.js"), "still 1.2.0");
    assert_eq!(registry.asked(), [] as [&str; 0]);
    // Until something else is asked for.
    stand.write("f/index.ts", "import 'npm:modern@^1.3';\nconsole.log('newer');\n");
    stand.shows("f", "newer").await;
    assert!(!shown(&program(&stand)).contains("own.js"), "1.9.0");
}

#[tokio::test]
async fn a_function_without_a_network_recovers() {
    let registry = registry();
    registry.go_down();
    let stand = project(&[("f/index.ts", "import 'npm:modern@1';\n")]);
    let cache = stand.path("/cache");
    let stand = stand.open_with(|config| config.packages = Some(packages(&registry, &cache))).await;
    assert!(stand.fault("f").contains("the answer was 503"), "{}", stand.fault("f"));
    registry.come_back();
    stand.shows("f", "export const modern").await;
}

#[tokio::test]
async fn a_lock_file_of_the_project_binds() {
    let registry = registry();
    let files = [("f/index.ts", "import 'npm:modern@1';\n")];
    let stand = open(&registry, &files).await;
    let lock = std::fs::read_to_string(stand.path("/.isobase/packages/f.lock")).unwrap();
    registry.publish(&[("package.json", r#"{"name":"modern","version":"1.9.0"}"#), ("index.js", "")]);
    let bound = open(&registry, &[files[0], ("/deno.lock", &lock)]).await;
    assert!(shown(&program(&bound)).contains("own.js"));
    let free = open(&registry, &files).await;
    assert!(!shown(&program(&free)).contains("own.js"));
    let damaged = open(&registry, &[files[0], ("/deno.lock", "{ no lock")]).await;
    assert!(damaged.fault("f").starts_with("deno.lock is no lock file"), "{}", damaged.fault("f"));
}
