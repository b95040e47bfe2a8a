//! What whoever writes functions sees where `isobase start` runs.

use crate::app::{App, Project};

const GOOD: &str = "const kind: string = 'good';
Deno.serve(() => {
  console.log(`a ${kind} request`);
  return new Response(kind);
});
";

async fn until_shown(app: &App, text: &str) {
    app.until(text, || async { app.project.log().contains(text) }).await;
}

/// From the line with `begin` on, as many lines as are expected, without their times.
fn shown(app: &App, begin: &str, lines: usize) -> String {
    let log = app.project.log();
    let from = log.lines().skip_while(|line| !line.contains(begin)).take(lines);
    let without_time = |line: &str| match line.split_once(' ') {
        Some((time, rest))
            if time.len() == "12:00:00.000".len() && time.starts_with(|c: char| c.is_ascii_digit()) =>
        {
            rest.to_owned()
        }
        _ => line.to_owned(),
    };
    from.map(without_time).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn a_broken_save_is_shown_once_and_so_is_its_mending() {
    let project = Project::empty().with_flags(&["--log-format", "text"]);
    project.configure("[functions.hello]\nverify_jwt = false");
    project.function("hello", GOOD);
    let app = project.start().await;
    let call = || app.call("GET", "/functions/v1/hello").send();
    assert_eq!(call().await.text(), "good");
    until_shown(&app, "a good request").await;
    let line = shown(&app, "a good request", 1);
    let (lead, text) = line.split_once(" | ").expect("a line of a function");
    let request = lead.strip_prefix("info  hello ").expect("its function comes first");
    assert_eq!((request.len(), text), (8, "a good request"), "{line}");

    app.project.function("hello", &GOOD.replace("return new", "return = new"));
    until_shown(&app, "hello does not build").await;
    expect_test::expect![[r#"
        hello does not build
          Expression expected
            at supabase/functions/hello/index.ts:4:10
          2 | Deno.serve(() => {
          3 |   console.log(`a ${kind} request`);
          4 |   return = new Response(kind);
            |          ^
          5 | });"#]]
    .assert_eq(&shown(&app, "hello does not build", 8));
    app.project.function("hello", GOOD);
    until_shown(&app, "hello builds again").await;

    assert_eq!(call().await.text(), "good");
    app.project.function("hello", &format!("{GOOD}throw new Error('not today');\n"));
    until_shown(&app, "hello does not start").await;
    expect_test::expect![[r#"
        hello does not start
          Error: not today
              at file:///hello/index.ts:6:7
          4 |   return new Response(kind);
          5 | });
          6 | throw new Error('not today');
            |       ^"#]]
    .assert_eq(&shown(&app, "hello does not start", 7));
    app.project.function("hello", GOOD);
    until_shown(&app, "hello starts again").await;
    assert!(!app.project.log().contains('\x1b'), "no colours where nobody sees them");
}
