//! What is wrong with a source, where, in the form compilers use: message, `file:line:column`, the
//! line with a mark under the spot, and how the file was reached.

use std::fmt;

use isobase_base::{Failure, FailureKind};
use isobase_packages::PackagesError;

/// A source that does not build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SourceFault {
    pub(crate) message: String,
    pub(crate) at: Option<Position>,
    /// Files from the entrypoint to the faulty one, as shown to people; empty when that is the
    /// entrypoint itself.
    pub(crate) chain: Vec<String>,
    pub(crate) hint: Option<String>,
    /// Whether it may go away with nothing changed: a registry could not be reached.
    pub(crate) may_pass: bool,
}

/// A place in a source file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    /// As shown to people: relative to the project.
    pub(crate) file: String,
    /// 1-based.
    pub(crate) line: usize,
    /// 1-based, in characters.
    pub(crate) column: usize,
    /// The text of that line.
    pub(crate) text: String,
    /// How many characters are marked; at least one.
    pub(crate) width: usize,
}

/// Longer source lines are cut: generated files have lines of megabytes.
const LINE_CHARS_MAX: usize = 160;

impl SourceFault {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), at: None, chain: Vec::new(), hint: None, may_pass: false }
    }

    pub(crate) fn at(mut self, position: Position) -> Self {
        self.at = Some(position);
        self
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn of_packages(error: &PackagesError) -> Self {
        Self { may_pass: error.may_pass(), ..Self::new(error.to_string()) }
    }

    /// What requests are answered with until the next good save.
    pub(crate) fn failure(&self) -> Failure {
        Failure::new(FailureKind::Boot, self.to_string())
    }
}

impl Position {
    /// The place of the bytes `range` of `text`.
    pub(crate) fn of(file: String, text: &str, range: std::ops::Range<usize>) -> Self {
        let start = floor_char(text, range.start);
        let end = floor_char(text, range.end.max(start));
        let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |newline| start + newline);
        let column = text[line_start..start].chars().count();
        let width = text[start..end.min(line_end).max(start)].chars().count().max(1);
        let line = text[..start].matches('\n').count() + 1;
        Self { file, line, column: column + 1, text: text[line_start..line_end].trim_end().to_owned(), width }
    }
}

fn floor_char(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

impl fmt::Display for SourceFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)?;
        if let Some(at) = &self.at {
            write!(formatter, "\n  at {}:{}:{}", at.file, at.line, at.column)?;
            if at.column + at.width <= LINE_CHARS_MAX {
                let gutter = at.line.to_string().len();
                let text: String = at.text.chars().take(LINE_CHARS_MAX).collect();
                write!(formatter, "\n{:gutter$} |", "")?;
                write!(formatter, "\n{} | {text}", at.line)?;
                // Tabs stay tabs, so that the mark stands under its spot.
                let lead = at.text.chars().take(at.column - 1);
                let lead: String = lead.map(|char| if char == '\t' { '\t' } else { ' ' }).collect();
                write!(formatter, "\n{:gutter$} | {lead}{}", "", "^".repeat(at.width))?;
            }
        }
        for file in self.chain.iter().rev() {
            write!(formatter, "\n  imported by {file}")?;
        }
        if let Some(hint) = &self.hint {
            write!(formatter, "\n  hint: {hint}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Position, SourceFault};
    use expect_test::expect;

    #[test]
    fn a_fault_shows_its_spot_and_its_way() {
        let text = "import a from \"./a.ts\";\n\timport b from \"npm:b\";\n";
        let start = text.find("\"npm").unwrap();
        let mut fault = SourceFault::new("`npm:` imports are not supported yet")
            .at(Position::of("functions/_shared/b.ts".into(), text, start..start + 7))
            .hint("copy it");
        fault.chain = vec!["functions/f/index.ts".into(), "functions/_shared/a.ts".into()];
        expect![[r#"
            `npm:` imports are not supported yet
              at functions/_shared/b.ts:2:16
              |
            2 | 	import b from "npm:b";
              | 	              ^^^^^^^
              imported by functions/_shared/a.ts
              imported by functions/f/index.ts
              hint: copy it"#]]
        .assert_eq(&fault.to_string());
    }

    #[test]
    fn positions_hold_at_the_edges() {
        let text = "é\nab";
        let position = |range| {
            let position = Position::of("f".into(), text, range);
            (position.line, position.column, position.width)
        };
        assert_eq!(position(0..0), (1, 1, 1));
        assert_eq!(position(1..3), (1, 1, 1), "inside of a character");
        assert_eq!(position(3..5), (2, 1, 2));
        assert_eq!(position(99..999), (2, 3, 1));
    }
}
