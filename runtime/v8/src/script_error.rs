//! Errors of scripts as text: the stack in terms of the function's own files, with the offending
//! line where it is known.

use std::fmt::Write as _;

use deno_core::error::{CoreError, CoreErrorKind, JsError};
use deno_core::v8;
use isobase_base::code_frame::{LINE_CHARS_MAX, LINES_AROUND, Spot, code_frame};

/// Longest text kept of one error, in bytes; guests can throw megabytes.
const TEXT_BYTES_MAX: usize = 16 * 1024;

/// What `thrown` says, with its stack if it has one.
pub(crate) fn describe<'s>(scope: &mut v8::PinScope<'s, '_>, thrown: v8::Local<'s, v8::Value>) -> String {
    if let Ok(text) = v8::Local::<v8::String>::try_from(thrown) {
        return cut(text.to_rust_string_lossy(scope));
    }
    of_script(&JsError::from_v8_exception(scope, thrown))
}

/// An error that ended the loading or the event loop.
pub(crate) fn of_core(error: &CoreError) -> String {
    match error.as_kind() {
        CoreErrorKind::Js(error) => of_script(error),
        _ => cut(error.print_with_cause()),
    }
}

/// Whether it tells of an `await` at the top level of a module that waits while nothing else is under way. V8's
/// own words are all there is to know it by; a test tells when they change.
pub(crate) fn is_stalled(error: &CoreError) -> bool {
    let CoreErrorKind::Js(error) = error.as_kind() else { return false };
    error.exception_message.contains("Top-level await promise never resolved")
}

/// An error that kept a function from starting. `line_of` gives a line of a source by its number from zero,
/// so that the lines around the offending one are shown with it.
pub(crate) fn of_boot(error: &CoreError, line_of: impl Fn(&str, usize) -> Option<String>) -> String {
    let CoreErrorKind::Js(error) = error.as_kind() else { return of_core(error) };
    let frame = error.source_line_frame_index.and_then(|index| error.frames.get(index));
    let shown = error.source_line.as_ref().zip(frame).and_then(|(_, frame)| {
        let number = |at: Option<i64>| usize::try_from(at?).ok().filter(|number| *number > 0);
        let file = frame.file_name.as_deref()?;
        lines_around(number(frame.line_number)?, number(frame.column_number)?, |line| line_of(file, line))
    });
    match shown {
        Some(lines) => cut(format!("{error}{lines}")),
        None => of_script(error),
    }
}

/// Lines from one, columns likewise. `None` where the line itself is not to be had, or too long to show.
fn lines_around(line: usize, column: usize, line_of: impl Fn(usize) -> Option<String>) -> Option<String> {
    let first = line.saturating_sub(LINES_AROUND).max(1);
    let lines: Vec<String> = (first..=line + LINES_AROUND).map_while(|number| line_of(number - 1)).collect();
    let is_there = first + lines.len() > line && column <= LINE_CHARS_MAX;
    is_there.then(|| code_frame(first, &lines, Spot { line, column, width: 1 }))
}

fn of_script(error: &JsError) -> String {
    let mut text = error.to_string();
    if let Some(line) = &error.source_line {
        let frame = error.source_line_frame_index.and_then(|index| error.frames.get(index));
        let column = frame.and_then(|frame| frame.column_number).unwrap_or(1).max(1) as usize;
        let indent: String =
            line.chars().take(column - 1).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
        // Writing to a string cannot fail.
        let _ = write!(text, "\n\n  {line}\n  {indent}^");
    }
    if let Some(cause) = &error.cause {
        let _ = write!(text, "\ncaused by: {}", of_script(cause));
    }
    cut(text)
}

fn cut(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX));
    text
}

#[cfg(test)]
mod tests {
    use super::lines_around;

    #[test]
    fn two_lines_stand_on_each_side() {
        let source = "one\n\n\tthrow no;\nfour\nfive\nsix";
        let shown = |line, column| lines_around(line, column, |at| source.lines().nth(at).map(str::to_owned));
        assert_eq!(
            shown(3, 8).unwrap(),
            "\n1 | one\n2 |\n3 | \tthrow no;\n  | \t      ^\n4 | four\n5 | five"
        );
        assert_eq!(shown(6, 1).unwrap(), "\n4 | four\n5 | five\n6 | six\n  | ^");
        assert_eq!(shown(7, 1), None);
    }
}
