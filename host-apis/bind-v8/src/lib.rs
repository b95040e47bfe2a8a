//! The host APIs as a V8 function sees them: `isobase:host/caller`, `database`, `queue`, `realtime`,
//! `storage` and `webhook`.
//!
//! Thin: values are converted and passed on, behaviour lives in the capability's own crate. The
//! same names exist for WebAssembly in `sdk/wit/host.wit`; parity tests hold the two equal.
//!
//! An isolate serves many requests at once, so every operation names the invocation it runs for.
//! The script side takes that id from the async context (`internals.currentInvocation`, set by the
//! runtime), and [`Callers`] knows which ids are alive, who called, and what they hold open.
//!
//! ```
//! use isobase_base::Capabilities;
//! use isobase_bind_v8::{Callers, HostApis};
//!
//! // What the runtime puts into an isolate's state when it is given a function.
//! let callers = Callers::new(HostApis::default(), Capabilities::default());
//! assert!(callers.is_empty());
//! ```

mod caller;
mod database;
mod queue;
mod realtime;
mod storage;
mod webhook;

pub use caller::{Callers, HostApis};

/// Scripts of this crate, sorted by specifier, for whoever writes the snapshot.
pub static SCRIPTS: &[(&str, &str)] = &[
    ("ext:isobase_host/caller.js", include_str!("../js/caller.js")),
    ("ext:isobase_host/database.js", include_str!("../js/database.js")),
    ("ext:isobase_host/queue.js", include_str!("../js/queue.js")),
    ("ext:isobase_host/realtime.js", include_str!("../js/realtime.js")),
    ("ext:isobase_host/storage.js", include_str!("../js/storage.js")),
    ("ext:isobase_host/webhook.js", include_str!("../js/webhook.js")),
];

deno_core::extension!(
    isobase_host,
    ops = [
        caller::op_isobase_caller_claims,
        caller::op_isobase_caller_role,
        caller::op_isobase_request_id,
        caller::op_isobase_traceparent,
        database::op_isobase_db_begin,
        database::op_isobase_db_commit,
        database::op_isobase_db_generation,
        database::op_isobase_db_newer_snapshot,
        database::op_isobase_db_query,
        database::op_isobase_db_query_document,
        database::op_isobase_db_query_documents,
        database::op_isobase_db_query_lines,
        database::op_isobase_db_rollback,
        database::op_isobase_db_snapshot,
        database::op_isobase_db_stream_close,
        database::op_isobase_db_stream_next,
        database::op_isobase_db_stream_open,
        database::op_isobase_db_transaction_document,
        database::op_isobase_db_transaction_query,
        queue::op_isobase_queue_metrics,
        queue::op_isobase_queue_read,
        queue::op_isobase_queue_send,
        queue::op_isobase_queue_send_batch,
        queue::op_isobase_queue_settle,
        storage::op_isobase_storage_copy,
        storage::op_isobase_storage_get,
        storage::op_isobase_storage_head,
        storage::op_isobase_storage_list,
        storage::op_isobase_storage_move,
        storage::op_isobase_storage_put_bytes,
        storage::op_isobase_storage_put_stream,
        storage::op_isobase_storage_remove,
        storage::op_isobase_storage_sign,
        storage::op_isobase_storage_verify,
        realtime::op_isobase_realtime_publish_bytes,
        realtime::op_isobase_realtime_publish_json,
        webhook::op_isobase_webhook_verify,
    ],
    lazy_loaded_js = [
        "ext:isobase_host/caller.js" = "js/caller.js",
        "ext:isobase_host/database.js" = "js/database.js",
        "ext:isobase_host/queue.js" = "js/queue.js",
        "ext:isobase_host/realtime.js" = "js/realtime.js",
        "ext:isobase_host/storage.js" = "js/storage.js",
        "ext:isobase_host/webhook.js" = "js/webhook.js",
    ],
    synthetic_esm = [
        "isobase:host/caller" = "ext:isobase_host/caller.js",
        "isobase:host/database" = "ext:isobase_host/database.js",
        "isobase:host/queue" = "ext:isobase_host/queue.js",
        "isobase:host/realtime" = "ext:isobase_host/realtime.js",
        "isobase:host/storage" = "ext:isobase_host/storage.js",
        "isobase:host/webhook" = "ext:isobase_host/webhook.js",
    ],
);
