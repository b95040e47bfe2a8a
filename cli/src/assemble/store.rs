//! The Postgres beneath: where it is, and everything in it that must be there before the start goes on.

use std::sync::Arc;

use isobase_base::observe::Observer;
use isobase_base::progress::SharedProgress;
use isobase_base::project::Project;
use isobase_postgres::{Cluster, ClusterConfig, foreign, project, schema};

use crate::args::StartArguments;
use crate::keys::ProjectKeys;

/// Where Postgres is and how to reach it as whom.
pub(super) struct Store {
    pub(super) cluster: Option<Arc<Cluster>>,
    pub(super) owner_url: String,
    /// For what stock Postgres reserves to superusers and Supabase does not.
    pub(super) superuser_url: Option<String>,
    pub(super) authenticator_url: String,
    pub(super) caller_url: String,
    pub(super) public_url: String,
}

impl Store {
    /// For the host's own work: its tables, and SQL that it runs as whoever scheduled it.
    pub(super) fn host_url(&self) -> &str {
        self.superuser_url.as_deref().unwrap_or(&self.owner_url)
    }

    pub(super) async fn open(
        arguments: &StartArguments,
        found: &Project,
        keys: &ProjectKeys,
        progress: &SharedProgress,
        observer: &Observer,
    ) -> anyhow::Result<Self> {
        let settings = &found.settings;
        let workdir = &arguments.project.workdir;
        let auto_expose = settings.api.auto_expose_new_tables;
        let store = match &arguments.db_url {
            Some(url) => {
                progress.step("Preparing the database");
                schema::apply(url, &foreign::base_schema(auto_expose), &**progress).await?;
                let logins = foreign::prepare(url).await?;
                Self {
                    cluster: None,
                    owner_url: url.clone(),
                    superuser_url: None,
                    authenticator_url: logins.authenticator,
                    caller_url: logins.caller,
                    public_url: url.clone(),
                }
            }
            None => {
                let mut config = ClusterConfig::new(workdir);
                config.port = arguments.db_port.unwrap_or(settings.database.port);
                config.postgres_password.clone_from(&keys.database_password);
                config.binaries.clone_from(&arguments.postgres_bin);
                config.user.clone_from(&arguments.postgres_user);
                let cluster = Cluster::start(config, progress.clone(), observer.clone()).await?;
                progress.step("Preparing the database");
                schema::apply(cluster.superuser_url(), &cluster.base_schema(auto_expose), &**progress)
                    .await?;
                Self {
                    owner_url: cluster.postgres_url().into(),
                    superuser_url: Some(cluster.superuser_url().into()),
                    authenticator_url: cluster.authenticator_url().into(),
                    caller_url: cluster.caller_url().into(),
                    public_url: cluster.tcp_url().into(),
                    cluster: Some(Arc::new(cluster)),
                }
            }
        };
        progress.step("Applying the project's migrations");
        let mut sql = project::ProjectSql::new(workdir);
        sql.superuser_url.clone_from(&store.superuser_url);
        sql.include_all = arguments.include_all;
        sql.migrations_enabled = settings.database.migrations.enabled;
        sql.seed_enabled = settings.database.seed.enabled && !arguments.production;
        sql.seed_paths.clone_from(&settings.database.seed.sql_paths);
        project::apply(&store.owner_url, &sql, &**progress).await?;
        Ok(store)
    }
}
