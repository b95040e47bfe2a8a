//! What goes into a queue and what comes out of it.

use std::time::Duration;

use isobase_base::limits::{QUEUE_DELAY_MAX, QUEUE_MESSAGE_BYTES_MAX};
use isobase_database::{Error, Value};
use serde_json::value::RawValue;

/// A message to send. The default is JSON's `null`, now.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// JSON, at most [`QUEUE_MESSAGE_BYTES_MAX`].
    pub message: String,
    /// A JSON object, as long as a message at most.
    pub headers: Option<String>,
    /// Hidden for so long. At most [`QUEUE_DELAY_MAX`].
    pub delay: Duration,
}

impl Default for Outgoing {
    fn default() -> Self {
        Self { message: "null".into(), headers: None, delay: Duration::ZERO }
    }
}

/// A message that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    pub id: i64,
    /// How often it was read, this time included.
    pub attempts: u32,
    /// RFC 3339, in UTC.
    pub enqueued_at: String,
    /// A JSON object.
    pub headers: Option<String>,
    /// JSON.
    pub message: String,
}

/// What a queue holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metrics {
    /// All messages, hidden ones included.
    pub length: u64,
    /// Those that could be read now.
    pub visible: u64,
    /// Messages ever sent, as far as a sequence counts them.
    pub total: u64,
    /// Ages in seconds; `None` for an empty queue.
    pub newest_age: Option<u64>,
    pub oldest_age: Option<u64>,
}

impl Outgoing {
    /// The message as an element of the array that [`crate::sql::insert`] takes. Checked to be JSON,
    /// so that no text can end the element early.
    pub(crate) fn element(&self) -> Result<String, Error> {
        check("the message", &self.message)?;
        if self.delay > QUEUE_DELAY_MAX {
            let days = QUEUE_DELAY_MAX.as_secs() / 86_400;
            return Err(Error::Refused(format!("a message waits at most {days} days")));
        }
        let seconds = self.delay.as_secs_f64();
        Ok(match &self.headers {
            None => format!(r#"{{"d":{seconds},"m":{}}}"#, self.message),
            Some(headers) => {
                check("the headers", headers)?;
                if !headers.trim_start().starts_with('{') {
                    return Err(Error::Refused("the headers of a message are a JSON object".to_owned()));
                }
                format!(r#"{{"d":{seconds},"h":{headers},"m":{}}}"#, self.message)
            }
        })
    }
}

fn check(what: &str, json: &str) -> Result<(), Error> {
    if json.len() > QUEUE_MESSAGE_BYTES_MAX {
        let text = format!("{what} is longer than {QUEUE_MESSAGE_BYTES_MAX} bytes");
        return Err(Error::Refused(text));
    }
    match serde_json::from_str::<&RawValue>(json) {
        Ok(_) => Ok(()),
        Err(error) => Err(Error::Refused(format!("{what} is not JSON: {error}"))),
    }
}

/// A row of [`crate::sql::read`].
pub(crate) fn of_row(row: Vec<Value>) -> Result<Message, Error> {
    match <[Value; 5]>::try_from(row) {
        Ok(
            [
                Value::Int64(id),
                Value::Int32(attempts),
                Value::Text(enqueued_at),
                headers,
                Value::Text(message),
            ],
        ) => {
            let headers = match headers {
                Value::Text(headers) => Some(headers),
                _ => None,
            };
            Ok(Message { id, attempts: attempts.unsigned_abs(), enqueued_at, headers, message })
        }
        _ => Err(foreign_table()),
    }
}

/// A row of [`crate::sql::metrics`].
pub(crate) fn metrics_of_row(row: &[Value]) -> Result<Metrics, Error> {
    let number = |value: &Value| match value {
        Value::Int64(number) => u64::try_from(*number).ok(),
        _ => None,
    };
    match row {
        [length, visible, total, newest, oldest] => Ok(Metrics {
            length: number(length).unwrap_or(0),
            visible: number(visible).unwrap_or(0),
            total: number(total).unwrap_or(0),
            newest_age: number(newest),
            oldest_age: number(oldest),
        }),
        _ => Err(foreign_table()),
    }
}

/// The first column of each row.
pub(crate) fn ids(rows: Vec<Vec<Value>>) -> Result<Vec<i64>, Error> {
    let id = |row: Vec<Value>| match row.into_iter().next() {
        Some(Value::Int64(id)) => Ok(id),
        _ => Err(foreign_table()),
    };
    rows.into_iter().map(id).collect()
}

fn foreign_table() -> Error {
    Error::Refused("the table of the queue has other columns than pgmq gives it".to_owned())
}

#[cfg(test)]
mod tests {
    use super::Outgoing;
    use std::time::Duration;

    fn element(message: &str, headers: Option<&str>) -> Result<String, String> {
        let headers = headers.map(str::to_owned);
        let outgoing = Outgoing { message: message.into(), headers, delay: Duration::from_millis(1500) };
        outgoing.element().map_err(|error| error.to_string())
    }

    #[test]
    fn a_message_cannot_leave_its_element() {
        assert_eq!(element("1", None).unwrap(), r#"{"d":1.5,"m":1}"#);
        assert_eq!(element(" [1, {}] ", Some("{}")).unwrap(), r#"{"d":1.5,"h":{},"m": [1, {}] }"#);
        for bad in ["", "1}, {\"m\":2", "1,2", "{", "nul", "\"open", "1 2", "// x\n1"] {
            assert!(element(bad, None).unwrap_err().starts_with("the message is not JSON"), "{bad}");
            assert!(element("1", Some(bad)).is_err(), "{bad}");
        }
        assert!(element("1", Some("[]")).unwrap_err().contains("object"));
        assert!(element(&format!("\"{}\"", "x".repeat(1024 * 1024)), None).is_err());
        // Deep nesting is the server's to refuse, not a reason to overflow here.
        let deep = "[".repeat(100_000) + &"]".repeat(100_000);
        assert!(element(&deep, None).is_ok());
    }
}
