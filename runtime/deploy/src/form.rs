//! A function as a multipart form, RFC 7578: how clients send it, and how it is given back.

use bytes::Bytes;

use crate::store::Bundle;

/// The content type and the body of a form with a part `metadata` and a part `file` for each file.
pub fn form(metadata: &serde_json::Value, bundle: &Bundle) -> (String, Bytes) {
    let boundary = format!("isobase-{}", isobase_base::RequestId::generate());
    let mut text = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"metadata\"\r\n\
         Content-Type: application/json\r\n\r\n{metadata}\r\n"
    )
    .into_bytes();
    for file in &bundle.files {
        // As browsers write it.
        let path = file.path.replace('"', "%22").replace(['\r', '\n'], "%0A");
        let head = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{path}\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n"
        );
        text.extend_from_slice(head.as_bytes());
        text.extend_from_slice(&file.content);
        text.extend_from_slice(b"\r\n");
    }
    text.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    (format!("multipart/form-data; boundary={boundary}"), text.into())
}
