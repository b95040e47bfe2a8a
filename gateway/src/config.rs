//! What an operator decides about the gateway.

use std::net::IpAddr;
use std::time::Duration;

use isobase_base::limits;

use crate::keys::KeyConfig;

/// The settings of one gateway. `Default` is a development gateway without keys.
#[derive(Clone, Debug, Default)]
pub struct GatewayConfig {
    pub keys: KeyConfig,
    /// Whether the data API demands an API key (header or query `apikey`) besides the token. The
    /// hosted platform does; the local stack of the Supabase CLI does not.
    pub require_apikey: bool,
    /// Origins that browsers may call the data API from, with credentials. Empty: any origin,
    /// without credentials, which is PostgREST's default and enough for bearer tokens.
    pub cors_origins: Vec<String>,
    /// Peers whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed: your own proxies.
    pub trusted_proxies: Vec<IpAddr>,
    pub limits: GatewayLimits,
}

/// The bounds of one gateway; the defaults are in [`isobase_base::limits`].
#[derive(Clone, Debug)]
pub struct GatewayLimits {
    pub connections_max: usize,
    pub header_bytes_max: usize,
    pub header_read_timeout: Duration,
    pub body_idle_timeout: Duration,
    pub response_write_timeout: Duration,
    pub drain_timeout: Duration,
    /// No request is given up before this, whatever its route says: raised where a debugger may pause what
    /// answers.
    pub request_timeout_min: Duration,
    pub data_body_bytes_max: u64,
    pub deploy_body_bytes_max: u64,
    pub function_body_bytes_max: u64,
}

impl Default for GatewayLimits {
    fn default() -> Self {
        Self {
            connections_max: limits::CONNECTIONS_MAX,
            header_bytes_max: limits::HEADER_BYTES_MAX,
            header_read_timeout: limits::HEADER_READ_TIMEOUT,
            body_idle_timeout: limits::BODY_IDLE_TIMEOUT,
            response_write_timeout: limits::RESPONSE_WRITE_TIMEOUT,
            drain_timeout: limits::DRAIN_TIMEOUT,
            request_timeout_min: Duration::ZERO,
            data_body_bytes_max: limits::DATA_BODY_BYTES_MAX,
            deploy_body_bytes_max: limits::DEPLOY_BODY_BYTES_MAX,
            function_body_bytes_max: limits::FUNCTION_BODY_BYTES_MAX,
        }
    }
}
