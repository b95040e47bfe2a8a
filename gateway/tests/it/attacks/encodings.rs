//! Groups 19 to 24: tokens that two readers would read differently.

use jsonwebtoken::{Algorithm, crypto};
use serde_json::json;

use super::{Attack, token};
use crate::keyring::{SECRET, encode, hmac, raw, user, user_but, user_claims, with_header};

pub(super) fn encodings() -> Vec<Attack> {
    let good = user();
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let other = user_but(json!({ "role": "service_role" }));
    let swapped = {
        let parts: Vec<&str> = good.split('.').collect();
        format!("{}.{}.{}", parts[0], other.split('.').nth(1).unwrap(), parts[2])
    };
    // The last of 43 characters carries four bits; the two below must be zero.
    let (head, last) = signature.split_at(42);
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let place = alphabet.find(last).unwrap();
    let loose = &alphabet[place + 1..place + 2];
    let cut = &signature[..signature.len() - 1];
    let mut table: Vec<Attack> = [
        (19, "truncated", format!("{signed}.{cut}")),
        (19, "appended to", format!("{good}A")),
        (19, "four more", format!("{good}AAAA")),
        (19, "parts of two tokens", swapped),
        (19, "no signature", format!("{signed}.")),
        (20, "padded", format!("{good}=")),
        (20, "padded payload", good.replacen('.', "==.", 1)),
        (20, "plus", format!("{signed}.{}+", cut)),
        (20, "slash", format!("{signed}./{}", &signature[1..])),
        (20, "space inside", format!("{signed}. {signature}")),
        (20, "tab inside", format!("{signed}.\t{signature}")),
        (20, "loose trailing bits", format!("{signed}.{head}{loose}")),
        (21, "one dot", signed.into()),
        (21, "three dots", format!("{good}.")),
        (21, "four dots", format!("{good}.{signature}.x")),
        (21, "dots", "..".into()),
        (21, "no dot", "abc".into()),
        (21, "empty", String::new()),
    ]
    .map(|(group, what, text)| token(group, what, text))
    .into();
    let payload = user_claims().to_string();
    for (group, what, bytes) in [
        (
            22,
            "invalid UTF-8",
            payload
                .replace("a@", "\u{fffd}")
                .into_bytes()
                .into_iter()
                .map(|byte| if byte == 0xef { 0xff } else { byte })
                .collect(),
        ),
        (22, "BOM", [b"\xef\xbb\xbf", payload.as_bytes()].concat()),
        (22, "NUL at the end", [payload.as_bytes(), b"\0"].concat()),
        (22, "NUL in a string", payload.replace("a@", "\\u0000").into_bytes()),
        (22, "UTF-16", payload.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>()),
        (24, "trailing bytes", [payload.as_bytes(), b"x"].concat()),
        (24, "two objects", [payload.as_bytes(), payload.as_bytes()].concat()),
    ] {
        let signed = format!("{}.{}", encode(r#"{"alg":"HS256"}"#), encode(bytes));
        let signature = crypto::sign(signed.as_bytes(), &hmac(SECRET.as_bytes()), Algorithm::HS256).unwrap();
        table.push(token(group, what, format!("{signed}.{signature}")));
    }
    for text in ["[]", "1", "null", "\"x\"", "", "{", "true"] {
        table.push(token(23, text, raw(text)));
        table.push(token(23, text, with_header(text)));
    }
    table
}
