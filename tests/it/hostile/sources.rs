//! Sources that no parser survives, or ends with in time. Whoever saves or deploys one gets a fault.

use isobase_base::FailureKind;

use super::is_documented;
use crate::app::Project;
use crate::commands::run;

const WELL: &str = "Deno.serve(() => new Response('well'))";

/// Names and texts.
fn sources() -> Vec<(&'static str, String)> {
    let nested = |open: &str, middle: &str, close: &str| {
        format!("const x = {}{middle}{};\n{WELL}", open.repeat(100_000), close.repeat(100_000))
    };
    vec![
        ("brackets", nested("[", "", "]")),
        ("unclosed", nested("[", "", "")),
        ("braces", nested("{a:", "1", "}")),
        ("parentheses", nested("(", "1", ")")),
        ("functions", nested("()=>", "1", "")),
        ("negations", nested("!", "1", "")),
        ("sums", nested("1+", "1", "")),
        ("choices", nested("1?1:", "1", "")),
        ("members", nested("", "globalThis", ".a?.")),
        ("calls", nested("", "(() => 1)", "()")),
        ("templates", nested("`${", "1", "}`")),
        ("conditions", format!("{}1;\n{WELL}", "if(1)".repeat(100_000))),
        ("blocks", format!("{}{}\n{WELL}", "{".repeat(100_000), "}".repeat(100_000))),
        ("types", format!("type x = {}1{};\n{WELL}", "[".repeat(100_000), "]".repeat(100_000))),
        ("arguments", format!("type x = {}1{};\n{WELL}", "A<".repeat(100_000), ">".repeat(100_000))),
    ]
}

#[tokio::test]
async fn saved_ones_are_faults_of_their_function() {
    let project = Project::empty();
    let names = sources().into_iter().map(|(name, _)| name).chain(["neighbour"]);
    let settings = names.map(|name| format!("[functions.{name}]\nverify_jwt = false\n"));
    project.configure(&settings.collect::<String>());
    for (name, source) in sources() {
        project.function(name, &source);
    }
    project.function("neighbour", WELL);
    let app = project.start().await;
    let call = |name: &str| app.call("GET", &format!("/functions/v1/{name}"));
    assert_eq!(call("neighbour").send().await.text(), "well");
    for (name, _) in sources() {
        let answer = call(name).send().await;
        // Some are no trouble for the parser, or for V8.
        let is_well = answer.status == 200 && answer.text() == "well";
        assert!(is_well || is_documented(&answer, FailureKind::Boot), "{name}: {}", answer.text());
        app.project.function(name, WELL);
        app.until("it is mended", || async { call(name).send().await.text() == "well" }).await;
    }
    assert!(app.project.log().contains("nested too deep to be compiled"), "{}", app.project.log());
    app.stop().await;
}

#[tokio::test]
async fn deployed_ones_are_refused() {
    let project = Project::empty().with_flags(&["--production"]);
    project.configure("[functions.hello]\nverify_jwt = false");
    let app = project.start().await;
    let (_, brackets) = sources().swap_remove(0);
    app.project.function("hello", &brackets);
    let (ok, text) = run(&app.project, &["functions", "deploy", "hello"]).await;
    assert!(!ok && text.contains("index.ts: it is nested too deep to be compiled"), "{text}");
    app.project.function("hello", WELL);
    let (ok, text) = run(&app.project, &["functions", "deploy", "hello"]).await;
    assert!(ok, "{text}");
    assert_eq!(app.call("GET", "/functions/v1/hello").send().await.text(), "well");
}
