//! Cursors of pages: where a page ended, in a text for URLs.
//!
//! A cursor is a JSON array in base64: the order it belongs to, then the values of that order's terms in
//! the last row, as texts or nulls. It holds nothing that its page has not shown, except for values of
//! order terms that were not selected, which its reader could select. It is no credential: the values
//! are parameters of the next request's statement like those of any filter.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// A place in an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// The order's terms, as [`super::OrderTerm::shown`] writes them.
    pub(crate) order: String,
    pub(crate) values: Vec<Option<String>>,
}

impl Place {
    pub(crate) fn encode(&self) -> String {
        URL_SAFE_NO_PAD.encode(serde_json::json!([self.order, self.values]).to_string())
    }

    pub(crate) fn decode(token: &str) -> Option<Self> {
        let json = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (order, values) = serde_json::from_slice(&json).ok()?;
        Some(Self { order, values })
    }
}
