//! A request put into words: which resource, what to do with it, under which conditions.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use crate::problem::Problem;
use crate::settings::Settings;

use super::conditions::Conditions;
use super::media::{Media, accepted};
use super::preferences::Preferences;
use super::query::{Parameters, Query};
use super::range::RowRange;

/// A request as it arrived, without its body.
#[derive(Debug, Clone, Copy)]
pub struct Incoming<'r> {
    /// In capitals.
    pub method: &'r str,
    /// Percent-encoded, below the API's root: `/items`.
    pub path: &'r str,
    /// Without the question mark.
    pub query: &'r str,
    /// Lower-case names, values as sent.
    pub headers: &'r [(String, Vec<u8>)],
}

impl<'r> Incoming<'r> {
    /// The first header of that name that is UTF-8.
    pub(crate) fn header(&self, name: &str) -> Option<&'r str> {
        self.header_values(name).next()
    }

    pub(crate) fn header_values<'n>(&self, name: &'n str) -> impl Iterator<Item = &'r str> + use<'r, 'n> {
        self.headers
            .iter()
            .filter(move |(key, _)| key.eq_ignore_ascii_case(name))
            .filter_map(|(_, value)| std::str::from_utf8(value).ok())
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Resource<'r> {
    /// `/`: the API's own description.
    Root,
    /// `/{relation}`.
    Relation(Cow<'r, str>),
    /// `/rpc/{function}`.
    Function(Cow<'r, str>),
}

/// What to do with the resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Read {
        head: bool,
    },
    Create,
    /// PUT: one row by its primary key, inserted or replaced.
    Replace,
    Update,
    Delete,
    /// A function called by GET or HEAD: arguments in the query, no writes.
    CallSafely {
        head: bool,
    },
    Call,
    /// OPTIONS.
    Describe,
}

impl Action {
    pub(crate) fn is_write(self) -> bool {
        matches!(self, Self::Create | Self::Replace | Self::Update | Self::Delete)
    }

    pub(crate) fn is_call(self) -> bool {
        matches!(self, Self::CallSafely { .. } | Self::Call)
    }

    pub(crate) fn is_head(self) -> bool {
        matches!(self, Self::Read { head: true } | Self::CallSafely { head: true })
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Intent<'r> {
    pub(crate) resource: Resource<'r>,
    pub(crate) action: Action,
    pub(crate) schema: &'r str,
    /// Whether the response names its schema: the client did, or there are several.
    pub(crate) schema_shown: bool,
    pub(crate) preferences: Preferences<'r>,
    pub(crate) accepted: Vec<Media<'r>>,
    pub(crate) content: Media<'r>,
    pub(crate) query: Query<'r>,
    /// Rows of the whole response, from `limit`, `offset` and `Range`.
    pub(crate) range: RowRange,
    pub(crate) conditions: Conditions<'r>,
}

impl<'r> Intent<'r> {
    /// `parameters` is the decoded `incoming.query`.
    pub(crate) fn parse(
        incoming: &Incoming<'r>,
        parameters: &'r Parameters<'r>,
        settings: &'r Settings,
    ) -> Result<Self, Problem> {
        let resource = resource(incoming.path, settings)?;
        let (schema, schema_shown) = schema(incoming, settings)?;
        let action = action(&resource, incoming.method)?;
        let mut query = Query::parse(parameters, matches!(action, Action::CallSafely { .. }))?;
        if let Some(fault) = query.additions.fault.take_if(|_| !matches!(action, Action::Read { .. })) {
            return Err(fault.into());
        }
        let range = range(incoming, &query)?;
        let content_type = incoming.header("content-type");
        Ok(Self {
            resource,
            action,
            schema,
            schema_shown,
            preferences: Preferences::parse(
                incoming.header_values("prefer"),
                settings.transaction_end_allowed,
            ),
            accepted: accepted(incoming.header("accept")),
            content: content_type.map_or(Media::Json, |name| Media::parse(Cow::Borrowed(name))),
            query,
            range,
            conditions: Conditions::parse(incoming),
        })
    }

    /// Whether the answer tells a version: the client asked, or knows one.
    pub(crate) fn is_versioned(&self) -> bool {
        let by_condition = matches!(self.action, Action::Read { .. }) && self.conditions.are_given();
        by_condition || self.preferences.etag
    }

    /// Whether a write depends on the version of what it changes.
    pub(crate) fn is_guarded(&self) -> bool {
        match self.action {
            Action::Update | Action::Delete => self.conditions.matches.is_some(),
            Action::Replace => self.conditions.are_given(),
            _ => false,
        }
    }

    /// Whether the body's bytes are needed to plan the request; otherwise it is not used, or goes
    /// straight to Postgres.
    pub(crate) fn needs_body(&self) -> bool {
        match self.action {
            Action::Create | Action::Update | Action::Call => !self.passes_body(),
            Action::Replace => true,
            Action::Read { .. } | Action::Delete | Action::CallSafely { .. } | Action::Describe => false,
        }
    }

    /// Whether the body may go to Postgres unread: JSON whose columns the client named.
    pub(crate) fn passes_body(&self) -> bool {
        self.query.columns.is_some()
            && self.content == Media::Json
            && matches!(self.action, Action::Create | Action::Update | Action::Call)
    }
}

fn resource<'r>(path: &'r str, settings: &'r Settings) -> Result<Resource<'r>, Problem> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let decoded = |piece: &'r str| percent_decode_str(piece).decode_utf8_lossy();
    match path.split_once('/') {
        None if path.is_empty() && !settings.open_api_enabled => Err(Problem::open_api_disabled()),
        None if path.is_empty() => Ok(match &settings.root_function {
            Some(name) => Resource::Function(Cow::Borrowed(name.rsplit('.').next().unwrap_or(name))),
            None => Resource::Root,
        }),
        None => Ok(Resource::Relation(decoded(path))),
        Some(("rpc", name)) if !name.is_empty() && !name.contains('/') => {
            Ok(Resource::Function(decoded(name)))
        }
        Some(_) => Err(Problem::invalid_path()),
    }
}

/// The schema by `Accept-Profile`, or `Content-Profile` for methods with a body.
pub(crate) fn schema<'r>(
    incoming: &Incoming<'r>,
    settings: &'r Settings,
) -> Result<(&'r str, bool), Problem> {
    let header = match incoming.method {
        "DELETE" | "PATCH" | "POST" | "PUT" => "content-profile",
        _ => "accept-profile",
    };
    match incoming.header(header) {
        Some(name) => settings
            .schemas
            .iter()
            .find(|schema| *schema == name)
            .map(|schema| (schema.as_str(), true))
            .ok_or_else(|| Problem::unknown_schema(name, &settings.schemas)),
        None => Ok((settings.schemas.first().map_or("public", String::as_str), settings.schemas.len() > 1)),
    }
}

fn action(resource: &Resource<'_>, method: &str) -> Result<Action, Problem> {
    match (resource, method) {
        (Resource::Function(_), "GET") => Ok(Action::CallSafely { head: false }),
        (Resource::Function(_), "HEAD") => Ok(Action::CallSafely { head: true }),
        (Resource::Function(_), "POST") => Ok(Action::Call),
        (_, "OPTIONS") => Ok(Action::Describe),
        (Resource::Function(_), _) => Err(Problem::invalid_method_on_function(method)),
        (_, "GET") => Ok(Action::Read { head: false }),
        (_, "HEAD") => Ok(Action::Read { head: true }),
        (Resource::Relation(_), "POST") => Ok(Action::Create),
        (Resource::Relation(_), "PUT") => Ok(Action::Replace),
        (Resource::Relation(_), "PATCH") => Ok(Action::Update),
        (Resource::Relation(_), "DELETE") => Ok(Action::Delete),
        (Resource::Root | Resource::Relation(_), _) => Err(Problem::unsupported_method(method)),
    }
}

fn range(incoming: &Incoming<'_>, query: &Query<'_>) -> Result<RowRange, Problem> {
    let asked =
        query.ranges.iter().find(|(path, _)| path.is_empty()).map_or(RowRange::ALL, |(_, range)| *range);
    let header = match incoming.header("range") {
        Some(value) if incoming.method == "GET" => RowRange::from_header(value),
        _ => RowRange::ALL,
    };
    let range = RowRange::top_level(asked, header)?;
    if incoming.method == "PUT" && range != RowRange::ALL {
        return Err(Problem::put_range());
    }
    Ok(range)
}
