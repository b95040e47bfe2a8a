//! What is wrong with a source, where, in the form compilers use: message, `file:line:column`, the
//! line with a mark under the spot and two lines around it, and how the file was reached.

use std::fmt;

use isobase_base::code_frame::{LINE_CHARS_MAX, LINES_AROUND, Spot, code_frame, cut_line};
use isobase_base::{Failure, FailureKind};
use isobase_packages::PackagesError;
use serde::{Deserialize, Serialize};

/// A source that does not build.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Position {
    /// As shown to people: relative to the project.
    pub(crate) file: String,
    /// 1-based.
    pub(crate) line: usize,
    /// 1-based, in characters.
    pub(crate) column: usize,
    /// The text of that line, as far as it is shown.
    pub(crate) text: String,
    /// Lines before it and after it, likewise.
    pub(crate) before: Vec<String>,
    pub(crate) after: Vec<String>,
    /// How many characters are marked; at least one.
    pub(crate) width: usize,
}

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
        let mut before: Vec<_> = text[..line_start].lines().rev().take(LINES_AROUND).map(shown).collect();
        before.reverse();
        let rest = text[line_end..].strip_prefix('\n').unwrap_or_default();
        let after = rest.lines().take(LINES_AROUND).map(shown).collect();
        let text = shown(&text[line_start..line_end]);
        Self { file, line, column: column + 1, text, width, before, after }
    }

    /// The lines as compilers show them.
    fn frame(&self) -> String {
        let lines: Vec<&String> = self.before.iter().chain([&self.text]).chain(&self.after).collect();
        let spot = Spot { line: self.line, column: self.column, width: self.width };
        code_frame(self.line - self.before.len(), &lines, spot)
    }
}

fn shown(line: &str) -> String {
    cut_line(line).to_owned()
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
                formatter.write_str(&at.frame())?;
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
            1 | import a from "./a.ts";
            2 | 	import b from "npm:b";
              | 	              ^^^^^^^
              imported by functions/_shared/a.ts
              imported by functions/f/index.ts
              hint: copy it"#]]
        .assert_eq(&fault.to_string());
    }

    #[test]
    fn two_lines_stand_on_each_side_and_no_more() {
        let text = "one\n\nthree\n\nfive\n  six(;\nseven\n\n  \nten\neleven\n";
        let at = |line: usize| text.lines().take(line - 1).map(|line| line.len() + 1).sum::<usize>();
        let frame = |line: usize| {
            let fault = SourceFault::new("Expression expected");
            fault.at(Position::of("f.ts".into(), text, at(line)..at(line) + 1)).to_string()
        };
        let wide = "x".repeat(200);
        let wide = format!("{wide}\nlet = 1;\n{wide}");
        let cut = SourceFault::new("m").at(Position::of("f.ts".into(), &wide, 205..206)).to_string();
        expect![[r#"
            Expression expected
              at f.ts:1:1
            1 | one
              | ^
            2 |
            3 | three
            Expression expected
              at f.ts:9:1
             7 | seven
             8 |
             9 |
               | ^
            10 | ten
            11 | eleven
            Expression expected
              at f.ts:11:1
             9 |
            10 | ten
            11 | eleven
               | ^"#]]
        .assert_eq(&[frame(1), frame(9), frame(11)].join("\n"));
        assert!(cut.lines().all(|line| line.len() < 170), "{cut}");
        assert!(cut.contains("\n2 | let = 1;\n  |     ^\n3 | xxx"), "{cut}");
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
