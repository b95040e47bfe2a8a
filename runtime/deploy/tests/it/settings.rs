//! What `config.toml` and dotenv files make of a function.

use std::time::Duration;

use isobase_base::Grant;
use isobase_engine::{Artifact, Limits};

use crate::stand::project;

const HELLO: &str = "export default { fetch: () => new Response('hello') };\n";

#[tokio::test]
async fn settings_reach_the_function() {
    let stand = project(&[
        (
            "/supabase/config.toml",
            r#"
[edge_runtime.secrets]
SECRET = "shared"
BOTH = "secrets"
[functions.f]
verify_jwt = false
limits = { cpu = "1s", concurrency = 3 }
capabilities = { database = "service" }
env = { OWN = "own", SUPABASE_URL = "mine" }
[functions.named]
entrypoint = "./elsewhere/main.js"
[functions.off]
enabled = false
[functions.missing]
"#,
        ),
        ("f/index.ts", HELLO),
        ("off/index.ts", HELLO),
        ("/supabase/elsewhere/main.js", HELLO),
        (".env", "BOTH=dotenv\nSUPABASE_URL=mine\n"),
    ])
    .open_with(|config| config.watch = false)
    .await;
    let publication = stand.publication("f");
    assert!(!publication.access.verify_jwt);
    let function = publication.function.unwrap();
    assert_eq!(
        function.limits,
        Limits { cpu_max: Duration::from_secs(1), concurrency_max: 3, ..Limits::default() }
    );
    assert_eq!(function.capabilities.database, Grant::Service);
    let environment: Vec<_> =
        function.environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(
        environment,
        ["BOTH=dotenv", "OWN=own", "SECRET=shared", "SUPABASE_URL=http://127.0.0.1:54321"]
    );
    assert_eq!(stand.modules("named")[0].specifier, "file:///_project/supabase/elsewhere/main.js");
    assert!(stand.publication("named").access.verify_jwt);
    assert_eq!(stand.count("off"), 0);
    assert!(
        stand.fault("missing").contains("functions.missing is declared, but there is no"),
        "{}",
        stand.fault("missing")
    );
}

#[tokio::test]
async fn switches_of_the_command_line_win() {
    let stand = project(&[("f/index.ts", HELLO), (".env", "A=dotenv\n"), ("/other.env", "A=other\n")]);
    let env_file = stand.path("/other.env");
    let stand = stand
        .open_with(|config| {
            config.watch = false;
            config.no_verify_jwt = true;
            config.env_file = Some(env_file);
        })
        .await;
    let publication = stand.publication("f");
    assert!(!publication.access.verify_jwt);
    assert_eq!(publication.function.unwrap().environment["A"], "other");
}

#[tokio::test]
async fn saved_settings_are_applied_to_the_functions_they_concern() {
    let stand = project(&[("f/index.ts", HELLO), ("g/index.ts", HELLO)]).open().await;
    assert_eq!((stand.count("f"), stand.count("g")), (1, 1));
    stand.write("/supabase/config.toml", "[functions.f]\nenv = { MARK = \"1\" }\n");
    let marked = |value: &'static str| {
        let stand = &stand;
        async move {
            while stand.function("f").unwrap().unwrap().environment.get("MARK").map(String::as_str)
                != Some(value)
            {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), marked("1")).await.unwrap();
    assert_eq!(stand.count("g"), 1, "nothing changed for g");
    stand.write("/supabase/config.toml", "[functions.f]\nenv = { MARK = [2] }\n");
    stand.write("f/index.ts", "export const after = 'a broken setting';\n");
    stand.shows("f", "a broken setting").await;
    assert_eq!(stand.function("f").unwrap().unwrap().environment["MARK"], "1", "the last good settings stay");
    stand.write(".env", "MARK=2\n");
    stand.write("/supabase/config.toml", "");
    tokio::time::timeout(Duration::from_secs(60), marked("2")).await.unwrap();
    stand.write("/supabase/config.toml", "[functions.f]\nenabled = false\n");
    stand.gone("f").await;
}

#[tokio::test]
async fn a_component_is_taken_as_it_is() {
    let stand =
        project(&[("/supabase/config.toml", "[functions.c]\nentrypoint = \"functions/c/built.wasm\"\n")]);
    stand.write("c/built.wasm", b"\0asm one");
    let stand = stand.open().await;
    let function = stand.function("c").unwrap().unwrap();
    assert!(matches!(&function.artifact, Artifact::Component { bytes, .. } if &bytes[..] == b"\0asm one"));
    stand.write("c/built.wasm", b"\0asm two");
    stand.shows("c", "two").await;
}
