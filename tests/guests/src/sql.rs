//! The database as the caller. `../parity.ts` answers the same paths with the same JSON.

use std::io::Write;
use std::time::Duration;

use isobase_sdk::database::{self, Error, Session, Table, Value};
use isobase_sdk::{Request, Response};
use serde_json::{Value as Json, json};

/// `/sql?q=…&p=…&p=…`: the rows of a statement with text parameters. `?mode=read-only`,
/// `?timeout=MS` and `?setting=NAME=VALUE` shape the session.
pub(crate) fn query(request: &Request) -> Response {
    let mut session = Session::caller();
    if request.query_value("mode").as_deref() == Some("read-only") {
        session = session.read_only();
    }
    if let Some(millis) = request.query_value("timeout").and_then(|text| text.parse().ok()) {
        session = session.timeout(Duration::from_millis(millis));
    }
    for (_, setting) in request.query_pairs().filter(|(name, _)| name == "setting") {
        if let Some((name, value)) = setting.split_once('=') {
            session = session.setting(name, value);
        }
    }
    answer(session.query(sql(request), parameters(request)))
}

/// As `service_role`.
pub(crate) fn service(request: &Request) -> Response {
    answer(Session::service().query(sql(request), parameters(request)))
}

/// The last column of the one row, answered without entering memory.
pub(crate) fn document(request: &Request) -> Response {
    match database::query_document(sql(request), parameters(request)) {
        Ok(document) => match document.body {
            Some(body) => Response::document(body)
                .with_header("content-type", "application/json")
                .with_header("x-head", document.head.len().to_string()),
            None => Response::new(204),
        },
        Err(error) => failed(&error),
    }
}

/// The last columns of all rows, answered without entering memory.
pub(crate) fn lines(request: &Request) -> Response {
    match database::query_lines(sql(request), parameters(request)) {
        Ok(lines) => lines
            .body
            .map_or_else(|| Response::new(200), Response::document)
            .with_header("content-type", "text/plain")
            .with_header("x-head", format!("{} {}", lines.head.len(), lines.rows.unwrap_or(0))),
        Err(error) => failed(&error),
    }
}

/// Each `q` with the parameters `p`, in one flush: for each the length of its head, and its body.
pub(crate) fn documents(request: &Request) -> Response {
    let statements =
        request.query_pairs().filter(|(name, _)| name == "q").map(|(_, sql)| (sql, parameters(request)));
    let documents = match database::query_documents(statements) {
        Ok(documents) => documents,
        Err(error) => return failed(&error),
    };
    let shown = documents.iter().map(|document| {
        let body = document.body.as_ref().map(|body| String::from_utf8_lossy(&body.read()).into_owned());
        json!([document.head.len(), body])
    });
    Response::json(&shown.collect::<Json>())
}

/// The request's body as `$1`, straight from the client to Postgres.
pub(crate) fn body(mut request: Request) -> Response {
    let sql = sql(&request);
    answer(database::query(sql, (request.take_body(),)))
}

/// Rows as lines of JSON, as they arrive.
pub(crate) fn stream(request: &Request) -> Response {
    let mut rows = match database::stream(sql(request), parameters(request)) {
        Ok(rows) => rows,
        Err(error) => return failed(&error),
    };
    Response::stream(move |out| {
        loop {
            let batch = rows.next_values(100).map_err(std::io::Error::other)?;
            if batch.is_empty() {
                return Ok(());
            }
            for values in &batch {
                writeln!(out, "{}", values.iter().map(json_of).collect::<Json>())?;
            }
        }
    })
}

/// Runs each `q` in one transaction; commits with `?end=commit`, rolls back with `?end=rollback`,
/// otherwise drops it.
pub(crate) fn transaction(request: &Request) -> Response {
    let transaction = database::begin();
    let mut last = Ok(Table { columns: Vec::new(), values: Vec::new(), affected: 0 });
    for (_, sql) in request.query_pairs().filter(|(name, _)| name == "q") {
        last = transaction.query(sql.into_owned(), ());
        if last.is_err() {
            break;
        }
    }
    let ended = match request.query_value("end").as_deref() {
        Some("commit") => transaction.commit(),
        Some("rollback") => transaction.rollback(),
        _ => Ok(()),
    };
    answer(last.and_then(|table| ended.map(|()| table)))
}

/// `/generation?channel=…`.
pub(crate) fn generation(request: &Request) -> Response {
    Response::text(database::generation(&request.query_value("channel").unwrap_or_default()).to_string())
}

fn sql(request: &Request) -> String {
    request.query_value("q").unwrap_or_else(|| "select current_user".into())
}

fn parameters(request: &Request) -> Vec<String> {
    request.query_pairs().filter(|(name, _)| name == "p").map(|(_, value)| value.into_owned()).collect()
}

fn answer(result: Result<Table, Error>) -> Response {
    match result {
        Ok(table) => {
            let columns: Vec<_> = table.columns.iter().map(|column| &column.name).collect();
            let rows: Vec<Json> = table.values.iter().map(|row| row.iter().map(json_of).collect()).collect();
            Response::json(&json!({"columns": columns, "rows": rows, "affected": table.affected}))
        }
        Err(error) => failed(&error),
    }
}

/// All that a guest is told of a failure. Messages of the SDK's own are not part of the contract.
pub(crate) fn failed(error: &Error) -> Response {
    let kind = match error {
        Error::Sql(_) => "sql",
        Error::Exhausted(_) => "exhausted",
        Error::Unavailable(_) => "unavailable",
        Error::TimedOut => "timed-out",
        Error::Refused(_) => "refused",
        Error::Body(_) => "body",
        Error::Column(_) => "column",
    };
    let fields = match error {
        Error::Sql(error) => json!({
            "kind": kind, "sqlstate": error.sqlstate, "message": error.message, "detail": error.detail,
            "hint": error.hint, "constraint": error.constraint, "position": error.position,
        }),
        Error::Refused(why) | Error::Unavailable(why) => json!({"kind": kind, "message": why}),
        _ => json!({"kind": kind}),
    };
    Response::json(&fields).with_status(400)
}

fn json_of(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Boolean(value) => json!(value),
        Value::Int32(value) => json!(value),
        Value::Int64(value) => json!(value),
        Value::Float64(value) => json!(value),
        Value::Text(text) => json!(text),
        Value::Bytes(bytes) => json!(bytes),
        Value::Json(text) => serde_json::from_str(text).unwrap_or(Json::Null),
    }
}
