//! What the operator decides about the data API.

/// Names and defaults follow the local Supabase CLI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Schemas that requests may name; the first is the default. `PGRST_DB_SCHEMAS`.
    pub schemas: Vec<String>,
    /// Schemas searched after the request's own. `PGRST_DB_EXTRA_SEARCH_PATH`.
    pub extra_search_path: Vec<String>,
    /// Settings of a function that count for the whole transaction. `PGRST_DB_HOISTED_TX_SETTINGS`.
    pub hoisted_settings: Vec<String>,
    /// Rows at most in one response and in one embed. `PGRST_DB_MAX_ROWS`.
    pub rows_max: Option<i64>,
    /// The role of callers without a token; decides between 401 and 403. `PGRST_DB_ANON_ROLE`.
    pub anonymous_role: String,
    /// Whether `sum()` and its kin are allowed. `PGRST_DB_AGGREGATES_ENABLED`.
    pub aggregates_enabled: bool,
    /// Whether `Prefer: tx=rollback` counts. `PGRST_DB_TX_END=commit-allow-override`.
    pub transaction_end_allowed: bool,
    /// Whether `/` describes the API. `PGRST_OPENAPI_MODE` other than `disabled`.
    pub open_api_enabled: bool,
    /// Whether `/` describes also what the caller may not touch. `PGRST_OPENAPI_MODE=ignore-privileges`.
    pub open_api_ignores_privileges: bool,
    /// Whether the description says how to send a token. `PGRST_OPENAPI_SECURITY_ACTIVE`.
    pub open_api_security_active: bool,
    /// Where clients find the API, for the description. `PGRST_OPENAPI_SERVER_PROXY_URI`.
    pub open_api_proxy_uri: Option<String>,
    /// The function that answers `/` instead of the description. `PGRST_DB_ROOT_SPEC`.
    pub root_function: Option<String>,
    /// Whether clients may ask how a request would run. `PGRST_DB_PLAN_ENABLED`.
    pub plan_enabled: bool,
    /// Whether responses say where the time went. `PGRST_SERVER_TIMING_ENABLED`.
    pub server_timing_enabled: bool,
    /// A request header that responses repeat. `PGRST_SERVER_TRACE_HEADER`.
    pub trace_header: Option<String>,
    /// Whether filters may call an aliased embed by its target. `PGRST_URL_USE_LEGACY_TARGET_NAMES`.
    pub target_names_allowed: bool,
    /// Whether errors tell details and hints. `PGRST_CLIENT_ERROR_VERBOSITY` other than `minimal`.
    pub errors_detailed: bool,
    /// Called before every request's statement, in its transaction. `PGRST_DB_PRE_REQUEST`.
    pub pre_request: Option<String>,
}

/// PostgREST's default.
const HOISTED: &str = "statement_timeout,plan_filter.statement_cost_limit,default_transaction_isolation";

impl Default for Settings {
    fn default() -> Self {
        Self::from_environment(|_| None)
    }
}

impl Settings {
    /// Reads settings by the names PostgREST gives them; texts that say nothing leave the default.
    pub fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Self {
        let list = |name: &str, default: &str| {
            let text = variable(name).unwrap_or_else(|| default.to_owned());
            text.split(',')
                .map(|item| item.trim().to_owned())
                .filter(|item| !item.is_empty())
                .collect::<Vec<_>>()
        };
        let flag = |name: &str| matches!(variable(name).as_deref(), Some("true" | "on" | "1"));
        let text = |name: &str| variable(name).filter(|value| !value.is_empty());
        let mut schemas = list("PGRST_DB_SCHEMAS", "public,graphql_public");
        if schemas.is_empty() {
            schemas.push("public".to_owned());
        }
        Self {
            schemas,
            extra_search_path: list("PGRST_DB_EXTRA_SEARCH_PATH", "public,extensions"),
            hoisted_settings: list("PGRST_DB_HOISTED_TX_SETTINGS", HOISTED),
            rows_max: match variable("PGRST_DB_MAX_ROWS") {
                Some(text) => text.trim().parse().ok().filter(|rows| *rows > 0),
                None => Some(1000),
            },
            anonymous_role: variable("PGRST_DB_ANON_ROLE").unwrap_or_else(|| "anon".to_owned()),
            aggregates_enabled: flag("PGRST_DB_AGGREGATES_ENABLED"),
            transaction_end_allowed: variable("PGRST_DB_TX_END")
                .is_some_and(|end| end.ends_with("allow-override")),
            open_api_enabled: variable("PGRST_OPENAPI_MODE").is_none_or(|mode| mode != "disabled"),
            open_api_ignores_privileges: variable("PGRST_OPENAPI_MODE")
                .is_some_and(|mode| mode == "ignore-privileges"),
            open_api_security_active: flag("PGRST_OPENAPI_SECURITY_ACTIVE"),
            open_api_proxy_uri: text("PGRST_OPENAPI_SERVER_PROXY_URI"),
            root_function: text("PGRST_DB_ROOT_SPEC"),
            plan_enabled: flag("PGRST_DB_PLAN_ENABLED"),
            server_timing_enabled: flag("PGRST_SERVER_TIMING_ENABLED"),
            trace_header: text("PGRST_SERVER_TRACE_HEADER"),
            target_names_allowed: variable("PGRST_URL_USE_LEGACY_TARGET_NAMES")
                .is_none_or(|allowed| allowed != "false"),
            errors_detailed: variable("PGRST_CLIENT_ERROR_VERBOSITY")
                .is_none_or(|verbosity| verbosity != "minimal"),
            pre_request: variable("PGRST_DB_PRE_REQUEST").filter(|name| !name.is_empty()),
        }
    }
}
