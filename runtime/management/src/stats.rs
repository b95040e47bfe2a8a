//! What functions did since this host started.

use http::Response;
use isobase_base::Body;

use crate::Management;
use crate::answer::ok;

impl Management {
    /// `GET /stats`: the document of the admin port's `/functions`.
    pub(crate) fn stats(&self) -> Response<Body> {
        ok(&self.rooms.observer.functions_document())
    }
}
