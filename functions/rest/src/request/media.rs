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
    /// The description as OpenAPI 3.1. Not in PostgREST.
    OpenApiThree,
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
    Plan(Box<Explanation<'r>>),
    Other(Cow<'r, str>),
}

/// What is to be explained of a query, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Explanation<'r> {
    /// The form the answer would have.
    pub(crate) of: Media<'r>,
    /// JSON instead of lines of text.
    pub(crate) json: bool,
    /// Some of [`OPTIONS`], in that order.
    pub(crate) options: Vec<&'static str>,
}

/// What `EXPLAIN` can be asked for, as it spells them too.
const OPTIONS: [&str; 5] = ["analyze", "verbose", "settings", "buffers", "wal"];

/// Media types inside of media types before the rest is taken as one that nobody knows.
const DEPTH_MAX: usize = 4;

impl<'r> Media<'r> {
    /// Names are compared without case; parameters that mean nothing here are ignored.
    pub(crate) fn parse(text: Cow<'r, str>) -> Self {
        Self::parse_at(text, 0)
    }

    fn parse_at(text: Cow<'r, str>, depth: usize) -> Self {
        let essence = essence(&text).to_ascii_lowercase();
        let stripped = || parameter(&text, "nulls").is_some_and(|value| value == "stripped");
        match essence.as_str() {
            "application/json" => Self::Json,
            "application/geo+json" => Self::GeoJson,
            "text/csv" => Self::Csv,
            "application/x-ndjson" | "application/jsonl" => Self::Lines,
            "text/plain" => Self::PlainText,
            "text/xml" => Self::Xml,
            "application/openapi+json"
                if parameter(&text, "version").is_some_and(|version| version.starts_with('3')) =>
            {
                Self::OpenApiThree
            }
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
            "application/vnd.pgrst.plan" | "application/vnd.pgrst.plan+text" if depth < DEPTH_MAX => {
                Self::plan(&text, false, depth)
            }
            "application/vnd.pgrst.plan+json" if depth < DEPTH_MAX => Self::plan(&text, true, depth),
            "*/*" => Self::Any,
            _ => Self::Other(text),
        }
    }

    fn plan(text: &str, json: bool, depth: usize) -> Self {
        let of = parameter(text, "for").unwrap_or_else(|| "application/json".to_owned());
        let wanted = parameter(text, "options").unwrap_or_default();
        let options = OPTIONS.into_iter().filter(|option| wanted.split('|').any(|name| name == *option));
        Self::Plan(Box::new(Explanation {
            of: Self::parse_at(Cow::Owned(of), depth + 1),
            json,
            options: options.collect(),
        }))
    }

    /// In normal form.
    pub(crate) fn name(&self) -> Cow<'_, str> {
        Cow::Borrowed(match self {
            Self::Json => "application/json",
            Self::Csv => "text/csv",
            Self::GeoJson => "application/geo+json",
            Self::Lines => "application/x-ndjson",
            Self::PlainText => "text/plain",
            Self::Xml => "text/xml",
            Self::OpenApi => "application/openapi+json",
            Self::OpenApiThree => "application/openapi+json;version=3.1",
            Self::Form => "application/x-www-form-urlencoded",
            Self::OctetStream => "application/octet-stream",
            Self::Any => "*/*",
            Self::ArrayStripped => "application/vnd.pgrst.array+json;nulls=stripped",
            Self::Object { stripped: true } => "application/vnd.pgrst.object+json;nulls=stripped",
            Self::Object { stripped: false } => "application/vnd.pgrst.object+json",
            Self::Plan(explanation) => return Cow::Owned(explanation.name()),
            Self::Other(text) => text,
        })
    }

    /// The value of `Content-Type`.
    pub(crate) fn content_type(&self) -> String {
        match self {
            Self::OctetStream | Self::Other(_) => self.name().into_owned(),
            _ => format!("{}; charset=utf-8", self.name()),
        }
    }

    /// Whether both are the same type; parameters of types that nobody knows do not count.
    pub(crate) fn is_same(&self, other: &Media<'_>) -> bool {
        match (self, other) {
            (Self::Other(one), Media::Other(two)) => essence(one).eq_ignore_ascii_case(essence(two)),
            (one, two) => one == two,
        }
    }
}

impl Explanation<'_> {
    fn name(&self) -> String {
        let format = if self.json { "json" } else { "text" };
        let name = format!("application/vnd.pgrst.plan+{format}; for=\"{}\"", self.of.name());
        if self.options.is_empty() { name } else { format!("{name}; options={}", self.options.join("|")) }
    }
}

/// `type/subtype` without parameters.
fn essence(text: &str) -> &str {
    text.split(';').next().unwrap_or("").trim()
}

/// A parameter of a media type, unquoted.
fn parameter(text: &str, name: &str) -> Option<String> {
    let mut rest = text.split_once(';')?.1;
    loop {
        let (key, after) = rest.split_once('=')?;
        let key = key.rsplit(';').next().unwrap_or("").trim();
        let after = after.trim_start();
        // In quotes a value may hold what otherwise ends it.
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => after.split_once(';').unwrap_or((after, "")),
        };
        if key.eq_ignore_ascii_case(name) {
            return Some(value.trim().to_owned());
        }
        rest = next;
    }
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
