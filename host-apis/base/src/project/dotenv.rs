//! The dotenv format: `NAME=value` lines as godotenv, which the Supabase CLI uses, reads them.
//!
//! - `#` begins a comment, at the start of a line or after white space behind an unquoted value;
//! - `export ` before a name is ignored; `NAME: value` is accepted too;
//! - `'single quotes'` take everything as it is; `"double quotes"` know `\n \r \t \" \\ \$`; both
//!   may span lines;
//! - `$NAME` and `${NAME}` in unquoted and double-quoted values stand for names set above in the
//!   same file; unknown ones are empty.

use std::collections::BTreeMap;

use crate::limits::{DOTENV_BYTES_MAX, DOTENV_VALUE_BYTES_MAX};

/// A line that is not of the format. Never shows the value, which may be a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct DotenvError {
    /// 1-based.
    pub line: usize,
    pub problem: &'static str,
}

/// Parses the text of a dotenv file. A name that occurs twice has its last value.
pub fn parse_dotenv(text: &str) -> Result<BTreeMap<String, String>, DotenvError> {
    if text.len() > DOTENV_BYTES_MAX {
        return Err(DotenvError { line: 1, problem: "the file is too large for a dotenv file" });
    }
    let mut scanner = Scanner { rest: text.strip_prefix('\u{feff}').unwrap_or(text), line: 1 };
    let mut variables = BTreeMap::new();
    while scanner.skip_blank_and_comments() {
        let line = scanner.line;
        let (name, value) = scanner.assignment(&variables)?;
        if value.len() > DOTENV_VALUE_BYTES_MAX {
            return Err(DotenvError { line, problem: "the value is too long" });
        }
        variables.insert(name, value);
    }
    Ok(variables)
}

struct Scanner<'a> {
    rest: &'a str,
    line: usize,
}

impl<'a> Scanner<'a> {
    /// Stops before the next assignment; `false` at the end of the text.
    fn skip_blank_and_comments(&mut self) -> bool {
        loop {
            let trimmed = self.rest.trim_start();
            self.advance(self.rest.len() - trimmed.len());
            if !self.rest.starts_with('#') {
                return !self.rest.is_empty();
            }
            self.advance(self.rest.find('\n').unwrap_or(self.rest.len()));
        }
    }

    fn assignment(&mut self, known: &BTreeMap<String, String>) -> Result<(String, String), DotenvError> {
        let end = self.rest.find('\n').unwrap_or(self.rest.len());
        let Some(sign) = self.rest[..end].find(['=', ':']) else {
            return Err(self.fault("expected NAME=value"));
        };
        let name = self.rest[..sign].trim();
        let name = name.strip_prefix("export ").map_or(name, str::trim_start);
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.';
        if name.is_empty() || !name.bytes().all(is_name) || name.as_bytes()[0].is_ascii_digit() {
            return Err(self.fault("a name has letters, digits and '_', and does not start with a digit"));
        }
        let name = name.to_owned();
        self.advance(sign + 1);
        let blank = self.rest.len() - self.rest.trim_start_matches([' ', '\t']).len();
        self.advance(blank);
        let value = match self.rest.chars().next() {
            Some(quote @ ('"' | '\'')) => self.quoted(quote, known)?,
            _ => self.unquoted(known),
        };
        Ok((name, value))
    }

    fn quoted(&mut self, quote: char, known: &BTreeMap<String, String>) -> Result<String, DotenvError> {
        let body = &self.rest[1..];
        let mut escaped = false;
        let end = body.char_indices().find(|&(_, char)| {
            let closes = char == quote && !escaped;
            escaped = char == '\\' && !escaped && quote == '"';
            closes
        });
        let Some((end, _)) = end else {
            return Err(self.fault("the quoted value does not end"));
        };
        let raw = &body[..end];
        let value = if quote == '"' { expand(raw, known, Escapes::Known) } else { raw.to_owned() };
        self.advance(end + 2);
        let tail_end = self.rest.find('\n').unwrap_or(self.rest.len());
        let tail = self.rest[..tail_end].trim();
        if !tail.is_empty() && !tail.starts_with('#') {
            return Err(self.fault("expected the end of the line after the closing quote"));
        }
        self.advance(tail_end);
        Ok(value)
    }

    fn unquoted(&mut self, known: &BTreeMap<String, String>) -> String {
        let end = self.rest.find('\n').unwrap_or(self.rest.len());
        let line = &self.rest[..end];
        let comment = line
            .char_indices()
            .find(|&(at, char)| char == '#' && (at == 0 || line[..at].ends_with([' ', '\t'])))
            .map_or(line.len(), |(at, _)| at);
        let value = expand(line[..comment].trim(), known, Escapes::None);
        self.advance(end);
        value
    }

    fn advance(&mut self, bytes: usize) {
        let (passed, rest): (&str, &'a str) = self.rest.split_at(bytes);
        self.line += passed.matches('\n').count();
        self.rest = rest;
    }

    fn fault(&self, problem: &'static str) -> DotenvError {
        DotenvError { line: self.line, problem }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Escapes {
    None,
    Known,
}

/// Replaces escapes and `$NAME`, `${NAME}`.
fn expand(raw: &str, known: &BTreeMap<String, String>, escapes: Escapes) -> String {
    let mut value = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = rest.find(['\\', '$']) {
        value.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(tail) = rest.strip_prefix('\\') {
            let next = tail.chars().next();
            match (escapes, next) {
                (_, Some('$')) => value.push('$'),
                (Escapes::Known, Some('n')) => value.push('\n'),
                (Escapes::Known, Some('r')) => value.push('\r'),
                (Escapes::Known, Some('t')) => value.push('\t'),
                (Escapes::Known, Some(char)) => value.push(char),
                (Escapes::None, Some(char)) => value.extend(['\\', char]),
                (_, None) => value.push('\\'),
            }
            rest = &tail[next.map_or(0, char::len_utf8)..];
        } else if let Some((name, after)) = reference(rest) {
            value.push_str(known.get(name).map_or("", String::as_str));
            rest = after;
        } else {
            value.push('$');
            rest = &rest[1..];
        }
    }
    value.push_str(rest);
    value
}

/// Splits `$NAME…` or `${NAME}…` into the name and what follows.
fn reference(text: &str) -> Option<(&str, &str)> {
    let body = text.strip_prefix('$')?;
    if let Some(braced) = body.strip_prefix('{') {
        return braced.split_once('}');
    }
    let is_name = |char: char| char.is_ascii_alphanumeric() || char == '_';
    let end = body.find(|char| !is_name(char)).unwrap_or(body.len());
    (end > 0 && !body.as_bytes()[0].is_ascii_digit()).then(|| body.split_at(end))
}

#[cfg(test)]
mod tests {
    use super::parse_dotenv;
    use expect_test::{Expect, expect};

    fn check(text: &str, expected: Expect) {
        expected.assert_eq(&match parse_dotenv(text) {
            Ok(variables) => variables.iter().map(|(name, value)| format!("{name}={value:?}\n")).collect(),
            Err(error) => format!("{error}\n"),
        });
    }

    #[test]
    fn plain_values_comments_and_export() {
        check(
            "\u{feff}# heading\r\nA=1\r\n  export B = two words  # why\nC=a#b\nD=\n\nE: yaml\nURL=http://h:1/?a=b",
            expect![[r#"
                A="1"
                B="two words"
                C="a#b"
                D=""
                E="yaml"
                URL="http://h:1/?a=b"
            "#]],
        );
    }

    #[test]
    fn quotes_escapes_and_lines() {
        check(
            "A='raw \\n $X # no'\nB=\"x\\ty\\\"z\\\\\" # c\nKEY=\"-----BEGIN-----\nabc\n-----END-----\"\nNEXT=1\nM='a\nb'",
            expect![[r#"
                A="raw \\n $X # no"
                B="x\ty\"z\\"
                KEY="-----BEGIN-----\nabc\n-----END-----"
                M="a\nb"
                NEXT="1"
            "#]],
        );
    }

    #[test]
    fn names_set_above_are_expanded() {
        check(
            "HOST=h\nURL=http://${HOST}:$PORT/\nPRICE=\\$5 $ 3\nQUOTED=\"$HOST!\"",
            expect![[r#"
                HOST="h"
                PRICE="$5 $ 3"
                QUOTED="h!"
                URL="http://h:/"
            "#]],
        );
    }

    #[test]
    fn faults_name_the_line_and_never_the_value() {
        check("A=1\nnonsense", expect!["line 2: expected NAME=value\n"]);
        check("A=1\nB=\"open\nC=2", expect!["line 2: the quoted value does not end\n"]);
        check("\n\nA='x' y", expect!["line 3: expected the end of the line after the closing quote\n"]);
        check(
            "1A=x",
            expect!["line 1: a name has letters, digits and '_', and does not start with a digit\n"],
        );
    }
}
