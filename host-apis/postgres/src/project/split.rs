//! Cuts SQL text into statements, at the semicolons that end one.
//!
//! Follows Postgres' lexical rules: strings (`'…'`, `E'…'` with backslashes), quoted names,
//! dollar quotes, line comments, nested block comments, parentheses (in which `create rule` has
//! semicolons), and the bodies of `create function … begin atomic … end`. The pieces put together
//! are the text again, byte for byte.

/// A statement with all that stands before it since the last one, its semicolon included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece<'a> {
    pub(super) text: &'a str,
    /// Where it begins in the whole, in bytes.
    pub(super) start: usize,
    /// Whether there is anything but blanks, comments and the semicolon. Postgres does not count
    /// other pieces as statements.
    pub(super) is_statement: bool,
}

impl<'a> Piece<'a> {
    /// As the CLI records it: without the semicolon and the blanks around.
    pub(super) fn trimmed(&self) -> &'a str {
        self.text.trim_end_matches(';').trim()
    }
}

pub(super) fn split(sql: &str) -> Vec<Piece<'_>> {
    let mut scanner = Scanner { bytes: sql.as_bytes(), at: 0 };
    let mut pieces = Vec::new();
    while scanner.at < sql.len() {
        let start = scanner.at;
        let is_statement = scanner.statement();
        pieces.push(Piece { text: &sql[start..scanner.at], start, is_statement });
    }
    pieces
}

/// Bytes of blanks and comments at the beginning of `sql`.
pub(super) fn lead(sql: &str) -> usize {
    let mut scanner = Scanner { bytes: sql.as_bytes(), at: 0 };
    while scanner.blank() {}
    scanner.at
}

struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// Where in one statement the scanner is.
#[derive(Default)]
struct State {
    has_tokens: bool,
    parentheses: usize,
    /// Open `begin atomic`, and `case`s in it: each ends with `end`.
    blocks: usize,
    /// Words seen so far, up to the four that tell `create or replace function`.
    words: Vec<String>,
    previous_is_begin: bool,
}

impl Scanner<'_> {
    /// Moves past the end of one statement; tells whether it has any token.
    fn statement(&mut self) -> bool {
        let mut state = State::default();
        while let Some(byte) = self.peek(0) {
            match byte {
                b';' if state.parentheses == 0 && state.blocks == 0 => {
                    self.at += 1;
                    return state.has_tokens;
                }
                _ if self.blank() => {}
                _ => {
                    state.has_tokens = true;
                    self.token(byte, &mut state);
                }
            }
        }
        state.has_tokens
    }

    /// Moves past one blank or comment, if there is one.
    fn blank(&mut self) -> bool {
        match (self.peek(0), self.peek(1)) {
            (Some(b'-'), Some(b'-')) => self.line_comment(),
            (Some(b'/'), Some(b'*')) => self.block_comment(),
            (Some(byte), _) if byte.is_ascii_whitespace() || byte == 0x0b => self.at += 1,
            _ => return false,
        }
        true
    }

    fn token(&mut self, byte: u8, state: &mut State) {
        let mut begins = false;
        match byte {
            b'\'' => self.quoted(b'\'', false),
            b'"' => self.quoted(b'"', false),
            b'$' => self.dollar(),
            b'(' => {
                state.parentheses += 1;
                self.at += 1;
            }
            b')' => {
                state.parentheses = state.parentheses.saturating_sub(1);
                self.at += 1;
            }
            _ if starts_word(byte) => begins = self.word(state),
            // A whole number at once: the letters of `1e5` are no word.
            _ if byte.is_ascii_digit() => {
                self.skip_while(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            }
            _ => self.at += 1,
        }
        state.previous_is_begin = begins;
    }

    /// A name or keyword; tells whether it is `begin`.
    fn word(&mut self, state: &mut State) -> bool {
        let start = self.at;
        self.skip_while(continues_word);
        let word = &self.bytes[start..self.at];
        if word.eq_ignore_ascii_case(b"e") && self.peek(0) == Some(b'\'') {
            self.quoted(b'\'', true);
            return false;
        }
        if state.parentheses == 0 && state.makes_routine() {
            let opens = (word.eq_ignore_ascii_case(b"atomic") && state.previous_is_begin)
                || (state.blocks > 0 && word.eq_ignore_ascii_case(b"case"));
            if opens {
                state.blocks += 1;
            } else if state.blocks > 0 && word.eq_ignore_ascii_case(b"end") {
                state.blocks -= 1;
            }
        }
        if state.words.len() < 4 {
            state.words.push(String::from_utf8_lossy(word).to_ascii_lowercase());
        }
        word.eq_ignore_ascii_case(b"begin")
    }

    /// From an opening quote past the closing one. A doubled quote needs no care: it closes and
    /// opens again.
    fn quoted(&mut self, quote: u8, backslashes: bool) {
        self.at += 1;
        while let Some(byte) = self.peek(0) {
            self.at += 1;
            if byte == quote {
                return;
            }
            if byte == b'\\' && backslashes {
                self.at = (self.at + 1).min(self.bytes.len());
            }
        }
    }

    /// `$tag$ … $tag$`, or a `$` of something else, such as a parameter.
    fn dollar(&mut self) {
        let tag_end = self.bytes[self.at + 1..]
            .iter()
            .position(|byte| !(continues_word(*byte) && *byte != b'$'))
            .map(|length| self.at + 1 + length);
        let starts_well = self.peek(1).is_some_and(|byte| byte == b'$' || starts_word(byte));
        let Some(end) = tag_end.filter(|end| starts_well && self.bytes[*end] == b'$') else {
            self.at += 1;
            return;
        };
        let tag = &self.bytes[self.at..=end];
        let body = end + 1;
        let found = self.bytes[body..].windows(tag.len()).position(|window| window == tag);
        self.at = found.map_or(self.bytes.len(), |length| body + length + tag.len());
    }

    fn line_comment(&mut self) {
        self.skip_while(|byte| byte != b'\n' && byte != b'\r');
    }

    fn block_comment(&mut self) {
        let mut depth = 0_usize;
        while self.at < self.bytes.len() {
            match (self.peek(0), self.peek(1)) {
                (Some(b'/'), Some(b'*')) => {
                    depth += 1;
                    self.at += 2;
                }
                (Some(b'*'), Some(b'/')) => {
                    depth -= 1;
                    self.at += 2;
                    if depth == 0 {
                        return;
                    }
                }
                _ => self.at += 1,
            }
        }
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.bytes.get(self.at + ahead).copied()
    }

    fn skip_while(&mut self, belongs: impl Fn(u8) -> bool) {
        while self.peek(0).is_some_and(&belongs) {
            self.at += 1;
        }
    }
}

impl State {
    /// Whether the statement is `create [or replace] function` or `procedure`.
    fn makes_routine(&self) -> bool {
        let words: Vec<&str> = self.words.iter().map(String::as_str).collect();
        matches!(
            words.as_slice(),
            ["create", "function" | "procedure", ..]
                | ["create", "or", "replace", "function" | "procedure", ..]
        )
    }
}

/// Letters, `_`, and every byte of a character beyond ASCII.
fn starts_word(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

fn continues_word(byte: u8) -> bool {
    starts_word(byte) || byte.is_ascii_digit() || byte == b'$'
}

#[cfg(test)]
mod tests;
