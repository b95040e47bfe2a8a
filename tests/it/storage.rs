//! Objects from inside functions, on both engines: every step goes to both guests of `tests/guests`, each
//! in a folder of its own, and whatever differs between the two fails.

use isobase_guests::COMPONENT;
use nix::unistd::{Pid, getpgid};

use crate::app::{ALICE, App, BOB, Project};
use crate::client::{Answer, Call};

const TYPESCRIPT: &str = include_str!("../guests/parity.ts");

/// Users own the folders that are called as they are, in three buckets; `shared` may be read.
pub(crate) const POLICIES: &str = "
create policy own on storage.objects to authenticated
    using (bucket_id in ('files', 'small', 'images') and (storage.foldername(name))[1] = (select auth.uid())::text);
create policy read on storage.objects for select to anon, authenticated using (bucket_id = 'shared');
";

const BUCKETS: &str = "
[storage]
keep_deleted = \"1s\"
file_size_limit = \"1GiB\"
[storage.buckets.files]
[storage.buckets.shared]
[storage.buckets.small]
file_size_limit = \"1KiB\"
[storage.buckets.images]
public = true
allowed_mime_types = [\"image/*\"]
";

/// A project with the buckets, the policies and both guests, `guests` and `script`.
pub(crate) fn project() -> Project {
    let project = Project::empty();
    project.configure(BUCKETS);
    project.write("supabase/migrations/20260201000000_files.sql", POLICIES);
    project.configure("[functions.guests]\nentrypoint = \"./functions/guests/guests.wasm\"");
    project.write("supabase/functions/guests/guests.wasm", COMPONENT);
    project.function("script", TYPESCRIPT);
    project
}

/// A path of a guest, on behalf of `user`.
pub(crate) fn call(app: &App, user: &str, function: &str, method: &str, path: &str) -> Call {
    let path = path.replace(' ', "%20").replace('"', "%22").replace('{', "%7B").replace('}', "%7D");
    app.user(user, method, &format!("/functions/v1/{function}/{path}"))
}

/// Steps in order: user, path (`@` is a folder of the user's and the guest's own), body, whether it
/// succeeds.
const STEPS: &[(&str, &str, &str, bool)] = &[
    // Storing and reading.
    (
        ALICE,
        "file-put?bucket=files&name=@a.txt&type=text/plain&cache=max-age=9&metadata={\"colour\":\"red\"}",
        "milk",
        true,
    ),
    (ALICE, "file-get?bucket=files&name=@a.txt", "", true),
    (ALICE, "file-read?bucket=files&name=@a.txt", "", true),
    (ALICE, "file-head?bucket=files&name=@a.txt", "", true),
    (ALICE, "file-put-text?bucket=files&name=@empty&text=", "", true),
    (ALICE, "file-get?bucket=files&name=@empty", "", true),
    (ALICE, "file-put-text?bucket=files&name=@ünïcödé 日本.txt&text=ü", "", true),
    (ALICE, "file-get?bucket=files&name=@ünïcödé 日本.txt", "", true),
    // One of a name, unless it is to be replaced.
    (ALICE, "file-put-text?bucket=files&name=@a.txt&text=again", "", false),
    (ALICE, "file-put?bucket=files&name=@a.txt&upsert", "bread and butter", true),
    (ALICE, "file-get?bucket=files&name=@a.txt", "", true),
    // Parts.
    (ALICE, "file-get?bucket=files&name=@a.txt&first=6&last=8", "", true),
    (ALICE, "file-get?bucket=files&name=@a.txt&first=10", "", true),
    (ALICE, "file-get?bucket=files&name=@a.txt&last=6", "", true),
    (ALICE, "file-get?bucket=files&name=@a.txt&first=100", "", false),
    // Piece by piece, longer than any buffer; within the host; given up.
    (ALICE, "file-upload?bucket=files&name=@long&pieces=40", "", true),
    (ALICE, "file-read?bucket=files&name=@long", "", true),
    (ALICE, "file-read?bucket=files&name=@long&whole", "", true),
    (ALICE, "file-store-again?bucket=files&name=@long&to=@longer&type=a/b", "", true),
    (ALICE, "file-head?bucket=files&name=@longer", "", true),
    (ALICE, "file-upload?bucket=files&name=@never&pieces=10&abandon", "", true),
    (ALICE, "file-head?bucket=files&name=@never", "", false),
    // Row level security.
    (BOB, "file-get?bucket=files&name=@alice", "", false),
    (BOB, "file-put-text?bucket=files&name=elsewhere/x&text=x", "", false),
    (BOB, "file-put?bucket=files&name=elsewhere/x", "x", false),
    (BOB, "file-upload?bucket=files&name=elsewhere/x&pieces=40", "", false),
    (ALICE, "file-put-text?bucket=shared&name=x&text=x", "", false),
    (ALICE, "file-get?bucket=files&name=@a.txt&as=service", "", false),
    // Limits and names.
    (ALICE, "file-upload?bucket=small&name=@x&pieces=1", "", false),
    (ALICE, "file-put-text?bucket=images&name=@x&text=x&type=text/plain", "", false),
    (ALICE, "file-put-text?bucket=images&name=@x&text=x&type=image/png", "", true),
    (ALICE, "file-put-text?bucket=nowhere&name=@x&text=x", "", false),
    (ALICE, "file-put-text?bucket=files&name=../x&text=x", "", false),
    (ALICE, "file-get?bucket=files&name=@missing", "", false),
    // Lists.
    (ALICE, "file-put-text?bucket=files&name=@folder/1&text=x", "", true),
    (ALICE, "file-put-text?bucket=files&name=@folder/2&text=x", "", true),
    (ALICE, "file-list?bucket=files&prefix=@", "", true),
    (ALICE, "file-list?bucket=files&prefix=@&recursive&limit=3", "", true),
    (ALICE, "file-list?bucket=files&prefix=@&recursive&limit=3&cursor=@folder", "", true),
    (ALICE, "file-list?bucket=files&prefix=@&descending&offset=1&limit=2", "", true),
    (ALICE, "file-list?bucket=files&prefix=@&sort=createdAt", "", true),
    (BOB, "file-list?bucket=files&prefix=@", "", true),
    (ALICE, "file-list?bucket=files&limit=0", "", false),
    // Copying and moving.
    (ALICE, "file-copy?bucket=files&name=@a.txt&to=@b.txt", "", true),
    (ALICE, "file-copy?bucket=files&name=@a.txt&to=@b.txt", "", false),
    (ALICE, "file-copy?bucket=files&name=@a.txt&to=@b.txt&upsert&type=text/css&metadata={}", "", true),
    (ALICE, "file-head?bucket=files&name=@b.txt", "", true),
    (ALICE, "file-move?bucket=files&name=@b.txt&to=@c.txt", "", true),
    (ALICE, "file-move?bucket=files&name=@b.txt&to=@d.txt", "", false),
    (ALICE, "file-move?bucket=files&name=@c.txt&to=@a.txt", "", false),
    (ALICE, "file-move?bucket=files&name=@c.txt&to=elsewhere/c.txt", "", false),
    (ALICE, "file-move?bucket=files&name=@c.txt&to=@c.txt&to_bucket=images", "", false),
    (ALICE, "file-get?bucket=files&name=@c.txt", "", true),
    // Signing.
    (ALICE, "file-sign?bucket=files&name=@a.txt", "", true),
    (ALICE, "file-sign?bucket=files&name=@a.txt&seconds=0", "", false),
    (BOB, "file-sign?bucket=files&name=@missing", "", false),
    (ALICE, "file-verify?token=nonsense", "", false),
    // Deleting.
    (ALICE, "file-remove?bucket=files&name=@a.txt&name=@folder/1&name=@missing", "", true),
    (ALICE, "file-get?bucket=files&name=@a.txt", "", false),
    (ALICE, "file-remove?bucket=shared&name=x", "", true),
    (ALICE, "file-remove?bucket=files", "", false),
];

/// Status, body and the guest's own header, with the guest's folder taken out.
fn told(answer: &Answer, function: &str) -> (u16, String, Option<String>) {
    let body = match serde_json::from_slice::<serde_json::Value>(&answer.body) {
        Ok(body) => body.to_string(),
        Err(_) => answer.text(),
    };
    let head = answer.header("x-head").map(str::to_owned);
    (answer.status.as_u16(), body.replace(function, "@"), head)
}

#[tokio::test]
async fn both_engines_store_alike() {
    let app = project().start().await;
    let mut failures = Vec::new();
    for (user, path, body, succeeds) in STEPS {
        let mut answers = Vec::new();
        for function in ["guests", "script"] {
            let path = path.replace('@', &format!("{user}/{function}/"));
            let answer = call(&app, user, function, "POST", &path).bytes(*body).send().await;
            answers.push((told(&answer, function), answer.status));
        }
        let [(wasm, status), (script, _)] = &answers[..] else { unreachable!("two guests") };
        let expected = if *succeeds { status.is_success() } else { *status == 400 };
        if wasm != script || !expected {
            failures.push(format!("{path}\n  wasm   {wasm:?}\n  script {script:?}"));
        }
    }
    assert!(failures.is_empty(), "{}\n{}", failures.join("\n"), app.project.log());
}

#[tokio::test]
async fn a_function_without_the_grant_stores_nothing() {
    let project = project();
    project.configure("[functions.guests.capabilities]\nstorage = \"none\"");
    project.configure("[functions.script.capabilities]\nstorage = \"service\"");
    let app = project.start().await;
    let path = format!("file-put-text?bucket=files&name={ALICE}/x&text=x");
    let refused = call(&app, ALICE, "guests", "POST", &path).send().await;
    assert_eq!(refused.json()["code"], "AccessDenied", "{}", refused.text());
    let path = "file-put-text?bucket=files&name=anywhere&text=x&as=service";
    assert_eq!(call(&app, ALICE, "script", "POST", path).send().await.status, 200);
}

/// The most memory that a process has used, in MiB.
fn peak_memory(process: i32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("it runs");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("Linux tells");
    line.split_whitespace().nth(1).and_then(|kilobytes| kilobytes.parse::<u64>().ok()).expect("a number")
        >> 10
}

#[tokio::test]
async fn a_large_object_enters_no_memory() {
    let app = project().start().await;
    assert!(getpgid(Some(Pid::from_raw(app.process_id()))).is_ok());
    for function in ["guests", "script"] {
        // Warm: the function is booted and has stored and sent once.
        let name = format!("{ALICE}/{function}");
        let small = format!("file-upload?bucket=files&name={name}/small&pieces=20");
        assert_eq!(call(&app, ALICE, function, "POST", &small).send().await.status, 200);
        let before = peak_memory(app.process_id());
        let path = format!("file-upload?bucket=files&name={name}/large&pieces=4096");
        let stored = call(&app, ALICE, function, "POST", &path).send().await;
        assert_eq!(stored.json()["size"], 256 << 20, "{}", stored.text());
        let path = format!("file-store-again?bucket=files&name={name}/large&to={name}/again");
        let again = call(&app, ALICE, function, "POST", &path).send().await;
        assert_eq!(again.json()["size"], 256 << 20, "{}", again.text());
        let path = format!("file-get?bucket=files&name={name}/again");
        let got = call(&app, ALICE, function, "GET", &path).send().await;
        assert_eq!(got.body.len(), 256 << 20);
        assert!(got.body.iter().all(|byte| *byte == b'p'));
        let more = peak_memory(app.process_id()) - before;
        assert!(more < 64, "{function}: {more} MiB more for three times 256 MiB");
    }
}
