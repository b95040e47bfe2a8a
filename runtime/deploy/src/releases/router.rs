//! Finds the version that a request is for.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use http::uri::{Parts, PathAndQuery};
use http::{HeaderValue, Request, Response, StatusCode, Uri};
use isobase_base::project::{FunctionTriggers, LiveTriggers};
use isobase_base::{Access, Body, Context, FunctionSlug, Role, Target, TargetKind};
use isobase_engine::Stage;

use super::traffic::{Traffic, Turn};

/// Asks for one version instead of the live one; for callers with the secret key.
const VERSION_HEADER: &str = "x-isobase-version";

/// Which functions win where a name is both deployed and found in a source folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precedence {
    Sources,
    Deployed,
}

/// The deployed functions, as requests find them.
pub(super) struct Router {
    precedence: Precedence,
    /// Read on every request, without a lock.
    table: ArcSwap<Table>,
}

#[derive(Default, Clone)]
pub(super) struct Table {
    pub(super) deployed: HashMap<FunctionSlug, Arc<Line>>,
    /// By the name in the preview URL.
    pub(super) previews: HashMap<FunctionSlug, Preview>,
}

/// A deployed function.
pub(super) struct Line {
    pub(super) target: Target,
    pub(super) access: Access,
    pub(super) traffic: Traffic,
    pub(super) turn: Arc<Turn>,
    /// All that are kept.
    pub(super) versions: Vec<u64>,
    /// Of the live version.
    pub(super) triggers: Option<Arc<FunctionTriggers>>,
}

impl Table {
    pub(super) fn triggers(&self) -> LiveTriggers {
        self.deployed.iter().map(|(slug, line)| (slug.clone(), line.triggers.clone())).collect()
    }
}

#[derive(Clone)]
pub(super) struct Preview {
    /// With its version.
    pub(super) target: Target,
    pub(super) access: Access,
}

/// Where a request goes.
pub(super) enum Route {
    /// On to the pool: a version that is ready, or a function that was never deployed.
    Ready(Target),
    /// To a version that somebody asked for and that may have to be loaded first.
    Asked(Target),
    Refused(Response<Body>),
    /// There is no version that answers.
    Nowhere,
}

/// What names of previews begin with.
pub(super) const PREVIEW: &str = "preview-";

impl Router {
    pub(super) fn new(precedence: Precedence) -> Self {
        Self { precedence, table: ArcSwap::default() }
    }

    pub(super) fn table(&self) -> Arc<Table> {
        self.table.load_full()
    }

    pub(super) fn store(&self, table: Table) {
        self.table.store(Arc::new(table));
    }

    pub(super) fn access(&self, target: &Target, functions: &dyn Stage) -> Option<Access> {
        if let Some(line) = self.line(target, functions) {
            return Some(line.access);
        }
        functions.access(target).or_else(|| self.preview(target).map(|preview| preview.access))
    }

    /// Where `request` goes. One for a preview is given the path of the function itself.
    pub(super) fn route(
        &self,
        target: Target,
        request: &mut Request<Body>,
        context: &Context,
        functions: &dyn Stage,
    ) -> Route {
        if let Some(line) = self.line(&target, functions) {
            return match request.headers_mut().remove(VERSION_HEADER) {
                Some(wanted) => asked(&line, &wanted, context),
                None => match line.traffic.choose(&line.turn, context) {
                    Some(version) => Route::Ready(line.target.at_version(version)),
                    None => Route::Nowhere,
                },
            };
        }
        match self.preview(&target) {
            Some(preview) => {
                let uri = std::mem::take(request.uri_mut());
                *request.uri_mut() = renamed(uri, preview.target.slug());
                Route::Asked(preview.target)
            }
            None => Route::Ready(target),
        }
    }

    /// The deployed function for a target without a version, unless a source folder has its name.
    fn line(&self, target: &Target, functions: &dyn Stage) -> Option<Arc<Line>> {
        if target.kind() == TargetKind::Builtin || target.version().is_some() {
            return None;
        }
        let line = self.table.load().deployed.get(target.slug()).cloned()?;
        let is_hidden = self.precedence == Precedence::Sources && functions.access(target).is_some();
        (!is_hidden).then_some(line)
    }

    fn preview(&self, target: &Target) -> Option<Preview> {
        let looks_like_one = target.kind() == TargetKind::User && target.slug().as_str().starts_with(PREVIEW);
        looks_like_one.then(|| self.table.load().previews.get(target.slug()).cloned()).flatten()
    }
}

/// The version that the header names, or the answer that says why not.
fn asked(line: &Line, wanted: &HeaderValue, context: &Context) -> Route {
    if context.principal.role().as_str() != Role::SERVICE {
        let message = "x-isobase-version needs the secret key";
        return Route::Refused(refusal(StatusCode::FORBIDDEN, "FORBIDDEN", message));
    }
    let text = wanted.to_str().unwrap_or_default();
    match text.parse().ok().filter(|version| line.versions.contains(version)) {
        Some(version) => Route::Asked(line.target.at_version(version)),
        None => {
            let message = format!("This function has no version {text:.20}");
            Route::Refused(refusal(StatusCode::NOT_FOUND, "NOT_FOUND", &message))
        }
    }
}

/// `uri` with its first segment, the preview's name, replaced by the function's own: it sees the path
/// that it will see when it is live.
fn renamed(uri: Uri, slug: &FunctionSlug) -> Uri {
    let path = uri.path().trim_start_matches('/');
    let rest = path.find('/').map_or("", |slash| &path[slash..]);
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let mut parts: Parts = uri.clone().into_parts();
    parts.path_and_query = PathAndQuery::try_from(format!("/{slug}{rest}{query}")).ok();
    Uri::from_parts(parts).unwrap_or(uri)
}

fn refusal(status: StatusCode, code: &str, message: &str) -> Response<Body> {
    let body = serde_json::json!({ "code": code, "message": message }).to_string();
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(http::header::CONTENT_TYPE, json);
    response
}

#[cfg(test)]
mod tests {
    use super::renamed;
    use isobase_base::FunctionSlug;

    #[test]
    fn a_preview_sees_the_path_of_the_live_function() {
        let slug = FunctionSlug::parse("hello").unwrap();
        for (seen, expected) in [
            ("http://h/preview-x", "http://h/hello"),
            ("http://h/preview-x/a/b?c=d", "http://h/hello/a/b?c=d"),
            ("http://h/preview-x?c", "http://h/hello?c"),
        ] {
            assert_eq!(renamed(seen.parse().unwrap(), &slug).to_string(), expected);
        }
    }
}
