//! The settings of a project as types. Defaults are the Supabase CLI's, so that client code with
//! the usual local addresses needs no change.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::triggers::milliseconds;
use crate::{Capabilities, FunctionSlug, Isolation, SecretText};

/// `supabase/config.toml`, checked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `project_id`; the folder's name where the file has none.
    pub project_id: String,
    pub api: Api,
    /// `[db]`.
    pub database: DatabaseSettings,
    pub auth: Auth,
    pub edge_runtime: EdgeRuntime,
    pub storage: StorageSettings,
    /// By slug; a function without an entry has [`FunctionSettings::default`].
    pub functions: BTreeMap<String, FunctionSettings>,
    /// `[queues.<name>]`, isobase's own: which function consumes which queue.
    pub queues: BTreeMap<String, QueueSettings>,
}

/// `[api]`: the front door and the data API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Api {
    pub enabled: bool,
    /// The gateway's port.
    pub port: u16,
    /// Schemas the data API exposes; the first is the default.
    pub schemas: Vec<String>,
    pub extra_search_path: Vec<String>,
    /// Rows in one answer of the data API at most.
    pub max_rows: u32,
    /// Whether new tables in `public` are granted to the API roles by default privileges.
    pub auto_expose_new_tables: bool,
}

/// `[db]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseSettings {
    pub port: u16,
    /// The major version the project is written for. Another one is used if only that is there.
    pub major_version: u32,
    /// What the host encrypts under, 64 hexadecimal digits; `None`: a key of the host's own making.
    pub root_key: Option<SecretText>,
    pub migrations: Migrations,
    pub seed: Seed,
}

/// `[db.migrations]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migrations {
    pub enabled: bool,
    /// Declarative schema files, globs relative to `supabase/`.
    pub schema_paths: Vec<String>,
}

/// `[db.seed]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seed {
    pub enabled: bool,
    /// SQL files in the order they run, globs relative to `supabase/`.
    pub sql_paths: Vec<String>,
}

/// `[auth]`. Keys are `None` where the well-known local ones apply.
#[derive(Clone, PartialEq, Eq)]
pub struct Auth {
    pub enabled: bool,
    pub site_url: String,
    /// Lifetime of an access token.
    pub jwt_expiry: Duration,
    /// `iss` of issued tokens; `None`: the API's address + `/auth/v1`.
    pub jwt_issuer: Option<String>,
    /// Absolute path of a JSON file of private JWKs.
    pub signing_keys_path: Option<PathBuf>,
    pub publishable_key: Option<String>,
    pub secret_key: Option<String>,
    pub jwt_secret: Option<String>,
    pub anon_key: Option<String>,
    pub service_role_key: Option<String>,
}

/// `[storage]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageSettings {
    pub enabled: bool,
    /// Of one object; a bucket may allow less, never more.
    pub file_size_limit: u64,
    /// isobase's own: how long the content of deleted and overwritten objects stays on disk, so that a
    /// database restored from a backup finds what its rows name.
    pub keep_deleted: Duration,
    /// `[storage.buckets.<name>]`, made at start.
    pub buckets: BTreeMap<String, BucketSettings>,
}

/// `[storage.buckets.<name>]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BucketSettings {
    /// Whether anybody may read its objects by URL.
    pub public: bool,
    pub file_size_limit: Option<u64>,
    /// `image/png`, `image/*`; empty for all.
    pub allowed_mime_types: Vec<String>,
}

/// `[edge_runtime]`.
#[derive(Clone, PartialEq, Eq)]
pub struct EdgeRuntime {
    pub enabled: bool,
    pub policy: WorkerPolicy,
    pub inspector_port: u16,
    /// `[edge_runtime.secrets]`: variables of every function.
    pub secrets: BTreeMap<String, String>,
}

/// How long a worker lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkerPolicy {
    /// Workers serve many requests.
    PerWorker,
    /// One worker per request.
    Oneshot,
}

/// `[functions.<slug>]`.
#[derive(Clone, PartialEq, Eq)]
pub struct FunctionSettings {
    pub enabled: bool,
    /// Whether the gateway demands a verified token. Default true.
    pub verify_jwt: bool,
    /// Absolute path of an import map or `deno.json`.
    pub import_map: Option<PathBuf>,
    /// Absolute path of the main module, a `.wasm` component or a Rust crate's folder.
    pub entrypoint: Option<PathBuf>,
    /// Globs relative to `supabase/`.
    pub static_files: Vec<String>,
    /// `[functions.<slug>.limits]`, isobase's own.
    pub limits: FunctionLimits,
    /// `[functions.<slug>.capabilities]`, isobase's own. Default: everything, as the caller.
    pub capabilities: Capabilities,
    /// `isolation`, isobase's own.
    pub isolation: Isolation,
    /// `[functions.<slug>.webhook]`, isobase's own. With it the signature takes the place of `verify_jwt`.
    pub webhook: Option<WebhookSettings>,
    /// `[functions.<slug>.env]`: variables of this function alone; they win over shared ones.
    pub env: BTreeMap<String, String>,
    /// `[functions.<slug>] schedule`, isobase's own: when the host calls the function by itself.
    pub schedules: Vec<FunctionSchedule>,
}

/// One schedule of a function. The times themselves are checked by whoever runs it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionSchedule {
    /// As `cron.schedule()` takes it.
    pub cron: String,
    /// A name of the IANA time zone database.
    pub timezone: String,
    pub misfire: Misfire,
    pub overlap: Overlap,
    /// Attempts after the first.
    pub max_retries: u32,
    /// JSON, the `payload` in the body of each call; `null` where the file has none.
    pub payload: String,
}

impl FunctionSchedule {
    /// Attempts after the first where the file says nothing: a function is told the run's
    /// idempotency key, so it can be called again.
    pub const RETRIES: u32 = 3;

    /// `cron` with everything else as it is by default.
    pub fn new(cron: impl Into<String>) -> Self {
        Self {
            cron: cron.into(),
            timezone: "UTC".into(),
            misfire: Misfire::Skip,
            overlap: Overlap::Queue,
            max_retries: Self::RETRIES,
            payload: "null".into(),
        }
    }
}

/// What becomes of runs that were due while no host was up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Misfire {
    /// They are left out, as in pg_cron.
    Skip,
    /// The latest is made up.
    Once,
    /// All are made up, up to a bound.
    All,
}

/// What becomes of a run that is due while the one before it is still at work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Overlap {
    /// It waits, as in pg_cron.
    Queue,
    /// It is left out.
    Skip,
    /// It runs beside it.
    Allow,
}

impl Misfire {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::Once => "once",
            Self::All => "all",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Skip, Self::Once, Self::All].into_iter().find(|policy| policy.as_str() == text)
    }
}

impl Overlap {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Skip => "skip",
            Self::Allow => "allow",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Queue, Self::Skip, Self::Allow].into_iter().find(|policy| policy.as_str() == text)
    }
}

/// `[functions.<slug>.webhook]`: who sends to the function, and what the host does about it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookSettings {
    pub provider: WebhookProvider,
    /// The secret, or `env(NAME)`; see [`super::Project::webhook_secret`].
    pub secret: String,
    /// For `hmac`: where the signature is. Default `x-signature`.
    pub header: Option<String>,
    /// For `hmac`: what stands before the signature.
    pub prefix: Option<String>,
    /// For `hmac`: how the signature is written. Default hexadecimal.
    pub encoding: WebhookEncoding,
    /// How old a signature may be. Default five minutes.
    #[serde(with = "milliseconds::optional")]
    pub tolerance: Option<Duration>,
    pub mode: WebhookMode,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WebhookProvider {
    Stripe,
    GitHub,
    Slack,
    /// Standard Webhooks and Svix.
    Standard,
    Hmac,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WebhookEncoding {
    Hex,
    Base64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WebhookMode {
    /// The function answers the sender itself, once the signature was found good.
    Verify,
    /// The host stores, answers 202 and delivers until the function says that it is done.
    Inbox,
}

/// The limits a function sets for itself; `None` leaves the host's default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FunctionLimits {
    pub memory_bytes_max: Option<u64>,
    pub cpu_max: Option<Duration>,
    pub wall_clock_max: Option<Duration>,
    pub idle_timeout: Option<Duration>,
    pub concurrency_max: Option<usize>,
}

/// `[queues.<name>]`: how a queue's messages are handed to a function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueSettings {
    pub function: FunctionSlug,
    /// Messages in one delivery at most.
    pub max_batch_size: usize,
    /// How long a delivery waits to be full; zero hands over what is there.
    #[serde(with = "milliseconds")]
    pub max_batch_timeout: Duration,
    /// How long a message stays hidden after its consumer died. Extended while a function works on it.
    #[serde(with = "milliseconds")]
    pub visibility_timeout: Duration,
    /// Further attempts after the first one failed.
    pub max_retries: u32,
    /// The pause before the first retry; each further one doubles it.
    #[serde(with = "milliseconds")]
    pub retry_backoff: Duration,
    /// Where messages go whose attempts are used up; `None`: the queue's archive.
    pub dead_letter_queue: Option<String>,
    /// Deliveries under way at once, per host.
    pub max_concurrency: usize,
}

impl Default for FunctionSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            verify_jwt: true,
            import_map: None,
            entrypoint: None,
            static_files: Vec::new(),
            limits: FunctionLimits::default(),
            capabilities: Capabilities::default(),
            isolation: Isolation::default(),
            webhook: None,
            env: BTreeMap::new(),
            schedules: Vec::new(),
        }
    }
}

impl Settings {
    /// Slugs the file declares and enables, whether or not there is a folder for them.
    pub fn declared_functions(&self) -> impl Iterator<Item = FunctionSlug> + '_ {
        let enabled = self.functions.iter().filter(|(_, function)| function.enabled);
        enabled.filter_map(|(slug, _)| FunctionSlug::parse(slug).ok())
    }
}

/// Key material never reaches a log through `{:?}`.
impl std::fmt::Debug for Auth {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let set = |key: &Option<String>| if key.is_some() { "set" } else { "default" };
        formatter
            .debug_struct("Auth")
            .field("enabled", &self.enabled)
            .field("site_url", &self.site_url)
            .field("jwt_expiry", &self.jwt_expiry)
            .field("jwt_issuer", &self.jwt_issuer)
            .field("signing_keys_path", &self.signing_keys_path)
            .field("publishable_key", &set(&self.publishable_key))
            .field("secret_key", &set(&self.secret_key))
            .field("jwt_secret", &set(&self.jwt_secret))
            .field("anon_key", &set(&self.anon_key))
            .field("service_role_key", &set(&self.service_role_key))
            .finish()
    }
}

/// Shows the names of secrets, not their values.
impl std::fmt::Debug for EdgeRuntime {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("EdgeRuntime")
            .field("enabled", &self.enabled)
            .field("policy", &self.policy)
            .field("inspector_port", &self.inspector_port)
            .field("secrets", &self.secrets.keys().collect::<Vec<_>>())
            .finish()
    }
}

/// Never shows a secret.
impl std::fmt::Debug for WebhookSettings {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("WebhookSettings")
            .field("provider", &self.provider)
            .field("header", &self.header)
            .field("prefix", &self.prefix)
            .field("encoding", &self.encoding)
            .field("tolerance", &self.tolerance)
            .field("mode", &self.mode)
            .finish()
    }
}

/// Shows the names of variables, not their values.
impl std::fmt::Debug for FunctionSettings {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("FunctionSettings")
            .field("enabled", &self.enabled)
            .field("verify_jwt", &self.verify_jwt)
            .field("import_map", &self.import_map)
            .field("entrypoint", &self.entrypoint)
            .field("static_files", &self.static_files)
            .field("limits", &self.limits)
            .field("capabilities", &self.capabilities)
            .field("isolation", &self.isolation)
            .field("webhook", &self.webhook)
            .field("env", &self.env.keys().collect::<Vec<_>>())
            .field("schedules", &self.schedules)
            .finish()
    }
}
