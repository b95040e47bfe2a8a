//! Which extensions make up an isolate, in an order that snapshot and runtime must share.

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::{Arc, OnceLock};

use deno_core::{Extension, ExtensionFileSource};
use deno_tls::RootCertStoreProvider;
use deno_tls::rustls::RootCertStore;
use hyper_util::client::legacy::Builder as HttpClientBuilder;
use isobase_base::limits;

use crate::blobs::CountedBlobs;
use crate::files::Disk;
use crate::memory::MemoryMeter;
use crate::scripts::{Scripts, Table};
use crate::{node, ops, scripts, sources};

deno_core::extension!(
    deno_telemetry,
    lazy_loaded_js = [
        "ext:deno_telemetry/telemetry.ts" = "js/telemetry.js",
        "ext:deno_telemetry/util.ts" = "js/telemetry_spans.js",
    ],
);

deno_core::extension!(
    isobase_runtime,
    deps = [deno_webidl, deno_web, deno_fetch, deno_crypto],
    ops = [
        ops::connection::op_isobase_may_connect,
        ops::connection::op_isobase_messages_max,
        ops::encrypted_key::op_isobase_judge_encrypted_key,
        ops::fetch::op_isobase_fetch_own,
        ops::fetch::op_isobase_is_own,
        ops::lifecycle::op_isobase_keep,
        ops::lifecycle::op_isobase_let_go,
        ops::lifecycle::op_isobase_registered,
        ops::lifecycle::op_isobase_v8_version,
        ops::lifecycle::op_isobase_watch_cancel,
        ops::log::op_isobase_log,
        ops::log::op_isobase_log_error,
        ops::native::op_isobase_hold,
        ops::native::op_isobase_judge_filling,
        ops::native::op_isobase_judge_iterations,
        ops::native::op_isobase_judge_key,
        ops::native::op_isobase_judge_powers,
        ops::native::op_isobase_judge_prime,
        ops::native::op_isobase_judge_safe_prime,
        ops::native::op_isobase_release,
        ops::request_body::op_isobase_body_stream,
        ops::request_body::op_isobase_body_take,
        ops::request_body::op_isobase_body_take_text,
        ops::request::op_isobase_remote_address,
        ops::request::op_isobase_request_header,
        ops::request::op_isobase_request_headers,
        ops::request::op_isobase_request_url,
        ops::response::op_isobase_fail,
        ops::response::op_isobase_respond_bytes,
        ops::response::op_isobase_respond_empty,
        ops::response::op_isobase_respond_stream,
        ops::response::op_isobase_respond_text,
        ops::upgrade::op_isobase_upgrade,
        ops::upgrade::op_isobase_upgrade_bare,
        ops::upgrade::op_isobase_websocket_accept,
    ],
    lazy_loaded_js = [
        dir "js",
        "ext:isobase_runtime/ai.js" = "ai.js",
        "ext:isobase_runtime/caches.js" = "caches.js",
        "ext:isobase_runtime/deno.js" = "deno.js",
        "ext:isobase_runtime/environment.js" = "environment.js",
        "ext:isobase_runtime/errors.js" = "errors.js",
        "ext:isobase_runtime/globals.js" = "globals.js",
        "ext:isobase_runtime/listening.js" = "listening.js",
        "ext:isobase_runtime/messages.js" = "messages.js",
        "ext:isobase_runtime/native.js" = "native.js",
        "ext:isobase_runtime/navigator.js" = "navigator.js",
        "ext:isobase_runtime/own_fetch.js" = "own_fetch.js",
        "ext:isobase_runtime/permissions.js" = "permissions.js",
        "ext:isobase_runtime/queue.js" = "queue.js",
        "ext:isobase_runtime/serve.js" = "serve.js",
        "ext:isobase_runtime/websocket.js" = "websocket.js",
    ],
);

/// For an isolate that starts from the snapshot: operations and state, no sources.
pub(crate) fn for_isolate(memory: &Arc<MemoryMeter>, disk: &Arc<Disk>) -> Vec<Extension> {
    let certificates: Arc<dyn RootCertStoreProvider> = Arc::new(SharedCertificates);
    let mut extensions = vec![
        deno_telemetry::init(),
        deno_webidl::deno_webidl::init(),
        ops::compression::counted(deno_web::deno_web::init(
            CountedBlobs::new(memory.clone()),
            None,
            false,
            deno_web::InMemoryBroadcastChannel::default(),
        )),
        deno_crypto::deno_crypto::init(None),
        deno_fetch::deno_fetch::init(deno_fetch::Options {
            user_agent: user_agent(),
            root_cert_store_provider: Some(certificates.clone()),
            // `file:` is the disk that the function sees.
            file_fetch_handler: Rc::new(deno_fetch::FsFetchHandler),
            client_builder_hook: Some(bound_idle_connections),
            ..Default::default()
        }),
        deno_websocket::deno_websocket::init(),
        node::restrict_network(deno_net::deno_net::init(Some(certificates), None)),
        deno_tls::deno_tls::init(),
        isobase_bind_v8::isobase_host::init(),
        isobase_runtime::init(),
    ];
    extensions.extend(node::extensions(disk));
    extensions
}

/// The same, of no isolate.
pub(crate) fn for_listing() -> Vec<Extension> {
    let memory = MemoryMeter::new(u64::MAX);
    for_isolate(&memory, &Disk::new(&memory))
}

/// For writing an image: the same extensions, with the texts in `scripts`. The image has what is evaluated
/// for it.
pub(crate) fn for_snapshot(scripts: Scripts) -> Vec<Extension> {
    let with_text = |files: &[ExtensionFileSource], table: Table| -> Cow<'static, [ExtensionFileSource]> {
        let texts = files.iter().filter_map(|file| {
            let text = scripts::unwrapped(sources::find(table, file.specifier)?);
            Some(ExtensionFileSource::new_computed(file.specifier, Arc::from(text)))
        });
        texts.collect()
    };
    let mut extensions = for_listing();
    for extension in &mut extensions {
        extension.lazy_loaded_js_files = with_text(&extension.lazy_loaded_js_files, scripts.classic);
        extension.lazy_loaded_esm_files = with_text(&extension.lazy_loaded_esm_files, scripts.modules);
    }
    extensions
}

/// What `fetch` keeps open for later requests.
fn bound_idle_connections(mut builder: HttpClientBuilder) -> HttpClientBuilder {
    builder.pool_max_idle_per_host(limits::V8_IDLE_CONNECTIONS_PER_HOST_MAX);
    builder.pool_idle_timeout(limits::V8_IDLE_CONNECTION_TIMEOUT);
    builder
}

/// `User-Agent` of outgoing requests and `navigator.userAgent`.
pub(crate) fn user_agent() -> String {
    concat!("isobase/", env!("CARGO_PKG_VERSION")).to_owned()
}

/// The root certificates of the web, parsed once for all isolates.
struct SharedCertificates;

impl RootCertStoreProvider for SharedCertificates {
    fn get_or_try_init(&self) -> Result<&RootCertStore, deno_error::JsErrorBox> {
        static STORE: OnceLock<RootCertStore> = OnceLock::new();
        Ok(STORE.get_or_init(deno_tls::create_default_root_cert_store))
    }
}
