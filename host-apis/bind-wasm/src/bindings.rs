//! Generated from `sdk/wit`: the traits that this crate implements.

use wasmtime::component::{HasData, Linker};

use crate::HostView;

mod generated {
    wasmtime::component::bindgen!({
        path: "../../sdk/wit",
        inline: "
            package isobase:binding;

            world imports {
                import isobase:host/caller@0.1.0;
                import isobase:host/database@0.1.0;
                import isobase:host/queue@0.1.0;
                import isobase:host/realtime@0.1.0;
                import isobase:host/respond@0.1.0;
                import isobase:host/storage@0.1.0;
            }
        ",
        world: "isobase:binding/imports",
        imports: {
            "isobase:host/database.query": async | trappable,
            "isobase:host/database.query-document": async | trappable,
            "isobase:host/database.query-documents": async | trappable,
            "isobase:host/database.query-lines": async | trappable,
            "isobase:host/database.[method]body.read": async | trappable,
            "isobase:host/database.newer-snapshot": async | trappable,
            "isobase:host/database.snapshot": async | trappable,
            "isobase:host/database.[static]row-stream.open": async | trappable,
            "isobase:host/database.[method]row-stream.next": async | trappable,
            "isobase:host/database.[method]transaction.query": async | trappable,
            "isobase:host/database.[method]transaction.query-document": async | trappable,
            "isobase:host/database.[static]transaction.commit": async | trappable,
            "isobase:host/database.[static]transaction.rollback": async | trappable,
            "isobase:host/queue.ack": async | trappable,
            "isobase:host/queue.archive": async | trappable,
            "isobase:host/queue.extend": async | trappable,
            "isobase:host/queue.metrics": async | trappable,
            "isobase:host/queue.read": async | trappable,
            "isobase:host/queue.send": async | trappable,
            "isobase:host/queue.send-batch": async | trappable,
            "isobase:host/storage.put": async | trappable,
            "isobase:host/storage.get": async | trappable,
            "isobase:host/storage.head": async | trappable,
            "isobase:host/storage.list-objects": async | trappable,
            "isobase:host/storage.copy": async | trappable,
            "isobase:host/storage.move": async | trappable,
            "isobase:host/storage.remove": async | trappable,
            "isobase:host/storage.sign": async | trappable,
            "isobase:host/storage.[method]content.read": async | trappable,
            "isobase:host/storage.[static]upload.finish": async | trappable,
            default: trappable,
        },
        require_store_data_send: true,
        with: {
            "wasi:http": wasmtime_wasi_http::p2::bindings::http,
            "wasi:io": wasmtime_wasi::p2::bindings::io,
            "isobase:host/database.body": crate::database::HeldBody,
            "isobase:host/database.row-stream": crate::database::OpenStream,
            "isobase:host/database.transaction": crate::database::OpenTransaction,
            "isobase:host/storage.content": crate::storage::HeldContent,
            "isobase:host/storage.upload": crate::storage::OpenUpload,
        },
    });
}

pub(crate) use generated::isobase::host::{caller, database, queue, realtime, respond, storage};

/// Says that a [`HostView`] is what the generated code works on.
struct Bound;

impl HasData for Bound {
    type Data<'a> = HostView<'a>;
}

/// Makes the imports of `isobase:host` available to components. `view` borrows, from the data of a
/// store, what the imports work on.
pub fn add_to_linker<T: Send + 'static>(
    linker: &mut Linker<T>,
    view: fn(&mut T) -> HostView<'_>,
) -> wasmtime::Result<()> {
    caller::add_to_linker::<T, Bound>(linker, view)?;
    database::add_to_linker::<T, Bound>(linker, view)?;
    queue::add_to_linker::<T, Bound>(linker, view)?;
    realtime::add_to_linker::<T, Bound>(linker, view)?;
    respond::add_to_linker::<T, Bound>(linker, view)?;
    storage::add_to_linker::<T, Bound>(linker, view)
}
