//! Functions with modules behind URLs.

use expect_test::expect;
use isobase_engine::Code;

use crate::packages::{open, program};
use crate::registry::Registry;

#[tokio::test]
async fn remote_modules_are_compiled_and_their_imports_followed() {
    let server = Registry::start();
    server
        .file("/lib@1.0/mod.ts", "application/typescript", "import { b } from './deps/b.ts';\nimport '/root.js';\nimport 'npm:plain@1';\nexport const a: number = b;\n")
        .file("/lib@1.0/deps/b.ts", "text/plain", "export const b: number = 1;\n")
        .file("/root.js", "application/javascript", "export {};\n")
        .redirect("/lib", "/lib@1.0/mod.ts")
        .publish(&[("package.json", r#"{"name":"plain","version":"1.0.0"}"#), ("index.js", "")]);
    let source = format!(
        "import {{ a }} from '{0}lib';\nimport '{0}lib@1.0/mod.ts';\nexport default a;\n",
        server.url
    );
    let stand = open(&server, &[("f/index.ts", &source)]).await;
    let mut shown = String::new();
    for module in program(&stand).modules {
        let text = match &module.code {
            Code::Script(text) => text.lines().last().unwrap_or_default().to_owned(),
            _ => "other".to_owned(),
        };
        shown += &format!("{} {:?} {text}\n", module.specifier, module.imports);
    }
    expect![[r#"
        file:///f/index.ts {"http://server/lib": "http://server/lib@1.0/mod.ts", "http://server/lib@1.0/mod.ts": "http://server/lib@1.0/mod.ts"} export default a;
        http://server/lib@1.0/mod.ts {"./deps/b.ts": "http://server/lib@1.0/deps/b.ts", "/root.js": "http://server/root.js", "npm:plain@1": "file:///node_modules/plain/index.js"} export const a = b;
        http://server/lib@1.0/deps/b.ts {} export const b = 1;
        http://server/root.js {} export {};
        file:///node_modules/plain/index.js {} other
    "#]]
    .assert_eq(&shown.replace(&server.url, "http://server/"));
    // A remote module that is missing is told where it is imported.
    let source = format!("import '{}none.ts';\n", server.url);
    let stand = open(&server, &[("f/index.ts", &source)]).await;
    let fault = stand.fault("f").replace(&server.url, "http://server/");
    expect![[r#"
        http://server/none.ts could not be fetched: the answer was 404
          at supabase/functions/f/index.ts:1:8"#]]
    .assert_eq(&fault.lines().take(2).collect::<Vec<_>>().join("\n"));
}
