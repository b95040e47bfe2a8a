//! Headers that PostgREST does not send.

use serde::Deserialize;

use crate::plan::{Operation, Plan};
use crate::request::{Incoming, Parameters, Place};

use super::Head;

/// What the head's own object says.
#[derive(Debug, Default, Deserialize)]
struct Beyond {
    /// The place of a full page's last row.
    #[serde(default)]
    next: Option<Vec<Option<String>>>,
}

impl Beyond {
    fn read(head: &Head) -> Self {
        head.beyond.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }
}

/// The next page's link (RFC 8288): this request with another cursor. Only its query, which a client
/// resolves against the address it asked, whatever that is behind.
pub(super) fn next_page(plan: &Plan<'_>, incoming: &Incoming<'_>, head: &Head) -> Option<String> {
    let Operation::Read { tree, .. } = &plan.operation else { return None };
    let keyset = tree.additions.keyset.as_ref()?;
    let values = Beyond::read(head).next?;
    let token = Place { order: keyset.order.clone(), values }.encode();
    let kept = Parameters::pieces_without(incoming.query, "after").collect::<Vec<_>>().join("&");
    let separator = if kept.is_empty() { "" } else { "&" };
    let query = kept.replace('<', "%3C").replace('>', "%3E");
    Some(format!("<?{query}{separator}after={token}>; rel=\"next\""))
}
