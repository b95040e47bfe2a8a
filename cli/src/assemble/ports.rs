//! The ports of this host. They are bound first: a taken one should not cost a start of Postgres.

use std::net::{IpAddr, SocketAddr};

use anyhow::anyhow;
use isobase_base::progress::Progress;
use isobase_base::project::Project;
use tokio::net::TcpListener;

use super::inspector::{self, Inspection};
use crate::args::StartArguments;
use crate::well_known;

pub(super) struct Ports {
    pub(super) gateway: TcpListener,
    pub(super) address: SocketAddr,
    pub(super) admin: TcpListener,
    pub(super) admin_address: SocketAddr,
    pub(super) inspection: Option<Inspection>,
}

impl Ports {
    pub(super) async fn bind(
        arguments: &StartArguments,
        project: &Project,
        progress: &dyn Progress,
    ) -> anyhow::Result<Self> {
        let port = arguments.port.unwrap_or(project.settings.api.port);
        let gateway = bind(arguments.host, port, "api.port or --port").await?;
        let admin_port = arguments.admin_port.unwrap_or(well_known::ADMIN_PORT);
        let admin = bind(IpAddr::from([127, 0, 0, 1]), admin_port, "--admin-port").await?;
        let inspection = inspector::open(&arguments.inspection, project, progress).await?;
        let (address, admin_address) = (gateway.local_addr()?, admin.local_addr()?);
        Ok(Self { gateway, address, admin, admin_address, inspection })
    }

    /// Those that are the operator's alone.
    pub(super) fn operators(&self) -> Vec<u16> {
        let inspector = self.inspection.as_ref().map(|inspection| inspection.address.port());
        std::iter::once(self.admin_address.port()).chain(inspector).collect()
    }
}

pub(super) async fn bind(host: IpAddr, port: u16, setting: &str) -> anyhow::Result<TcpListener> {
    let address = SocketAddr::new(host, port);
    TcpListener::bind(address).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            anyhow!("port {port} is taken by another program; stop it or choose another with {setting}")
        }
        _ => anyhow!(error).context(format!("could not listen on {address} ({setting})")),
    })
}
