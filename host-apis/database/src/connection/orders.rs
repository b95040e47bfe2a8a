//! What precedes a statement: a clean session, a transaction, and who it acts as.

use std::borrow::Cow;
use std::time::Duration;

use isobase_base::{Principal, RequestId};

use crate::Error;
use crate::roles::RoleSettings;
use crate::session::{AccessMode, Session, check_settings};
use crate::timeout::{Bound, Cause, parse_timeout, statement_timeout_text};

/// The host's own settings around a session's: role, claims, name, time limit, access mode.
const OWN_SETTINGS: usize = 5;

/// The beginning of a transaction, ready to be encoded.
#[derive(Debug)]
pub(crate) struct Orders<'a> {
    pub(crate) principal: &'a Principal,
    /// Names and values for `set_config`, in this order.
    pub(super) settings: Vec<(&'a str, Cow<'a, str>)>,
    pub(crate) access_mode: AccessMode,
    pub(super) isolation: Option<Isolation>,
    pub(crate) bound: Bound,
}

/// Isolation levels, as `BEGIN` takes them. Without one the server's default holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Isolation {
    ReadUncommitted,
    ReadCommitted,
    RepeatableRead,
    Serializable,
}

impl Isolation {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text.trim().to_ascii_lowercase().as_str() {
            "read uncommitted" => Some(Self::ReadUncommitted),
            "read committed" => Some(Self::ReadCommitted),
            "repeatable read" => Some(Self::RepeatableRead),
            "serializable" => Some(Self::Serializable),
            _ => None,
        }
    }

    pub(super) fn sql(self) -> &'static str {
        match self {
            Self::ReadUncommitted => "READ UNCOMMITTED",
            Self::ReadCommitted => "READ COMMITTED",
            Self::RepeatableRead => "REPEATABLE READ",
            Self::Serializable => "SERIALIZABLE",
        }
    }
}

impl<'a> Orders<'a> {
    /// Checks `session` and puts its transaction's beginning in order: the role's settings first,
    /// so that the session's win, then the role itself, then the claims (PostgREST sets them in
    /// the same order, so that `GRANT SET` to the log-in role applies).
    pub(crate) fn new(
        principal: &'a Principal,
        session: &'a Session,
        role_settings: Option<&'a RoleSettings>,
        request_id: RequestId,
        statement_timeout: Duration,
    ) -> Result<Self, Error> {
        check_settings(session)?;
        let of_role = role_settings.map_or(&[][..], |role| &role.settings);
        let mut orders = Self {
            principal,
            settings: Vec::with_capacity(of_role.len() + session.settings.len() + OWN_SETTINGS),
            access_mode: session.access_mode,
            isolation: role_settings.and_then(|role| role.isolation),
            bound: Bound { duration: statement_timeout, cause: Cause::Host },
        };
        if let Some(declared) = role_settings.and_then(|role| role.statement_timeout) {
            orders.bound = Bound { duration: declared, cause: Cause::Declared };
        }
        orders
            .settings
            .extend(of_role.iter().map(|(name, value)| (name.as_str(), Cow::Borrowed(value.as_str()))));
        for (name, value) in &session.settings {
            orders.take(name, value, statement_timeout)?;
        }
        orders.settings.push(("role", Cow::Borrowed(principal.role().as_str())));
        orders.settings.push(("request.jwt.claims", Cow::Borrowed(principal.claims_json())));
        orders.settings.push(("application_name", Cow::Owned(format!("isobase/{request_id}"))));
        orders.bound_by(session.timeout);
        Ok(orders)
    }

    fn take(&mut self, name: &'a str, value: &'a str, host_timeout: Duration) -> Result<(), Error> {
        if name.eq_ignore_ascii_case("statement_timeout") {
            // A function's own declaration, which PostgREST lifts to its transaction: it replaces
            // the role's. Zero means "none" in Postgres; here the host's bound is left.
            let declared = parse_timeout(value).ok_or_else(|| {
                Error::Refused("the value of statement_timeout is not a duration".to_owned())
            })?;
            self.bound = if declared.is_zero() {
                Bound { duration: host_timeout, cause: Cause::Host }
            } else {
                Bound { duration: declared, cause: Cause::Declared }
            };
        } else if name.eq_ignore_ascii_case("transaction_isolation")
            || name.eq_ignore_ascii_case("default_transaction_isolation")
        {
            let level = Isolation::parse(value)
                .ok_or_else(|| Error::Refused(format!("the value of {name} is not an isolation level")))?;
            self.isolation = Some(level);
        } else {
            self.settings.push((name, Cow::Borrowed(value)));
        }
        Ok(())
    }

    fn bound_by(&mut self, timeout: Option<Duration>) {
        let shortest = Duration::from_millis(1);
        if let Some(timeout) = timeout.map(|timeout| timeout.max(shortest))
            && timeout < self.bound.duration
        {
            self.bound = Bound { duration: timeout, cause: Cause::Session };
        }
        // The host's own bound is what the connection began with; only others must be said.
        if self.bound.cause != Cause::Host {
            self.settings.push(("statement_timeout", statement_timeout_text(self.bound.duration).into()));
        }
    }
}

/// The statement that applies `count` settings, with names and values as its parameters: one
/// prepared statement per count. It answers one row without columns, so the values do not come
/// back. Everything is named with its schema, for it runs under whatever search path the
/// connection has.
///
/// Its condition guards the connection and is evaluated before the settings: a division by zero
/// ([`UNCLEAN`]) tells that an earlier caller left a role, or temporary objects, which would be
/// found before the project's own.
pub(super) fn envelope_sql(count: usize) -> String {
    let settings: Vec<String> = (0..count)
        .map(|index| format!("pg_catalog.set_config(${}, ${}, true)", index * 2 + 1, index * 2 + 2))
        .collect();
    format!("select from (select {}) as envelope where {GUARD}", settings.join(", "))
}

const GUARD: &str = "1 operator(pg_catalog.=) (1 operator(pg_catalog./) (\
    pg_catalog.pg_my_temp_schema() operator(pg_catalog.=) 0::pg_catalog.oid and \
    pg_catalog.current_setting('role') operator(pg_catalog.=) 'none')::pg_catalog.int4)";

/// SQLSTATE `division_by_zero`, which the guard raises.
pub(super) const UNCLEAN: &str = "22012";

#[cfg(test)]
mod tests {
    use super::{Isolation, envelope_sql};

    #[test]
    fn the_envelope_takes_names_and_values_as_parameters() {
        let sql = envelope_sql(2);
        assert!(
            sql.starts_with(
                "select from (select pg_catalog.set_config($1, $2, true), pg_catalog.set_config($3, $4, true)) as envelope where "
            ),
            "{sql}"
        );
    }

    #[test]
    fn isolation_levels_are_those_of_postgres() {
        assert_eq!(Isolation::parse("Repeatable Read"), Some(Isolation::RepeatableRead));
        assert_eq!(Isolation::parse("serializable; set role x"), None);
    }
}
