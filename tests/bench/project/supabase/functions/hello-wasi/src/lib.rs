//! The smallest answer there is, in plain wasi:http and nothing of isobase: the very same component runs under
//! `wasmtime serve`.

use wasip2::http::types::{Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam};

struct Hello;

wasip2::http::proxy::export!(Hello);

impl wasip2::exports::http::incoming_handler::Guest for Hello {
    fn handle(_request: IncomingRequest, outparam: ResponseOutparam) {
        let headers = Fields::from_list(&[
            ("content-type".into(), b"text/plain".to_vec()),
            ("content-length".into(), b"5".to_vec()),
        ]);
        let response = OutgoingResponse::new(headers.expect("the fields are valid"));
        let body = response.body().expect("taken once");
        ResponseOutparam::set(outparam, Ok(response));
        let stream = body.write().expect("taken once");
        stream.blocking_write_and_flush(b"hello").expect("the client reads");
        drop(stream);
        OutgoingBody::finish(body, None).expect("as long as announced");
    }
}
