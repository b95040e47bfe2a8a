//! What `ALTER ROLE … SET …` says for the roles that requests act as.
//!
//! Postgres applies these at log-in only, and requests switch roles without logging in; so they are
//! read and applied per transaction, as PostgREST does with its impersonated roles. Read when the
//! database is opened and again whenever channel `pgrst` is notified.

use std::collections::HashMap;
use std::time::Duration;

use crate::connection::{Connection, Isolation, Trouble};
use crate::timeout::parse_timeout;

/// Settings of one role.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct RoleSettings {
    pub(crate) settings: Vec<(String, String)>,
    /// `statement_timeout`; zero, which lifts the limit in Postgres, counts as none.
    pub(crate) statement_timeout: Option<Duration>,
    /// `default_transaction_isolation`.
    pub(crate) isolation: Option<Isolation>,
}

/// By role name; roles without settings are absent.
pub(crate) type RoleSettingsByName = HashMap<String, RoleSettings>;

/// Settings of all roles that the log-in role may switch to, without those that it may not set and
/// without the data API's own (`pgrst.*`).
const ROLE_SETTINGS_SQL: &str = "
select role.rolname, entry.name, entry.value
from pg_catalog.pg_roles role
cross join lateral (
    select split_part(item, '=', 1) as name, substr(item, strpos(item, '=') + 1) as value
    from unnest(role.rolconfig) item
) entry
where role.rolname <> current_user
  and pg_has_role(current_user, role.oid, 'member')
  and entry.name not like 'pgrst.%'
  and (
    strpos(entry.name, '.') > 0
    or exists (
        select from pg_catalog.pg_settings setting
        where setting.name = lower(entry.name)
          and (setting.context = 'user' or has_parameter_privilege(current_user, setting.name, 'set'))
    )
  )
order by role.rolname, entry.name";

pub(crate) async fn read(connection: &mut Connection) -> Result<RoleSettingsByName, Trouble> {
    let mut by_name = RoleSettingsByName::new();
    for row in connection.fetch(ROLE_SETTINGS_SQL).await? {
        let [Some(role), Some(name), Some(value)] = &row[..] else { continue };
        by_name.entry(role.clone()).or_default().take(name, value);
    }
    Ok(by_name)
}

impl RoleSettings {
    fn take(&mut self, name: &str, value: &str) {
        match name.to_ascii_lowercase().as_str() {
            "statement_timeout" => {
                self.statement_timeout = parse_timeout(value).filter(|timeout| !timeout.is_zero());
            }
            "default_transaction_isolation" => self.isolation = Isolation::parse(value),
            // Who the session is and how its bytes are read is the host's to say.
            "role" | "client_encoding" | "default_transaction_read_only" => {}
            _ => self.settings.push((name.to_owned(), value.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::RoleSettings;
    use crate::connection::Isolation;
    use std::time::Duration;

    #[test]
    fn limits_and_isolation_are_kept_apart_from_plain_settings() {
        let mut role = RoleSettings::default();
        for (name, value) in [
            ("statement_timeout", "3s"),
            ("default_transaction_isolation", "repeatable read"),
            ("search_path", "\"$user\", public"),
            ("client_encoding", "LATIN1"),
        ] {
            role.take(name, value);
        }
        assert_eq!(
            role,
            RoleSettings {
                settings: vec![("search_path".to_owned(), "\"$user\", public".to_owned())],
                statement_timeout: Some(Duration::from_secs(3)),
                isolation: Some(Isolation::RepeatableRead),
            }
        );
    }
}
