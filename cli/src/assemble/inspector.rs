//! The port for debuggers, where one was asked for.

use std::net::{IpAddr, SocketAddr};

use anyhow::Context as _;
use isobase_base::limits;
use isobase_base::progress::Progress;
use isobase_base::project::Project;
use isobase_gateway::GatewayLimits;
use isobase_v8::{Inspector, SourceFolders};

use super::ports::bind;
use crate::args::InspectArguments;

/// The open port.
pub(super) struct Inspection {
    pub(super) inspector: Inspector,
    pub(super) address: SocketAddr,
}

pub(super) async fn open(
    arguments: &InspectArguments,
    project: &Project,
    progress: &dyn Progress,
) -> anyhow::Result<Option<Inspection>> {
    let Some((wanted, mode)) = arguments.chosen() else { return Ok(None) };
    let port = wanted.port.unwrap_or(project.settings.edge_runtime.inspector_port);
    let host = match &wanted.host {
        Some(name) => resolve(name).await?,
        None => IpAddr::from([127, 0, 0, 1]),
    };
    let listener = bind(host, port, "edge_runtime.inspector_port or --inspect").await?;
    let address = listener.local_addr()?;
    if !host.is_loopback() {
        progress.note(&format!(
            "whoever reaches {address} runs code in this project's functions: --inspect asks for no key"
        ));
    }
    let absolute = |path: &std::path::Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let folders =
        SourceFolders { functions: absolute(&project.functions_folder()), project: absolute(&project.root) };
    Ok(Some(Inspection { inspector: Inspector::serve(listener, mode, folders), address }))
}

async fn resolve(name: &str) -> anyhow::Result<IpAddr> {
    let found = tokio::net::lookup_host((name, 0)).await;
    let found = found.with_context(|| format!("--inspect: {name:?} is no address of this machine"))?.next();
    Ok(found.with_context(|| format!("--inspect: {name:?} has no address"))?.ip())
}

/// Requests wait as long as a debugger may.
pub(super) fn patience(inspector: &Option<Inspector>) -> GatewayLimits {
    let mut gateway = GatewayLimits::default();
    if inspector.is_some() {
        gateway.request_timeout_min = limits::INSPECTED_CLOCK;
    }
    gateway
}
