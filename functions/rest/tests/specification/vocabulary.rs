//! The words that SQL is made of. A request chooses among them; it never adds one.

use std::collections::BTreeSet;

/// All keywords, functions and constants of `sql`. Quoted identifiers, parameters and numbers are none,
/// and neither are the names of casts, which requests may choose.
pub(super) fn words(sql: &str) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        rest = match first {
            '"' => quoted(rest, '"', false).1,
            '\'' => {
                let (constant, rest) = quoted(rest, '\'', false);
                words.insert(constant.to_owned());
                rest
            }
            'E' if rest[1..].starts_with('\'') => {
                let (constant, rest) = quoted(&rest[1..], '\'', true);
                words.insert(constant.to_owned());
                rest
            }
            '$' => rest[1..].trim_start_matches(|digit: char| digit.is_ascii_digit()),
            _ if is_word(first) => {
                let end = rest.find(|found| !is_word(found)).unwrap_or(rest.len());
                let (word, after) = rest.split_at(end);
                if !word.bytes().all(|byte| byte.is_ascii_digit()) {
                    words.insert(word.to_owned());
                }
                if word == "AS" { past_cast(after) } else { after }
            }
            _ => &rest[first.len_utf8()..],
        };
    }
    words
}

fn is_word(found: char) -> bool {
    found.is_alphanumeric() || found == '_'
}

/// What follows the name of a type in `CAST(value AS type)`.
fn past_cast(after: &str) -> &str {
    let is_name = |found: char| is_word(found) || matches!(found, ' ' | '$');
    let end = after.trim_start_matches(is_name);
    if end.starts_with(')') { end } else { after }
}

/// What stands between two of `quote`, both included, and the rest.
fn quoted(text: &str, quote: char, escaped: bool) -> (&str, &str) {
    let mut found = text.char_indices().skip(1).peekable();
    while let Some((place, character)) = found.next() {
        if escaped && character == '\\' {
            found.next();
        } else if character == quote && found.next_if(|(_, next)| *next == quote).is_none() {
            return text.split_at(place + 1);
        }
    }
    panic!("a quote is not closed: {text}");
}

#[test]
fn values_and_names_are_no_words() {
    let sql = r#"SELECT CAST("a""b" AS any thing), 'it''s', E'\\\'', $12 FROM "x"."y" LIMIT 5"#;
    let words = words(sql).into_iter().collect::<Vec<_>>();
    assert_eq!(words, ["'\\\\\\''", "'it''s'", "AS", "CAST", "FROM", "LIMIT", "SELECT"]);
}
