//! Commands that know of a host nothing but its URL and an access token.

use std::collections::BTreeSet;
use std::process::{Output, Stdio};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStderr, ChildStdout, Command};

use crate::app::{App, Project};

const TALK: &str = "Deno.serve((request) => {
    const path = new URL(request.url).pathname;
    console.log(`hello ${path}`);
    console.error('broken');
    return new Response(Deno.env.get('PASSWORD') ?? 'none');
})";

/// Two functions that talk, one of them with the name of something beside `/functions`.
async fn start() -> App {
    let project = Project::empty();
    project.configure("[functions.talk]\nverify_jwt = false\n[functions.logs]\nverify_jwt = false");
    project.function("talk", TALK);
    project.function("logs", TALK);
    project.start().await
}

async fn run(app: &App, arguments: &[&str]) -> (bool, String) {
    let output = app.command_from_elsewhere(arguments).output().await.expect("the binary runs");
    (output.status.success(), text(&output))
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

async fn says(app: &App, slug: &str, wanted: &str) {
    app.until(&format!("{slug} says {wanted}"), || async {
        app.call("GET", &format!("/functions/v1/{slug}")).send().await.text() == wanted
    })
    .await;
}

/// A path of the Management API.
fn management(app: &App, path: &str) -> String {
    format!("/v1/projects/{}{path}", app.value("PROJECT_REF"))
}

/// A `functions logs --follow --json` under way.
struct Follower {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    stderr: ChildStderr,
    sequences: BTreeSet<u64>,
}

impl Follower {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let stderr = child.stderr.take().expect("it is piped");
        Self { child, lines, stderr, sequences: BTreeSet::new() }
    }

    /// The next entry, if there is one; no entry comes twice.
    async fn next(&mut self) -> Option<Value> {
        let line = self.lines.next_line().await.expect("it can be read")?;
        let entry: Value = serde_json::from_str(&line).expect("a JSON object");
        let sequence = entry["sequence"].as_u64().expect("a number");
        assert!(self.sequences.insert(sequence), "{entry} came twice");
        Some(entry)
    }

    async fn until(&mut self, message: &str) -> Value {
        loop {
            let entry = self.next().await.unwrap_or_else(|| panic!("it ended before {message:?}"));
            if entry["message"] == message {
                return entry;
            }
        }
    }

    /// What it says at its end, which must be a good one.
    async fn end(mut self) -> String {
        while self.next().await.is_some() {}
        let mut told = String::new();
        self.stderr.read_to_string(&mut told).await.expect("it can be read");
        let exit = self.child.wait().await.expect("it ends");
        assert!(exit.success(), "{exit}: {told}");
        told
    }
}

#[tokio::test]
async fn secrets_are_set_listed_and_unset() {
    let app = start().await;
    app.project.write("supabase/functions/.env", "OTHER=of the file\n");
    let (ok, text) = run(&app, &["secrets", "set", "PASSWORD=hunter2", "OTHER=x"]).await;
    assert!(ok && text.contains("set PASSWORD of the project") && !text.contains("hunter2"), "{text}");
    assert!(!text.contains("which wins"), "files beside the host are not this command's: {text}");
    says(&app, "talk", "hunter2").await;
    let (ok, text) = run(&app, &["secrets", "set", "PASSWORD=own", "--function", "logs"]).await;
    assert!(ok && text.contains("set PASSWORD of function logs"), "{text}");
    says(&app, "logs", "own").await;
    let (ok, text) = run(&app, &["secrets", "list"]).await;
    assert!(ok && text.contains("OTHER") && text.contains("function logs"), "{text}");

    // What Supabase's clients see is the project's alone, in the members they know.
    let ask =
        |method, path: &str| app.call(method, &management(&app, path)).bearer(app.value("ACCESS_TOKEN"));
    let listed = ask("GET", "/secrets").send().await.json();
    let members: Vec<Vec<&String>> = listed
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| one.as_object().unwrap().keys().collect())
        .collect();
    assert_eq!(members, [["name", "value", "updated_at"], ["name", "value", "updated_at"]], "{listed}");
    let own = ask("GET", "/secrets?function=logs").send().await.json();
    assert_eq!((own.as_array().map(Vec::len), &own[0]["function"]), (Some(1), &json!("logs")), "{own}");
    let answer = ask("DELETE", "/secrets").json(&json!(["OTHER"])).send().await;
    assert_eq!((answer.status.as_u16(), answer.json()), (200, json!({})));
    let refused = ask("DELETE", "/secrets?function=*").json(&json!(["PASSWORD"])).send().await;
    assert_eq!(refused.status, 400);

    // A value at the wrong place is repeated nowhere.
    let wrong = json!([{ "name": "PASSWORD", "value": { "hunter3": 1 } }, "hunter3"]);
    let refused = ask("POST", "/secrets").json(&wrong).send().await;
    assert!(refused.status == 400 && !refused.text().contains("hunter3"), "{}", refused.text());
    assert!(!app.project.log().contains("hunter"), "no value reaches the log");

    let (ok, text) = run(&app, &["secrets", "unset", "PASSWORD", "--function", "logs"]).await;
    assert!(ok, "{text}");
    says(&app, "logs", "hunter2").await;
    let (ok, text) = run(&app, &["secrets", "unset", "PASSWORD", "--function", "logs"]).await;
    assert!(!ok && text.contains("has no secret of that name"), "{text}");
}

#[tokio::test]
async fn logs_are_filtered_and_followed_until_the_host_stops() {
    let app = start().await;
    let follow = ["functions", "logs", "logs", "--follow", "--json", "--level", "info"];
    let mut follower = Follower::start(app.command_from_elsewhere(&follow));
    for path in ["/functions/v1/logs/one", "/functions/v1/talk/two", "/functions/v1/logs/three"] {
        app.call("GET", path).send().await;
    }
    follower.until("hello /logs/one").await;
    let entry = follower.until("hello /logs/three").await;
    assert_eq!(
        (&entry["function"], &entry["level"], &entry["event"]),
        (&json!("logs"), &json!("info"), &json!("line"))
    );

    app.until("both are written", || async {
        run(&app, &["functions", "logs"]).await.1.contains("hello /logs/three")
    })
    .await;
    let (ok, severe) = run(&app, &["functions", "logs", "logs", "--level", "error"]).await;
    let is_severe = |line: &str| line.ends_with("error broken");
    assert!(ok && severe.lines().count() == 2 && severe.lines().all(is_severe), "{severe}");
    let (ok, none) = run(&app, &["functions", "logs", "--since", "2100-01-01T00:00:00+01:00"]).await;
    assert!(ok && none.is_empty(), "{none}");
    let output =
        app.command_from_elsewhere(&["functions", "logs", "--since", "soon"]).output().await.unwrap();
    assert_eq!(output.status.code(), Some(64), "{output:?}");
    assert!(text(&output).contains("no time such as"), "{output:?}");

    let project = app.stop().await;
    let told = follower.end().await;
    assert!(told.contains("the host has stopped"), "{told}");
    assert!(!project.log().contains("connections were cut"), "nobody waited for the follower");
}

#[tokio::test]
async fn who_follows_goes_on_after_a_crash_without_gaps_and_repetitions() {
    let app = start().await;
    let mut follower =
        Follower::start(app.command_from_elsewhere(&["functions", "logs", "talk", "--follow", "--json"]));
    app.call("GET", "/functions/v1/talk/one").send().await;
    follower.until("hello /talk/one").await;
    let app = app.kill().await.start().await;
    app.call("GET", "/functions/v1/talk/two").send().await;
    follower.until("hello /talk/two").await;
    let (ok, all) = run(&app, &["functions", "logs", "talk", "--json"]).await;
    let sequence = |line: &str| serde_json::from_str::<Value>(line).ok()?["sequence"].as_u64();
    let all: BTreeSet<u64> = all.lines().filter_map(sequence).collect();
    assert!(ok && all.len() >= 6, "{all:?}");
    while !follower.sequences.is_superset(&all) {
        follower.next().await.expect("it shows all there is");
    }
    app.stop().await;
    let told = follower.end().await;
    assert!(told.contains("connecting again") && told.contains("connected again"), "{told}");
}

/// Begins to follow with nothing but a socket, and reads the head of the answer.
async fn follow_by_hand(app: &App) -> (TcpStream, String) {
    let mut socket = TcpStream::connect(("127.0.0.1", app.project.api_port())).await.expect("it listens");
    let path = management(app, "/logs?follow=true");
    let token = app.value("ACCESS_TOKEN");
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n\r\n");
    socket.write_all(request.as_bytes()).await.expect("it takes the request");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await.expect("it answers"));
    }
    (socket, String::from_utf8_lossy(&head).to_lowercase())
}

#[tokio::test]
async fn followers_are_bounded_and_gone_with_their_connections() {
    let app = start().await;
    let mut sockets = Vec::new();
    for _ in 0..isobase_base::limits::FUNCTION_LOG_FOLLOWERS_MAX {
        let (socket, head) = follow_by_hand(&app).await;
        assert!(head.starts_with("http/1.1 200") && head.contains("x-isobase-log-from: 20"), "{head}");
        sockets.push(socket);
    }
    let (_, head) = follow_by_hand(&app).await;
    assert!(head.starts_with("http/1.1 429"), "{head}");
    let (ok, text) = run(&app, &["functions", "logs", "--follow"]).await;
    assert!(!ok && text.contains("follow the log of this host already"), "{text}");
    drop(sockets);
    app.until("there is room again", || async { follow_by_hand(&app).await.1.starts_with("http/1.1 200") })
        .await;
}

#[tokio::test]
async fn figures_are_those_of_the_admin_port() {
    let app = start().await;
    for path in ["/functions/v1/talk", "/functions/v1/logs"] {
        app.call("GET", path).send().await;
    }
    let (ok, text) = run(&app, &["functions", "stats", "talk", "--json"]).await;
    let figures: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}"));
    assert!(ok && figures[0]["invocations"] == 1, "{text}");
    let call = app.call("GET", &management(&app, "/stats")).bearer(app.value("ACCESS_TOKEN"));
    assert_eq!(call.send().await.json(), app.admin("/functions").send().await.json());
    let (ok, text) = run(&app, &["functions", "stats", "nobody"]).await;
    assert!(!ok && text.contains("no function nobody"), "{text}");
}

#[tokio::test]
async fn a_wrong_token_and_a_wrong_address_are_told() {
    let app = start().await;
    let commands: [&[&str]; 6] = [
        &["functions", "logs"],
        &["functions", "logs", "--follow"],
        &["functions", "stats"],
        &["secrets", "set", "PASSWORD=hunter2"],
        &["secrets", "list"],
        &["webhooks", "list"],
    ];
    let url = app.value("API_URL").to_owned();
    for arguments in commands {
        for (url, token, wanted) in [
            (url.as_str(), "sbp_of_somebody_else", "Invalid access token"),
            ("http://127.0.0.1:1", app.value("ACCESS_TOKEN"), "cannot reach http://127.0.0.1:1"),
        ] {
            let mut command = Command::new(env!("CARGO_BIN_EXE_isobase"));
            command.args(arguments).args(["--url", url, "--access-token", token]);
            let output = command.output().await.expect("it runs");
            assert!(!output.status.success() && text(&output).contains(wanted), "{arguments:?}: {output:?}");
        }
    }
}
