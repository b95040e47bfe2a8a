//! What starts functions besides requests, and what the database sends out.

use std::sync::Arc;

use anyhow::anyhow;
use isobase_base::observe::Observer;
use isobase_base::project::Project;
use isobase_base::{Egress, Invoker, Role};
use isobase_database::Database;
use isobase_http::Network;
use isobase_http::outbound::{self, Outbound};
use isobase_postgres::OwnSessions;
use isobase_triggers::cron::{self, Cron, CronConfig, DeclaredSchedule, LogIn};
use isobase_triggers::{QueueConsumer, QueueConsumers, QueueHost};

use super::ground::Ground;
use super::store::Store;
use crate::BadConfig;

pub(super) struct Triggers {
    pub(super) cron: Cron,
    pub(super) queue_consumers: QueueConsumers,
    pub(super) outbound: Outbound,
}

impl Triggers {
    pub(super) async fn start(
        ground: &Ground,
        project: &Project,
        network: &Network,
        observer: &Observer,
        functions: Arc<dyn Invoker>,
    ) -> anyhow::Result<Self> {
        let Ground { store, database, own_sessions, .. } = ground;
        let queue_host = queue_host(own_sessions, &functions, database, observer);
        let consumers = QueueConsumer::of_settings(&project.settings);
        let queue_consumers = QueueConsumers::start(queue_host, consumers).await;
        let cron = start_cron(store, project, own_sessions, database, functions).await?;
        let wake = database.subscribe(outbound::CHANNEL);
        let outbound = Outbound::start(own_sessions.clone(), wake, network.client(&Egress::Host));
        Ok(Self { cron, queue_consumers, outbound })
    }
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
    project: &Project,
    own_sessions: &OwnSessions,
    database: &Database,
    invoker: Arc<dyn Invoker>,
) -> anyhow::Result<Cron> {
    let mut log_ins = vec![LogIn::of_its_role(store.owner_url.parse()?)];
    if let Some(url) = &store.superuser_url {
        log_ins.push(LogIn::of_its_role(url.parse()?));
    }
    log_ins.push(LogIn::switching_to(store.caller_url.parse()?, &[Role::ANON, Role::AUTHENTICATED]));
    log_ins.push(LogIn::switching_to(store.authenticator_url.parse()?, &[Role::SERVICE]));
    let settings = &project.settings;
    let declared = settings.declared_functions().flat_map(|function| {
        let schedules = settings.functions[function.as_str()].schedules.iter();
        schedules
            .map(|schedule| DeclaredSchedule { function: function.clone(), schedule: schedule.clone() })
            .collect::<Vec<_>>()
    });
    let config = CronConfig {
        sessions: own_sessions.clone(),
        log_ins,
        invoker,
        changes: database.subscribe(cron::CHANGES),
        declared: declared.collect(),
        is_alone: store.cluster.is_some(),
    };
    Cron::start(config).await.map_err(|error| match error {
        cron::CronError::Declared { .. } => anyhow!(error).context(BadConfig),
        other => anyhow!(other),
    })
}
