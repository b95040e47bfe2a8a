//! A statement that fails by itself when its rows are not as many as the client insists on, so that
//! nothing has to be asked before its transaction ends.
//!
//! No expression of Postgres raises an error by name, but a text that is no value of its type does, and
//! the error repeats the text. The type is one that filters hardly ever meet.

use std::ops::RangeInclusive;

use crate::problem::SqlFault;

use super::Sql;

/// What the number of rows follows in the error.
const MARK: &str = "isobase counts rows: ";
/// `invalid_text_representation`.
pub(super) const INVALID_TEXT: &str = "22P02";

impl Sql<'_> {
    /// `count(*)`, or an error where it is not `insisted` on.
    pub(super) fn counted_rows(&mut self, insisted: Option<&RangeInclusive<i64>>) -> &mut Self {
        let Some(insisted) = insisted else { return self.push("count(*)") };
        self.push("CASE WHEN count(*) BETWEEN ").text(insisted.start().to_string());
        self.push(" AND ").text(insisted.end().to_string()).push(" THEN count(*) ELSE (('").push(MARK);
        self.push("' || count(*))::pg_catalog.pg_lsn - '0/0'::pg_catalog.pg_lsn)::bigint END")
    }
}

/// How many rows there were, if that is why a statement failed.
pub(crate) fn refused_rows(fault: &SqlFault) -> Option<i64> {
    if fault.sqlstate != INVALID_TEXT || !fault.message.contains("pg_lsn") {
        return None;
    }
    // The server quotes the text in its own language's way.
    let (_, rest) = fault.message.split_once(MARK)?;
    let digits = rest.find(|character: char| !character.is_ascii_digit()).unwrap_or(rest.len());
    rest[..digits].parse().ok()
}

#[cfg(test)]
mod tests {
    use crate::problem::SqlFault;

    use super::refused_rows;

    #[test]
    fn only_the_guards_own_error_tells_a_number() {
        let fault = |sqlstate: &str, message: &str| SqlFault {
            sqlstate: sqlstate.into(),
            message: message.into(),
            ..SqlFault::default()
        };
        for (message, rows) in [
            (r#"invalid input syntax for type pg_lsn: "isobase counts rows: 12""#, Some(12)),
            ("ungültige Eingabesyntax für Typ pg_lsn: »isobase counts rows: 0«", Some(0)),
            (r#"invalid input syntax for type integer: "isobase counts rows: 12""#, None),
            (r#"invalid input syntax for type pg_lsn: "x""#, None),
        ] {
            assert_eq!(refused_rows(&fault("22P02", message)), rows, "{message}");
        }
        assert_eq!(refused_rows(&fault("22000", "pg_lsn isobase counts rows: 1")), None);
    }
}
