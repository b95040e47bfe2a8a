//! What a path means. Paths are below `/v1/projects`.

use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use isobase_base::{Body, FunctionSlug, limits};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::Management;
use crate::answer::{Refusal, ok};

/// JSON of a request, in bytes: manifests and lists of functions.
const JSON_BYTES_MAX: usize = 4 * 1024 * 1024;

impl Management {
    pub(crate) async fn answer(&self, request: Request<Body>) -> Result<Response<Body>, Refusal> {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path().trim_matches('/').to_owned();
        let mut segments = path.split('/');
        let project = segments.next().unwrap_or_default();
        if project.is_empty() {
            return only(&parts, &[Method::GET]).map(|()| ok(&json!([self.project()])));
        }
        if project != self.config.project_ref {
            let message = format!("There is no project {project:.40} here; `isobase status` shows its ref");
            return Err(Refusal::new(StatusCode::NOT_FOUND, message));
        }
        let rest: Vec<_> = segments.collect();
        match rest.as_slice() {
            [] => only(&parts, &[Method::GET]).map(|()| ok(&self.project())),
            ["functions", below @ ..] => self.functions(below, &parts, body).await,
            ["secrets"] => match parts.method {
                Method::GET => self.list_secrets(&parts).await,
                Method::POST => self.set_secrets(&parts, body).await,
                Method::DELETE => self.unset_secrets(&parts, body).await,
                _ => Err(wrong_method()),
            },
            ["logs"] => {
                only(&parts, &[Method::GET])?;
                self.logs(&parts).await
            }
            ["stats"] => only(&parts, &[Method::GET]).map(|()| self.stats()),
            ["webhooks"] => {
                only(&parts, &[Method::GET])?;
                self.list_webhooks(&parts).await
            }
            ["webhooks", id] => {
                only(&parts, &[Method::GET])?;
                self.show_webhook(id).await
            }
            ["webhooks", id, "replay"] => {
                only(&parts, &[Method::POST])?;
                self.replay_webhook(id).await
            }
            _ => Err(nothing_here()),
        }
    }

    /// What is below `functions`.
    async fn functions(&self, below: &[&str], parts: &Parts, body: Body) -> Result<Response<Body>, Refusal> {
        match below {
            [] => match parts.method {
                Method::GET => self.list().await,
                Method::POST => self.create(parts, body).await,
                Method::PUT => self.replace_all(read_json(body).await?).await,
                _ => Err(wrong_method()),
            },
            ["deploy"] => {
                only(parts, &[Method::POST])?;
                self.deploy(parts, body).await
            }
            [slug] => {
                let slug = parse_slug(slug)?;
                match parts.method {
                    Method::GET => self.show(&slug).await,
                    Method::PATCH => self.amend(&slug, parts, body).await,
                    Method::DELETE => self.delete(&slug).await,
                    _ => Err(wrong_method()),
                }
            }
            [slug, "body"] => {
                only(parts, &[Method::GET])?;
                self.download(&parse_slug(slug)?, parts).await
            }
            [slug, "versions"] => {
                only(parts, &[Method::GET])?;
                self.versions(&parse_slug(slug)?).await
            }
            [slug, "rollback"] => {
                only(parts, &[Method::POST])?;
                self.rollback(&parse_slug(slug)?, read_json(body).await?).await
            }
            [slug, "traffic"] => {
                only(parts, &[Method::PUT])?;
                self.split(&parse_slug(slug)?, read_json(body).await?).await
            }
            _ => Err(nothing_here()),
        }
    }

    /// As much of Supabase's project object as its CLI reads.
    fn project(&self) -> Value {
        json!({
            "id": self.config.project_ref,
            "ref": self.config.project_ref,
            "name": self.config.project_name,
            "organization_id": "isobase",
            "organization_slug": "isobase",
            "region": "local",
            "status": "ACTIVE_HEALTHY",
            "created_at": "2026-01-01T00:00:00.000Z",
        })
    }
}

fn only(parts: &Parts, methods: &[Method]) -> Result<(), Refusal> {
    if methods.contains(&parts.method) { Ok(()) } else { Err(wrong_method()) }
}

fn nothing_here() -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "The management API has nothing at this path")
}

fn wrong_method() -> Refusal {
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "This path does not take that method")
}

pub(crate) fn parse_slug(slug: &str) -> Result<FunctionSlug, Refusal> {
    FunctionSlug::parse(slug).map_err(|error| Refusal::malformed(error.to_string()))
}

/// The value of a query parameter.
pub(crate) fn query(parts: &Parts, name: &str) -> Option<String> {
    let pairs = url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes());
    pairs.into_iter().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

pub(crate) async fn read_json<T: DeserializeOwned>(body: Body) -> Result<T, Refusal> {
    parse(body, |error| error.to_string()).await
}

/// The same for JSON that must not be repeated: errors say where, not what.
pub(crate) async fn read_secret_json<T: DeserializeOwned>(body: Body) -> Result<T, Refusal> {
    parse(body, |error| format!("line {}, column {}", error.line(), error.column())).await
}

async fn parse<T: DeserializeOwned>(
    body: Body,
    told: impl Fn(&serde_json::Error) -> String,
) -> Result<T, Refusal> {
    let bytes = read(body, JSON_BYTES_MAX).await?;
    let text: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
    serde_json::from_slice(text)
        .map_err(|error| Refusal::malformed(format!("The JSON is not usable: {}", told(&error))))
}

/// The whole body, up to the bound of an upload.
pub(crate) async fn read_upload(body: Body) -> Result<bytes::Bytes, Refusal> {
    read(body, limits::DEPLOY_BODY_BYTES_MAX as usize).await
}

async fn read(body: Body, bytes_max: usize) -> Result<bytes::Bytes, Refusal> {
    match Limited::new(body, bytes_max).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => Err(Refusal::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("The body is longer than {bytes_max} bytes"),
        )),
        Err(error) => Err(Refusal::malformed(format!("The body broke off: {error}"))),
    }
}
