//! A multipart form: one part `metadata`, any number of parts `file`. RFC 7578.

use http::header::CONTENT_TYPE;
use http::request::Parts;
use http_body_util::BodyExt;
use isobase_base::{Body, limits};
use isobase_deploy::Bundle;
use multer::{Constraints, Multipart, SizeLimit};

use super::Metadata;
use crate::answer::Refusal;

/// A form, read.
pub(crate) struct Form {
    pub(crate) metadata: Metadata,
    pub(crate) bundle: Bundle,
}

pub(crate) async fn read(parts: &Parts, body: Body) -> Result<Form, Refusal> {
    let content = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let boundary = multer::parse_boundary(content)
        .map_err(|_| Refusal::malformed("The body is no multipart/form-data with a boundary"))?;
    let size = SizeLimit::new().whole_stream(limits::DEPLOY_BODY_BYTES_MAX);
    let constraints = Constraints::new().size_limit(size);
    let mut form = Multipart::with_constraints(body.into_data_stream(), boundary, constraints);
    let broken = |error: multer::Error| Refusal::malformed(format!("The form cannot be read: {error}"));
    let (mut metadata, mut bundle) = (None, Bundle::default());
    while let Some(field) = form.next_field().await.map_err(broken)? {
        match field.name() {
            Some("metadata") => {
                let text = field.bytes().await.map_err(broken)?;
                let parsed = serde_json::from_slice(&text);
                metadata = Some(parsed.map_err(|error| {
                    Refusal::malformed(format!("The part `metadata` is not usable: {error}"))
                })?);
            }
            Some("file") => {
                let path = field.file_name().unwrap_or_default().to_owned();
                if path.is_empty() {
                    return Err(Refusal::malformed("A part `file` has no filename"));
                }
                bundle.add(&path, field.bytes().await.map_err(broken)?)?;
            }
            // Later clients may send more than we know of.
            _ => {}
        }
    }
    let metadata = metadata.ok_or_else(|| Refusal::malformed("The form has no part `metadata`"))?;
    Ok(Form { metadata, bundle })
}
