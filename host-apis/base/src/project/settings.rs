//! The settings of a project as types. Defaults are the Supabase CLI's, so that client code with
//! the usual local addresses needs no change.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::{Capabilities, FunctionSlug};

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
    /// By slug; a function without an entry has [`FunctionSettings::default`].
    pub functions: BTreeMap<String, FunctionSettings>,
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
    /// `[functions.<slug>.webhook]`, isobase's own. With it the signature takes the place of `verify_jwt`.
    pub webhook: Option<WebhookSettings>,
    /// `[functions.<slug>.env]`: variables of this function alone; they win over shared ones.
    pub env: BTreeMap<String, String>,
}

/// `[functions.<slug>.webhook]`: who sends to the function, and what the host does about it.
#[derive(Clone, PartialEq, Eq)]
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
    pub tolerance: Option<Duration>,
    pub mode: WebhookMode,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebhookProvider {
    Stripe,
    GitHub,
    Slack,
    /// Standard Webhooks and Svix.
    Standard,
    Hmac,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebhookEncoding {
    Hex,
    Base64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
            webhook: None,
            env: BTreeMap::new(),
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
            .field("webhook", &self.webhook)
            .field("env", &self.env.keys().collect::<Vec<_>>())
            .finish()
    }
}
