//! Looks at the text of a statement before it is sent for the first time.
//!
//! Row level security is only as good as the session it runs in, so statements that steer the
//! session itself (`SET ROLE`, `COMMIT`, `DISCARD`, …) are the host's alone, and callers other than
//! `service_role` are kept from the functions that do the same from inside a query. The extended
//! protocol takes one statement at a time, so the first keyword says what a text is.
//!
//! This is one of four walls: ordinary callers' connections log in as a role that cannot become
//! `service_role` ([`crate::DatabaseConfig::callers_from_url`]), the transaction is opened so that
//! procedures cannot end it, and a connection is checked and reset before its next caller. What it
//! cannot see is SQL hidden in the project's own database functions; those are trusted as they are
//! with PostgREST.

use memchr::memmem;

/// What the text of a statement says about how to run it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Screening {
    pub(crate) transaction: TransactionKind,
    /// Why a role other than `service_role` may not run it.
    pub(crate) callers: Result<(), &'static str>,
    /// Leaves something in the session that ends only with it: the connection is not reused.
    pub(crate) lingers: bool,
}

/// How a statement that stands alone gets its transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TransactionKind {
    /// The protocol's own: all messages before one Sync. Nothing to send, nothing to wait for.
    Implicit,
    /// `BEGIN` … `COMMIT`, inside which `CALL` cannot commit half-way and shed the role.
    Explicit,
}

/// Queries and writes. They cannot end a transaction.
const PLAIN: [&str; 8] = ["select", "insert", "update", "delete", "with", "values", "table", "merge"];
/// What a caller may run beside those.
const CALLERS: [&str; 8] = ["analyze", "call", "explain", "lock", "notify", "refresh", "show", "truncate"];
/// The session and its transactions are the host's.
const HOSTS_OWN: [&str; 25] = [
    "abort",
    "begin",
    "checkpoint",
    "close",
    "commit",
    "copy",
    "deallocate",
    "declare",
    "discard",
    "do",
    "end",
    "execute",
    "fetch",
    "listen",
    "load",
    "move",
    "prepare",
    "release",
    "reset",
    "rollback",
    "savepoint",
    "set",
    "start",
    "unlisten",
    "vacuum",
];
/// Names of what changes the session, runs SQL that the host has not seen, or shows the SQL of
/// other callers on the same connection; and the way to write such a name in disguise.
const STEERING: [&str; 8] = [
    "set_config",
    "query_to_xml",
    "cursor_to_xml",
    "ts_stat",
    "ts_rewrite",
    "dblink",
    "pg_prepared_statement",
    "u&\"",
];
/// How the data API counts the rows that a merge updates. What it sets ends with the transaction and
/// decides nothing; written like this, and no other way, it is no steering.
const COUNTING: [&str; 2] = [
    "set_config('pgrst.updated', (coalesce(nullif(current_setting('pgrst.updated', true), ''), '0')::bigint + 1)::text, true)",
    "set_config('pgrst.updated', '', true)",
];

/// Screens `sql`, or says why nobody may run it.
pub(crate) fn screen(sql: &str) -> Result<Screening, String> {
    if sql.contains('\0') {
        return Err("a statement holds a zero byte".to_owned());
    }
    let keyword = first_keyword(sql).to_ascii_lowercase();
    let is_one_of = |list: &[&str]| list.contains(&keyword.as_str());
    if is_one_of(&HOSTS_OWN) {
        return Err(format!("{} is the host's own; a function runs queries", keyword.to_ascii_uppercase()));
    }
    let plain = is_one_of(&PLAIN);
    let mut text = sql.to_ascii_lowercase();
    for counting in COUNTING {
        if text.contains(counting) {
            text = text.replace(counting, "");
        }
    }
    let holds = |needle: &str| memmem::find(text.as_bytes(), needle.as_bytes()).is_some();
    let callers = if !plain && !is_one_of(&CALLERS) {
        Err("only service_role may run statements of this kind")
    } else if STEERING.iter().any(|name| holds(name)) {
        Err("the statement names a function that steers or shows the session; use the session's settings")
    } else if holds("pg_settings") && holds("update") {
        Err("pg_settings may not be written to; use the session's settings")
    } else {
        Ok(())
    };
    let transaction = if plain { TransactionKind::Implicit } else { TransactionKind::Explicit };
    Ok(Screening { transaction, callers, lingers: holds("advisory_lock") })
}

/// The first word, past blanks, comments, empty statements and opening parentheses.
fn first_keyword(sql: &str) -> &str {
    let mut rest = sql;
    loop {
        rest = rest.trim_start_matches([' ', '\t', '\n', '\r', '\u{b}', '\u{c}', ';', '(']);
        if rest.starts_with("--") {
            rest = rest.find(['\n', '\r']).map_or("", |end| &rest[end..]);
        } else if let Some(comment) = rest.strip_prefix("/*") {
            rest = after_comment(comment);
        } else {
            break;
        }
    }
    let end = rest.find(|character: char| !character.is_ascii_alphabetic()).unwrap_or(rest.len());
    &rest[..end]
}

/// What follows a block comment whose opening was taken; in SQL they nest.
fn after_comment(mut rest: &str) -> &str {
    let mut depth = 1;
    while depth > 0 {
        let Some(at) = rest.find(['/', '*']) else { return "" };
        let pair = rest.as_bytes().get(at..at + 2);
        let skip = match pair {
            Some(b"/*") => {
                depth += 1;
                2
            }
            Some(b"*/") => {
                depth -= 1;
                2
            }
            _ => 1,
        };
        rest = &rest[at + skip..];
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::{TransactionKind, first_keyword, screen};

    #[test]
    fn the_first_keyword_is_found_past_everything_that_is_none() {
        for (sql, keyword) in [
            ("select 1", "select"),
            ("  \n\t(((SELECT 1)))", "SELECT"),
            ("-- set role x\nselect 1", "select"),
            ("/* a /* nested */ set */ insert into x", "insert"),
            (";;; commit", "commit"),
            ("/**/set/**/role x", "set"),
            ("/*/ */ set", "set"),
            ("--", ""),
            ("/* open", ""),
            ("", ""),
        ] {
            assert_eq!(first_keyword(sql), keyword, "{sql}");
        }
    }

    #[test]
    fn statements_that_steer_the_session_are_refused_for_all() {
        for sql in [
            "set role service_role",
            "RESET ROLE",
            "/**/ Commit",
            "; rollback",
            "discard all",
            "do $$ begin end $$",
            "copy items to stdout",
            "prepare x as select 1",
            "end",
            "listen x",
            "select\0 1",
        ] {
            assert!(screen(sql).is_err(), "{sql}");
        }
    }

    #[test]
    fn callers_are_kept_from_functions_that_change_who_they_are() {
        for sql in [
            "select set_config('role', 'service_role', true)",
            "select pg_catalog.\"SET_CONFIG\"($1, $2, $3)",
            "select set_config('pgrst.updated', '', false)",
            "select set_config('pgrst.updated', '', true), set_config('role', 'service_role', true)",
            "select set_set_config('pgrst.updated', '', true)config('role', 'service_role', true)",
            "select query_to_xml($1, true, false, '')",
            "select U&\"s\\0065t_config\"('a','b',true)",
            "update pg_settings set setting = 'service_role' where name = 'role'",
            "create table pg_temp.items (id int)",
            "create function pg_temp.f() returns int language sql as 'select 1'",
            "alter table items disable row level security",
        ] {
            assert!(screen(sql).unwrap().callers.is_err(), "{sql}");
        }
        for sql in [
            "select * from items",
            "with x as (select 1) select * from x",
            "call p()",
            "explain select 1",
            "select set_config('pgrst.updated', '', true)",
        ] {
            assert_eq!(screen(sql).unwrap().callers, Ok(()), "{sql}");
        }
    }

    #[test]
    fn only_queries_and_writes_go_without_begin() {
        for (sql, kind) in [
            ("select 1", TransactionKind::Implicit),
            ("merge into x using y on true when matched then delete", TransactionKind::Implicit),
            ("call p()", TransactionKind::Explicit),
            ("create table x ()", TransactionKind::Explicit),
            ("", TransactionKind::Explicit),
        ] {
            assert_eq!(screen(sql).unwrap().transaction, kind, "{sql}");
        }
        assert!(screen("select pg_advisory_lock(1)").unwrap().lingers);
        assert!(!screen("select pg_advisory_xact_lock(1)").unwrap().lingers);
    }
}
