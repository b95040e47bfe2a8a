//! Paths made unambiguous before anything is decided by them.
//!
//! A route is chosen by the path's first segments and its key check with it. So no path may mean
//! one thing here and another to the function behind: what could be read in two ways is refused,
//! and runs of slashes are merged (the Envoy set-up of self-hosted Supabase does the same).

use std::borrow::Cow;

/// A path that could be read in more than one way. Answered with 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ambiguous;

/// Checks the path of a request target and merges its slashes.
///
/// Refused are: dot segments, plain or escaped, with or without a `;` parameter; escaped slashes
/// and backslashes; backslashes; control characters, plain or escaped; malformed escapes; and
/// targets that are no path (`*`).
pub(crate) fn normalise(path: &str) -> Result<Cow<'_, str>, Ambiguous> {
    if !path.starts_with('/') {
        return Err(Ambiguous);
    }
    let (mut is_escaped, mut has_dot, mut has_empty_segment) = (false, false, false);
    let mut previous = 0;
    for byte in path.bytes() {
        match byte {
            b'%' => is_escaped = true,
            b'.' => has_dot = true,
            b'/' if previous == b'/' => has_empty_segment = true,
            b'\\' | 0..=0x1f | 0x7f => return Err(Ambiguous),
            _ => {}
        }
        previous = byte;
    }
    if is_escaped {
        check_escapes(path.as_bytes())?;
    }
    if (is_escaped || has_dot) && path.split('/').any(is_dot_segment) {
        return Err(Ambiguous);
    }
    Ok(if has_empty_segment { Cow::Owned(merge_slashes(path)) } else { Cow::Borrowed(path) })
}

fn check_escapes(path: &[u8]) -> Result<(), Ambiguous> {
    for (at, _) in path.iter().enumerate().filter(|(_, byte)| **byte == b'%') {
        match escaped(&path[at..]) {
            None | Some(b'/' | b'\\' | 0..=0x1f | 0x7f) => return Err(Ambiguous),
            Some(_) => {}
        }
    }
    Ok(())
}

/// The byte behind an escape `%xx` at the start of `text`.
fn escaped(text: &[u8]) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let (high, low) = (digit(*text.get(1)?)?, digit(*text.get(2)?)?);
    u8::try_from(high << 4 | low).ok()
}

/// `.` or `..`, however written, with or without a parameter as in `..;v=1`.
fn is_dot_segment(segment: &str) -> bool {
    let mut rest = segment.split(';').next().unwrap_or_default().as_bytes();
    let mut dots = 0;
    while !rest.is_empty() {
        let length = if rest[0] == b'.' {
            1
        } else if rest[0] == b'%' && escaped(rest) == Some(b'.') {
            3
        } else {
            return false;
        };
        dots += 1;
        rest = &rest[length..];
    }
    matches!(dots, 1 | 2)
}

fn merge_slashes(path: &str) -> String {
    let mut merged = String::with_capacity(path.len());
    for character in path.chars() {
        if !(character == '/' && merged.ends_with('/')) {
            merged.push(character);
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::{Ambiguous, normalise};

    #[test]
    fn plain_paths_stay_as_they_are() {
        for path in
            ["/", "/rest/v1/todos", "/functions/v1/a/b.c/...", "/a/%20%C3%A9/x;y=1", "/.well-known/x", "/a/é"]
        {
            assert_eq!(normalise(path).as_deref(), Ok(path));
        }
    }

    #[test]
    fn slashes_are_merged() {
        assert_eq!(normalise("//rest///v1//").as_deref(), Ok("/rest/v1/"));
    }

    #[test]
    fn ambiguous_paths_are_refused() {
        for path in [
            "",
            "*",
            "rest",
            "/a/../b",
            "/a/..",
            "/./a",
            "/a/%2e%2E/b",
            "/a/.%2e/b",
            "/a/%2e",
            "/a/..;x/b",
            "/a/.;/b",
            "/a%2fb",
            "/a%2Fb",
            "/a%5cb",
            "/a\\b",
            "/a%00b",
            "/a\0b",
            "/a%0ab",
            "/a\nb",
            "/a%7f",
            "/a%",
            "/a%2",
            "/a%zz",
            "//../b",
        ] {
            assert_eq!(normalise(path), Err(Ambiguous), "{path}");
        }
    }
}
