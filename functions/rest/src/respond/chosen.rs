//! Headers and status that SQL code chose by `set_config('response.…')`.

use serde_json::Value;

use crate::problem::Problem;

use super::{Answer, Head};

/// Lays what `head` carries over `answer`: a chosen header replaces one of ours.
pub(crate) fn apply(mut answer: Answer, head: &Head) -> Result<Answer, Problem> {
    if let Some(status) = &head.status {
        let digits = status.bytes().take_while(u8::is_ascii_digit).count();
        let status = status[..digits].parse().ok().filter(|status| (100..=999).contains(status));
        answer.status = status.ok_or_else(Problem::response_status)?;
    }
    if let Some(headers) = &head.headers {
        let chosen = parse(headers).ok_or_else(Problem::response_headers)?;
        answer.headers.retain(|(name, _)| !chosen.iter().any(|(other, _)| other.eq_ignore_ascii_case(name)));
        answer.headers.extend(chosen);
    }
    Ok(answer)
}

/// An array of objects with one text member each.
fn parse(text: &str) -> Option<Vec<(String, String)>> {
    let Ok(Value::Array(items)) = serde_json::from_str(text) else { return None };
    items
        .into_iter()
        .map(|item| match item {
            Value::Object(object) if object.len() == 1 => match object.into_iter().next()? {
                (name, Value::String(value)) => Some((name, value)),
                _ => None,
            },
            _ => None,
        })
        .collect()
}
