//! Functions that are deployed: list, show, change, delete, versions, traffic.

use http::header::{ACCEPT, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderValue, Response};
use isobase_base::{Body, FunctionSlug};
use isobase_deploy::{Release, Share, form};
use serde::Deserialize;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::Management;
use crate::answer::{Refusal, ok};
use crate::surface::{parse_slug, read_json};

/// One entry of a bulk update: what a deploy with `bundleOnly` answered, sent back.
#[derive(Deserialize)]
pub(crate) struct Flip {
    slug: String,
    version: u64,
    verify_jwt: Option<bool>,
}

#[derive(Deserialize)]
pub(crate) struct Rollback {
    version: Option<u64>,
}

#[derive(Deserialize)]
pub(crate) struct Split {
    shares: Vec<Share>,
    #[serde(default)]
    sticky: bool,
}

#[derive(Deserialize)]
pub(crate) struct Amendment {
    pub(crate) name: Option<String>,
    pub(crate) verify_jwt: Option<bool>,
    pub(crate) body: Option<String>,
}

impl Management {
    pub(crate) async fn list(&self) -> Result<Response<Body>, Refusal> {
        let releases = self.rooms.releases.list().await?;
        Ok(ok(&releases.iter().filter_map(|release| function(release, None)).collect()))
    }

    pub(crate) async fn show(&self, slug: &FunctionSlug) -> Result<Response<Body>, Refusal> {
        let release = self.rooms.releases.get(slug).await?;
        let shown = function(&release, None);
        shown.map(|shown| ok(&shown)).ok_or_else(|| not_live(slug))
    }

    pub(crate) async fn delete(&self, slug: &FunctionSlug) -> Result<Response<Body>, Refusal> {
        self.rooms.releases.delete(slug).await?;
        tracing::info!(function = %slug, "deployed function deleted");
        Ok(ok(&json!({})))
    }

    pub(crate) async fn replace_all(&self, flips: Vec<Flip>) -> Result<Response<Body>, Refusal> {
        let mut wanted = Vec::new();
        for flip in &flips {
            wanted.push((parse_slug(&flip.slug)?, flip.version));
        }
        let mut releases = self.rooms.releases.flip_all(&wanted).await?;
        for (release, flip) in releases.iter_mut().zip(&flips) {
            let live = release.live().map(|live| live.manifest.verify_jwt);
            if flip.verify_jwt.is_some() && flip.verify_jwt != live {
                *release = self.rooms.releases.amend(&release.slug, None, flip.verify_jwt).await?;
            }
        }
        let functions: Vec<_> = releases.iter().filter_map(|release| function(release, None)).collect();
        Ok(ok(&json!({ "functions": functions })))
    }

    pub(crate) async fn versions(&self, slug: &FunctionSlug) -> Result<Response<Body>, Refusal> {
        let release = self.rooms.releases.get(slug).await?;
        let traffic = &release.traffic;
        let percent_of = |version: u64| {
            let shared = traffic.shares.iter().find(|share| share.version == version);
            let left = 100 - traffic.shares.iter().map(|share| u32::from(share.percent)).sum::<u32>();
            match shared {
                Some(share) => u32::from(share.percent),
                None if traffic.live == Some(version) => left,
                None => 0,
            }
        };
        let versions = release.versions.iter().rev().map(|version| {
            json!({
                "version": version.version,
                "live": traffic.live == Some(version.version),
                "percent": percent_of(version.version),
                "created_at": instant(version.created_at_ms),
                "artifact_sha256": version.artifact_sha256,
                "verify_jwt": version.manifest.verify_jwt,
                "preview_path": format!("/functions/v1/{}", version.preview),
            })
        });
        Ok(ok(
            &json!({ "slug": slug.as_str(), "sticky": traffic.sticky, "versions": versions.collect::<Vec<_>>() }),
        ))
    }

    pub(crate) async fn rollback(
        &self,
        slug: &FunctionSlug,
        wanted: Rollback,
    ) -> Result<Response<Body>, Refusal> {
        let version = self.rooms.releases.rollback(slug, wanted.version).await?;
        tracing::info!(function = %slug, version, "rolled back");
        self.show(slug).await
    }

    pub(crate) async fn split(&self, slug: &FunctionSlug, split: Split) -> Result<Response<Body>, Refusal> {
        self.rooms.releases.split(slug, split.shares, split.sticky).await?;
        self.versions(slug).await
    }

    /// New code, or a new name or token rule for the code that is live.
    pub(crate) async fn amend(
        &self,
        slug: &FunctionSlug,
        parts: &Parts,
        body: Body,
    ) -> Result<Response<Body>, Refusal> {
        let is_json =
            parts.headers.get(CONTENT_TYPE).is_none_or(|content| content.as_bytes().ends_with(b"json"));
        if !is_json {
            return self.upload(slug.clone(), parts, body).await;
        }
        let amendment: Amendment = read_json(body).await?;
        if let Some(code) = amendment.body {
            return self.deploy_text(slug.clone(), amendment.name, amendment.verify_jwt, code).await;
        }
        let release =
            self.rooms.releases.amend(slug, amendment.name.as_deref(), amendment.verify_jwt).await?;
        function(&release, None).map(|shown| ok(&shown)).ok_or_else(|| not_live(slug))
    }

    /// The sources of the live version, as a form or as one file.
    pub(crate) async fn download(
        &self,
        slug: &FunctionSlug,
        parts: &Parts,
    ) -> Result<Response<Body>, Refusal> {
        let (version, bundle) = self.rooms.releases.sources(slug, None).await?;
        let accept = parts.headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
        if accept.contains("multipart/form-data") {
            let metadata = json!({ "entrypoint_path": version.manifest.entrypoint_path });
            let (kind, content) = form(&metadata, &bundle);
            let mut response = Response::new(Body::from(content));
            let kind = HeaderValue::try_from(kind).expect("visible characters");
            response.headers_mut().insert(CONTENT_TYPE, kind);
            return Ok(response);
        }
        let entry = bundle.file(&version.manifest.entrypoint_path);
        let content = entry.map(|file| file.content.clone()).unwrap_or_default();
        let mut response = Response::new(Body::from(content));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        Ok(response)
    }
}

fn not_live(slug: &FunctionSlug) -> Refusal {
    Refusal::from(isobase_deploy::ReleaseError::NoFunction(slug.clone()))
}

/// Supabase's function object, for `version` or the live one.
pub(crate) fn function(release: &Release, version: Option<u64>) -> Option<Value> {
    let shown = match version {
        Some(version) => release.versions.iter().find(|stored| stored.version == version)?,
        None => release.live()?,
    };
    let manifest = &shown.manifest;
    let url = |path: &str| format!("file:///{}", path.trim_start_matches("file://").trim_start_matches('/'));
    let import_map = manifest.import_map_path.as_deref().filter(|path| !path.is_empty());
    let mut shown = json!({
        "id": release.id,
        "slug": release.slug.as_str(),
        "name": release.name,
        "status": "ACTIVE",
        "version": shown.version,
        "created_at": release.created_at_ms,
        "updated_at": release.updated_at_ms,
        "verify_jwt": manifest.verify_jwt,
        "import_map": import_map.is_some(),
        "entrypoint_path": url(&manifest.entrypoint_path),
        "ezbr_sha256": shown.artifact_sha256,
    });
    // The CLI takes its absence, and no null.
    if let Some(path) = import_map {
        shown["import_map_path"] = url(path).into();
    }
    Some(shown)
}

fn instant(millis: i64) -> Option<String> {
    let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000).ok()?;
    at.format(&Rfc3339).ok()
}
