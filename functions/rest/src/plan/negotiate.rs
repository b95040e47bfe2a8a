//! Content negotiation: the form of the answer.

use crate::problem::Problem;
use crate::request::{Intent, Media, Resource, Return};

/// How rows become a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyForm {
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
}

/// The first accepted media type that can be made.
pub(crate) fn negotiate<'a>(intent: &Intent<'a>) -> Result<(BodyForm, Media<'a>), Problem> {
    let picked = if intent.resource == Resource::Root {
        let open_api = |media: &Media<'_>| matches!(media, Media::OpenApi | Media::Json | Media::Any);
        intent.accepted.iter().any(open_api).then_some((BodyForm::Array { stripped: false }, Media::OpenApi))
    } else {
        intent.accepted.iter().find_map(form)
    };
    let (form, media) = picked.ok_or_else(|| Problem::not_acceptable(&intent.accepted))?;
    let bodyless = intent.action.is_head()
        || intent.action.is_write() && intent.preferences.returning != Some(Return::Representation);
    Ok((if bodyless { BodyForm::None } else { form }, media))
}

fn form<'a>(media: &Media<'a>) -> Option<(BodyForm, Media<'a>)> {
    match media {
        Media::Json | Media::Any => Some((BodyForm::Array { stripped: false }, Media::Json)),
        Media::Csv => Some((BodyForm::Csv, Media::Csv)),
        Media::GeoJson => Some((BodyForm::GeoJson, Media::GeoJson)),
        Media::Lines => Some((BodyForm::Lines, Media::Lines)),
        Media::ArrayStripped => Some((BodyForm::Array { stripped: true }, Media::ArrayStripped)),
        Media::Object { stripped } => Some((BodyForm::Object { stripped: *stripped }, media.clone())),
        Media::PlainText
        | Media::Xml
        | Media::OpenApi
        | Media::Form
        | Media::OctetStream
        | Media::Plan(_)
        | Media::Other(_) => None,
    }
}
