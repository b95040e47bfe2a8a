//! Why an invocation ended without the function's own response, whose fault it was, and what the
//! client is told. One total map from kind to HTTP status and Supabase error code.

use std::fmt;

use http::StatusCode;

/// The kinds of failed invocation. Statuses and codes follow Supabase's Edge Functions, so that
/// functions-js and existing monitoring read them unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// No function of that name.
    NotFound,
    /// Compiling or starting the function failed.
    Boot,
    /// The function threw, trapped or panicked before it answered.
    Crashed,
    /// The function answered with something that is not an HTTP response.
    InvalidResponse,
    /// The CPU budget of the invocation was used up.
    CpuLimit,
    /// The memory limit of the isolate was hit.
    MemoryLimit,
    /// The worker reached its wall clock limit.
    WallClockLimit,
    /// No response head within the idle timeout, or a promise that can never settle.
    IdleTimeout,
    /// All workers busy and the wait for one was over its bound.
    Overloaded,
    /// The host is shutting down, or the worker was replaced while it held this request.
    Cancelled,
    /// The caller went away before the end of the response. Recorded, never sent.
    Abandoned,
    /// A defect or an outage in the host itself.
    Host,
}

/// Whose fault a failure is: what a dashboard splits errors by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Blame {
    Client,
    Guest,
    Host,
    Upstream,
}

/// A failed invocation: the kind for branching, the detail for the log.
///
/// `detail` may name files and lines of the guest; it never holds a secret. It is shown to clients
/// only where [`FailureKind::public_message`] says so.
#[derive(Clone, Debug)]
pub struct Failure {
    pub kind: FailureKind,
    pub detail: String,
}

impl Failure {
    pub fn new(kind: FailureKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.kind.code(), self.detail)
    }
}

impl std::error::Error for Failure {}

impl Blame {
    /// The label in metrics and figures.
    pub fn label(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Guest => "guest",
            Self::Host => "host",
            Self::Upstream => "upstream",
        }
    }
}

impl FailureKind {
    /// Each at the index that it has as a number.
    pub const ALL: [Self; 12] = [
        Self::NotFound,
        Self::Boot,
        Self::Crashed,
        Self::InvalidResponse,
        Self::CpuLimit,
        Self::MemoryLimit,
        Self::WallClockLimit,
        Self::IdleTimeout,
        Self::Overloaded,
        Self::Cancelled,
        Self::Abandoned,
        Self::Host,
    ];

    /// The status sent to the client. 546 is Supabase's own.
    pub fn status(self) -> StatusCode {
        match self {
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Boot | Self::Overloaded | Self::Cancelled => StatusCode::SERVICE_UNAVAILABLE,
            Self::Crashed | Self::InvalidResponse | Self::Host => StatusCode::INTERNAL_SERVER_ERROR,
            Self::IdleTimeout => StatusCode::GATEWAY_TIMEOUT,
            Self::CpuLimit | Self::MemoryLimit | Self::WallClockLimit => {
                StatusCode::from_u16(546).expect("546 is a valid status")
            }
            // The status that access logs conventionally show for a client that went away.
            Self::Abandoned => StatusCode::from_u16(499).expect("499 is a valid status"),
        }
    }

    /// The code in the body and in `sb-error-code`, as Supabase's platform sends it. What the platform called
    /// `WORKER_LIMIT` until 2026, and `supabase functions serve` still does, covers all three limits there too.
    pub fn code(self) -> &'static str {
        match self {
            Self::NotFound => "NOT_FOUND",
            Self::Boot => "BOOT_ERROR",
            Self::Crashed => "WORKER_ERROR",
            Self::InvalidResponse => "INVALID_RESPONSE_STATUS_CODE",
            Self::CpuLimit | Self::MemoryLimit | Self::WallClockLimit => "WORKER_RESOURCE_LIMIT",
            Self::IdleTimeout => "IDLE_TIMEOUT",
            Self::Overloaded => "WORKER_OVERLOADED",
            Self::Cancelled => "WORKER_CANCELLED",
            Self::Abandoned => "CLIENT_CLOSED_REQUEST",
            Self::Host => "INTERNAL_ERROR",
        }
    }

    /// The sentence a client reads. Fixed texts: a guest's own words stay in its log.
    pub fn public_message(self) -> &'static str {
        match self {
            Self::NotFound => "Requested function was not found",
            Self::Boot => "Worker failed to boot (please check logs)",
            Self::Crashed => "Function exited due to an error (please check logs)",
            Self::InvalidResponse => "Function returned an invalid response (please check logs)",
            Self::CpuLimit | Self::MemoryLimit | Self::WallClockLimit => {
                "Function failed due to not having enough compute resources (please check logs)"
            }
            Self::IdleTimeout => "The request idle timeout was reached before the function responded",
            Self::Overloaded => "All workers of this function are busy; retry shortly",
            Self::Cancelled => "The worker was stopped before it responded; retry",
            Self::Abandoned => "The client closed the request before the end of the response",
            Self::Host => "The server failed to run the function; retry, and check the server's log",
        }
    }

    /// The label in metrics and logs: tells the three resource limits apart.
    pub fn reason(self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::Boot => "boot",
            Self::Crashed => "crashed",
            Self::InvalidResponse => "invalid_response",
            Self::CpuLimit => "cpu",
            Self::MemoryLimit => "memory",
            Self::WallClockLimit => "wall_clock",
            Self::IdleTimeout => "idle",
            Self::Overloaded => "overloaded",
            Self::Cancelled => "cancelled",
            Self::Abandoned => "abandoned",
            Self::Host => "host",
        }
    }

    pub fn blame(self) -> Blame {
        match self {
            Self::NotFound | Self::Abandoned => Blame::Client,
            Self::Boot
            | Self::Crashed
            | Self::InvalidResponse
            | Self::CpuLimit
            | Self::MemoryLimit
            | Self::WallClockLimit
            | Self::IdleTimeout => Blame::Guest,
            Self::Overloaded | Self::Cancelled | Self::Host => Blame::Host,
        }
    }

    /// Whether the same request may be sent again as it is.
    pub fn may_retry(self) -> bool {
        matches!(self, Self::Overloaded | Self::Cancelled | Self::Host)
    }
}

#[cfg(test)]
mod tests {
    use super::FailureKind;

    #[test]
    fn each_kind_is_at_its_number() {
        for (index, kind) in FailureKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, index, "{kind:?}");
        }
    }
}
