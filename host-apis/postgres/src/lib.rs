//! The Postgres beneath: where it comes from, what is in it before the project's own SQL, and how
//! that SQL is applied.
//!
//! Three steps, in the order a start takes them:
//!
//! 1. [`Cluster`] finds a Postgres installation ([`Binaries`]), creates a cluster of its own under
//!    `<workdir>/.isobase/postgres` and keeps it running: ready by connecting, restarted after a
//!    crash, stopped with its host, never orphaned. With a database URL of one's own, [`foreign`]
//!    takes its place.
//! 2. [`schema`] brings the base schema: roles, the `auth` tables, `auth.uid()` and its sisters,
//!    grants, the triggers that announce schema changes. Its migrations are ours, ordered and
//!    checksummed.
//! 3. [`project`] applies the project's `roles.sql`, `migrations/*.sql` and seed files with the
//!    Supabase CLI's bookkeeping, so that either tool can go on where the other stopped.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use isobase_base::{observe::Observer, progress::Silent};
//! use isobase_postgres::{Cluster, ClusterConfig, project, schema};
//!
//! # async fn start() -> Result<(), Box<dyn std::error::Error>> {
//! let progress = Arc::new(Silent);
//! let cluster = Cluster::start(ClusterConfig::new("."), progress.clone(), Observer::default()).await?;
//! schema::apply(cluster.superuser_url(), &cluster.base_schema(true), &*progress).await?;
//! let mut sql = project::ProjectSql::new(".");
//! sql.superuser_url = Some(cluster.superuser_url().to_owned());
//! project::apply(cluster.postgres_url(), &sql, &*progress).await?;
//! cluster.stop().await;
//! # Ok(())
//! # }
//! ```

mod binaries;
mod cluster;
mod connect;
pub mod foreign;
mod own_sessions;
pub mod project;
pub mod schema;
mod secret;

pub use binaries::{Binaries, BinariesError};
pub use cluster::{Cluster, ClusterConfig, ClusterError};
pub use connect::ConnectError;
pub use own_sessions::{OwnSessions, own_sessions};
