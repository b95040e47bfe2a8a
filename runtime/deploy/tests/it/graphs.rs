//! From files to modules, and what is said about files that do not make a function.

use expect_test::{Expect, expect};

use crate::stand::{project, slug};

/// The modules of the function `f` made of `files`, or its fault.
async fn check(files: &[(&str, &str)], expected: Expect) {
    let stand = project(files).open_with(|config| config.watch = false).await;
    let shown = match stand.function("f") {
        None => "nothing\n".into(),
        Some(Err(_)) => stand.fault("f") + "\n",
        Some(Ok(function)) => crate::stand::modules(&function)
            .iter()
            .map(|module| {
                let imports =
                    module.imports.iter().map(|(written, meant)| format!("  {written} -> {meant}\n"));
                let map = if module.source_map.is_some() { " (mapped)" } else { "" };
                let imports: String = imports.collect();
                // Blanked attributes leave lines of blanks, which snapshots cannot hold.
                let code: String = module
                    .code
                    .text()
                    .unwrap()
                    .trim_end()
                    .lines()
                    .flat_map(|line| [line.trim_end(), "\n"])
                    .collect();
                format!("== {}{map}\n{imports}{code}", module.specifier)
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
            ("f/query.sql", "select '`${1}'"),
            ("_shared/greet.ts", "export * from './deep/name.js';\nexport function greet(name: string) { return name; }\nexport interface Unused {}\n"),
            ("_shared/deep/name.js", "\u{feff}export const name = 1; // untouched\n"),
        ],
        expect![[r#"
            == file:///f/index.ts (mapped)
              ../_shared/greet.ts -> file:///_shared/greet.ts
              ./data.json -> file:///f/data.json
              ./query.sql -> file:///f/query.sql?text
              jsr:@supabase/functions-js/edge-runtime.d.ts -> file:///_empty.js
            import "jsr:@supabase/functions-js/edge-runtime.d.ts";
            import { greet } from "../_shared/greet.ts";
            import data from "./data.json"

             ;
            import query from "./query.sql"

             ;
            import { query as sql } from "isobase:host/database";
            var Color = /*#__PURE__*/ function(Color) {
              Color[Color["Red"] = 0] = "Red";
              return Color;
            }(Color || {});
            Deno.serve((_request)=>new Response(greet(data.name) + Color.Red + query + sql));
            == file:///_shared/greet.ts (mapped)
              ./deep/name.js -> file:///_shared/deep/name.js
            export * from './deep/name.js';
            export function greet(name) {
              return name;
            }
            == file:///f/data.json
            export default JSON.parse("{\"__proto__\": 1, \"name\": \"w\"}");
            == file:///f/query.sql?text
            export default "select '`${1}'";
            == file:///_shared/deep/name.js
            export const name = 1; // untouched
            == file:///_empty.js
            export {};
        "#]],
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
        expect![[r#"
            == file:///f/index.tsx (mapped)
              @/log.ts -> file:///_shared/log.ts
              ui/jsx-runtime -> file:///f/runtime.js
            import { jsx as _jsx } from "ui/jsx-runtime";
            function _ts_decorate(decorators, target, key, desc) {
              var c = arguments.length, r = c < 3 ? target : desc === null ? desc = Object.getOwnPropertyDescriptor(target, key) : desc, d;
              if (typeof Reflect === "object" && typeof Reflect.decorate === "function") r = Reflect.decorate(decorators, target, key, desc);
              else for(var i = decorators.length - 1; i >= 0; i--)if (d = decorators[i]) r = (c < 3 ? d(r) : c > 3 ? d(target, key, r) : d(target, key)) || r;
              return c > 3 && r && Object.defineProperty(target, key, r), r;
            }
            import { log } from "@/log.ts";
            class A {
            }
            A = _ts_decorate([
              log
            ], A);
            export default {
              fetch: ()=>new Response(/*#__PURE__*/ _jsx("b", {
                  children: A.name
                }))
            };
            == file:///f/runtime.js
            export const jsx = (tag, props) => tag;
            == file:///_shared/log.ts (mapped)
            export const log = (value)=>{};
        "#]],
    )
    .await;
}

#[tokio::test]
async fn plain_javascript_stays_as_it_is() {
    check(
        &[("f/index.mjs", "import a from './a.json' with { type: 'json' };\nconst b = await import('./a.json', { with: { type: 'json' } });\nexport default a;\n"), ("f/a.json", "[1]")],
        expect![[r#"
            == file:///f/index.mjs
              ./a.json -> file:///f/a.json
            import a from './a.json'                      ;
            const b = await import('./a.json'                            );
            export default a;
            == file:///f/a.json
            export default JSON.parse("[1]");
        "#]],
    )
    .await;
}

#[tokio::test]
async fn dynamic_imports_may_fail_at_run_time_only() {
    check(
        &[("f/index.ts", "const load = () => import(\"npm:heavy@1\").catch(() => import(\"./light.ts\"));\nconst never = () => import(\"./missing.ts\");\nexport { load, never };\n"), ("f/light.ts", "export const light = true;\n")],
        expect![[r#"
            == file:///f/index.ts (mapped)
              ./light.ts -> file:///f/light.ts
            const load = ()=>import("npm:heavy@1").catch(()=>import("./light.ts"));
            const never = ()=>import("./missing.ts");
            export { load, never };
            == file:///f/light.ts (mapped)
            export const light = true;
        "#]],
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
        expect![[r#"
            == file:///f/index.js
              ./a.js -> file:///f/a.js
              ./b.js -> file:///f/b.js
            import './a.js'; import './b.js';
            == file:///f/a.js
              ./b.js -> file:///f/b.js
            import './b.js';
            == file:///f/b.js
              ./a.js -> file:///f/a.js
              ./index.js -> file:///f/index.js
            import './a.js'; import './index.js';
        "#]],
    )
    .await;
}

#[tokio::test]
async fn syntax_errors_show_the_spot() {
    check(
        &[
            ("f/index.ts", "import { a } from '../_shared/a.ts';\na;\n"),
            ("_shared/a.ts", "export const a = 1;\nexport const b: = 2;\n"),
        ],
        expect![[r#"
            Unexpected token `=`. Expected an identifier, void, yield, null, await, break, a string literal, a numeric literal, true, false, `, -, import, this, typeof, {, [, (
              at supabase/functions/_shared/a.ts:2:17
            1 | export const a = 1;
            2 | export const b: = 2;
              |                 ^
              imported by supabase/functions/f/index.ts
        "#]],
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
        expect![[r#"
            "npm:zod@3": this host was started without packages
              at supabase/functions/_shared/b.ts:1:19
            1 | import { z } from "npm:zod@3";
              |                   ^^^^^^^^^^^
            2 | export const b = () => z;
              imported by supabase/functions/_shared/a.ts
              imported by supabase/functions/f/index.ts
        "#]],
    )
    .await;
}

#[tokio::test]
async fn bare_names_missing_files_and_missing_attributes_get_a_hint() {
    check(
        &[("f/index.ts", "import z from 'zod';\nz;\n")],
        expect![[r#"
            "zod" is not a path and no import map says what it stands for
              at supabase/functions/f/index.ts:1:15
            1 | import z from 'zod';
              |               ^^^^^
            2 | z;
              hint: begin relative imports with ./ or ../, or add the name to imports in the function's deno.json
        "#]],
    )
    .await;
    check(
        &[("f/index.ts", "import { a } from './a';\na;\n"), ("f/a.ts", "")],
        expect![[r#"
            there is no file supabase/functions/f/a
              at supabase/functions/f/index.ts:1:19
            1 | import { a } from './a';
              |                   ^^^^^
            2 | a;
              hint: did you mean supabase/functions/f/a.ts? Imports name the whole file
        "#]],
    )
    .await;
    check(
        &[("f/index.ts", "import a from './a.json';\na;\n"), ("f/a.json", "1")],
        expect![[r#"
            a JSON module must be imported as such
              at supabase/functions/f/index.ts:1:15
            1 | import a from './a.json';
              |               ^^^^^^^^^^
            2 | a;
              hint: write import … from "./a.json" with { type: "json" }
        "#]],
    )
    .await;
    check(
        &[
            ("f/index.ts", "import a from './a.json' with { type: 'json' };\na;\n"),
            ("f/a.json", "{\n  \"a\": 1,\n}"),
        ],
        expect![[r#"
            key must be a string
              at supabase/functions/f/a.json:3:1
            1 | {
            2 |   "a": 1,
            3 | }
              | ^
              imported by supabase/functions/f/index.ts
        "#]],
    )
    .await;
}

#[tokio::test]
async fn files_outside_of_the_project_are_refused() {
    check(
        &[("f/index.ts", "import '../../../../elsewhere.ts';\n")],
        expect![[r#"
            elsewhere.ts is outside of the project
              at supabase/functions/f/index.ts:1:8
            1 | import '../../../../elsewhere.ts';
              |        ^^^^^^^^^^^^^^^^^^^^^^^^^^
              hint: move it into the project, for example to functions/_shared
        "#]],
    )
    .await;
    check(
        &[("f/index.ts", "import '../../../packages/x.ts';\n"), ("/packages/x.ts", "export const x = 1;\n")],
        expect![[r#"
            == file:///f/index.ts (mapped)
              ../../../packages/x.ts -> file:///_project/packages/x.ts
            import '../../../packages/x.ts';
            == file:///_project/packages/x.ts (mapped)
            export const x = 1;
        "#]],
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
