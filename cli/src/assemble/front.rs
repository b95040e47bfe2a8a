//! What faces the outside: sockets, keys, and what status tells of them.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use isobase_base::project::Project;
use isobase_base::task::{self, TaskKind};
use isobase_base::{Body, limits};
use isobase_database::Database;
use isobase_gateway::{Gateway, GatewayConfig, GatewayLimits, Peer, keys as gateway_keys};
use isobase_http::{Network, OwnApi, Stance, Surroundings};
use isobase_postgres::Cluster;
use tokio::task::JoinHandle;

use super::ports::Ports;
use super::store::Store;
use crate::keys::{Mode, ProjectKeys, project_ref};
use crate::run_state::{RunState, process_start};

/// Where functions and the database may connect, as far as it follows from where this host listens: never to
/// the ports of its operator.
pub(super) fn network(mode: Mode, ports: &Ports) -> Network {
    let address = ports.address;
    let here = if address.ip().is_unspecified() { IpAddr::from([127, 0, 0, 1]) } else { address.ip() };
    let gateway = Some(SocketAddr::new(here, address.port()));
    let stance = match mode {
        Mode::Development => Stance::Development,
        Mode::Production => Stance::Production,
    };
    Network::new(stance, Surroundings { gateway, closed_ports: ports.operators() })
}

/// The gateway as functions reach it from inside.
pub(super) fn own_api(gateway: &Arc<Gateway>, address: SocketAddr) -> OwnApi {
    // Not kept alive by those who call it.
    let gateway = Arc::downgrade(gateway);
    let peer = Peer::new(SocketAddr::from(([127, 0, 0, 1], 0)), address.port());
    Arc::new(move |request| {
        let (gateway, peer) = (gateway.upgrade(), peer.clone());
        Box::pin(async move {
            match gateway {
                Some(gateway) => gateway.call(&peer, request).await,
                None => {
                    let mut gone = http::Response::new(Body::from("The host is stopping"));
                    *gone.status_mut() = http::StatusCode::SERVICE_UNAVAILABLE;
                    gone
                }
            }
        })
    })
}

pub(super) fn run_state(keys: &ProjectKeys, project: &Project, ports: &Ports, store: &Store) -> RunState {
    let pid = i32::try_from(std::process::id()).unwrap_or(i32::MAX);
    RunState {
        pid,
        process_start: process_start(pid),
        version: env!("CARGO_PKG_VERSION").into(),
        api_url: format!("http://{}", ports.address),
        admin_url: format!("http://{}", ports.admin_address),
        inspector: ports.inspection.as_ref().map(|inspection| inspection.address.to_string()),
        db_url: store.public_url.clone(),
        host_db_url: store.host_url().into(),
        publishable_key: keys.publishable_key.clone(),
        secret_key: keys.secret_key.clone(),
        jwt_secret: keys.jwt_secret.clone(),
        anon_key: keys.anon_key.clone(),
        service_role_key: keys.service_role_key.clone(),
        jwks: keys.jwks.clone(),
        access_token: keys.access_token.clone(),
        project_ref: project_ref(&project.settings.project_id),
    }
}

/// The names that the Supabase CLI gives every function it serves.
pub(super) fn function_environment(state: &RunState) -> BTreeMap<String, String> {
    let named = |key: &str| serde_json::json!({ "default": key }).to_string();
    BTreeMap::from([
        ("SB_REGION".into(), "local".into()),
        ("SUPABASE_URL".into(), state.api_url.clone()),
        ("SUPABASE_ANON_KEY".into(), state.anon_key.clone()),
        ("SUPABASE_SERVICE_ROLE_KEY".into(), state.service_role_key.clone()),
        ("SUPABASE_DB_URL".into(), state.db_url.clone()),
        ("SUPABASE_PUBLISHABLE_KEYS".into(), named(&state.publishable_key)),
        ("SUPABASE_SECRET_KEYS".into(), named(&state.secret_key)),
        ("SUPABASE_JWKS".into(), format!("{{\"keys\":{}}}", state.jwks)),
    ])
}

pub(super) fn gateway_config(keys: &ProjectKeys, limits: GatewayLimits) -> anyhow::Result<GatewayConfig> {
    let keys = gateway_keys::KeyConfig {
        jwt_secret: Some(keys.jwt_secret.clone()),
        anon_key: Some(keys.anon_key.clone()),
        service_role_key: Some(keys.service_role_key.clone()),
        publishable_keys: vec![keys.publishable_key.clone()],
        secret_keys: vec![keys.secret_key.clone()],
        jwks: gateway_keys::parse_jwks(&keys.jwks)?,
        ..Default::default()
    };
    Ok(GatewayConfig { keys, limits, ..Default::default() })
}

pub(super) fn ready_check(cluster: Option<Arc<Cluster>>, database: Database) -> isobase_gateway::ReadyCheck {
    let cluster = cluster.map(|cluster| Arc::downgrade(&cluster));
    Arc::new(move || {
        let up =
            |cluster: &std::sync::Weak<Cluster>| cluster.upgrade().is_some_and(|cluster| cluster.is_up());
        if cluster.as_ref().is_some_and(|cluster| !up(cluster)) {
            return Err("Postgres is down".into());
        }
        if database.status().waiting >= limits::DATABASE_WAITERS_MAX {
            return Err("too many requests wait for a database connection".into());
        }
        Ok(())
    })
}

pub(super) fn serve(
    name: &'static str,
    serving: impl Future<Output = isobase_gateway::Drained> + Send + 'static,
) -> JoinHandle<()> {
    task::spawn(TaskKind::Service, name, async move {
        if let isobase_gateway::Drained::Cut { connections } = serving.await {
            tracing::warn!(name, connections, "connections were cut at the end of the drain");
        }
    })
}
