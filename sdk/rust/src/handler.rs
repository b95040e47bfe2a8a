//! Makes a plain function the component's export.

use crate::bindings::wasi::http::types::{IncomingRequest, ResponseOutparam};
use crate::{IntoResponse, Request};

/// Exports `fn serve(Request) -> impl IntoResponse` as the function's answer to HTTP requests.
/// Once per component.
#[macro_export]
macro_rules! handler {
    ($serve:path) => {
        #[cfg(target_family = "wasm")]
        #[allow(unsafe_code, reason = "the canonical ABI's exports, generated")]
        const _: () = {
            struct Function;

            impl $crate::bindings::exports::wasi::http::incoming_handler::Guest for Function {
                fn handle(
                    request: $crate::bindings::wasi::http::types::IncomingRequest,
                    out: $crate::bindings::wasi::http::types::ResponseOutparam,
                ) {
                    $crate::internal::answer($serve, request, out);
                }
            }

    $crate::bindings::export!(Function with_types_in $crate::bindings);
        };

        // Elsewhere the handler is only checked for its shape, so that tests can call it.
        #[cfg(not(target_family = "wasm"))]
        const _: () = {
            fn has_the_shape_of_a_handler<R: $crate::IntoResponse>(_: fn($crate::Request) -> R) {}
            let _ = || has_the_shape_of_a_handler($serve);
        };
    };
}

/// Runs `serve` and sends what it returns. Reached through [`handler!`].
pub fn answer<R: IntoResponse>(
    serve: impl FnOnce(Request) -> R,
    request: IncomingRequest,
    out: ResponseOutparam,
) {
    serve(Request::from_host(request)).into_response().send(out);
}
