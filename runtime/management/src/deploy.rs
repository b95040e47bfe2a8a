//! The ways to bring a function: a form of its sources, one file as JSON, or an eszip.

use http::Response;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use isobase_base::{Body, FunctionSlug};
use isobase_deploy::{Bundle, Manifest, Upload};
use serde::Deserialize;

use crate::Management;
use crate::answer::{Refusal, created};
use crate::functions::function;
use crate::surface::{parse_slug, query, read_json, read_upload};
use crate::upload::{Metadata, form, is_eszip, unzip};

/// What `POST /functions` takes as JSON.
#[derive(Deserialize)]
struct Creation {
    slug: String,
    name: Option<String>,
    body: String,
    verify_jwt: Option<bool>,
}

impl Management {
    /// `POST /functions/deploy?slug=&bundleOnly=`: the form that the CLI sends.
    pub(crate) async fn deploy(&self, parts: &Parts, body: Body) -> Result<Response<Body>, Refusal> {
        let uploaded = form::read(parts, body).await?;
        let slug = query(parts, "slug").or_else(|| uploaded.metadata.name.clone());
        let slug = parse_slug(&slug.ok_or_else(|| Refusal::malformed("The query names no slug"))?)?;
        let goes_live = query(parts, "bundleOnly").as_deref() != Some("true");
        self.put(slug, uploaded.metadata, uploaded.bundle, goes_live).await
    }

    /// `POST /functions`: an eszip, or JSON with one file in it.
    pub(crate) async fn create(&self, parts: &Parts, body: Body) -> Result<Response<Body>, Refusal> {
        let content = parts.headers.get(CONTENT_TYPE).map(|value| value.as_bytes()).unwrap_or_default();
        if content.ends_with(b"json") {
            let creation: Creation = read_json(body).await?;
            let slug = parse_slug(&creation.slug)?;
            return self.deploy_text(slug, creation.name, creation.verify_jwt, creation.body).await;
        }
        let slug = query(parts, "slug").ok_or_else(|| Refusal::malformed("The query names no slug"))?;
        self.upload(parse_slug(&slug)?, parts, body).await
    }

    /// An eszip as the body; what it does not say is in the query.
    pub(crate) async fn upload(
        &self,
        slug: FunctionSlug,
        parts: &Parts,
        body: Body,
    ) -> Result<Response<Body>, Refusal> {
        let bytes = read_upload(body).await?;
        if !is_eszip(&bytes) {
            return Err(Refusal::malformed("The body is neither JSON nor an eszip (EZBR)"));
        }
        let bundle = unzip(&bytes).map_err(|error| Refusal::malformed(error.to_string()))?;
        let metadata = Metadata {
            entrypoint_path: query(parts, "entrypoint_path")
                .ok_or_else(|| Refusal::malformed("The query names no entrypoint_path"))?,
            import_map_path: None,
            name: query(parts, "name"),
            verify_jwt: query(parts, "verify_jwt").map(|text| text != "false"),
            ..Metadata::default()
        };
        self.put(slug, metadata, bundle, true).await
    }

    pub(crate) async fn deploy_text(
        &self,
        slug: FunctionSlug,
        name: Option<String>,
        verify_jwt: Option<bool>,
        code: String,
    ) -> Result<Response<Body>, Refusal> {
        let path = format!("supabase/functions/{slug}/index.ts");
        let mut bundle = Bundle::default();
        bundle.add(&path, code.into())?;
        let metadata = Metadata { entrypoint_path: path, name, verify_jwt, ..Metadata::default() };
        self.put(slug, metadata, bundle, true).await
    }

    async fn put(
        &self,
        slug: FunctionSlug,
        metadata: Metadata,
        bundle: Bundle,
        goes_live: bool,
    ) -> Result<Response<Body>, Refusal> {
        let manifest = Manifest {
            entrypoint_path: metadata.entrypoint_path,
            import_map_path: metadata.import_map_path.filter(|path| !path.is_empty()),
            static_patterns: metadata.static_patterns,
            verify_jwt: metadata.verify_jwt.unwrap_or(true),
            name: metadata.name,
            limits: metadata.limits,
            capabilities: metadata.capabilities,
            isolation: metadata.isolation,
            triggers: metadata.triggers,
        };
        let names_verify_jwt = metadata.verify_jwt.is_some();
        let upload = Upload { slug, manifest, names_verify_jwt, bundle, goes_live };
        let (release, version) = self.rooms.releases.deploy(upload).await?;
        let shown = function(&release, Some(version));
        Ok(created(&shown.unwrap_or_default()))
    }
}
