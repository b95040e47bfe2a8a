//! Media types of requests and responses, and what `Accept` asks for.

use std::borrow::Cow;

/// A media type the data API tells apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Media<'r> {
    Json,
    Csv,
    GeoJson,
    /// One JSON text per line. Not in PostgREST.
    Lines,
    PlainText,
    Xml,
    OpenApi,
    Form,
    OctetStream,
    Any,
    /// `application/vnd.pgrst.array+json;nulls=stripped`: an array whose objects leave nulls out.
    ArrayStripped,
    /// `application/vnd.pgrst.object+json`: exactly one row, as an object.
    Object {
        stripped: bool,
    },
    /// `application/vnd.pgrst.plan`: how the query would run.
    Plan(Cow<'r, str>),
    Other(Cow<'r, str>),
}

impl<'r> Media<'r> {
    /// Names are compared without case; parameters that mean nothing here are ignored.
    pub(crate) fn parse(text: Cow<'r, str>) -> Self {
        let essence = text.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
        let stripped = || parameter(&text, "nulls").is_some_and(|value| value == "stripped");
        match essence.as_str() {
            "application/json" => Self::Json,
            "application/geo+json" => Self::GeoJson,
            "text/csv" => Self::Csv,
            "application/x-ndjson" | "application/jsonl" => Self::Lines,
            "text/plain" => Self::PlainText,
            "text/xml" => Self::Xml,
            "application/openapi+json" => Self::OpenApi,
            "application/x-www-form-urlencoded" => Self::Form,
            "application/octet-stream" => Self::OctetStream,
            "application/vnd.pgrst.object+json" | "application/vnd.pgrst.object" => {
                Self::Object { stripped: stripped() }
            }
            "application/vnd.pgrst.array+json" | "application/vnd.pgrst.array" if stripped() => {
                Self::ArrayStripped
            }
            "application/vnd.pgrst.array+json" | "application/vnd.pgrst.array" => Self::Json,
            "application/vnd.pgrst.plan"
            | "application/vnd.pgrst.plan+text"
            | "application/vnd.pgrst.plan+json" => Self::Plan(text),
            "*/*" => Self::Any,
            _ => Self::Other(text),
        }
    }

    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Json => "application/json",
            Self::Csv => "text/csv",
            Self::GeoJson => "application/geo+json",
            Self::Lines => "application/x-ndjson",
            Self::PlainText => "text/plain",
            Self::Xml => "text/xml",
            Self::OpenApi => "application/openapi+json",
            Self::Form => "application/x-www-form-urlencoded",
            Self::OctetStream => "application/octet-stream",
            Self::Any => "*/*",
            Self::ArrayStripped => "application/vnd.pgrst.array+json;nulls=stripped",
            Self::Object { stripped: true } => "application/vnd.pgrst.object+json;nulls=stripped",
            Self::Object { stripped: false } => "application/vnd.pgrst.object+json",
            Self::Plan(text) | Self::Other(text) => text,
        }
    }

    /// The value of `Content-Type`.
    pub(crate) fn content_type(&self) -> String {
        match self {
            Self::OctetStream | Self::Other(_) => self.name().to_owned(),
            _ => format!("{}; charset=utf-8", self.name()),
        }
    }
}

/// A parameter of a media type, unquoted.
fn parameter<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    text.split(';').skip(1).find_map(|parameter| {
        let (key, value) = parameter.split_once('=')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"'))
    })
}

/// The media types of an `Accept` header, the most wanted first; a missing header wants anything.
///
/// Among equal `q`, one with more parameters comes before one with fewer, and wildcards come last
/// (RFC 9110 §12.5.1).
pub(crate) fn accepted(header: Option<&str>) -> Vec<Media<'_>> {
    let Some(header) = header else { return vec![Media::Any] };
    if !header.contains([',', ';', ' ']) {
        return vec![Media::parse(Cow::Borrowed(header))];
    }
    let mut ranked = header
        .split(',')
        .map(|item| {
            let item = item.replace(' ', "");
            let (name, quality) = match item.find(";q=") {
                Some(at) => {
                    let quality = item[at + 3..].split(';').next().unwrap_or("");
                    (item[..at].to_owned(), quality.parse().unwrap_or(1.0_f64))
                }
                None => (item, 1.0),
            };
            let parameters = name.matches(';').count() as i64 - name.matches('*').count() as i64;
            (quality, parameters, Media::parse(Cow::Owned(name)))
        })
        .collect::<Vec<_>>();
    ranked.sort_by(|one, two| two.0.total_cmp(&one.0).then(two.1.cmp(&one.1)));
    ranked.into_iter().map(|(_, _, media)| media).collect()
}
