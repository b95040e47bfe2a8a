//! CommonJS modules: `require` among a function's own modules, and imports of them.

use bytes::Bytes;
use isobase_engine::{Code, Module};

use crate::support::{FunctionBuilder, function, outcome_code, outcome_of};

fn commonjs(specifier: &str, text: &str, exports: &[&str], imports: &[(&str, &str)]) -> Module {
    let mut module = Module::script(specifier, "");
    module.code = Code::CommonJs {
        text: text.into(),
        exports: exports.iter().map(|name| (*name).to_owned()).collect(),
    };
    module.imports = imports.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect();
    module
}

fn json(specifier: &str, text: &str) -> Module {
    let mut module = Module::script(specifier, "");
    module.code = Code::Json(text.into());
    module
}

/// A function that imports the package `p`, whose main file is `text`.
fn with_package(imports: &str, body: &str, text: &str, exports: &[&str]) -> FunctionBuilder {
    function("commonjs", &outcome_code(imports, body))
        .resolving("p", "file:///node_modules/p/index.js")
        .module(commonjs(
            "file:///node_modules/p/index.js",
            text,
            exports,
            &[("q", "file:///node_modules/q/q.js")],
        ))
        .module(commonjs(
            "file:///node_modules/q/q.js",
            "exports.name = 'q'; exports.seen = require('../p/index.js').early; exports.dir = __dirname;",
            &["name"],
            &[],
        ))
        .module(json("file:///node_modules/p/data.json", r#"{"value":7}"#))
        .module(Module::script(
            "file:///node_modules/p/module.mjs",
            "export const late = 'esm'; export default 1;",
        ))
        .module(Module::script("file:///node_modules/p/waits.mjs", "await 0; export const late = 'esm';"))
}

async fn check(imports: &str, body: &str, text: &str, exports: &[&str], expected: &str) {
    assert_eq!(outcome_of(with_package(imports, body, text, exports)).await, expected);
}

#[tokio::test]
async fn exports_have_names() {
    let text = "exports.one = 1; exports['a b'] = 2; exports.delete = 3; exports.__esModule = true; exports.default = 'd';";
    let exports = ["one", "a b", "delete", "default", "__esModule"];
    let imports = "import p, { one, 'a b' as two, delete as three, 'module.exports' as all } from 'p';";
    check(
        imports,
        "return [p === all, p.one, one, two, three, p.default].join();",
        text,
        &exports,
        "true,1,1,2,3,d",
    )
    .await;
    check("import p from 'p';", "return p();", "module.exports = () => 'called';", &[], "called").await;
    check("import p from 'p';", "return String(p);", "module.exports = null;", &["x"], "null").await;
}

#[tokio::test]
async fn a_cycle_sees_what_is_there() {
    let text = "exports.early = 'e'; exports.q = require('q'); exports.late = 'l';";
    check(
        "import p from 'p';",
        "return [p.q.seen, p.q.dir, p.late].join();",
        text,
        &[],
        "e,/node_modules/q,l",
    )
    .await;
}

#[tokio::test]
async fn modules_know_themselves() {
    let text = "exports.told = [__filename, __dirname, module.id, module.filename, module.loaded, require.main === undefined,
        module.paths[0], this === exports, typeof require.resolve, require.resolve('q'), require.resolve('fs')].join();
        exports.module = module;";
    let expected = "/node_modules/p/index.js,/node_modules/p,/node_modules/p/index.js,/node_modules/p/index.js,false,true,\
        /node_modules/p/node_modules,true,function,/node_modules/q/q.js,fs,true";
    check("import p from 'p';", "return [p.told, p.module.loaded].join();", text, &[], expected).await;
}

#[tokio::test]
async fn requires_can_be_computed() {
    let text = "const name = (n) => './' + n; exports.value = require(name('data')).value + require(name('data.json')).value;
        exports.cached = Object.keys(require.cache).length; exports.fs = require('fs') === require('node:fs');
        exports.util = typeof require('util').promisify + typeof require('zlib').gzipSync + typeof require('process').nextTick + typeof require('stream').Readable;";
    let body = "return [p.value, p.cached, p.fs, p.util].join();";
    check("import p from 'p';", body, text, &[], "14,2,true,functionfunctionfunctionfunction").await;
}

#[tokio::test]
async fn modules_are_sloppy_unless_they_say_otherwise() {
    let text = "exports.sloppy = (function () { return typeof this; })(); undeclared = 5; exports.old = 010;";
    check("import p from 'p';", "return [p.sloppy, undeclared, p.old].join();", text, &[], "object,5,8")
        .await;
}

#[tokio::test]
async fn es_modules_can_be_required_unless_they_wait() {
    let text = "exports.late = require('./module.mjs').late; exports.es = require('./module.mjs').__esModule;
        try { require('./waits.mjs'); } catch (error) { exports.code = error.code; }";
    check(
        "import p from 'p';",
        "return [p.late, p.es, p.code].join();",
        text,
        &[],
        "esm,true,ERR_REQUIRE_ASYNC_MODULE",
    )
    .await;
}

#[tokio::test]
async fn what_is_missing_is_named() {
    let text = "try { require('./none'); } catch (error) { exports.told = error.code + ' ' + error.message; }
        try { require('pg-native'); } catch (error) { exports.other = error.code; }";
    let expected = "MODULE_NOT_FOUND Cannot find module './none'\nRequire stack:\n- /node_modules/p/index.js|MODULE_NOT_FOUND";
    check("import p from 'p';", "return p.told + '|' + p.other;", text, &[], expected).await;
}

#[tokio::test]
async fn a_module_that_throws_is_tried_again_and_named_in_the_stack() {
    let text =
        "globalThis.tries = (globalThis.tries ?? 0) + 1;\nthrow new Error('broken ' + globalThis.tries);";
    let body = "const { createRequire } = await import('node:module'); const require = createRequire('file:///node_modules/p/x.js');
        const told = []; for (let i = 0; i < 2; i++) try { require('./index.js'); } catch (error) { told.push(error.message, error.stack.includes('/node_modules/p/index.js:2')); }
        return told.join();";
    check("", body, text, &[], "broken 1,true,broken 2,true").await;
}

#[tokio::test]
async fn a_function_can_be_commonjs_itself() {
    let main = commonjs(
        "file:///node_modules/p/index.js",
        "Deno.serve(() => new Response([require.main === module, module.id].join()));",
        &[],
        &[],
    );
    let builder =
        function("main", "import 'p';").resolving("p", "file:///node_modules/p/index.js").module(main);
    assert_eq!(outcome_of(builder).await, "false,/node_modules/p/index.js");
}

#[tokio::test]
async fn wasm_and_json_are_modules() {
    // (module (func (export "seven") (result i32) i32.const 7))
    let bytes = b"\0asm\x01\0\0\0\x01\x05\x01\x60\0\x01\x7f\x03\x02\x01\0\x07\x09\x01\x05seven\0\0\x0a\x06\x01\x04\0\x41\x07\x0b";
    let mut wasm = Module::script("file:///m.wasm", "");
    wasm.code = Code::Wasm(Bytes::from_static(bytes));
    let imports = "import { seven } from '../m.wasm'; import data from '../data.json' with { type: 'json' };";
    let builder = function("wasm", &outcome_code(imports, "return [seven(), data.a].join();"))
        .resolving("../m.wasm", "file:///m.wasm")
        .resolving("../data.json", "file:///data.json")
        .module(wasm)
        .module(json("file:///data.json", r#"{"a":1}"#));
    assert_eq!(outcome_of(builder).await, "7,1");
}
