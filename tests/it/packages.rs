//! Functions with packages, from source folders and deployed.

use crate::app::Project;
use crate::commands::run;
use crate::registry::Registry;

const URL: &str = "/functions/v1/hello";

const SOURCE: &str = "import { answer } from 'npm:answer@1';
import { shout } from 'shout';
Deno.serve(() => new Response(shout(answer)));
";

fn registry() -> Registry {
    let registry = Registry::start();
    registry
        .publish(&[
            ("package.json", r#"{"name":"answer","version":"1.0.0","type":"module","exports":"./index.js"}"#),
            ("index.js", "export const answer = 'first';\n"),
        ])
        .publish(&[
            (
                "package.json",
                r#"{"name":"@private/shout","version":"0.3.0","type":"module","exports":"./index.js"}"#,
            ),
            ("index.js", "export const shout = (text) => text.toUpperCase();\n"),
        ]);
    registry
}

fn publish_second(registry: &Registry) {
    registry.publish(&[
        ("package.json", r#"{"name":"answer","version":"1.1.0","type":"module","exports":"./index.js"}"#),
        ("index.js", "export const answer = 'second';\n"),
    ]);
}

/// A project whose host takes packages from `registry`.
fn project(registry: &Registry) -> Project {
    let project = Project::empty().with_variable("NPM_CONFIG_REGISTRY", &registry.url);
    project.configure("[functions.hello]\nverify_jwt = false");
    project.function("hello", SOURCE);
    project
        .write("supabase/functions/hello/deno.json", r#"{ "imports": { "shout": "npm:@private/shout" } }"#);
    project
}

#[tokio::test]
async fn a_deployed_function_keeps_its_packages() {
    let registry = registry();
    registry.demand("open-sesame");
    let authority = registry.url.trim_start_matches("http:").to_owned();
    let project = project(&registry).with_flags(&["--production"]).with_variable("NPM_TOKEN", "open-sesame");
    project.write("supabase/functions/hello/.npmrc", format!("{authority}:_authToken=${{NPM_TOKEN}}\n"));
    let app = project.start().await;
    let (ok, text) = run(&app.project, &["functions", "deploy", "hello"]).await;
    assert!(ok, "{text}\n{}", app.project.log());
    assert_eq!(app.call("GET", URL).send().await.text(), "FIRST");
    publish_second(&registry);
    registry.asked();
    app.project.function("hello", &SOURCE.replace("shout(answer)", "shout(answer) + '!'"));
    let (ok, text) = run(&app.project, &["functions", "deploy", "hello"]).await;
    assert!(ok, "{text}");
    assert_eq!(app.call("GET", URL).send().await.text(), "FIRST!", "the version that was chosen stays");
    assert_eq!(registry.asked(), [] as [&str; 0]);
    app.project.function("hello", &SOURCE.replace("answer@1", "answer@^1.1"));
    assert!(run(&app.project, &["functions", "deploy", "hello"]).await.0);
    assert_eq!(app.call("GET", URL).send().await.text(), "SECOND");
    app.project.function("hello", "import 'npm:never-published';\n");
    let (ok, text) = run(&app.project, &["functions", "deploy", "hello"]).await;
    assert!(!ok && text.contains("there is no package never-published"), "{text}");
    assert!(text.contains("supabase/functions/hello/index.ts:1:8"), "{text}");
    assert!(!app.project.log().contains("open-sesame"), "credentials reach no log");
    let (ok, _) = run(&app.project, &["functions", "rollback", "hello", "--to", "1"]).await;
    assert!(ok);
    assert_eq!(app.call("GET", URL).send().await.text(), "FIRST");
}

#[tokio::test]
async fn commonjs_packages_run_with_their_files() {
    let registry = registry();
    registry
        .publish(&[
            ("package.json", r#"{"name":"classic","version":"1.0.0","main":"lib","dependencies":{"answer":"1.0"}}"#),
            ("lib/index.js", "const path = require('path'); const fs = require('node:fs');\nexports.name = path.basename(__filename);\nexports.table = fs.readFileSync(path.join(__dirname, '../table.txt'), 'utf8').trim();\nexports.version = require('../package.json').version;\nexports.plugin = (name) => require('./plugins/' + name);\nexports.missing = () => { try { return require('not-there'); } catch (error) { return error.code; } };\n"),
            ("lib/plugins/a.js", "module.exports = 'plugin ' + module.id.slice(-4);\n"),
            ("table.txt", "from a file\n"),
        ])
        .publish(&[
            ("package.json", r#"{"name":"reexport","version":"1.0.0","dependencies":{"classic":"*"}}"#),
            ("index.js", "module.exports = require('classic');\n"),
        ]);
    let project = project(&registry);
    project.function(
        "hello",
        "import classic, { name, version } from 'npm:reexport';\nimport { Buffer } from 'node:buffer';\n\
         Deno.serve(() => Response.json([name, version, classic.table, classic.plugin('a'), classic.missing(), Buffer.from('x').toString('hex')]));\n",
    );
    let app = project.start().await;
    let answer = app.call("GET", URL).send().await;
    let text = answer.text();
    assert_eq!(
        text,
        r#"["index.js","1.0.0","from a file","plugin a.js","MODULE_NOT_FOUND","78"]"#,
        "{}",
        app.project.log()
    );
}

#[tokio::test]
async fn a_save_without_a_network_keeps_its_packages() {
    let registry = registry();
    let app = project(&registry).start().await;
    assert_eq!(app.call("GET", URL).send().await.text(), "FIRST");
    registry.go_down();
    app.project.function("hello", &SOURCE.replace("shout(answer)", "shout(answer) + '?'"));
    app.until("the save is served", || async { app.call("GET", URL).send().await.text() == "FIRST?" }).await;
}
