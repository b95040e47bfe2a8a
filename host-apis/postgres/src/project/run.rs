//! Runs one file on the server.

use std::pin::pin;

use futures::TryStreamExt;
use tokio_postgres::{Client, SimpleQueryMessage};

use super::extension::Superuser;
use super::file::SqlFile;
use super::split::{Piece, split};
use super::{ProjectError, StatementError, seed};

/// Runs a migration and records it in the history, in one implicit transaction unless the file
/// asks for none.
pub(super) async fn migration(
    client: &Client,
    superuser: &mut Superuser<'_>,
    file: &SqlFile,
) -> Result<(), ProjectError> {
    let (version, name) = file.version_and_name().unwrap_or_default();
    let pieces = split(&file.sql);
    let statements = pieces.iter().map(Piece::trimmed).filter(|text| !text.is_empty()).map(literal);
    let record = format!(
        "insert into supabase_migrations.schema_migrations (version, name, statements) \
         values ({}, {}, array[{}]::text[])",
        literal(version),
        literal(name),
        statements.collect::<Vec<String>>().join(", "),
    );
    run(client, superuser, file, pieces, &record).await
}

/// Runs a seed file and records its hash, in one implicit transaction unless it asks for none.
pub(super) async fn seed(
    client: &Client,
    superuser: &mut Superuser<'_>,
    file: &SqlFile,
) -> Result<(), ProjectError> {
    run(client, superuser, file, split(&file.sql), &seed::upsert(file)).await
}

async fn run(
    client: &Client,
    superuser: &mut Superuser<'_>,
    file: &SqlFile,
    mut pieces: Vec<Piece<'_>>,
    record: &str,
) -> Result<(), ProjectError> {
    // What an earlier file set for its session ends here.
    client.batch_execute("reset all").await?;
    let sql = superuser.relieve(client, file, &mut pieces).await?;
    if file.wants_no_transaction() {
        return run_each(client, file, &pieces, record).await;
    }
    // The newline ends a comment that the file may end with; the semicolon, a last statement.
    let (done, result) = send(client, &format!("{sql}\n;{record}")).await;
    result.map_err(|error| failed(file, &pieces, nth_statement(&pieces, done), 0, error))
}

/// One message a statement: what was done before a failure stays done.
async fn run_each(
    client: &Client,
    file: &SqlFile,
    pieces: &[Piece<'_>],
    record: &str,
) -> Result<(), ProjectError> {
    for (index, piece) in pieces.iter().enumerate().filter(|(_index, piece)| piece.is_statement) {
        let (_done, result) = send(client, piece.text).await;
        result.map_err(|error| failed(file, pieces, Some(index), piece.start, error))?;
    }
    client.batch_execute(record).await?;
    Ok(())
}

/// Sends SQL in one message; tells how many statements were completed. Rows are read and dropped.
async fn send(client: &Client, sql: &str) -> (usize, Result<(), tokio_postgres::Error>) {
    let mut done = 0;
    let stream = match client.simple_query_raw(sql).await {
        Ok(stream) => stream,
        Err(error) => return (done, Err(error)),
    };
    let mut stream = pin!(stream);
    loop {
        match stream.try_next().await {
            Ok(Some(SimpleQueryMessage::CommandComplete(_rows))) => done += 1,
            Ok(Some(_row)) => {}
            Ok(None) => return (done, Ok(())),
            Err(error) => return (done, Err(error)),
        }
    }
}

/// The piece that is the server's statement number `done`, counted from 0.
fn nth_statement(pieces: &[Piece<'_>], done: usize) -> Option<usize> {
    pieces
        .iter()
        .enumerate()
        .filter(|(_index, piece)| piece.is_statement)
        .nth(done)
        .map(|(index, _piece)| index)
}

/// Tells where in the file an error is. `start` is where the message began in it.
fn failed(
    file: &SqlFile,
    pieces: &[Piece<'_>],
    index: Option<usize>,
    start: usize,
    error: tokio_postgres::Error,
) -> ProjectError {
    match StatementError::locate(file, pieces, index, start, &error) {
        Some(located) => ProjectError::Statement(Box::new(located)),
        None => ProjectError::Database(error),
    }
}

/// A string as SQL text, whatever it holds and however the server reads backslashes.
pub(super) fn literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if quoted.contains('\\') { format!("E'{}'", quoted.replace('\\', "\\\\")) } else { format!("'{quoted}'") }
}
