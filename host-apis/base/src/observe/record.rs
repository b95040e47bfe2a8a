//! Turns an [`Observation`] into its log line and its metric.

use std::sync::Arc;
use std::time::Duration;

use http::Method;

use super::functions::Functions;
use super::metrics::{EngineLabels, EventLabels, Metrics, QueueLabels, RequestLabels, SurfaceLabels};
use super::{
    ACCESS, AcquireOutcome, ConnectionEvent, DatabaseEvent, FunctionFigures, FunctionObserver, GUEST,
    GuestLevel, INVOCATION, Journal, Observation, PostgresEvent, QueueOutcome, RealtimeEvent,
};
use crate::{Blame, FailureKind, RequestId, Target};

/// Where rooms report to. Cheap to clone; all clones share one set of metrics.
#[derive(Clone)]
pub struct Observer {
    metrics: Arc<Metrics>,
    functions: Functions,
}

impl Default for Observer {
    fn default() -> Self {
        let functions = Functions::default();
        Self { metrics: Arc::new(Metrics::new(functions.clone())), functions }
    }
}

impl Observer {
    /// The handle for all that happens with one function. Asked for once and kept.
    pub fn function(&self, target: &Target) -> FunctionObserver {
        self.functions.observer(target)
    }

    /// What all functions did so far, by name.
    pub fn functions(&self) -> Vec<FunctionFigures> {
        self.functions.figures()
    }

    /// The same as a JSON document.
    pub fn functions_document(&self) -> serde_json::Value {
        super::document::document(&self.functions())
    }

    /// What users' functions say and do goes to `journal` from now on. The first one stays.
    pub fn keep_journal(&self, journal: Arc<dyn Journal>) {
        self.functions.keep_journal(journal);
    }

    /// All metrics in OpenMetrics text format, for Prometheus.
    pub fn openmetrics(&self) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.metrics.registry)
            .expect("writing to a string cannot fail");
        text
    }

    pub fn record(&self, observation: Observation<'_>) {
        let metrics = &*self.metrics;
        match observation {
            Observation::Request {
                request_id,
                trace,
                surface,
                method,
                path,
                status,
                role,
                duration,
                bytes,
            } => {
                metrics
                    .requests
                    .get_or_create(&RequestLabels {
                        surface,
                        method: method_label(method),
                        status: status.as_u16(),
                    })
                    .inc();
                metrics
                    .request_seconds
                    .get_or_create(&SurfaceLabels { surface })
                    .observe(duration.as_secs_f64());
                tracing::info!(target: ACCESS, %request_id, trace_id = %trace.trace_id(), surface, %method, path, status = status.as_u16(), role, micros = duration.as_micros() as u64, bytes);
            }
            Observation::Connection { event } => self.connection(event),
            Observation::WorkerBooted { engine, duration } => {
                metrics.boot_seconds.get_or_create(&EngineLabels { engine }).observe(duration.as_secs_f64());
            }
            Observation::WorkerRetired { reason } => {
                metrics.retirements.get_or_create(&EventLabels { event: reason }).inc();
            }
            Observation::FunctionLogDropped { event, entries } => {
                metrics.function_log_dropped.get_or_create(&EventLabels { event }).inc_by(entries);
            }
            Observation::DatabaseAcquire { wait, outcome } => self.acquire(wait, outcome),
            Observation::DatabaseConnection { event } => self.database(event),
            Observation::CatalogLoaded { duration, relations, functions } => {
                metrics.catalog_seconds.observe(duration.as_secs_f64());
                tracing::info!(relations, functions, millis = duration.as_millis() as u64, "schema loaded");
            }
            Observation::QueueSettled { queue, outcome, messages } => self.queue(queue, outcome, messages),
            Observation::Postgres { event } => self.postgres(event),
            Observation::Realtime { event } => self.realtime(event),
        }
    }

    fn queue(&self, queue: &str, outcome: QueueOutcome, messages: u64) {
        let outcome = match outcome {
            QueueOutcome::Acknowledged => "acknowledged",
            QueueOutcome::Retried => "retried",
            QueueOutcome::Dead => {
                tracing::warn!(
                    queue,
                    messages,
                    "messages used up their attempts; see the dead-letter queue, or the archive where none is set"
                );
                "dead"
            }
        };
        let labels = QueueLabels { queue: queue.to_owned(), outcome };
        self.metrics.queue_messages.get_or_create(&labels).inc_by(messages);
    }

    fn acquire(&self, wait: Duration, outcome: AcquireOutcome) {
        self.metrics.acquire_seconds.observe(wait.as_secs_f64());
        let event = match outcome {
            AcquireOutcome::Acquired => return,
            AcquireOutcome::TimedOut => "acquire_timed_out",
            AcquireOutcome::Refused => "acquire_refused",
        };
        self.metrics.database_events.get_or_create(&EventLabels { event }).inc();
        tracing::warn!(event, micros = wait.as_micros() as u64, "no database connection was free");
    }

    fn connection(&self, event: ConnectionEvent) {
        let label = match event {
            ConnectionEvent::Opened => {
                self.metrics.connections.inc();
                return;
            }
            ConnectionEvent::Closed => {
                self.metrics.connections.dec();
                return;
            }
            ConnectionEvent::CapReached => "cap_reached",
            ConnectionEvent::TooSlow => "too_slow",
        };
        self.metrics.connection_events.get_or_create(&EventLabels { event: label }).inc();
        tracing::debug!(event = label, "connection limit");
    }

    fn database(&self, event: DatabaseEvent<'_>) {
        let label = match event {
            DatabaseEvent::Opened => "opened",
            DatabaseEvent::Lost { why } => {
                tracing::warn!(why, "database connection lost; a new one replaces it");
                "lost"
            }
            DatabaseEvent::ConnectFailed { why } => {
                tracing::warn!(why, "database refused a connection; trying again");
                "connect_failed"
            }
        };
        self.metrics.database_events.get_or_create(&EventLabels { event: label }).inc();
    }

    fn postgres(&self, event: PostgresEvent<'_>) {
        let label = match event {
            PostgresEvent::Started { version, port } => {
                tracing::info!(version, port, "postgres started");
                "started"
            }
            PostgresEvent::Exited { why } => {
                tracing::error!(why, "postgres exited; see .isobase/postgres.log");
                "exited"
            }
            PostgresEvent::Restarting { after } => {
                tracing::warn!(millis = after.as_millis() as u64, "postgres will be started again");
                "restarting"
            }
            PostgresEvent::Stopped => "stopped",
        };
        self.metrics.postgres_events.get_or_create(&EventLabels { event: label }).inc();
    }

    fn realtime(&self, event: RealtimeEvent) {
        let label = match event {
            RealtimeEvent::SocketOpened => {
                self.metrics.realtime_sockets.inc();
                return;
            }
            RealtimeEvent::SocketClosed => {
                self.metrics.realtime_sockets.dec();
                return;
            }
            RealtimeEvent::Joined => "joined",
            RealtimeEvent::Broadcast { deliveries } => {
                self.metrics.realtime_deliveries.inc_by(deliveries);
                "broadcast"
            }
            RealtimeEvent::TooSlow => {
                tracing::debug!("a realtime socket was too slow for its messages and was dropped");
                "too_slow"
            }
        };
        self.metrics.realtime_events.get_or_create(&EventLabels { event: label }).inc();
    }
}

pub(super) fn log_failure(
    target: &Target,
    request_id: RequestId,
    kind: FailureKind,
    detail: &str,
    duration: Duration,
) {
    let (reason, millis) = (kind.reason(), duration.as_millis() as u64);
    match kind.blame() {
        Blame::Host => {
            tracing::error!(target: INVOCATION, function = %target, %request_id, reason, millis, detail, "invocation failed")
        }
        Blame::Client => {
            tracing::debug!(target: INVOCATION, function = %target, %request_id, reason, millis, detail, "invocation failed")
        }
        Blame::Guest | Blame::Upstream => {
            tracing::warn!(target: INVOCATION, function = %target, %request_id, reason, millis, detail, "invocation failed");
        }
    }
}

pub(super) fn log_guest(target: &Target, request_id: Option<RequestId>, level: GuestLevel, message: &str) {
    let request_id = request_id.map(|id| id.to_string());
    let request_id = request_id.as_deref();
    match level {
        GuestLevel::Debug => {
            tracing::debug!(target: GUEST, function = %target, request_id, "{message}")
        }
        GuestLevel::Info => {
            tracing::info!(target: GUEST, function = %target, request_id, "{message}")
        }
        GuestLevel::Warn => {
            tracing::warn!(target: GUEST, function = %target, request_id, "{message}")
        }
        GuestLevel::Error => {
            tracing::error!(target: GUEST, function = %target, request_id, "{message}")
        }
    }
}

/// Methods are labels, so only known ones: a client must not be able to grow the metrics.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::Observer;
    use std::sync::Arc;
    use std::time::Duration;

    use parking_lot::Mutex;

    use crate::observe::{
        ConnectionEvent, GuestLevel, InvocationEnd, Journal, JournalEntry, JournalEvent, Observation,
    };
    use crate::{FailureKind, FunctionSlug, RequestId, Target};

    #[test]
    fn metrics_are_exposed_in_openmetrics_text() {
        let observer = Observer::default();
        observer.record(Observation::Connection { event: ConnectionEvent::Opened });
        let text = observer.openmetrics();
        assert!(text.contains("isobase_connections 1"), "{text}");
        assert!(text.ends_with("# EOF\n"), "{text}");
    }

    fn end(failure: Option<(FailureKind, &'static str)>) -> InvocationEnd<'static> {
        InvocationEnd {
            request_id: RequestId::generate(),
            version: Some(3),
            status: failure.is_none().then_some(200),
            failure,
            queue_wait: Duration::from_millis(2),
            duration: Duration::from_millis(20),
            cpu: Duration::from_millis(5),
            memory_bytes: 1 << 20,
            cold: true,
        }
    }

    #[derive(Default)]
    struct Kept(Mutex<Vec<String>>);

    impl Journal for Kept {
        fn write(&self, entry: JournalEntry<'_>) {
            let event = match entry.event {
                JournalEvent::Invocation(figures) => format!("{} ", figures.status),
                _ => String::new(),
            };
            self.0.lock().push(format!("{} {} {event}{}", entry.target, entry.level.as_str(), entry.message));
        }
    }

    #[test]
    fn a_functions_figures_are_counted_scraped_and_written_down() {
        let observer = Observer::default();
        let kept = Arc::new(Kept::default());
        observer.keep_journal(kept.clone());
        let function = observer.function(&Target::user(FunctionSlug::parse("pay").unwrap()));
        function.invocation(&end(None));
        function.invocation(&end(Some((FailureKind::CpuLimit, "too slow"))));
        function.cpu(Duration::from_millis(1500));
        function.line(3, None, GuestLevel::Warn, "careful");
        let text = observer.openmetrics();
        for line in [
            "isobase_invocations_total{function=\"pay\",outcome=\"ok\"} 1",
            "isobase_invocations_total{function=\"pay\",outcome=\"cpu\"} 1",
            "isobase_invocation_failures_total{function=\"pay\",blame=\"guest\"} 1",
            "isobase_function_cpu_seconds_total{function=\"pay\"} 1.5",
            "isobase_function_memory_peak_bytes{function=\"pay\"} 1048576",
            "isobase_function_seconds_bucket{le=\"0.01\",function=\"pay\"} 0",
            "isobase_function_seconds_bucket{le=\"+Inf\",function=\"pay\"} 2",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
        let expected = ["pay info 200 ", "pay error 546 too slow", "pay warn careful"];
        assert_eq!(*kept.0.lock(), expected);
    }

    #[test]
    fn functions_that_ship_with_the_host_are_counted_and_not_written_down() {
        let observer = Observer::default();
        let kept = Arc::new(Kept::default());
        observer.keep_journal(kept.clone());
        let function = observer.function(&Target::builtin(FunctionSlug::parse("rest").unwrap()));
        function.invocation(&end(None));
        assert_eq!(observer.functions()[0].ok, 1);
        assert!(kept.0.lock().is_empty());
    }
}
