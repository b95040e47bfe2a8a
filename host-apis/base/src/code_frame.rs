//! Lines of code around a spot, as compilers show them.

use std::fmt::Write as _;

/// Lines shown on each side of the one with the spot.
pub const LINES_AROUND: usize = 2;
/// Characters shown of a line: generated files have lines of megabytes.
pub const LINE_CHARS_MAX: usize = 160;

/// Where in a text, and how much of it, counted from one in lines and characters.
#[derive(Clone, Copy, Debug)]
pub struct Spot {
    pub line: usize,
    pub column: usize,
    pub width: usize,
}

/// Each of `lines` after a line break, with its number, and a mark beneath `spot`. The first of them has the
/// number `first`.
pub fn code_frame<T: AsRef<str>>(first: usize, lines: &[T], spot: Spot) -> String {
    let gutter = (first + lines.len()).saturating_sub(1).to_string().len();
    let mut text = String::new();
    for (number, line) in (first..).zip(lines) {
        let line = line.as_ref();
        let row = format!("\n{number:gutter$} | {}", cut_line(line));
        text.push_str(row.trim_end());
        if number == spot.line {
            // Tabs stay tabs, so that the mark stands under its spot.
            let lead = line.chars().take(spot.column.saturating_sub(1));
            let lead: String = lead.map(|char| if char == '\t' { '\t' } else { ' ' }).collect();
            write!(text, "\n{:gutter$} | {lead}{}", "", "^".repeat(spot.width))
                .expect("writing to a string cannot fail");
        }
    }
    text
}

/// As much of a line as is shown.
pub fn cut_line(line: &str) -> &str {
    let end = line.char_indices().nth(LINE_CHARS_MAX).map_or(line.len(), |(at, _)| at);
    line[..end].trim_end()
}
