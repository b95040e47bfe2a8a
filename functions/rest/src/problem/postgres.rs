//! Errors that Postgres reports: SQLSTATE to status, and the ways SQL code chooses its own answer.

use std::borrow::Cow;

use serde_json::Value;

use super::Problem;

/// What Postgres said. Everything a client may read; no statement, no parameters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SqlFault {
    /// Five characters.
    pub sqlstate: String,
    pub message: String,
    pub detail: Option<String>,
    pub hint: Option<String>,
}

impl Problem {
    /// `authenticated`: the caller's role is not the anonymous one, so that a missing privilege is
    /// 403 and not a call to log in.
    pub fn from_sql(fault: &SqlFault, authenticated: bool) -> Self {
        if fault.sqlstate == "PGRST" {
            return raised(fault).unwrap_or_else(|problem| problem);
        }
        let status = status(fault, authenticated);
        let mut headers = Vec::new();
        if status == 401 {
            headers.push(("WWW-Authenticate".to_owned(), "Bearer".to_owned()));
        }
        Self {
            status,
            code: Cow::Owned(fault.sqlstate.clone()),
            message: fault.message.clone(),
            details: fault.detail.clone().map(|detail| Box::new(detail.into())),
            hint: fault.hint.clone(),
            headers,
        }
    }

    /// The database cannot be reached, or went away.
    pub fn database_unavailable() -> Self {
        Self::new(503, "PGRST000", "Database connection error.")
    }

    /// The catalog cannot be read.
    pub fn no_catalog() -> Self {
        Self::new(503, "PGRST002", "Could not query the database for the schema cache. Retrying.")
    }

    /// No connection became free in time.
    pub fn pool_timeout() -> Self {
        Self::new(504, "PGRST003", "Timed out acquiring connection from connection pool.")
    }

    /// Too many requests wait for a connection already.
    pub fn pool_full() -> Self {
        Self::new(503, "PGRST003", "Too many requests wait for a connection from the connection pool.")
    }

    /// The request's deadline or the host's bound on a statement has passed.
    pub fn timed_out() -> Self {
        Self::new(504, "57014", "canceling statement due to statement timeout")
    }

    /// The host did not accept the statement: too many parameters, a body used twice.
    pub fn refused(why: &str) -> Self {
        Self::new(500, "PGRSTX00", why)
    }

    /// A defect of the data API itself.
    pub(crate) fn internal(message: &str) -> Self {
        Self::new(500, "PGRSTX00", message)
    }

    /// The body could not be read to its end.
    pub fn broken_body(message: &str) -> Self {
        Self::new(400, "PGRST102", message)
    }
}

fn status(fault: &SqlFault, authenticated: bool) -> u16 {
    let message = fault.message.as_str();
    match fault.sqlstate.as_str() {
        "23503" | "23505" => 409,
        "25006" => 405,
        "21000" if message.ends_with("requires a WHERE clause") => 400,
        "22023" if message.starts_with("role") && message.ends_with("does not exist") => 401,
        "57P01" => 503,
        "53400" | "21000" | "42P17" => 500,
        "P0001" => 400,
        "42883" if message.starts_with("function xmlagg(") => 406,
        "42883" | "42P01" => 404,
        "42501" if authenticated => 403,
        "42501" => 401,
        other => match other.get(..2).unwrap_or("") {
            "08" | "53" => 503,
            "0L" | "0P" | "28" => 403,
            "PT" => other[2..].parse().ok().filter(|status| (100..=999).contains(status)).unwrap_or(500),
            "09" | "25" | "2D" | "38" | "39" | "3B" | "40" | "54" | "55" | "57" | "58" | "F0" | "HV"
            | "P0" | "XX" => 500,
            _ => 400,
        },
    }
}

/// `RAISE SQLSTATE 'PGRST'`: the message and the detail are JSON and make the whole response.
fn raised(fault: &SqlFault) -> Result<Problem, Problem> {
    let message = object(&fault.message, &["code", "message"]).ok_or_else(|| {
        unreadable(
            format!("Invalid JSON value for MESSAGE: '{}'", fault.message),
            "MESSAGE must be a JSON object with obligatory keys: 'code', 'message' and optional keys: 'details', 'hint'.",
        )
    })?;
    const DETAIL_HINT: &str = "DETAIL must be a JSON object with obligatory keys: 'status', 'headers' and optional key: 'status_text'.";
    let detail = fault
        .detail
        .as_deref()
        .ok_or_else(|| unreadable("DETAIL is missing in the RAISE statement".to_owned(), DETAIL_HINT))?;
    let invalid = || unreadable(format!("Invalid JSON value for DETAIL: '{detail}'"), DETAIL_HINT);
    let parsed = object(detail, &[]).ok_or_else(invalid)?;
    let status = parsed.get("status").and_then(Value::as_u64).and_then(|status| u16::try_from(status).ok());
    let headers = parsed.get("headers").and_then(Value::as_object).ok_or_else(invalid)?;
    let mut sorted = headers
        .iter()
        .map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
        .collect::<Option<Vec<_>>>()
        .ok_or_else(invalid)?;
    sorted.sort();
    let text = |key: &str| message.get(key).and_then(Value::as_str).map(str::to_owned);
    Ok(Problem {
        status: status.filter(|status| (100..=999).contains(status)).ok_or_else(invalid)?,
        code: Cow::Owned(text("code").unwrap_or_default()),
        message: text("message").unwrap_or_default(),
        details: text("details").map(|details| Box::new(details.into())),
        hint: text("hint"),
        headers: sorted,
    })
}

/// A JSON object in which all of `texts` are texts.
fn object(json: &str, texts: &[&str]) -> Option<serde_json::Map<String, Value>> {
    let Ok(Value::Object(object)) = serde_json::from_str(json) else { return None };
    texts.iter().all(|key| object.get(*key).is_some_and(Value::is_string)).then_some(object)
}

fn unreadable(details: String, hint: &str) -> Problem {
    Problem::new(500, "PGRST121", "Could not parse JSON in the \"RAISE SQLSTATE 'PGRST'\" error")
        .details(details)
        .hint(Some(hint.to_owned()))
}
