//! What `js/serve.js` and `js/bootstrap.js` can ask of the host. Each operation names its
//! invocation by id; an id whose invocation is over is answered with "nothing" or refused, never
//! with another request's data.

pub(crate) mod compression;
pub(crate) mod connection;
pub(crate) mod encrypted_key;
pub(crate) mod fetch;
pub(crate) mod lifecycle;
pub(crate) mod log;
pub(crate) mod native;
pub(crate) mod request;
pub(crate) mod request_body;
pub(crate) mod response;
pub(crate) mod upgrade;
