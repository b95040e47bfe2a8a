//! From files to modules, and what is said about files that do not make a function.

use expect_test::{Expect, expect};

use crate::stand::{project, slug};

/// The modules of the function `f` made of `files`, or its fault.
async fn check(files: &[(&str, &str)], expected: Expect) {
    let stand = project(files).open_with(|config| config.watch = false).await;
    let shown = match stand.function("f") {
        None => "nothing\n".into(),
        Some(Err(failure)) => failure.detail + "\n",
        Some(Ok(function)) => crate::stand::modules(&function)
            .iter()
            .map(|module| {
                let imports =
                    module.imports.iter().map(|(written, meant)| format!("  {written} -> {meant}\n"));
                let map = if module.source_map.is_some() { " (mapped)" } else { "" };
                let imports: String = imports.collect();
                format!("== {}{map}\n{imports}{}\n", module.specifier, module.code.trim_end())
            })
            .collect(),
    };
    expected.assert_eq(&shown);
}

#[tokio::test]
async fn typescript_with_shared_code_json_and_text() {
    check(
        &[
            (
                "f/index.ts",
                r#"import "jsr:@supabase/functions-js/edge-runtime.d.ts";
import type { Row } from "npm:types@1";
import { greet, type Unused } from "../_shared/greet.ts";
import data from "./data.json" with { type: "json" };
import query from "./query.sql" with { type: "text" };
import { query as sql } from "isobase:host/database";
enum Color { Red }
Deno.serve((_request: Request): Response => new Response(greet(data.name as string) + Color.Red + query + sql));
"#,
            ),
            ("f/data.json", "{\"__proto__\": 1, \"name\": \"w\"}"),
            ("f/query.sql", "select '\u{2028}`${1}'"),
            ("_shared/greet.ts", "export * from './deep/name.js';\nexport function greet(name: string) { return name; }\nexport interface Unused {}\n"),
            ("_shared/deep/name.js", "\u{feff}export const name = 1; // untouched\n"),
        ],
        expect![[r#""#]],
    )
    .await;
}

#[tokio::test]
async fn jsx_and_decorators_follow_the_compiler_options() {
    check(
        &[
            ("f/deno.json", r#"{ "compilerOptions": { "jsx": "react-jsx", "jsxImportSource": "ui", "experimentalDecorators": true }, // c
                "imports": { "ui/jsx-runtime": "./runtime.js", "@/": "../_shared/" } }"#),
            ("f/index.tsx", "import { log } from \"@/log.ts\";\n@log class A {}\nexport default { fetch: () => new Response(<b>{A.name}</b>) };\n"),
            ("f/runtime.js", "export const jsx = (tag, props) => tag;\n"),
            ("_shared/log.ts", "export const log = (value: unknown) => {};\n"),
        ],
        expect![[r#""#]],
    )
    .await;
}

#[tokio::test]
async fn plain_javascript_stays_as_it_is() {
    check(
        &[("f/index.mjs", "import a from './a.json' with { type: 'json' };\nconst b = await import('./a.json', { with: { type: 'json' } });\nexport default a;\n"), ("f/a.json", "[1]")],
        expect![[r#""#]],
    )
    .await;
}

#[tokio::test]
async fn dynamic_imports_may_fail_at_run_time_only() {
    check(
        &[("f/index.ts", "const load = () => import(\"npm:heavy@1\").catch(() => import(\"./light.ts\"));\nconst never = () => import(\"./missing.ts\");\nexport { load, never };\n"), ("f/light.ts", "export const light = true;\n")],
        expect![[r#""#]],
    )
    .await;
}

#[tokio::test]
async fn cycles_and_diamonds_are_loaded_once() {
    check(
        &[
            ("f/index.js", "import './a.js'; import './b.js';\n"),
            ("f/a.js", "import './b.js';\n"),
            ("f/b.js", "import './a.js'; import './index.js';\n"),
        ],
        expect![[r#""#]],
    )
    .await;
}

#[tokio::test]
async fn syntax_errors_show_the_spot() {
    check(
        &[
            ("f/index.ts", "import { a } from '../_shared/a.ts';\n"),
            ("_shared/a.ts", "export const a = 1;\nexport const b: = 2;\n"),
        ],
        expect![[r#""#]],
    )
    .await;
}

#[tokio::test]
async fn unsupported_imports_show_the_spot_and_the_way() {
    check(
        &[
            ("f/index.ts", "import { a } from '../_shared/a.ts';\na();\n"),
            ("_shared/a.ts", "export { b as a } from \"./b.ts\";\n"),
            ("_shared/b.ts", "import { z } from \"npm:zod@3\";\nexport const b = () => z;\n"),
        ],
        expect![[r#""#]],
    )
    .await;
}

#[tokio::test]
async fn bare_names_missing_files_and_missing_attributes_get_a_hint() {
    check(&[("f/index.ts", "import z from 'zod';\nz;\n")], expect![[r#""#]]).await;
    check(&[("f/index.ts", "import { a } from './a';\na;\n"), ("f/a.ts", "")], expect![[r#""#]]).await;
    check(&[("f/index.ts", "import a from './a.json';\na;\n"), ("f/a.json", "1")], expect![[r#""#]]).await;
    check(
        &[
            ("f/index.ts", "import a from './a.json' with { type: 'json' };\na;\n"),
            ("f/a.json", "{\n  \"a\": 1,\n}"),
        ],
        expect![[r#""#]],
    )
    .await;
}

#[tokio::test]
async fn files_outside_of_the_project_are_refused() {
    check(&[("f/index.ts", "import '../../../../elsewhere.ts';\n")], expect![[r#""#]]).await;
    check(
        &[("f/index.ts", "import '../../../packages/x.ts';\n"), ("/packages/x.ts", "export const x = 1;\n")],
        expect![[r#""#]],
    )
    .await;
}

#[tokio::test]
async fn folders_without_an_entrypoint_are_no_functions() {
    let stand = project(&[
        ("f/README.md", ""),
        ("_shared/index.ts", ""),
        (".hidden/index.ts", ""),
        ("2bad/index.ts", ""),
        ("good/index.js", "1;"),
        ("component/any.wasm", "\0asm"),
        ("two/a.wasm", ""),
        ("two/b.wasm", ""),
    ])
    .open_with(|config| config.watch = false)
    .await;
    let status = stand.sources().status();
    let slugs: Vec<_> = status.iter().map(|status| status.slug.as_str()).collect();
    assert_eq!(slugs, ["component", "good", "two"]);
    assert_eq!(status[1].slug, slug("good"));
    assert_eq!((status[1].version, status[1].broken.clone()), (1, None));
    assert!(stand.fault("two").starts_with("2 .wasm files and no index.ts"), "{}", stand.fault("two"));
}
