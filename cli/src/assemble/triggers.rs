//! What starts functions besides requests, and what the database sends out.

use std::sync::Arc;

use anyhow::anyhow;
use isobase_base::observe::Observer;
use isobase_base::project::Project;
use isobase_base::task::{self, TaskKind};
use isobase_base::{Egress, Invoker, Role};
use isobase_database::Database;
use isobase_deploy::Releases;
use isobase_http::Network;
use isobase_http::outbound::{self, Outbound};
use isobase_postgres::OwnSessions;
use isobase_triggers::cron::{self, Cron, CronConfig, DeclaredSchedule, LogIn};
use isobase_triggers::inbox::Receivers;
use isobase_triggers::live::{Declarations, Follower, Merged, Origins, Served};
use isobase_triggers::{QueueConsumers, QueueHost};
use tokio::task::JoinHandle;

use super::ground::Ground;
use super::store::Store;
use crate::keys::Mode;
use crate::{BadConfig, webhooks};

pub(super) struct Triggers {
    pub(super) cron: Cron,
    pub(super) queue_consumers: Arc<QueueConsumers>,
    pub(super) outbound: Outbound,
    /// Of what functions declare. Ended first, so that nothing begins again.
    pub(super) follower: JoinHandle<()>,
}

/// What triggers stand on.
pub(super) struct Foundation<'f> {
    pub(super) ground: &'f Ground,
    pub(super) network: &'f Network,
    pub(super) observer: &'f Observer,
    pub(super) functions: Arc<dyn Invoker>,
    pub(super) receivers: Arc<Receivers>,
}

impl Triggers {
    /// Starts what `declared` says, and goes on with whatever `origins` say after that.
    pub(super) async fn start(
        foundation: Foundation<'_>,
        origins: Origins,
        declared: Merged,
    ) -> anyhow::Result<Self> {
        let Foundation { ground, network, observer, functions, receivers } = foundation;
        let Ground { store, database, own_sessions, .. } = ground;
        let Merged { schedules, consumers, .. } = declared;
        let queue_host = queue_host(own_sessions, &functions, database, observer);
        let queue_consumers = Arc::new(QueueConsumers::start(queue_host, consumers).await);
        let cron = start_cron(store, own_sessions, database, functions, schedules.clone()).await?;
        let wake = database.subscribe(outbound::CHANNEL);
        let outbound = Outbound::start(own_sessions.clone(), wake, network.client(&Egress::Host));
        let consumers = Arc::clone(&queue_consumers);
        let follower = Follower { origins, cron: cron.declarer(), consumers, receivers };
        let follower = task::spawn(TaskKind::Service, "declared triggers", follower.run(schedules));
        Ok(Self { cron, queue_consumers, outbound, follower })
    }
}

/// What functions declare, from the project's settings and from `releases`.
pub(super) fn origins(
    project: &Project,
    mode: Mode,
    releases: &Releases,
    ground: &Ground,
) -> anyhow::Result<Origins> {
    let declarations = Declarations {
        settings: project.settings.triggers(),
        secrets: webhooks::secrets(project)?,
        served: match mode {
            Mode::Development => Served::Sources,
            Mode::Production => Served::Deployed,
        },
    };
    let (live, environments) = (releases.triggers(), ground.secrets.environments());
    Ok(Origins { declarations, live, environments })
}

fn queue_host(
    sessions: &OwnSessions,
    functions: &Arc<dyn Invoker>,
    database: &Database,
    observer: &Observer,
) -> QueueHost {
    let database = database.clone();
    QueueHost {
        sessions: sessions.clone(),
        invoker: functions.clone(),
        subscribe: Arc::new(move |channel: &str| database.subscribe(channel)),
        observer: observer.clone(),
    }
}

async fn start_cron(
    store: &Store,
    own_sessions: &OwnSessions,
    database: &Database,
    invoker: Arc<dyn Invoker>,
    declared: Vec<DeclaredSchedule>,
) -> anyhow::Result<Cron> {
    let mut log_ins = vec![LogIn::of_its_role(store.owner_url.parse()?)];
    if let Some(url) = &store.superuser_url {
        log_ins.push(LogIn::of_its_role(url.parse()?));
    }
    log_ins.push(LogIn::switching_to(store.caller_url.parse()?, &[Role::ANON, Role::AUTHENTICATED]));
    log_ins.push(LogIn::switching_to(store.authenticator_url.parse()?, &[Role::SERVICE]));
    let config = CronConfig {
        sessions: own_sessions.clone(),
        log_ins,
        invoker,
        changes: database.subscribe(cron::CHANGES),
        declared,
        is_alone: store.cluster.is_some(),
    };
    Cron::start(config).await.map_err(|error| match error {
        cron::CronError::Declared { .. } => anyhow!(error).context(BadConfig),
        other => anyhow!(other),
    })
}
