//! The sender's own name for an event: the same whenever it is sent again.

use serde_json::Value;

use crate::scheme::Scheme;

/// Longest id that is taken; a longer one is something else.
const ID_BYTES_MAX: usize = 255;

/// `None` where there is none. Only for webhooks that are genuine: the body is the sender's.
pub(crate) fn of<'h>(
    scheme: &Scheme,
    header: &impl Fn(&str) -> Option<&'h str>,
    body: &[u8],
) -> Option<String> {
    let id = match scheme {
        Scheme::Stripe => member(body, "id"),
        // Commands and interactions of Slack have none; they are never sent again.
        Scheme::Slack => member(body, "event_id"),
        Scheme::GitHub => header("x-github-delivery").map(str::to_owned),
        Scheme::Standard => header("webhook-id").or_else(|| header("svix-id")).map(str::to_owned),
        // Not signed by any rule of its own, but the commonest name for one.
        Scheme::Plain(_) => header("idempotency-key").map(str::to_owned),
    };
    id.filter(|id| !id.is_empty() && id.len() <= ID_BYTES_MAX)
}

fn member(body: &[u8], name: &str) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    body.get(name)?.as_str().map(str::to_owned)
}
