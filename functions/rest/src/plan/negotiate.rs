//! Content negotiation: the form of the answer.

use crate::catalog::{Catalog, Handler, MediaDomain, Relation};
use crate::problem::Problem;
use crate::request::{Intent, Item, Media, Resource, Return};
use crate::settings::Settings;

use super::Operation;

/// How rows become a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyForm<'a> {
    /// No body is made at all.
    None,
    Array {
        stripped: bool,
    },
    /// Exactly one row.
    Object {
        stripped: bool,
    },
    Csv,
    GeoJson,
    /// One row per line.
    Lines,
    /// What an aggregate of the database makes of the rows.
    Handled(&'a Handler),
    /// The result of a function as it is.
    Raw,
}

/// What the database itself can make of the rows in question.
struct Offers<'a> {
    /// For all rows of this relation or function.
    own: &'a [Handler],
    result: Option<&'a MediaDomain>,
    general: &'a [Handler],
    plan_enabled: bool,
}

type Offer<'a> = (BodyForm<'a>, Media<'a>);

/// The first accepted media type that can be made.
pub(crate) fn negotiate<'a>(
    intent: &Intent<'a>,
    operation: &Operation<'a>,
    catalog: &'a Catalog,
    settings: &Settings,
) -> Result<Offer<'a>, Problem> {
    let picked = if intent.resource == Resource::Root {
        intent
            .accepted
            .iter()
            .find_map(|media| match media {
                Media::OpenApi | Media::Json | Media::Any => Some(Media::OpenApi),
                Media::OpenApiThree => Some(Media::OpenApiThree),
                _ => None,
            })
            .map(|media| (BodyForm::Array { stripped: false }, media))
    } else {
        let offers = Offers::of(intent, operation, catalog, settings);
        intent.accepted.iter().find_map(|media| offers.find(media))
    };
    let (form, media) = picked.ok_or_else(|| Problem::not_acceptable(&intent.accepted))?;
    let bodyless = intent.action.is_head()
        || intent.action.is_write() && intent.preferences.returning != Some(Return::Representation);
    Ok((if bodyless { BodyForm::None } else { form }, media))
}

impl<'a> Offers<'a> {
    fn of(intent: &Intent<'a>, operation: &Operation<'a>, catalog: &'a Catalog, settings: &Settings) -> Self {
        let (tree, result) = match operation {
            Operation::Read { tree, .. } | Operation::Write { tree, .. } => (Some(tree), None),
            Operation::Call { tree, call } => (Some(tree), call.function.media.as_ref()),
            Operation::Root | Operation::Describe(_) => (None, None),
        };
        let rows = match operation {
            Operation::Call { call, .. } if call.function.returns_scalar() => None,
            _ => tree.and_then(|tree| tree.structure),
        };
        // Only whole rows fit the row type that a relation's own handlers take.
        let whole = selects_all(intent) && !rows.is_some_and(Relation::is_represented);
        Self {
            own: rows.filter(|_| whole).map_or(&[], |relation| &relation.handlers),
            result: result.filter(|_| whole),
            general: catalog.handlers(),
            plan_enabled: settings.plan_enabled,
        }
    }

    fn find(&self, media: &Media<'a>) -> Option<Offer<'a>> {
        match media {
            // Types with parameters of their own are nobody else's.
            Media::Object { stripped } => Some((BodyForm::Object { stripped: *stripped }, media.clone())),
            Media::ArrayStripped => Some((BodyForm::Array { stripped: true }, media.clone())),
            Media::Plan(_) if !self.plan_enabled => None,
            Media::Plan(explanation) => self
                .find(&explanation.of)
                .filter(|_| !matches!(explanation.of, Media::Plan(_)))
                .map(|(form, _)| (form, media.clone())),
            _ => self.own(&Media::Any).or_else(|| self.own(media)).or_else(|| self.general(media)),
        }
    }

    fn own(&self, media: &Media<'_>) -> Option<Offer<'a>> {
        match self.result {
            Some(domain) => domain.accepts.is_same(media).then(|| (BodyForm::Raw, domain.produces.clone())),
            None => among(self.own, media),
        }
    }

    fn general(&self, media: &Media<'a>) -> Option<Offer<'a>> {
        among(self.general, media).or_else(|| built_in(media))
    }
}

fn among<'a>(handlers: &'a [Handler], media: &Media<'_>) -> Option<Offer<'a>> {
    let handler = handlers.iter().find(|handler| handler.media.accepts.is_same(media))?;
    Some((BodyForm::Handled(handler), handler.media.produces.clone()))
}

fn built_in<'a>(media: &Media<'a>) -> Option<Offer<'a>> {
    match media {
        Media::Json | Media::Any => Some((BodyForm::Array { stripped: false }, Media::Json)),
        Media::Csv => Some((BodyForm::Csv, Media::Csv)),
        Media::GeoJson => Some((BodyForm::GeoJson, Media::GeoJson)),
        Media::Lines => Some((BodyForm::Lines, Media::Lines)),
        _ => None,
    }
}

/// Whether the select list is `*` and nothing else.
fn selects_all(intent: &Intent<'_>) -> bool {
    match intent.query.select.as_slice() {
        [Item::Field(field)] => field.field.name == "*" && field.aggregate.is_none() && field.alias.is_none(),
        _ => false,
    }
}
