//! `create extension` in a project's files, for extensions that Postgres lets only a superuser make
//! and Supabase lets everyone make (there, the `supautils` module raises the privilege).
//!
//! With a superuser's URL at hand, such a statement is done on a session of that role before its
//! file is run, always as `if not exists`, and taken out of what is sent. Since it is not part of the
//! file's transaction, it stays if the file fails; running the file again then finds it done.
//!
//! Some extensions the host stands in for, with SQL of the base schema and workers of its own. Where
//! the server lacks such an extension, making it is a statement that has nothing left to do.

use tokio_postgres::Client;

use super::ProjectError;
use super::error::StatementError;
use super::file::SqlFile;
use super::split::{Piece, lead};
use crate::connect::{self, Session};

/// Extensions that Supabase's images let role `postgres` create and that are not trusted anyway.
const ALLOWED: [&str; 39] = [
    "address_standardizer",
    "address_standardizer_data_us",
    "autoinc",
    "bloom",
    "dblink",
    "dict_xsyn",
    "earthdistance",
    "http",
    "hypopg",
    "index_advisor",
    "insert_username",
    "moddatetime",
    "pg_cron",
    "pg_graphql",
    "pg_hashids",
    "pg_jsonschema",
    "pg_net",
    "pg_partman",
    "pg_prewarm",
    "pg_repack",
    "pg_stat_statements",
    "pg_walinspect",
    "pgaudit",
    "pgmq",
    "pgroonga",
    "pgrouting",
    "pgrowlocks",
    "pgstattuple",
    "pgtap",
    "plpgsql_check",
    "postgis",
    "postgis_topology",
    "postgres_fdw",
    "refint",
    "rum",
    "sslinfo",
    "supabase_vault",
    "timescaledb",
    "vector",
];

/// Extensions that the host stands in for, and the schema that the base schema makes for each.
const SHIMMED: [(&str, &str); 3] = [("pg_cron", "cron"), ("pg_net", "net"), ("pgmq", "pgmq")];

/// The superuser's session, opened when the first file needs it.
pub(super) struct Superuser<'a> {
    url: Option<&'a str>,
    session: Option<Session>,
}

/// A `create extension` statement, taken apart.
#[derive(Debug, Default, PartialEq, Eq)]
struct Request {
    name: String,
    schema: Option<String>,
    /// As written, with its quotes.
    version: Option<String>,
    cascade: bool,
}

impl<'a> Superuser<'a> {
    pub(super) fn new(url: Option<&'a str>) -> Self {
        Self { url, session: None }
    }

    /// Does what only a superuser may do of a file, and returns what is left to send: the file's
    /// text with those statements blanked out, so that positions stay as they are. Their pieces no
    /// longer count as statements.
    pub(super) async fn relieve(
        &mut self,
        client: &Client,
        file: &SqlFile,
        pieces: &mut [Piece<'_>],
    ) -> Result<String, ProjectError> {
        let mut left = String::with_capacity(file.sql.len());
        for index in 0..pieces.len() {
            let piece = pieces[index];
            let is_done = match Request::parse(piece.text) {
                None => false,
                Some(request) if request.is_shimmed(client).await? => true,
                Some(request) => self.create(client, &request).await.map_err(|error| match error {
                    ProjectError::Database(error) => located(file, pieces, index, error),
                    other => other,
                })?,
            };
            if is_done {
                pieces[index].is_statement = false;
                left.extend(
                    piece.text.chars().map(|char| if matches!(char, '\n' | ';') { char } else { ' ' }),
                );
            } else {
                left.push_str(piece.text);
            }
        }
        Ok(left)
    }

    /// Makes the extension where only a superuser may. False where it is the file's own to make.
    async fn create(&mut self, client: &Client, request: &Request) -> Result<bool, ProjectError> {
        let Some(url) = self.url else { return Ok(false) };
        if !request.needs_superuser(client).await? {
            return Ok(false);
        }
        let session = match &mut self.session {
            Some(session) => session,
            none => none.insert(connect::open(url).await?),
        };
        session.client.batch_execute(&request.statement()).await?;
        Ok(true)
    }
}

/// What the server said of the statement that is piece `index`.
fn located(file: &SqlFile, pieces: &[Piece<'_>], index: usize, error: tokio_postgres::Error) -> ProjectError {
    match error.as_db_error() {
        Some(said) => {
            ProjectError::Statement(Box::new(StatementError::at(file, pieces, Some(index), None, said)))
        }
        None => ProjectError::Database(error),
    }
}

impl Request {
    /// `None` for every other statement, and for forms that this does not know.
    fn parse(sql: &str) -> Option<Self> {
        let tokens = tokens(sql)?;
        let mut rest = tokens.iter().map(String::as_str).peekable();
        let mut next_is = |word: &str| rest.next_if(|token| token.eq_ignore_ascii_case(word)).is_some();
        if !(next_is("create") && next_is("extension")) {
            return None;
        }
        if next_is("if") && !(next_is("not") && next_is("exists")) {
            return None;
        }
        let mut request = Self { name: name(rest.next()?)?, ..Self::default() };
        rest.next_if(|token| token.eq_ignore_ascii_case("with"));
        while let Some(token) = rest.next() {
            match token.to_ascii_lowercase().as_str() {
                "schema" => request.schema = Some(name(rest.next()?)?),
                "version" => request.version = Some(rest.next()?.to_owned()),
                "cascade" => request.cascade = true,
                ";" => {}
                _ => return None,
            }
        }
        Some(request)
    }

    /// Whether the host stands in for the extension, and the server has none of that name.
    async fn is_shimmed(&self, client: &Client) -> Result<bool, ProjectError> {
        let Some((name, schema)) = SHIMMED.iter().find(|(name, _)| *name == self.name) else {
            return Ok(false);
        };
        let row = client
            .query_one(
                "select to_regnamespace($2) is not null \
                   and not exists (select from pg_available_extensions where name = $1)",
                &[name, schema],
            )
            .await?;
        Ok(row.get(0))
    }

    /// Whether the extension is on the list, present, and beyond the rights of `client`'s role.
    async fn needs_superuser(&self, client: &Client) -> Result<bool, ProjectError> {
        if !ALLOWED.contains(&self.name.as_str()) {
            return Ok(false);
        }
        let row = client
            .query_one(
                "select coalesce(bool_or(superuser and not trusted), false) and not \
                   (select rolsuper from pg_roles where rolname = current_user) \
                 from pg_available_extension_versions where name = $1",
                &[&self.name],
            )
            .await?;
        Ok(row.get(0))
    }

    fn statement(&self) -> String {
        let mut sql = format!("create extension if not exists {}", quoted(&self.name));
        if let Some(schema) = &self.schema {
            sql.push_str(&format!(" schema {}", quoted(schema)));
        }
        if let Some(version) = &self.version {
            sql.push_str(&format!(" version {version}"));
        }
        if self.cascade {
            sql.push_str(" cascade");
        }
        sql
    }
}

/// Words, quoted names, strings and single characters; `None` if there are more than such a
/// statement has, or a quote is open.
fn tokens(sql: &str) -> Option<Vec<String>> {
    const TOKENS_MAX: usize = 13;
    let mut tokens = Vec::new();
    let mut rest = &sql[lead(sql)..];
    while let Some(first) = rest.chars().next() {
        if tokens.len() == TOKENS_MAX {
            return None;
        }
        let length = match first {
            '"' | '\'' => rest[1..].find(first)? + 2,
            _ if first.is_alphanumeric() || first == '_' => rest
                .find(|char: char| !(char.is_alphanumeric() || matches!(char, '_' | '$')))
                .unwrap_or(rest.len()),
            _ => first.len_utf8(),
        };
        tokens.push(rest[..length].to_owned());
        rest = &rest[length..];
        rest = &rest[lead(rest)..];
    }
    Some(tokens)
}

/// A name as the server will read it: folded to lower case unless quoted.
fn name(token: &str) -> Option<String> {
    if let Some(inside) = token.strip_prefix('"') {
        return inside.strip_suffix('"').map(str::to_owned);
    }
    token.starts_with(|char: char| char.is_alphabetic() || char == '_').then(|| token.to_lowercase())
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::Request;

    #[test]
    fn statements_are_taken_apart() {
        for (sql, expected) in [
            ("create extension moddatetime;", Some(r#"create extension if not exists "moddatetime""#)),
            (
                "\n-- why\nCREATE EXTENSION IF NOT EXISTS \"moddatetime\" WITH SCHEMA Extensions VERSION '1.0' CASCADE ;",
                Some(
                    r#"create extension if not exists "moddatetime" schema "extensions" version '1.0' cascade"#,
                ),
            ),
            ("create extension if exists x", None),
            ("create extension x from unpackaged", None),
            ("create table extension (x int)", None),
            ("create extension \"open", None),
            ("select 1", None),
            ("", None),
        ] {
            let found = Request::parse(sql).map(|request| request.statement());
            assert_eq!(found.as_deref(), expected, "{sql}");
        }
    }
}
