//! Turns an [`Observation`] into its log line and its metric.

use std::sync::Arc;
use std::time::Duration;

use http::Method;

use super::metrics::{
    EngineLabels, EventLabels, Metrics, OutcomeLabels, QueueLabels, RequestLabels, SurfaceLabels,
};
use super::{
    AcquireOutcome, ConnectionEvent, DatabaseEvent, GuestLevel, Observation, PostgresEvent, QueueOutcome,
};
use crate::{Blame, FailureKind, RequestId, Target};

/// Where rooms report to. Cheap to clone; all clones share one set of metrics.
#[derive(Clone)]
pub struct Observer {
    metrics: Arc<Metrics>,
}

impl Default for Observer {
    fn default() -> Self {
        Self { metrics: Arc::new(Metrics::new()) }
    }
}

impl Observer {
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
                tracing::info!(target: "isobase::access", %request_id, trace_id = %trace.trace_id(), surface, %method, path, status = status.as_u16(), role, micros = duration.as_micros() as u64, bytes);
            }
            Observation::Connection { event } => self.connection(event),
            Observation::Invocation { target, request_id, failure, queue_wait, duration } => {
                let outcome = failure.map_or("ok", |(kind, _)| kind.reason());
                metrics
                    .invocations
                    .get_or_create(&OutcomeLabels { function: target.to_string(), outcome })
                    .inc();
                metrics.queue_seconds.observe(queue_wait.as_secs_f64());
                if let Some((kind, detail)) = failure {
                    log_failure(target, request_id, kind, detail, duration);
                }
            }
            Observation::WorkerBooted { target, engine, duration } => {
                metrics.boot_seconds.get_or_create(&EngineLabels { engine }).observe(duration.as_secs_f64());
                tracing::debug!(function = %target, engine, micros = duration.as_micros() as u64, "worker booted");
            }
            Observation::WorkerRetired { target, reason } => {
                metrics.retirements.get_or_create(&EventLabels { event: reason }).inc();
                tracing::debug!(function = %target, reason, "worker retired");
            }
            Observation::GuestLog { target, request_id, level, message } => {
                log_guest(target, request_id, level, message);
            }
            Observation::GuestLogDropped { target, lines } => {
                metrics.guest_lines_dropped.inc_by(lines);
                tracing::warn!(function = %target, lines, "function logs too fast; lines were dropped");
            }
            Observation::DatabaseAcquire { wait, outcome } => self.acquire(wait, outcome),
            Observation::DatabaseConnection { event } => self.database(event),
            Observation::CatalogLoaded { duration, relations, functions } => {
                metrics.catalog_seconds.observe(duration.as_secs_f64());
                tracing::info!(relations, functions, millis = duration.as_millis() as u64, "schema loaded");
            }
            Observation::QueueSettled { queue, outcome, messages } => self.queue(queue, outcome, messages),
            Observation::Postgres { event } => self.postgres(event),
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
}

fn log_failure(target: &Target, request_id: RequestId, kind: FailureKind, detail: &str, duration: Duration) {
    let (reason, millis) = (kind.reason(), duration.as_millis() as u64);
    match kind.blame() {
        Blame::Host => {
            tracing::error!(function = %target, %request_id, reason, millis, detail, "invocation failed")
        }
        Blame::Client => {
            tracing::debug!(function = %target, %request_id, reason, millis, detail, "invocation failed")
        }
        Blame::Guest | Blame::Upstream => {
            tracing::warn!(function = %target, %request_id, reason, millis, detail, "invocation failed");
        }
    }
}

fn log_guest(target: &Target, request_id: Option<RequestId>, level: GuestLevel, message: &str) {
    let request_id = request_id.map(|id| id.to_string());
    let request_id = request_id.as_deref();
    match level {
        GuestLevel::Debug => {
            tracing::debug!(target: "isobase::guest", function = %target, request_id, "{message}")
        }
        GuestLevel::Info => {
            tracing::info!(target: "isobase::guest", function = %target, request_id, "{message}")
        }
        GuestLevel::Warn => {
            tracing::warn!(target: "isobase::guest", function = %target, request_id, "{message}")
        }
        GuestLevel::Error => {
            tracing::error!(target: "isobase::guest", function = %target, request_id, "{message}")
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
    use crate::observe::{ConnectionEvent, Observation};

    #[test]
    fn metrics_are_exposed_in_openmetrics_text() {
        let observer = Observer::default();
        observer.record(Observation::Connection { event: ConnectionEvent::Opened });
        let text = observer.openmetrics();
        assert!(text.contains("isobase_connections 1"), "{text}");
        assert!(text.ends_with("# EOF\n"), "{text}");
    }
}
