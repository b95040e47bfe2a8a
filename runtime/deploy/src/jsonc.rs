//! JSON with comments and trailing commas, as in `deno.json`: both are blanked out, so that
//! positions in what remains are those of the file.

use serde_json::Value;

/// Parses `text`; the error names line and column.
pub(crate) fn parse(text: &str) -> Result<Value, String> {
    serde_json::from_str(&plain(text)).map_err(|error| error.to_string())
}

fn plain(text: &str) -> String {
    let mut bytes = text.trim_start_matches('\u{feff}').as_bytes().to_vec();
    let mut at = 0;
    let mut last_comma = None;
    while at < bytes.len() {
        match (bytes[at], bytes.get(at + 1)) {
            (b'"', _) => {
                at = string_end(&bytes, at);
                last_comma = None;
                continue;
            }
            (b'/', Some(b'/')) => {
                let end = find(&bytes, at, b"\n").unwrap_or(bytes.len());
                blank(&mut bytes[at..end]);
                at = end;
                continue;
            }
            (b'/', Some(b'*')) => {
                let end = find(&bytes, at + 2, b"*/").map_or(bytes.len(), |end| end + 2);
                blank(&mut bytes[at..end]);
                at = end;
                continue;
            }
            (b',', _) => last_comma = Some(at),
            (b'}' | b']', _) => {
                if let Some(comma) = last_comma.take() {
                    bytes[comma] = b' ';
                }
            }
            (byte, _) if byte.is_ascii_whitespace() => {}
            _ => last_comma = None,
        }
        at += 1;
    }
    // Only whole characters inside comments became blanks, so this is UTF-8 still.
    String::from_utf8(bytes).unwrap_or_default()
}

fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn find(bytes: &[u8], from: usize, needle: &[u8]) -> Option<usize> {
    let at = bytes.get(from..)?.windows(needle.len()).position(|window| window == needle)?;
    Some(from + at)
}

fn blank(bytes: &mut [u8]) {
    for byte in bytes {
        if *byte != b'\n' {
            *byte = b' ';
        }
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn comments_and_trailing_commas_are_no_errors() {
        for (text, expected) in [
            ("{\"a\": 1, // é one\n /* two, */ \"b\": [1, 2,],\n}", r#"{"a":1,"b":[1,2]}"#),
            (r#"{"url": "https://a//b /* c */,}"}"#, r#"{"url":"https://a//b /* c */,}"}"#),
            (r#"{"q": "\"//"}"#, r#"{"q":"\"//"}"#),
            ("[]", "[]"),
        ] {
            assert_eq!(parse(text).unwrap().to_string(), expected, "{text}");
        }
        assert_eq!(parse("{\n  \"a\" 1 }").unwrap_err(), "expected `:` at line 2 column 7");
        for bad in ["", "{,}x", "[1,,2]", "/*", "\"\\"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
