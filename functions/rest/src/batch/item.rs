//! One request of a batch, as the client wrote it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::reference::{NAMES_MAX, Values, in_body};

/// `{"method": "POST", "path": "/todos?select=id", "headers": {…}, "body": …}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Item<'b> {
    #[serde(borrow)]
    pub(super) method: Cow<'b, str>,
    /// Below the API's root, with the query.
    #[serde(borrow)]
    pub(super) path: Cow<'b, str>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(borrow, default)]
    body: Option<&'b RawValue>,
    /// Names for values of earlier results.
    #[serde(default)]
    pub(super) with: BTreeMap<String, String>,
}

/// What an item says about itself. All else is the batch's: SQL code trusts what it reads of a
/// request's headers, and a gateway has seen only those.
const HEADERS: [&str; 7] =
    ["accept", "content-type", "if-match", "if-none-match", "prefer", "range", "range-unit"];
/// Preferences that are about the transaction.
const OF_THE_BATCH: [&str; 3] = ["isolation=", "timezone=", "tx="];

/// Whether a body of this type stands in a batch as it is.
pub(super) fn is_json(media: &str) -> bool {
    let essence = media.split(';').next().unwrap_or("").trim();
    essence == "application/json" || essence.ends_with("+json")
}

impl Item<'_> {
    /// Whether it promises to change nothing.
    pub(super) fn is_safe(&self) -> bool {
        matches!(self.method.as_ref(), "GET" | "HEAD" | "OPTIONS")
    }

    /// What is wrong with it in itself.
    pub(super) fn check(&self) -> Result<(), String> {
        if !matches!(self.method.as_ref(), "GET" | "HEAD" | "OPTIONS" | "POST" | "PUT" | "PATCH" | "DELETE") {
            return Err(format!("{:?} is not a method of an item", self.method));
        }
        let resource = self.path.split('?').next().unwrap_or("");
        if !resource.starts_with('/') || resource == "/" {
            return Err(format!("{:?} is not the path of a relation or function", self.path));
        }
        if self.with.len() > NAMES_MAX {
            return Err(format!("an item may name {NAMES_MAX} values of others"));
        }
        for (name, value) in &self.headers {
            let name = name.to_ascii_lowercase();
            if !HEADERS.contains(&name.as_str()) {
                return Err(format!("the header {name} belongs to the batch, not to an item"));
            }
            let preferences = value.split(',').map(str::trim);
            let of_the_batch =
                |preference: &str| OF_THE_BATCH.iter().any(|prefix| preference.starts_with(prefix));
            if name == "prefer" && preferences.clone().any(of_the_batch) {
                return Err("isolation, timezone and tx are preferences of the batch".to_owned());
            }
        }
        Ok(())
    }

    /// In lower case, with the schema of the batch.
    pub(super) fn headers(&self, schema: &str) -> Vec<(String, Vec<u8>)> {
        let own = self.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.as_str()));
        let profile = ["accept-profile", "content-profile"].map(|name| (name.to_owned(), schema));
        own.chain(profile).map(|(name, value)| (name, value.as_bytes().to_vec())).collect()
    }

    /// The body's text: JSON as it stands; of another type it is in a JSON text.
    pub(super) fn body(&self, values: &Values) -> Result<Cow<'_, str>, String> {
        let Some(body) = self.body else { return Ok(Cow::Borrowed("")) };
        let content = self.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        if content.is_none_or(|(_, media)| is_json(media)) {
            return Ok(in_body(body.get(), values));
        }
        serde_json::from_str(body.get())
            .map(Cow::Owned)
            .map_err(|_| "a body that is not JSON must be given as a text".to_owned())
    }
}
