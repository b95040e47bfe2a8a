//! The Prometheus side of [`super::Observation`]. Names follow Prometheus' conventions: base
//! units, `_total` for counters (added by the encoder).

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::figures::Scrape;
use super::functions::Functions;
use super::histogram::BOUNDS;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct RequestLabels {
    pub(super) surface: &'static str,
    pub(super) method: &'static str,
    pub(super) status: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct SurfaceLabels {
    pub(super) surface: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct EngineLabels {
    pub(super) engine: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct EventLabels {
    pub(super) event: &'static str,
}

/// Queues are named in the project's settings, so there are only as many.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct QueueLabels {
    pub(super) queue: String,
    pub(super) outcome: &'static str,
}

type SurfaceHistograms = Family<SurfaceLabels, Histogram, fn() -> Histogram>;
type EngineHistograms = Family<EngineLabels, Histogram, fn() -> Histogram>;

pub(super) struct Metrics {
    pub(super) registry: Registry,
    pub(super) requests: Family<RequestLabels, Counter>,
    pub(super) request_seconds: SurfaceHistograms,
    pub(super) connections: Gauge,
    pub(super) connection_events: Family<EventLabels, Counter>,
    pub(super) queue_messages: Family<QueueLabels, Counter>,
    pub(super) boot_seconds: EngineHistograms,
    pub(super) retirements: Family<EventLabels, Counter>,
    pub(super) function_log_dropped: Family<EventLabels, Counter>,
    pub(super) acquire_seconds: Histogram,
    pub(super) database_events: Family<EventLabels, Counter>,
    pub(super) catalog_seconds: Histogram,
    pub(super) postgres_events: Family<EventLabels, Counter>,
    pub(super) realtime_sockets: Gauge,
    pub(super) realtime_deliveries: Counter,
    pub(super) realtime_events: Family<EventLabels, Counter>,
}

fn latency() -> Histogram {
    Histogram::new(BOUNDS)
}

impl Metrics {
    pub(super) fn new(functions: Functions) -> Self {
        let metrics = Self {
            registry: Registry::with_prefix("isobase"),
            requests: Family::default(),
            request_seconds: Family::new_with_constructor(latency),
            connections: Gauge::default(),
            connection_events: Family::default(),
            queue_messages: Family::default(),
            boot_seconds: Family::new_with_constructor(latency),
            retirements: Family::default(),
            function_log_dropped: Family::default(),
            acquire_seconds: latency(),
            database_events: Family::default(),
            catalog_seconds: latency(),
            postgres_events: Family::default(),
            realtime_sockets: Gauge::default(),
            realtime_deliveries: Counter::default(),
            realtime_events: Family::default(),
        };
        metrics.registered(functions)
    }

    fn registered(mut self, functions: Functions) -> Self {
        let registry = &mut self.registry;
        registry.register_collector(Box::new(Scrape(functions)));
        registry.register("requests", "Requests answered by the gateway", self.requests.clone());
        registry.register("request_seconds", "Time from head to last byte", self.request_seconds.clone());
        registry.register("connections", "Open client connections", self.connections.clone());
        registry.register("connection_events", "Connections refused or cut", self.connection_events.clone());
        registry.register("queue_messages", "Messages consumed by outcome", self.queue_messages.clone());
        registry.register("boot_seconds", "Time to a worker that takes requests", self.boot_seconds.clone());
        registry.register("worker_retirements", "Workers retired by reason", self.retirements.clone());
        registry.register(
            "function_log_entries_dropped",
            "Entries that the functions' log lost",
            self.function_log_dropped.clone(),
        );
        registry.register(
            "database_acquire_seconds",
            "Wait for a pooled connection",
            self.acquire_seconds.clone(),
        );
        registry.register("database_events", "Pool and connection events", self.database_events.clone());
        registry.register("catalog_load_seconds", "Time to read the schema", self.catalog_seconds.clone());
        registry.register("postgres_events", "Events of the managed Postgres", self.postgres_events.clone());
        registry.register("realtime_sockets", "Open realtime sockets", self.realtime_sockets.clone());
        registry.register(
            "realtime_deliveries",
            "Messages handed to joined channels",
            self.realtime_deliveries.clone(),
        );
        registry.register("realtime_events", "Joins, broadcasts, drops", self.realtime_events.clone());
        self
    }
}
