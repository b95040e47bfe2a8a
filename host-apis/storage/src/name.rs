//! What objects may be called.

use isobase_base::limits::STORAGE_NAME_BYTES_MAX;

use crate::{Code, Error};

/// Any UTF-8 up to the bound, without control characters and without an empty beginning. Upstream takes
/// some of ASCII only; the name never becomes a path, so more does no harm. `.` and `..` are refused
/// between slashes, because clients put names into URLs, where they would vanish.
pub(crate) fn check(name: &str) -> Result<(), Error> {
    let is_good = !name.is_empty()
        && name.len() <= STORAGE_NAME_BYTES_MAX
        && !name.starts_with('/')
        && !name.chars().any(char::is_control)
        && !name.split('/').any(|part| part == "." || part == "..");
    if is_good {
        Ok(())
    } else {
        let shown: String = name.chars().filter(|char| !char.is_control()).take(100).collect();
        Err(Error::new(Code::InvalidKey, format!("Invalid key: {shown}")))
    }
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn names_are_text_of_some_length() {
        for good in ["a", "folder/a.png", "ünïcödé/日本.txt", "a b(1)[2]#%.txt", "..a/b..", "a/"] {
            assert!(check(good).is_ok(), "{good}");
        }
        let long = "x".repeat(1025);
        for bad in ["", "/a", "a\0b", "a\nb", "../a", "a/./b", "a/..", long.as_str()] {
            assert!(check(bad).is_err(), "{bad:?}");
        }
    }
}
