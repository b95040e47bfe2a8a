//! The host's own statements: whole rows as text, and notifications.

use fallible_iterator::FallibleIterator;
use postgres_protocol::message::backend::Message;
use postgres_protocol::message::frontend;

use super::{Connection, Trouble};
use crate::error::Report;

impl Connection {
    /// Runs `sql`, the host's own, as the log-in role and returns its rows as text. Simple
    /// protocol; only for a connection that is clean.
    pub(crate) async fn fetch(&mut self, sql: &str) -> Result<Vec<Vec<Option<String>>>, Trouble> {
        if let Err(error) = frontend::query(sql, self.wire.outbox()) {
            return Err(self.lost(error.to_string(), false));
        }
        self.syncs_owed += 1;
        let mut rows = Vec::new();
        let mut failure = None;
        if let Err(error) = self.wire.flush().await {
            return Err(self.lost(error.to_string(), false));
        }
        loop {
            match self.wire.message().await {
                Ok(Message::DataRow(row)) => {
                    let texts = row
                        .ranges()
                        .map(|range| {
                            Ok(range.map(|range| String::from_utf8_lossy(&row.buffer()[range]).into_owned()))
                        })
                        .collect();
                    rows.push(texts.unwrap_or_default());
                }
                Ok(Message::ErrorResponse(body)) => failure = Some(Report::read(&body)),
                Ok(Message::NotificationResponse(body)) => {
                    self.heard.push_back(body.channel().unwrap_or_default().to_owned());
                }
                Ok(Message::ReadyForQuery(_)) => break,
                Ok(_) => {}
                Err(error) => return Err(self.lost(error.to_string(), false)),
            }
        }
        self.syncs_owed -= 1;
        failure.map_or(Ok(rows), |report| Err(Trouble::Sql(Box::new(report.error))))
    }

    /// The next notification's channel. Only for a listening connection between its statements.
    pub(crate) async fn notification(&mut self) -> Result<String, Trouble> {
        if let Some(channel) = self.heard.pop_front() {
            return Ok(channel);
        }
        loop {
            match self.wire.message().await {
                Ok(Message::NotificationResponse(body)) => {
                    return Ok(body.channel().unwrap_or_default().to_owned());
                }
                Ok(Message::ErrorResponse(body)) => {
                    let why = Report::read(&body).error.to_string();
                    return Err(self.lost(why, false));
                }
                Ok(_) => {}
                Err(error) => return Err(self.lost(error.to_string(), false)),
            }
        }
    }
}
