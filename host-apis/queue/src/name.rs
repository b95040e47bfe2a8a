//! A queue's name, checked, and the table it stands for.

use isobase_base::limits::QUEUE_NAME_BYTES_MAX;
use isobase_database::Error;

/// pgmq's rules: its tables are in lower case whatever the queue is called.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct QueueName(String);

impl QueueName {
    /// # Errors
    /// Where pgmq would refuse the name too.
    pub fn parse(name: &str) -> Result<Self, Error> {
        let is_forbidden = name.contains(['$', ';', '\'', '\0']) || name.contains("--");
        if name.is_empty() || name.len() > QUEUE_NAME_BYTES_MAX || is_forbidden {
            let shown: String = name.chars().take(64).collect();
            return Err(Error::Refused(format!(
                "{shown:?} is no name of a queue: 1 to {QUEUE_NAME_BYTES_MAX} bytes without $ ; ' and --"
            )));
        }
        Ok(Self(name.to_lowercase()))
    }

    /// As SQL writes it.
    pub fn table(&self) -> String {
        self.with_prefix('q')
    }

    /// The table of what is kept and no longer read.
    pub fn archive(&self) -> String {
        self.with_prefix('a')
    }

    fn with_prefix(&self, prefix: char) -> String {
        format!("pgmq.\"{prefix}_{}\"", self.0.replace('"', "\"\""))
    }
}

#[cfg(test)]
mod tests {
    use super::QueueName;

    #[test]
    fn names_are_those_of_pgmq() {
        assert_eq!(QueueName::parse("Mails").unwrap().table(), r#"pgmq."q_mails""#);
        assert_eq!(QueueName::parse("a\" b").unwrap().archive(), r#"pgmq."a_a"" b""#);
        for bad in ["", "a;b", "a--b", "a$b", "a'b", "a\0b", &"x".repeat(48)] {
            assert!(QueueName::parse(bad).is_err(), "{bad:?}");
        }
    }
}
