//! A character cursor with PostgREST's error texts.
//!
//! Clients and test suites compare the `message` and `details` of PGRST100, which come out of a
//! Haskell combinator library (Parsec). The cursor keeps the same books as that library: what was
//! expected and found at the furthest position since a character was last consumed. Recording costs
//! a push into a reused vector; text is made only when parsing has failed.

/// Parsing failed; the cursor knows where and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Miss;

pub(crate) type Parsed<T> = Result<T, Miss>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Note {
    /// A character that fits nothing; `None` is the end of the text.
    Found(Option<char>),
    /// A character that a look-ahead forbids.
    Forbidden(char),
    /// What would have fitted: a description.
    Wanted(&'static str),
    /// What would have fitted: a literal, shown in quotes.
    WantedText(&'static str),
}

pub(crate) struct Cursor<'q> {
    text: &'q str,
    at: usize,
    notes: Vec<(usize, Note)>,
    /// Columns before the text that explanations count.
    offset: usize,
    /// Notes below this index belong to what an [`Self::attempt`] may come back to.
    floor: usize,
}

impl<'q> Cursor<'q> {
    pub(crate) fn new(text: &'q str) -> Self {
        Self { text, at: 0, notes: Vec::new(), offset: 0, floor: 0 }
    }

    /// A cursor over `text` that explains itself as if `before` stood in front of it.
    pub(crate) fn after(before: &'static str, text: &'q str) -> Self {
        Self { offset: before.len(), ..Self::new(text) }
    }

    pub(crate) fn at(&self) -> usize {
        self.at
    }

    pub(crate) fn rest(&self) -> &'q str {
        &self.text[self.at..]
    }

    /// The text from `start` to here.
    pub(crate) fn since(&self, start: usize) -> &'q str {
        &self.text[start..self.at]
    }

    pub(crate) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn consume(&mut self, bytes: usize) {
        self.at += bytes;
        self.notes.truncate(self.floor);
    }

    fn note(&mut self, note: Note) {
        self.notes.push((self.at, note));
    }

    /// One character that `fits`. Leaves no description of what was wanted.
    pub(crate) fn satisfy(&mut self, fits: impl FnOnce(char) -> bool) -> Parsed<char> {
        match self.peek() {
            Some(found) if fits(found) => {
                self.consume(found.len_utf8());
                Ok(found)
            }
            found => {
                self.note(Note::Found(found));
                Err(Miss)
            }
        }
    }

    /// As [`Self::satisfy`], described as `wanted` when nothing fits.
    pub(crate) fn one_of(&mut self, wanted: &'static str, fits: impl FnOnce(char) -> bool) -> Parsed<char> {
        let parsed = self.satisfy(fits);
        if parsed.is_err() {
            self.note(Note::Wanted(wanted));
        }
        parsed
    }

    /// Exactly `literal`; consumes nothing otherwise.
    pub(crate) fn literal(&mut self, literal: &'static str) -> Parsed<()> {
        let mut rest = self.rest().chars();
        for expected in literal.chars() {
            let found = rest.next();
            if found != Some(expected) {
                self.note(Note::Found(found));
                self.note(Note::WantedText(literal));
                return Err(Miss);
            }
        }
        self.consume(literal.len());
        Ok(())
    }

    /// Whether `literal` comes next; notes it as wanted when it does not.
    pub(crate) fn sees(&mut self, literal: &'static str) -> bool {
        if self.rest().starts_with(literal) {
            return true;
        }
        let found = mismatch(self.rest(), literal);
        self.note(Note::Found(found));
        self.note(Note::WantedText(literal));
        false
    }

    /// Any number of characters that fit.
    pub(crate) fn take_while(&mut self, fits: impl Fn(char) -> bool) -> &'q str {
        let rest = self.rest();
        let length = rest.find(|found| !fits(found)).unwrap_or(rest.len());
        if length > 0 {
            self.consume(length);
        }
        self.note(Note::Found(self.peek()));
        &rest[..length]
    }

    /// The end of the text.
    pub(crate) fn end(&mut self) -> Parsed<()> {
        match self.peek() {
            None => Ok(()),
            Some(found) => {
                self.note(Note::Forbidden(found));
                self.note(Note::Wanted("end of input"));
                Err(Miss)
            }
        }
    }

    /// Fails when a character that `forbidden` accepts comes next. `shown` is how that character is
    /// written in a later list of what was wanted, a quirk that PostgREST's texts have.
    pub(crate) fn not_followed_by(
        &mut self,
        shown: Option<&'static str>,
        forbidden: impl FnOnce(char) -> bool,
    ) -> Parsed<()> {
        match self.peek() {
            Some(found) if forbidden(found) => {
                self.notes.push((self.at + found.len_utf8(), Note::Forbidden(found)));
                Err(Miss)
            }
            found => {
                self.note(Note::Found(found));
                if let Some(shown) = shown {
                    self.note(Note::WantedText(shown));
                }
                Ok(())
            }
        }
    }

    /// Runs `parse`; a failure consumes nothing, and what was wanted before it is still wanted.
    pub(crate) fn attempt<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        let (start, outer_floor, floor) = (self.at, self.floor, self.notes.len());
        self.floor = floor;
        let parsed = parse(self);
        self.floor = outer_floor;
        if parsed.is_err() {
            self.at = start;
        } else if self.at != start {
            self.notes.drain(outer_floor..floor);
        }
        parsed
    }

    /// `second` where `first` failed without consuming.
    pub(crate) fn either<T>(
        &mut self,
        first: impl FnOnce(&mut Self) -> Parsed<T>,
        second: impl FnOnce(&mut Self) -> Parsed<T>,
    ) -> Parsed<T> {
        let start = self.at;
        match first(self) {
            Err(Miss) if self.at == start => second(self),
            parsed => parsed,
        }
    }

    /// Nothing where `parse` failed without consuming.
    pub(crate) fn optional<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<Option<T>> {
        let start = self.at;
        match parse(self) {
            Ok(value) => Ok(Some(value)),
            Err(Miss) if self.at == start => Ok(None),
            Err(Miss) => Err(Miss),
        }
    }

    /// Describes what `parse` wants as `wanted`, where it consumes nothing.
    pub(crate) fn described<T>(
        &mut self,
        wanted: &'static str,
        parse: impl FnOnce(&mut Self) -> Parsed<T>,
    ) -> Parsed<T> {
        let (start, mark) = (self.at, self.notes.len());
        let parsed = parse(self);
        if self.at != start {
            return parsed;
        }
        let furthest = self.notes[mark..].iter().map(|(at, _)| *at).max();
        if let Some(furthest) = furthest {
            let mut index = 0;
            self.notes.retain(|(at, note)| {
                index += 1;
                index <= mark || (*at == furthest && !matches!(note, Note::Wanted(_) | Note::WantedText(_)))
            });
            self.notes.push((furthest, Note::Wanted(wanted)));
        }
        parsed
    }

    pub(crate) fn skip_spaces(&mut self) {
        self.take_while(|found| found == ' ' || found == '\t');
    }

    /// `parse` between optional blanks.
    pub(crate) fn lexeme<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        self.skip_spaces();
        let parsed = parse(self)?;
        self.skip_spaces();
        Ok(parsed)
    }

    /// What went wrong, as `(line, column)` and the sentence of PostgREST's `details`.
    pub(crate) fn explain(&self) -> (usize, usize, String) {
        let furthest = self.notes.iter().map(|(at, _)| *at).max().unwrap_or(self.at);
        let (line, column) = position(&self.text[..furthest], self.offset);
        (line, column, sentence(self.notes.iter().filter(|(at, _)| *at == furthest).map(|(_, note)| *note)))
    }
}

fn mismatch(text: &str, literal: &str) -> Option<char> {
    let mut found = text.chars();
    literal.chars().find_map(|expected| {
        let next = found.next();
        (next != Some(expected)).then_some(next)
    })?
}

/// 1-based; a tab goes to the next multiple of eight, as Parsec counts.
fn position(before: &str, offset: usize) -> (usize, usize) {
    before.chars().fold((1, 1 + offset), |(line, column), found| match found {
        '\n' => (line + 1, 1),
        '\t' => (line, column + 8 - (column - 1) % 8),
        _ => (line, column + 1),
    })
}

fn sentence(notes: impl Iterator<Item = Note>) -> String {
    let (mut found, mut forbidden, mut wanted) = (None, Vec::new(), Vec::<String>::new());
    for note in notes {
        match note {
            Note::Found(character) => found = found.or(Some(character)),
            Note::Forbidden(character) => {
                let shown = format!("'{}'", shown(character, '\''));
                if !forbidden.contains(&shown) {
                    forbidden.push(shown);
                }
            }
            Note::Wanted(_) | Note::WantedText(_) => {
                let text = match note {
                    Note::WantedText(literal) => {
                        format!("\"{}\"", literal.chars().map(|found| shown(found, '"')).collect::<String>())
                    }
                    Note::Wanted(text) => text.to_owned(),
                    Note::Found(_) | Note::Forbidden(_) => continue,
                };
                if !wanted.contains(&text) {
                    wanted.push(text);
                }
            }
        }
    }
    let unexpected = match (forbidden.is_empty(), found) {
        (false, _) => Some(enumerated(&forbidden)),
        (true, Some(Some(character))) => Some(format!("\"{}\"", shown(character, '"'))),
        (true, Some(None)) => Some("end of input".to_owned()),
        (true, None) => None,
    };
    match (unexpected, wanted.is_empty()) {
        (Some(unexpected), false) => format!("unexpected {unexpected} expecting {}", enumerated(&wanted)),
        (Some(unexpected), true) => format!("unexpected {unexpected}"),
        (None, false) => format!("expecting {}", enumerated(&wanted)),
        (None, true) => "unknown parse error".to_owned(),
    }
}

/// `a, b or c`.
fn enumerated(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [only] => only.clone(),
        [init @ .., last] => format!("{} or {last}", init.join(", ")),
    }
}

/// A character as Haskell's `show` writes it inside `quote`s.
fn shown(found: char, quote: char) -> String {
    match found {
        '\\' => "\\\\".to_owned(),
        '\n' => "\\n".to_owned(),
        '\t' => "\\t".to_owned(),
        '\r' => "\\r".to_owned(),
        _ if found == quote => format!("\\{found}"),
        ' '..='~' => found.to_string(),
        _ => format!("\\{}", found as u32),
    }
}
