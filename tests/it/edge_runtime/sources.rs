//! What a function may be written in, and how its imports are found.

use super::{Row, check_in};
use crate::app::Project;

/// `(module (func (export "add") (param i32 i32) (result i32) local.get 0 local.get 1 i32.add))`
const ADD: &[u8] = &[
    0, 97, 115, 109, 1, 0, 0, 0, 1, 7, 1, 96, 2, 127, 127, 1, 127, 3, 2, 1, 0, 7, 7, 1, 3, 97, 100, 100, 0,
    0, 10, 9, 1, 7, 0, 32, 0, 32, 1, 106, 11,
];

/// Files beside the `index.ts` of the rows below.
const FILES: &[(&str, &str)] = &[
    (
        "jsx/deno.json",
        r#"{ "compilerOptions": { "jsx": "react-jsx", "jsxImportSource": "ui" }, "imports": { "ui/jsx-runtime": "./ui.js" } }"#,
    ),
    ("jsx/ui.js", "export const jsx = (tag, props) => ({ tag, props });\nexport const jsxs = jsx;\n"),
    ("jsx/view.tsx", "export const view = (name: string) => <div class=\"a\">{name}</div>;\n"),
    (
        "pragma/view.jsx",
        "/** @jsx h */\nconst h = (tag, props, ...inside) => ({ tag, props, inside });\nexport const view = <p id=\"x\">text</p>;\n",
    ),
    ("old-decorators/deno.json", r#"{ "compilerOptions": { "experimentalDecorators": true } }"#),
    ("data/version.json", r#"{ "version": "1.0.0" }"#),
    (
        "mapped/deno.jsonc",
        "{ /* comments are fine */ \"imports\": { \"@/\": \"./lib/\", \"greeting\": \"./lib/greeting.ts\" }, }",
    ),
    ("mapped/lib/greeting.ts", "export const greeting: string = 'mapped';\n"),
    ("old-map/import_map.json", r#"{ "imports": { "std/": "../_shared/" } }"#),
    ("_shared/said.ts", "export const said = 'shared';\n"),
    ("late/a.ts", "export const name = 'a';\n"),
    ("late/b.ts", "export const name = 'b';\n"),
    ("classic/package.json", r#"{ "type": "commonjs" }"#),
    (
        "classic/part.cjs",
        "const path = require('node:path');\nexports.name = path.basename(__filename);\nexports.data = require('./data.json').n;\n",
    ),
    ("classic/data.json", r#"{ "n": 7 }"#),
    ("workspace/deno.json", r#"{ "workspace": ["./cat", "./dog"] }"#),
    ("workspace/cat/deno.json", r#"{ "name": "@animals/cat", "exports": "./mod.ts" }"#),
    ("workspace/cat/mod.ts", "export const says = 'purr';\n"),
    (
        "workspace/dog/deno.json",
        r#"{ "name": "@animals/dog", "exports": { ".": "./mod.ts" }, "imports": { "tone": "./tone.ts" } }"#,
    ),
    ("workspace/dog/mod.ts", "import { tone } from 'tone';\nexport const says = `bow ${tone}`;\n"),
    ("workspace/dog/tone.ts", "export const tone = 'wow';\n"),
];

const ROWS: &[Row<'_>] = &[
    (
        "jsx",
        "import { view } from './view.tsx';\nDeno.serve(() => Response.json(view('Hello')))",
        &[("GET /jsx", "200 {\"tag\":\"div\",\"props\":{\"class\":\"a\",\"children\":\"Hello\"}}")],
    ),
    (
        "pragma",
        "import { view } from './view.jsx';\nDeno.serve(() => Response.json(view))",
        &[("GET /pragma", "200 {\"tag\":\"p\",\"props\":{\"id\":\"x\"},\"inside\":[\"text\"]}")],
    ),
    (
        "decorators",
        "const loud = (method, { name }) => function (...given) { return `${name}: ${method.call(this, ...given)}!`; };\n\
         const more = () => ({ init: (lives: number) => lives + 1 });\n\
         class Cat { @loud says(word: string) { return word; } @more accessor lives = 8; }\n\
         Deno.serve(() => { const cat = new Cat(); return new Response(`${cat.says('purr')} ${cat.lives}`); })",
        &[("GET /decorators", "200 says: purr! 9")],
    ),
    (
        "old-decorators",
        "const loud = (target, name, descriptor) => { const { value } = descriptor; descriptor.value = function () { return `${name}: ${value.call(this)}!`; }; };\n\
         class Cat { @loud says() { return 'purr'; } }\nDeno.serve(() => new Response(new Cat().says()))",
        &[("GET /old-decorators", "200 says: purr!")],
    ),
    (
        "data",
        "import data from './version.json' with { type: 'json' };\nDeno.serve(() => Response.json(data))",
        &[("GET /data", "200 {\"version\":\"1.0.0\"}")],
    ),
    (
        "wasm",
        "import { add } from './add.wasm';\nDeno.serve(() => new Response(String(add(40, 2))))",
        &[("GET /wasm", "200 42")],
    ),
    (
        "wasm-file",
        "const { instance } = await WebAssembly.instantiate(await Deno.readFile(new URL('./add.wasm', import.meta.url)));\n\
         Deno.serve(() => new Response(String(instance.exports.add(1, 2))))",
        &[("GET /wasm-file", "200 3")],
    ),
    (
        "mapped",
        "import { greeting } from 'greeting';\nimport { greeting as same } from '@/greeting.ts';\nDeno.serve(() => new Response(`${greeting} ${same}`))",
        &[("GET /mapped", "200 mapped mapped")],
    ),
    (
        "old-map",
        "import { said } from 'std/said.ts';\nDeno.serve(() => new Response(said))",
        &[("GET /old-map", "200 shared")],
    ),
    (
        "late",
        "Deno.serve(async (request) => { const which = new URL(request.url).searchParams.get('which');\n\
           try { const { name } = which === 'a' ? await import('./a.ts') : which === 'b' ? await import('./b.ts') : await import(which);\n\
             return new Response(name); } catch (error) { return new Response(error.name, { status: 400 }); } })",
        &[
            ("GET /late?which=a", "200 a"),
            ("GET /late?which=b", "200 b"),
            ("GET /late?which=./c.ts", "400 TypeError"),
        ],
    ),
    (
        "classic",
        "import { name, data } from './part.cjs';\nDeno.serve(() => new Response(`${name} ${data}`))",
        &[("GET /classic", "200 part.cjs 7")],
    ),
    (
        "workspace",
        "import { says as cat } from '@animals/cat';\nimport { says as dog } from '@animals/dog';\nDeno.serve(() => new Response(`${cat} ${dog}`))",
        &[("GET /workspace", "200 purr bow wow")],
    ),
    (
        "meta",
        "Deno.serve(() => Response.json([import.meta.main, import.meta.url.endsWith('/meta/index.ts'), import.meta.resolve('./x.ts').endsWith('/meta/x.ts'), import.meta.filename?.endsWith('index.ts')]))",
        &[("GET /meta", "200 [true,true,true,true]")],
    ),
    (
        "types",
        "enum Kind { One = 'one' }\nnamespace Names { export const first = 'first'; }\nabstract class Base<T> { constructor(protected readonly value: T) {} }\n\
         class Kinds extends Base<Kind> { get(): string { return this.value satisfies string; } }\n\
         Deno.serve((_request: Request): Response => new Response(`${new Kinds(Kind.One).get()!} ${Names.first as string}`))",
        &[("GET /types", "200 one first")],
    ),
];

/// Entry points that are no `index.ts`.
const ENTRIES: &[(&str, &str)] = &[
    ("script/main.js", "export default { fetch: () => new Response('plain') };"),
    ("view/index.tsx", "Deno.serve(() => new Response('found' as string));"),
    ("module/index.mjs", "import { sep } from 'node:path';\nDeno.serve(() => new Response(sep));"),
    ("required/package.json", r#"{ "type": "commonjs" }"#),
    (
        "required/index.js",
        "const { createServer } = require('node:http');\nconst { word } = require('./part');\n\
         createServer((_, response) => response.end(word)).listen(3000);",
    ),
    ("required/part.js", "module.exports = { word: 'required' };"),
];

const ENTRY_REQUESTS: &[(&str, &str)] =
    &[("GET /script", "200 plain"), ("GET /view", "200 found"), ("GET /module", "200 /")];

#[tokio::test]
async fn functions_are_written_in_many_ways() {
    let project = Project::empty();
    for (path, text) in FILES {
        project.write(&format!("supabase/functions/{path}"), text);
    }
    for slug in ["wasm", "wasm-file"] {
        project.write(&format!("supabase/functions/{slug}/add.wasm"), ADD);
    }
    project.configure("[functions.wasm-file]\nstatic_files = [\"./functions/wasm-file/add.wasm\"]");
    project.configure("[functions.old-map]\nimport_map = \"./functions/old-map/import_map.json\"");
    project.configure("[functions.script]\nentrypoint = \"./functions/script/main.js\"");
    for (path, text) in ENTRIES {
        project.write(&format!("supabase/functions/{path}"), text);
    }
    let entries: Row<'_> = ("index", "Deno.serve(() => new Response('index.ts'))", ENTRY_REQUESTS);
    check_in(project, &[ROWS, &[entries]].concat()).await;
}
