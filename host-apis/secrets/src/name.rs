//! What a secret may be called and how long its value may be.

use std::fmt;

use isobase_base::limits::{SECRET_NAME_BYTES_MAX, SECRET_VALUE_UNITS_MAX};

/// The host gives functions variables of its own under such names.
const RESERVED_PREFIX: &str = "SUPABASE_";

/// The name of a variable that users may set.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecretName(String);

/// A name or a value that cannot be a secret's. Shows the name, never the value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSecret {
    #[error("a secret needs a name")]
    Nameless,
    #[error("the name of a secret has at most {SECRET_NAME_BYTES_MAX} bytes")]
    NameTooLong,
    #[error("secret name {0:?} holds '=', white space or a control character")]
    Name(String),
    #[error("secret name {0} is reserved: names that start with SUPABASE_ are the host's")]
    Reserved(String),
    #[error("the value of secret {0} has more than {SECRET_VALUE_UNITS_MAX} characters")]
    ValueTooLong(SecretName),
    #[error("the value of secret {0} holds a zero byte")]
    Value(SecretName),
}

impl SecretName {
    pub fn parse(name: &str) -> Result<Self, InvalidSecret> {
        let is_bad =
            |character: char| character == '=' || character.is_whitespace() || character.is_control();
        if name.is_empty() {
            Err(InvalidSecret::Nameless)
        } else if name.len() > SECRET_NAME_BYTES_MAX {
            Err(InvalidSecret::NameTooLong)
        } else if name.contains(is_bad) {
            Err(InvalidSecret::Name(name.to_owned()))
        } else if name.starts_with(RESERVED_PREFIX) {
            Err(InvalidSecret::Reserved(name.to_owned()))
        } else {
            Ok(Self(name.to_owned()))
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether `value` may be the value of `name`.
pub fn check_value(name: &SecretName, value: &str) -> Result<(), InvalidSecret> {
    if value.contains('\0') {
        return Err(InvalidSecret::Value(name.clone()));
    }
    // Whatever the text, it has no more UTF-16 units than bytes.
    let may_be_too_long = value.len() > SECRET_VALUE_UNITS_MAX;
    if may_be_too_long && value.encode_utf16().count() > SECRET_VALUE_UNITS_MAX {
        return Err(InvalidSecret::ValueTooLong(name.clone()));
    }
    Ok(())
}

impl fmt::Display for SecretName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for SecretName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SecretName({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use isobase_base::limits::{SECRET_NAME_BYTES_MAX, SECRET_VALUE_UNITS_MAX};

    use super::{InvalidSecret, SecretName, check_value};

    #[test]
    fn names_that_a_variable_can_have_and_that_are_not_the_hosts() {
        for good in ["API_KEY", "lower.case", "Ключ", "9LIVES", "SUPABASEURL"] {
            assert!(SecretName::parse(good).is_ok(), "{good}");
        }
        let long = "x".repeat(SECRET_NAME_BYTES_MAX + 1);
        for bad in ["", "A=B", "A B", "A\n", "A\0", "SUPABASE_URL", &long] {
            assert!(SecretName::parse(bad).is_err(), "{bad:?}");
        }
        assert!(SecretName::parse(&long[1..]).is_ok());
    }

    #[test]
    fn values_are_measured_as_scripts_see_them_and_never_shown() {
        let name = SecretName::parse("KEY").unwrap();
        // Two units each, three and four bytes.
        for (character, units) in [("x", 1), ("ж", 1), ("€", 1), ("🔑", 2)] {
            let fits = SECRET_VALUE_UNITS_MAX / units;
            assert_eq!(check_value(&name, &character.repeat(fits)), Ok(()), "{character}");
            let error = check_value(&name, &character.repeat(fits + 1)).unwrap_err();
            assert_eq!(error, InvalidSecret::ValueTooLong(name.clone()));
            assert!(!error.to_string().contains(character) || character == "x");
        }
        assert_eq!(check_value(&name, "a\0b"), Err(InvalidSecret::Value(name)));
    }
}
