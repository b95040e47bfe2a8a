//! A server's half of a WebSocket's handshake (RFC 6455 §4.2).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    CONNECTION, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{HeaderMap, Response, StatusCode};
use sha1::{Digest, Sha1};

const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const VERSION: &str = "13";

/// Why a request does not become a WebSocket, for its sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoHandshake {
    /// It does not ask for one.
    Plain,
    /// It speaks another version of the protocol.
    Version,
    /// `Sec-WebSocket-Key` is absent, or not sixteen bytes in base64.
    Key,
}

/// The 101 for a handshake.
pub fn accept(headers: &HeaderMap) -> Result<Response<()>, NoHandshake> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    if !text(UPGRADE).is_some_and(|protocol| protocol.eq_ignore_ascii_case("websocket")) {
        return Err(NoHandshake::Plain);
    }
    if text(SEC_WEBSOCKET_VERSION) != Some(VERSION) {
        return Err(NoHandshake::Version);
    }
    let key = text(SEC_WEBSOCKET_KEY).ok_or(NoHandshake::Key)?;
    if STANDARD.decode(key).map_or(0, |key| key.len()) != 16 {
        return Err(NoHandshake::Key);
    }
    let accepted = HeaderValue::try_from(accept_key(key)).map_err(|_| NoHandshake::Key)?;
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let answer = response.headers_mut();
    answer.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    answer.insert(UPGRADE, HeaderValue::from_static("websocket"));
    answer.insert(SEC_WEBSOCKET_ACCEPT, accepted);
    Ok(response)
}

/// `Sec-WebSocket-Accept` for a client's `Sec-WebSocket-Key`.
pub fn accept_key(key: &str) -> String {
    STANDARD.encode(Sha1::new().chain_update(key).chain_update(GUID).finalize())
}

#[cfg(test)]
mod tests {
    use super::{NoHandshake, accept};
    use http::HeaderMap;

    #[test]
    fn the_example_of_the_rfc() {
        let mut headers = HeaderMap::new();
        assert_eq!(accept(&headers).err(), Some(NoHandshake::Plain));
        headers.insert("upgrade", "WebSocket".parse().unwrap());
        assert_eq!(accept(&headers).err(), Some(NoHandshake::Version));
        headers.insert("sec-websocket-version", "13".parse().unwrap());
        assert_eq!(accept(&headers).err(), Some(NoHandshake::Key));
        headers.insert("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==".parse().unwrap());
        let response = accept(&headers).unwrap();
        assert_eq!(response.headers()["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
