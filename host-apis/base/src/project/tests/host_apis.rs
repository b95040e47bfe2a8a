//! Schedules, queues, webhooks and buckets.

use std::path::Path;

use expect_test::expect;

use super::super::reading::read;
use super::super::{FunctionSchedule, Misfire, Overlap, Project, Variables};
use super::{check, variables};

#[test]
fn a_function_may_have_schedules() {
    let schedules = |text: &str| {
        let read = read(text, "supabase/config.toml", Path::new("/p/supabase"), "folder", &Variables::new())
            .unwrap();
        assert_eq!(read.warnings, []);
        read.settings.functions["f"].schedules.clone()
    };
    let short = schedules("[functions.f]\nschedule = \"*/5 * * * *\"");
    assert_eq!(short, [FunctionSchedule::new("*/5 * * * *")]);
    let long = schedules(
        r#"
[[functions.f.schedule]]
cron = "0 3 * * *"
timezone = "Europe/Berlin"
misfire = "once"
overlap = "skip"
max_retries = 5
payload = { list = [1, 2.5, "x", true], day = 2026-01-02 }
[[functions.f.schedule]]
cron = "1 hour"
"#,
    );
    let first = FunctionSchedule {
        timezone: "Europe/Berlin".into(),
        misfire: Misfire::Once,
        overlap: Overlap::Skip,
        max_retries: 5,
        payload: r#"{"day":"2026-01-02","list":[1,2.5,"x",true]}"#.into(),
        ..FunctionSchedule::new("0 3 * * *")
    };
    assert_eq!(long, [first, FunctionSchedule::new("1 hour")]);
    check(
        "[functions.f]\nschedule = [1, { misfire = \"never\", payload = inf }]",
        &[],
        &[],
        expect![[r#"
            supabase/config.toml:2: functions.f.schedule: expected a table, found an integer
            supabase/config.toml:2: functions.f.schedule[1].misfire: expected "skip", "once" or "all", found "never"
            supabase/config.toml:2: functions.f.schedule[1].payload: expected a value that JSON can hold, found a float
            supabase/config.toml:2: functions.f.schedule: expected cron = "*/5 * * * *" or the like in each table
        "#]],
    );
}

#[test]
fn webhooks_say_who_sends() {
    check(
        r#"
[functions.f.webhook]
provider = "hmac"
secret = "env(HOOK)"
header = "X-Shop-Hmac"
prefix = "v1="
encoding = "base64"
tolerance = "10m"
mode = "inbox"
[functions.g.webhook]
provider = "stripe"
secret = "whsec_1"
"#,
        &[],
        &["provider", "header", "\"x-shop-hmac\",", "prefix", "encoding", "tolerance", "600s,", "mode"],
        expect![[r#"
            provider: Hmac,
            header: Some(
            "x-shop-hmac",
            prefix: Some(
            encoding: Base64,
            tolerance: Some(
            600s,
            mode: Inbox,
            provider: Stripe,
            header: None,
            prefix: None,
            encoding: Hex,
            tolerance: None,
            mode: Verify,
        "#]],
    );
    check(
        "[functions.f.webhook]\nprovider = \"carrier pigeon\"\nsecret = 5\nmode = \"later\"\n",
        &[],
        &[],
        expect![[r#"
            supabase/config.toml:2: functions.f.webhook.provider: expected "stripe", "github", "slack", "standard" or "hmac", found "carrier pigeon"
            supabase/config.toml:3: functions.f.webhook.secret: expected a string, found an integer
            supabase/config.toml:4: functions.f.webhook.mode: expected "verify" or "inbox", found "later"
        "#]],
    );
}

#[test]
fn a_webhook_s_secret_is_looked_for_where_its_function_would() {
    let root = std::env::temp_dir().join(format!("isobase-webhook-{}", std::process::id()));
    std::fs::create_dir_all(root.join("supabase/functions")).unwrap();
    let write = |name: &str, text: &str| std::fs::write(root.join(name), text).unwrap();
    let names = ["env(A)", "env(B)", "env(NOT_SET)", "env(EMPTY)", "plain", ""];
    let section = |(index, name): (usize, &&str)| {
        format!("[functions.f{index}.webhook]\nprovider = \"slack\"\nsecret = \"{name}\"\n")
    };
    write("supabase/config.toml", &names.iter().enumerate().map(section).collect::<String>());
    write("supabase/functions/.env", "A=from-functions\nEMPTY=\n");
    let project = Project::load(&root, &variables(&[("A", "from-process"), ("B", "from-process")])).unwrap();
    let secret = |index: usize| {
        let webhook = project.function(&format!("f{index}")).webhook.expect("it is declared");
        project.webhook_secret(&webhook).unwrap()
    };
    let found: Vec<_> = (0..names.len()).map(secret).collect();
    let found: Vec<_> = found.iter().map(Option::as_deref).collect();
    assert_eq!(found, [Some("from-functions"), Some("from-process"), None, None, Some("plain"), None]);
    std::fs::remove_dir_all(&root).unwrap();
}

#[test]
fn queues_name_their_function_and_have_defaults() {
    let fields = [
        "function",
        "max_batch_size",
        "max_batch_timeout",
        "visibility_timeout",
        "max_retries",
        "retry_backoff",
        "dead_letter_queue",
        "max_concurrency",
    ];
    check(
        r#"
[queues.emails]
function = "send-email"
max_retries = 5
retry_backoff = "500ms"
max_batch_timeout_ms = 20
"#,
        &[],
        &fields,
        expect![[r#"
            function: FunctionSlug(send-email),
            max_batch_size: 10,
            max_batch_timeout: 20ms,
            visibility_timeout: 30s,
            max_retries: 5,
            retry_backoff: 500ms,
            dead_letter_queue: None,
            max_concurrency: 10,
        "#]],
    );
    check(
        r#"
[queues.emails]
max_batch_size = 0
[queues."Two Words"]
function = "f"
dead_letter_queue = "x;y"
"#,
        &[],
        &fields,
        expect![[r#"
            supabase/config.toml:4: queues.Two Words: expected a name of at most 47 lower-case letters, digits, underscores and hyphens
            supabase/config.toml:6: queues.Two Words.dead_letter_queue: expected a name of at most 47 lower-case letters, digits, underscores and hyphens, found "x;y"
            supabase/config.toml:2: queues.emails: expected function to be the name of a function, found none
            supabase/config.toml:3: queues.emails.max_batch_size: expected a number from 1 to 1000, found 0
        "#]],
    );
}

#[test]
fn buckets_are_read_with_their_limits() {
    check(
        r#"
[storage]
file_size_limit = "100MiB"
keep_deleted = "30m"
[storage.buckets.images]
public = true
file_size_limit = "5MiB"
allowed_mime_types = ["image/png", "image/*"]
objects_path = "./images"
[storage.s3_protocol]
enabled = true
"#,
        &[],
        &[
            "file_size_limit",
            "keep_deleted",
            "public",
            "\"images\"",
            "5242880,",
            "\"image/png\",",
            "\"image/*\",",
        ],
        expect![[r#"
            file_size_limit: 104857600,
            keep_deleted: 1800s,
            "images": BucketSettings {
            public: true,
            file_size_limit: Some(
            5242880,
            "image/png",
            "image/*",
            unused: storage.buckets.images.objects_path
            unused: storage.s3_protocol
        "#]],
    );
    check(
        "[storage.buckets.\"a/b\"]\npublic = \"yes\"\n",
        &[],
        &[],
        expect![[r#"
            supabase/config.toml:1: storage.buckets.a/b: a bucket's name is 1 to 100 characters without '/'
            supabase/config.toml:2: storage.buckets.a/b.public: expected true or false, found "yes"
        "#]],
    );
}
