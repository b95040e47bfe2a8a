//! Errors of scripts as text: the stack in terms of the function's own files, with the offending
//! line where it is known.

use std::fmt::Write as _;

use deno_core::error::{CoreError, CoreErrorKind, JsError};
use deno_core::v8;

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
