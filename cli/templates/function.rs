//! Served at /functions/v1/{{slug}}. Save this file and the next build answers.

use isobase_sdk::{Request, Response, handler};

handler!(serve);

fn serve(request: Request) -> Response {
    let name = request.query_value("name").unwrap_or("world".into());
    Response::text(format!("Hello {name}!"))
}
