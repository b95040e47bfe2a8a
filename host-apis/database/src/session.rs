//! As whom and how a statement runs, and which settings a guest may ask for.

use std::time::Duration;

use isobase_base::limits::{DATABASE_SETTINGS_BYTES_MAX, DATABASE_SETTINGS_MAX};

use crate::Error;

/// The circumstances of one transaction. The default is the caller, reading and writing.
#[derive(Clone, Debug, Default)]
pub struct Session {
    pub identity: Identity,
    pub access_mode: AccessMode,
    /// Settings of the transaction, as by `set_config(name, value, true)`, in this order.
    pub settings: Vec<(String, String)>,
    /// Longest run of one statement. The host's own bound and the role's apply too.
    pub timeout: Option<Duration>,
}

/// Whom the host acts as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Identity {
    /// The principal of the request.
    #[default]
    Caller,
    /// `service_role`, where the function's manifest grants it.
    Service,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AccessMode {
    #[default]
    ReadWrite,
    /// Writes fail with SQLSTATE 25006.
    ReadOnly,
}

/// Settings that only the host may set, because they decide who the session is or how its bytes
/// are read.
const RESERVED: [&str; 7] = [
    "role",
    "session_authorization",
    "is_superuser",
    "client_encoding",
    "transaction_read_only",
    "transaction_deferrable",
    "idle_in_transaction_session_timeout",
];
/// Row level security reads the caller here.
const CLAIMS_PREFIX: &str = "request.jwt";
/// Longest name of a setting, in bytes.
const NAME_BYTES_MAX: usize = 128;

/// Checks all settings of `session` before anything is sent.
pub(crate) fn check_settings(session: &Session) -> Result<(), Error> {
    if session.settings.len() > DATABASE_SETTINGS_MAX {
        return Err(Error::Refused(format!("a session takes at most {DATABASE_SETTINGS_MAX} settings")));
    }
    let mut bytes = 0;
    for (name, value) in &session.settings {
        check_setting(name, value)?;
        bytes += name.len() + value.len();
    }
    if bytes > DATABASE_SETTINGS_BYTES_MAX {
        return Err(Error::Refused(format!(
            "the settings of a session are longer than {DATABASE_SETTINGS_BYTES_MAX} bytes"
        )));
    }
    Ok(())
}

fn check_setting(name: &str, value: &str) -> Result<(), Error> {
    if !is_setting_name(name) {
        let shown: String = name.chars().take(64).collect();
        return Err(Error::Refused(format!("{shown:?} is not the name of a setting")));
    }
    let is = |reserved: &str| name.eq_ignore_ascii_case(reserved);
    let of_claims =
        name.get(..CLAIMS_PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(CLAIMS_PREFIX));
    if of_claims || RESERVED.iter().any(|reserved| is(reserved)) {
        return Err(Error::Refused(format!("setting {name} is the host's own")));
    }
    if value.contains('\0') {
        return Err(Error::Refused(format!("the value of setting {name} holds a zero byte")));
    }
    Ok(())
}

/// Identifiers joined by dots: what Postgres takes as the name of a setting.
fn is_setting_name(name: &str) -> bool {
    let is_identifier = |part: &str| {
        let mut bytes = part.bytes();
        bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
            && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$')
    };
    name.len() <= NAME_BYTES_MAX && name.split('.').all(is_identifier)
}

#[cfg(test)]
mod tests {
    use super::{Session, check_settings};

    fn check(name: &str, value: &str) -> Result<(), String> {
        let settings = vec![(name.to_owned(), value.to_owned())];
        check_settings(&Session { settings, ..Session::default() }).map_err(|error| error.to_string())
    }

    #[test]
    fn ordinary_settings_pass() {
        for name in ["search_path", "request.headers", "app.settings.jwt_exp", "TimeZone", "request.method"] {
            assert_eq!(check(name, "x"), Ok(()), "{name}");
        }
    }

    #[test]
    fn settings_that_name_the_caller_are_refused() {
        for name in [
            "role",
            "ROLE",
            "session_authorization",
            "request.jwt.claims",
            "Request.JWT.claim.sub",
            "request.jwt",
            "client_encoding",
            "transaction_read_only",
        ] {
            assert_eq!(check(name, "x"), Err(format!("setting {name} is the host's own")));
        }
    }

    #[test]
    fn names_must_be_shaped_like_names() {
        for name in ["", "a b", "a;b", "a'", "1a", "a..b", ".a", "a.", "é", "role "] {
            assert!(check(name, "x").unwrap_err().ends_with("is not the name of a setting"), "{name}");
        }
        assert!(check("app.x", "a\0b").is_err());
    }

    #[test]
    fn settings_are_bounded_in_number_and_size() {
        let many = vec![("app.x".to_owned(), String::new()); 49];
        assert!(check_settings(&Session { settings: many, ..Session::default() }).is_err());
        assert!(check("app.x", &"x".repeat(300_000)).is_err());
    }
}
