//! CSV bodies (RFC 4180) as the JSON that inserts understand.

use std::borrow::Cow;
use std::collections::BTreeSet;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CsvFault {
    Empty,
    Ragged,
    Quote,
}

impl CsvFault {
    /// PostgREST's text where clients know one.
    pub(crate) fn message(self) -> &'static str {
        match self {
            Self::Empty => "parse error (not enough input)",
            Self::Ragged => "All lines must have same number of fields",
            Self::Quote => "parse error (a quoted field is not closed)",
        }
    }
}

/// The first line names the columns. The bare word `NULL` is null; an empty field is an empty text.
///
/// Returns an array of objects and their keys.
pub(crate) fn to_json(text: &str) -> Result<(String, BTreeSet<Cow<'_, str>>), CsvFault> {
    let mut rest = text;
    let header = record(&mut rest)?.ok_or(CsvFault::Empty)?;
    let mut json = String::with_capacity(text.len() * 2 + 2);
    json.push('[');
    while let Some(fields) = record(&mut rest)? {
        if fields.len() < header.len() {
            return Err(CsvFault::Ragged);
        }
        json.push_str(if json.len() > 1 { ",{" } else { "{" });
        for (index, (name, value)) in header.iter().zip(&fields).enumerate() {
            if index > 0 {
                json.push(',');
            }
            push_text(&mut json, name);
            json.push(':');
            if value == "NULL" { json.push_str("null") } else { push_text(&mut json, value) }
        }
        json.push('}');
    }
    json.push(']');
    Ok((json, header.into_iter().collect()))
}

fn push_text(json: &mut String, text: &str) {
    json.push_str(&serde_json::Value::from(text).to_string());
}

/// The next line that is not empty.
fn record<'t>(rest: &mut &'t str) -> Result<Option<Vec<Cow<'t, str>>>, CsvFault> {
    *rest = rest.trim_start_matches(['\r', '\n']);
    if rest.is_empty() {
        return Ok(None);
    }
    let mut fields = Vec::new();
    loop {
        fields.push(field(rest)?);
        match rest.strip_prefix(',') {
            Some(more) => *rest = more,
            None => return Ok(Some(fields)),
        }
    }
}

fn field<'t>(rest: &mut &'t str) -> Result<Cow<'t, str>, CsvFault> {
    let Some(mut quoted) = rest.strip_prefix('"') else {
        let end = rest.find([',', '\r', '\n']).unwrap_or(rest.len());
        let (field, more) = rest.split_at(end);
        *rest = more;
        return Ok(Cow::Borrowed(field));
    };
    let mut value = Cow::Borrowed("");
    loop {
        let end = quoted.find('"').ok_or(CsvFault::Quote)?;
        value = if value.is_empty() { Cow::Borrowed(&quoted[..end]) } else { value + &quoted[..end] };
        quoted = &quoted[end + 1..];
        match quoted.strip_prefix('"') {
            Some(more) => {
                value += "\"";
                quoted = more;
            }
            None if quoted.is_empty() || quoted.starts_with([',', '\r', '\n']) => {
                *rest = quoted;
                return Ok(value);
            }
            None => return Err(CsvFault::Quote),
        }
    }
}
