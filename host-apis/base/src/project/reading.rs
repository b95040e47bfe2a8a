//! Which keys there are, what they default to, and what their values must be: one function per
//! section of `config.toml`.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::de::DeTable;

use super::queue;
use super::schedule;
use super::section::{Document, Findings, Section};
use super::{
    Api, Auth, BucketSettings, DatabaseSettings, EdgeRuntime, FunctionLimits, FunctionSettings, Migrations,
    ProjectError, Seed, Settings, StorageSettings, Variables, Warning, WebhookEncoding, WebhookMode,
    WebhookProvider, WebhookSettings, WorkerPolicy,
};
use crate::limits::{
    EGRESS_ENTRIES_MAX, FUNCTION_CLOCK_SETTING_MAX, FUNCTION_CONCURRENCY_SETTING_MAX,
    FUNCTION_MEMORY_SETTING_MAX, FUNCTION_MEMORY_SETTING_MIN, STORAGE_BUCKET_NAME_CHARS_MAX,
    STORAGE_KEEP_DELETED, STORAGE_KEEP_DELETED_SETTING_MAX, STORAGE_OBJECT_BYTES_MAX,
    STORAGE_OBJECT_SETTING_MAX, WEBHOOK_TOLERANCE_SETTING_MAX,
};
use crate::{Capabilities, Egress, EgressEntry, FunctionSlug, Grant, Isolation, SecretText};

/// Shorter secrets are refused, as by the Supabase CLI.
const JWT_SECRET_BYTES_MIN: usize = 16;

pub(super) struct Read {
    pub(super) settings: Settings,
    pub(super) warnings: Vec<Warning>,
    pub(super) unused_keys: Vec<String>,
}

/// Reads the `text` of the file shown as `file`; relative paths start at `folder`.
pub(super) fn read(
    text: &str,
    file: &str,
    folder: &Path,
    default_id: &str,
    variables: &Variables,
) -> Result<Read, ProjectError> {
    let table = DeTable::parse(text).map_err(|error| syntax_error(text, file, &error))?;
    let document = Document { file, text, variables, findings: RefCell::new(Findings::default()) };
    let mut root = Section::root(&document, table.get_ref());
    let settings = Settings {
        project_id: root.string("project_id").unwrap_or_else(|| default_id.to_owned()),
        api: api(root.section("api")),
        database: database(root.section("db")),
        auth: auth(root.section("auth"), folder),
        edge_runtime: edge_runtime(root.section("edge_runtime")),
        storage: storage(root.section("storage"), &document),
        functions: functions(&root.section("functions"), folder, &document),
        queues: queue::queues(&root.section("queues"), &document),
    };
    root.accept(&[
        "$schema",
        "analytics",
        "branching",
        "experimental",
        "inbucket",
        "local_smtp",
        "realtime",
        "remotes",
        "studio",
        "workflows",
    ]);
    root.finish();
    let findings = document.findings.into_inner();
    if findings.faults.is_empty() {
        Ok(Read { settings, warnings: findings.warnings, unused_keys: findings.unused_keys })
    } else {
        Err(ProjectError::Invalid(findings.faults))
    }
}

fn api(mut section: Section<'_>) -> Api {
    let api = Api {
        enabled: section.boolean("enabled", true),
        port: section.port("port", 54321),
        schemas: section.strings("schemas").unwrap_or_else(|| owned(&["public", "graphql_public"])),
        extra_search_path: section
            .strings("extra_search_path")
            .unwrap_or_else(|| owned(&["public", "extensions"])),
        max_rows: section.integer("max_rows", 0..=u64::from(u32::MAX)).map_or(1000, |rows| rows as u32),
        auto_expose_new_tables: section.boolean("auto_expose_new_tables", true),
    };
    if api.enabled && api.schemas.is_empty() {
        section.refuse("schemas", "expected at least one schema, found none".into());
    }
    section.accept(&["external_url", "tls"]);
    section.finish();
    api
}

fn database(mut section: Section<'_>) -> DatabaseSettings {
    let port = section.port("port", 54322);
    let major_version = section.integer("major_version", 13..=99).map_or(17, |version| version as u32);
    let root_key = section.string("root_key").filter(|key| !key.is_empty()).map(SecretText::from);
    let mut inner = section.section("migrations");
    let migrations = Migrations {
        enabled: inner.boolean("enabled", true),
        schema_paths: inner.strings("schema_paths").unwrap_or_default(),
    };
    inner.finish();
    let mut inner = section.section("seed");
    let seed = Seed {
        enabled: inner.boolean("enabled", true),
        sql_paths: inner.strings("sql_paths").unwrap_or_else(|| owned(&["./seed.sql"])),
    };
    inner.finish();
    section.accept(&[
        "health_timeout",
        "network_restrictions",
        "password",
        "pooler",
        "settings",
        "shadow_port",
        "ssl_enforcement",
        "vault",
    ]);
    section.finish();
    DatabaseSettings { port, major_version, root_key, migrations, seed }
}

fn auth(mut section: Section<'_>, folder: &Path) -> Auth {
    let auth = Auth {
        enabled: section.boolean("enabled", true),
        site_url: section.string("site_url").unwrap_or_else(|| "http://127.0.0.1:3000".into()),
        jwt_expiry: Duration::from_secs(section.integer("jwt_expiry", 1..=604_800).unwrap_or(3600)),
        jwt_issuer: section.string("jwt_issuer"),
        signing_keys_path: section.string("signing_keys_path").map(|path| below(folder, &path)),
        publishable_key: section.string("publishable_key"),
        secret_key: section.string("secret_key"),
        jwt_secret: section.string("jwt_secret"),
        anon_key: section.string("anon_key"),
        service_role_key: section.string("service_role_key"),
    };
    if auth.jwt_secret.as_ref().is_some_and(|secret| secret.len() < JWT_SECRET_BYTES_MIN) {
        section.refuse(
            "jwt_secret",
            format!("expected at least {JWT_SECRET_BYTES_MIN} characters, found fewer"),
        );
    }
    section.accept(&[
        "additional_redirect_urls",
        "captcha",
        "email",
        "enable_anonymous_sign_ins",
        "enable_manual_linking",
        "enable_refresh_token_rotation",
        "enable_signup",
        "external",
        "external_url",
        "hook",
        "mfa",
        "minimum_password_length",
        "oauth_server",
        "passkey",
        "password_requirements",
        "rate_limit",
        "refresh_token_reuse_interval",
        "sessions",
        "sms",
        "third_party",
        "web3",
        "webauthn",
    ]);
    section.finish();
    auth
}

fn edge_runtime(mut section: Section<'_>) -> EdgeRuntime {
    let policy = section.parsed("policy", "\"per_worker\" or \"oneshot\"", |text| match text {
        "per_worker" => Some(WorkerPolicy::PerWorker),
        "oneshot" => Some(WorkerPolicy::Oneshot),
        _ => None,
    });
    let edge_runtime = EdgeRuntime {
        enabled: section.boolean("enabled", true),
        policy: policy.unwrap_or(WorkerPolicy::PerWorker),
        inspector_port: section.port("inspector_port", 8083),
        secrets: section.map("secrets"),
    };
    section.accept(&["deno_version"]);
    section.finish();
    edge_runtime
}

fn storage(mut section: Section<'_>, document: &Document<'_>) -> StorageSettings {
    let enabled = section.boolean("enabled", true);
    let file_size_limit = section.bytes("file_size_limit", 0..=STORAGE_OBJECT_SETTING_MAX);
    let file_size_limit = file_size_limit.unwrap_or(STORAGE_OBJECT_BYTES_MAX);
    let keep_deleted =
        section.duration("keep_deleted", Duration::from_secs(1)..=STORAGE_KEEP_DELETED_SETTING_MAX);
    let mut buckets = BTreeMap::new();
    for (name, line, inner) in section.section("buckets").sections() {
        let is_name = !name.trim().is_empty()
            && name.trim() == name
            && name.chars().count() <= STORAGE_BUCKET_NAME_CHARS_MAX
            && !name.contains(|char: char| char == '/' || char.is_control());
        if !is_name {
            document.findings.borrow_mut().faults.push(super::Fault {
                place: format!("{}:{line}", document.file),
                key: format!("storage.buckets.{name}"),
                problem: format!(
                    "a bucket's name is 1 to {STORAGE_BUCKET_NAME_CHARS_MAX} characters without '/'"
                ),
            });
        }
        buckets.insert(name.to_owned(), bucket(inner));
    }
    section.accept(&["analytics", "image_transformation", "s3_protocol", "vector"]);
    section.finish();
    let keep_deleted = keep_deleted.unwrap_or(STORAGE_KEEP_DELETED);
    StorageSettings { enabled, file_size_limit, keep_deleted, buckets }
}

fn bucket(mut section: Section<'_>) -> BucketSettings {
    let bucket = BucketSettings {
        public: section.boolean("public", false),
        file_size_limit: section.bytes("file_size_limit", 0..=STORAGE_OBJECT_SETTING_MAX),
        allowed_mime_types: section.strings("allowed_mime_types").unwrap_or_default(),
    };
    section.accept(&["objects_path"]);
    section.finish();
    bucket
}

fn functions(
    section: &Section<'_>,
    folder: &Path,
    document: &Document<'_>,
) -> BTreeMap<String, FunctionSettings> {
    let mut functions = BTreeMap::new();
    for (slug, line, inner) in section.sections() {
        if let Err(error) = FunctionSlug::parse(slug) {
            document.findings.borrow_mut().faults.push(super::Fault {
                place: format!("{}:{line}", document.file),
                key: format!("functions.{slug}"),
                problem: error.to_string(),
            });
        }
        functions.insert(slug.to_owned(), function(inner, folder));
    }
    functions
}

fn function(mut section: Section<'_>, folder: &Path) -> FunctionSettings {
    let function = FunctionSettings {
        enabled: section.boolean("enabled", true),
        verify_jwt: section.boolean("verify_jwt", true),
        // An empty string is the template's way of saying "none".
        import_map: section
            .string("import_map")
            .filter(|path| !path.is_empty())
            .map(|path| below(folder, &path)),
        entrypoint: section
            .string("entrypoint")
            .filter(|path| !path.is_empty())
            .map(|path| below(folder, &path)),
        static_files: section.strings("static_files").unwrap_or_default(),
        limits: function_limits(section.section("limits")),
        capabilities: capabilities(section.section("capabilities")),
        isolation: section
            .parsed("isolation", "\"isolate\" or \"process\"", Isolation::parse)
            .unwrap_or_default(),
        webhook: webhook(section.section("webhook")),
        env: section.map("env"),
        schedules: schedule::read(&mut section),
    };
    section.finish();
    function
}

fn capabilities(mut section: Section<'_>) -> Capabilities {
    let mut grant = |key, default| {
        let expected = "\"caller\", \"service\" or \"none\"";
        let named = section.parsed(key, expected, |text| match text {
            "caller" => Some(Grant::Caller),
            "service" => Some(Grant::Service),
            "none" => Some(Grant::None),
            _ => None,
        });
        named.unwrap_or(default)
    };
    let default = Capabilities::default();
    let mut capabilities = Capabilities {
        database: grant("database", default.database),
        queue: grant("queue", default.queue),
        realtime: grant("realtime", default.realtime),
        storage: grant("storage", default.storage),
        ..default
    };
    capabilities.egress = egress(&mut section);
    section.finish();
    capabilities
}

fn egress(section: &mut Section<'_>) -> Egress {
    const KEY: &str = "egress";
    let Some(listed) = section.strings(KEY) else { return Egress::Host };
    if listed.len() > EGRESS_ENTRIES_MAX {
        section.refuse(KEY, format!("expected at most {EGRESS_ENTRIES_MAX} entries, found {}", listed.len()));
    }
    let mut entries = Vec::with_capacity(listed.len());
    for text in &listed {
        match text.parse::<EgressEntry>() {
            Ok(entry) => entries.push(entry),
            Err(error) => section.refuse(KEY, format!("{error}, found {text:?}")),
        }
    }
    Egress::Listed(entries.into())
}

/// `None` without a provider; a provider without a secret is a fault.
fn webhook(mut section: Section<'_>) -> Option<WebhookSettings> {
    let expected = "\"stripe\", \"github\", \"slack\", \"standard\" or \"hmac\"";
    let provider = section.parsed("provider", expected, |text| match text {
        "stripe" => Some(WebhookProvider::Stripe),
        "github" => Some(WebhookProvider::GitHub),
        "slack" => Some(WebhookProvider::Slack),
        "standard" => Some(WebhookProvider::Standard),
        "hmac" => Some(WebhookProvider::Hmac),
        _ => None,
    });
    let secret = section.literal("secret");
    let header = section.string("header").map(|name| name.to_ascii_lowercase());
    let prefix = section.string("prefix");
    let encoding = section.parsed("encoding", "\"hex\" or \"base64\"", |text| match text {
        "hex" => Some(WebhookEncoding::Hex),
        "base64" => Some(WebhookEncoding::Base64),
        _ => None,
    });
    let tolerance = section.duration("tolerance", Duration::from_secs(1)..=WEBHOOK_TOLERANCE_SETTING_MAX);
    let mode = section.parsed("mode", "\"verify\" or \"inbox\"", |text| match text {
        "verify" => Some(WebhookMode::Verify),
        "inbox" => Some(WebhookMode::Inbox),
        _ => None,
    });
    section.finish();
    Some(WebhookSettings {
        provider: provider?,
        // Without one nothing would be let in, which starting the host tells.
        secret: secret.unwrap_or_default(),
        header,
        prefix,
        encoding: encoding.unwrap_or(WebhookEncoding::Hex),
        tolerance,
        mode: mode.unwrap_or(WebhookMode::Verify),
    })
}

fn function_limits(mut section: Section<'_>) -> FunctionLimits {
    let clock = Duration::from_millis(1)..=FUNCTION_CLOCK_SETTING_MAX;
    let limits = FunctionLimits {
        memory_bytes_max: section.bytes("memory", FUNCTION_MEMORY_SETTING_MIN..=FUNCTION_MEMORY_SETTING_MAX),
        cpu_max: section.duration("cpu", clock.clone()),
        wall_clock_max: section.duration("wall_clock", clock.clone()),
        idle_timeout: section.duration("idle", clock),
        concurrency_max: section
            .integer("concurrency", 1..=FUNCTION_CONCURRENCY_SETTING_MAX)
            .map(|concurrency| concurrency as usize),
    };
    section.finish();
    limits
}

/// `path` below `folder`, without `./` and `..` as far as they can be resolved by name.
fn below(folder: &Path, path: &str) -> PathBuf {
    use std::path::Component;
    let mut joined = PathBuf::new();
    for component in folder.join(path).components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir if matches!(joined.components().next_back(), Some(Component::Normal(_))) => {
                joined.pop();
            }
            other => joined.push(other),
        }
    }
    joined
}

fn owned(items: &[&str]) -> Vec<String> {
    items.iter().map(|&item| item.to_owned()).collect()
}

fn syntax_error(text: &str, file: &str, error: &toml::de::Error) -> ProjectError {
    let at = error.span().map_or(0, |span| span.start.min(text.len()));
    let before = &text[..at];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    ProjectError::Syntax {
        file: file.to_owned(),
        line: before.matches('\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
        message: error.message().trim().replace('\n', "; "),
    }
}
