//! The smallest answer there is. It asks nothing of isobase's host, so the same component runs under `wasmtime serve`.

use isobase_sdk::{Request, Response, handler};

handler!(serve);

fn serve(_request: Request) -> Response {
    Response::text("hello")
}
