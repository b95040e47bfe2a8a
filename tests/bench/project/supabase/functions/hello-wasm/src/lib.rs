//! The smallest answer there is, with isobase's SDK. `hello-wasi` is the same without.

use isobase_sdk::{Request, Response, handler};

handler!(serve);

fn serve(_request: Request) -> Response {
    Response::text("hello")
}
