//! Text of packages in 7 bits, where that changes nothing.
//!
//! V8 reads such text where it lies, for all isolates; of any other each isolate has a copy, twice as large.
//! Most of what is not 7 bits in packages is a dash or a quotation mark in a comment.

use std::ops::Range;
use std::sync::Arc;

use deno_ast::{ParsedSource, SourceRangedForSpanned as _, StartSourcePos};

use crate::imports::Import;

const STAND_IN: &str = "?";

/// `text`, which `parsed` was made of, with question marks in its comments for what is not 7 bits: as many as
/// UTF-16 has units for it, so that every line and column stays. `imports` are moved with their places.
pub(crate) fn with_plain_comments(parsed: &ParsedSource, text: Arc<str>, imports: &mut [Import]) -> Arc<str> {
    if text.is_ascii() {
        return text;
    }
    let comments = parsed.comments().get_vec();
    let ranges =
        comments.iter().map(|comment| comment.range().as_byte_range(StartSourcePos::START_SOURCE_POS));
    let mut ranges: Vec<Range<usize>> = ranges.filter(|range| !text[range.clone()].is_ascii()).collect();
    ranges.sort_unstable_by_key(|range| range.start);
    let mut plain = String::with_capacity(text.len());
    // Where a stretch of the text began, and where it begins now.
    let mut moves = vec![(0, 0)];
    let mut from = 0;
    for range in ranges {
        if range.start < from {
            continue;
        }
        plain.push_str(&text[from..range.start]);
        for char in text[range.clone()].chars() {
            match char {
                // They end lines, which may matter to the code around the comment.
                '\u{2028}' | '\u{2029}' => plain.push('\n'),
                _ if char.is_ascii() => plain.push(char),
                _ => plain.push_str(&STAND_IN.repeat(char.len_utf16())),
            }
        }
        from = range.end;
        moves.push((from, plain.len()));
    }
    plain.push_str(&text[from..]);
    let moved = |at: usize| {
        let (was, is) = moves[moves.partition_point(|(was, _)| *was <= at) - 1];
        is + (at - was)
    };
    for import in imports {
        for range in [Some(&mut import.range), import.attributes.as_mut()].into_iter().flatten() {
            *range = moved(range.start)..moved(range.end);
        }
    }
    plain.into()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use deno_ast::MediaType;

    use super::with_plain_comments;
    use crate::imports::all_imports;
    use crate::transpile::parse;

    #[test]
    fn comments_are_plain_and_nothing_moves() {
        let text = "/* — and 🙂 */ import 'a'; // ü\nexport default 'ü'; /* \u{2028} */ import 'b';\n";
        let parsed = parse("file:///a.js", text.into(), MediaType::Mjs).unwrap();
        let mut imports = all_imports(&parsed).imports;
        let plain = with_plain_comments(&parsed, Arc::from(text), &mut imports);
        assert_eq!(&*plain, "/* ? and ?? */ import 'a'; // ?\nexport default 'ü'; /* \n */ import 'b';\n");
        let found: Vec<_> = imports.iter().map(|import| &plain[import.range.clone()]).collect();
        assert_eq!(found, ["'a'", "'b'"]);
    }
}
