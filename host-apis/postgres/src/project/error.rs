//! Why the project's SQL could not be applied: what the server said, at which place of which file,
//! and what can be done.

use std::fmt;
use std::io;

use tokio_postgres::error::{DbError, ErrorPosition, SqlState};

use super::file::SqlFile;
use super::split::Piece;
use crate::ConnectError;

/// Lines of a statement that an error shows when the server named no position.
const STATEMENT_LINES_MAX: usize = 3;
/// Characters of one such line.
const LINE_CHARS_MAX: usize = 200;

#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("cannot read {path}")]
    File { path: String, source: io::Error },
    #[error(
        "{path} is {bytes} bytes long; the most is {}. Split it, or load its data with `psql`",
        isobase_base::limits::MIGRATION_FILE_BYTES_MAX
    )]
    TooLong { path: String, bytes: u64 },
    /// The CLI's message.
    #[error(
        "Found local migration files to be inserted before the last migration on remote database.\n\n\
         Rerun the command with --include-all flag to apply these migrations:\n{}",
        paths.join("\n")
    )]
    OlderThanApplied { paths: Vec<String> },
    /// The CLI's message.
    #[error(
        "Remote migration versions not found in local migrations directory.\n\n\
         Make sure your local git repo is up-to-date. If the error persists, repair the migration history:\n\
         supabase migration repair --status reverted {}",
        versions.join(" ")
    )]
    MissingLocally { versions: Vec<String> },
    /// A statement of a file failed; nothing of that file was applied, unless it asked for no
    /// transaction.
    #[error(transparent)]
    Statement(Box<StatementError>),
    /// Another host has held the schema lock for too long.
    #[error("another isobase is migrating this database and did not finish in time; try again")]
    Locked,
    #[error("the database failed while migrations were applied")]
    Database(#[from] tokio_postgres::Error),
}

impl ProjectError {
    pub(super) fn of_lock(error: tokio_postgres::Error) -> Self {
        if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) { Self::Locked } else { Self::Database(error) }
    }
}

/// A statement that the server refused, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementError {
    /// Below the project directory.
    pub path: String,
    /// From 1; of the position the server named, else of the statement's beginning.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// SQLSTATE.
    pub code: String,
    /// With the severity: `ERROR: …`.
    pub message: String,
    /// Number of the statement in its file, from 0, as the CLI counts; `None` for the history row.
    pub statement: Option<usize>,
    /// The line of the file and a caret below the position; without one, how the statement begins.
    pub excerpt: String,
    pub detail: Option<String>,
    /// The server's, or ours where we know better.
    pub hint: Option<String>,
    /// Which functions the server was in.
    pub context: Option<String>,
}

impl std::error::Error for StatementError {}

impl fmt::Display for StatementError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, line, column, message, code, .. } = self;
        writeln!(formatter, "{path}:{line}:{column}: {message} (SQLSTATE {code})")?;
        match self.statement {
            Some(number) => write!(formatter, "At statement: {number}\n{}", self.excerpt)?,
            None => write!(formatter, "While the file was recorded in the migration history")?,
        }
        let extras = [("Detail", &self.detail), ("Context", &self.context), ("Hint", &self.hint)];
        for (name, text) in extras.into_iter().filter_map(|(name, text)| Some((name, text.as_ref()?))) {
            write!(formatter, "\n{name}: {text}")?;
        }
        Ok(())
    }
}

impl StatementError {
    /// `index` is the failed piece, `start` where the message began in the file. `None` if the
    /// error is not one of the server.
    pub(super) fn locate(
        file: &SqlFile,
        pieces: &[Piece<'_>],
        index: Option<usize>,
        start: usize,
        error: &tokio_postgres::Error,
    ) -> Option<Self> {
        let said = error.as_db_error()?;
        let position = match said.position() {
            Some(ErrorPosition::Original(position)) => byte_of(&file.sql, start, *position),
            Some(ErrorPosition::Internal { .. }) | None => None,
        };
        // A syntax error is found before anything runs, so only its position tells the statement.
        let index = match position {
            Some(byte) => pieces.iter().rposition(|piece| piece.start <= byte),
            None => index,
        };
        Some(Self::at(file, pieces, index, position, said))
    }

    /// Of the piece `index`, at the byte `position` of the file if that is known.
    pub(super) fn at(
        file: &SqlFile,
        pieces: &[Piece<'_>],
        index: Option<usize>,
        position: Option<usize>,
        said: &DbError,
    ) -> Self {
        let begin = index.map_or(file.sql.len(), |index| first_token(&pieces[index]));
        let at = position.unwrap_or(begin);
        let (line, column) = line_and_column(&file.sql, at);
        let excerpt = match (position, index) {
            (Some(at), _) => with_caret(&file.sql, at),
            (None, Some(index)) => {
                first_lines(&file.sql[begin..pieces[index].start + pieces[index].text.len()])
            }
            (None, None) => String::new(),
        };
        Self {
            path: file.path.clone(),
            line,
            column,
            code: said.code().code().to_owned(),
            message: format!("{}: {}", said.severity(), said.message()),
            statement: index,
            excerpt,
            detail: said.detail().map(str::to_owned),
            hint: hint(said, &file.sql[at.min(file.sql.len())..]),
            context: said.where_().map(str::to_owned),
        }
    }
}

/// What to do about errors that projects meet when they move here; else the server's own hint.
fn hint(said: &DbError, rest: &str) -> Option<String> {
    let message = said.message();
    if let Some(name) = quoted_in(message, "extension \"", "\" is not available") {
        return Some(format!(
            "this Postgres has no extension {name}. Install it for the server, or leave the statement out \
             where it is missing: do $$ begin if exists (select from pg_available_extensions where name = \
             '{name}') then create extension if not exists \"{name}\"; end if; end $$;"
        ));
    }
    if let Some(name) = quoted_in(message, "permission denied to create extension \"", "\"") {
        return Some(format!(
            "only a superuser may create extension {name}: create it once with the superuser's URL, \
             then `if not exists` passes"
        ));
    }
    if *said.code() == SqlState::UNDEFINED_OBJECT
        && let Some(name) = quoted_in(message, "type \"", "\" does not exist")
        && !name.contains('.')
    {
        return Some(format!(
            "the type may be in a schema outside the search path; name it in full, as in extensions.{name}"
        ));
    }
    if *said.code() == SqlState::ACTIVE_SQL_TRANSACTION {
        return Some(
            "begin the file with the line `-- isobase:no-transaction` to run it outside a transaction".into(),
        );
    }
    if *said.code() == SqlState::SYNTAX_ERROR && rest.starts_with('\\') {
        return Some(
            "lines that begin with a backslash are commands of psql, not SQL; remove them (pg_dump writes \
             `\\restrict` and `\\unrestrict`)"
                .into(),
        );
    }
    said.hint().map(str::to_owned)
}

fn quoted_in<'a>(message: &'a str, before: &str, after: &str) -> Option<&'a str> {
    message.strip_prefix(before)?.split_once(after).map(|(name, _rest)| name)
}

/// The byte of the server's position, which counts characters from 1 where the message began.
fn byte_of(sql: &str, start: usize, position: u32) -> Option<usize> {
    let nth = usize::try_from(position).ok()?.checked_sub(1)?;
    let rest = &sql[start..];
    let offset = rest.char_indices().map(|(byte, _char)| byte).chain([rest.len()]).nth(nth)?;
    Some(start + offset)
}

/// Both from 1; the column in characters.
fn line_and_column(sql: &str, at: usize) -> (usize, usize) {
    let before = &sql[..at];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

/// The line of a position and a caret below it. Tabs stay tabs, so that they line up.
fn with_caret(sql: &str, at: usize) -> String {
    let start = sql[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let end = sql[at..].find('\n').map_or(sql.len(), |length| at + length);
    let pad: String = sql[start..at].chars().map(|char| if char == '\t' { '\t' } else { ' ' }).collect();
    format!("{}\n{pad}^", sql[start..end].trim_end())
}

fn first_lines(statement: &str) -> String {
    let mut lines: Vec<String> = statement
        .lines()
        .take(STATEMENT_LINES_MAX)
        .map(|line| line.chars().take(LINE_CHARS_MAX).collect::<String>().trim_end().to_owned())
        .collect();
    if statement.trim_end().lines().nth(STATEMENT_LINES_MAX).is_some() {
        lines.push("…".into());
    }
    lines.join("\n")
}

/// Where in the file a piece's statement begins, after blanks and comments.
fn first_token(piece: &Piece<'_>) -> usize {
    piece.start + super::split::lead(piece.text)
}
