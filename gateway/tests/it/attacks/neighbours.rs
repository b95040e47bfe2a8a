//! Groups 19 and 20, exhaustively: of all the texts that differ from a token in one place, none
//! passes. A token has one spelling.

use isobase_gateway::keys::KeySet;
use jsonwebtoken::Algorithm;

use crate::keyring::{self, ec, ed25519, now, user, user_by};

/// The alphabet of base64url, the other base64's characters, and what lax decoders skip.
const CHARACTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/= .\n";

fn neighbours<'a>(token: &'a str, characters: &'a str) -> impl Iterator<Item = String> + 'a {
    (0..token.len()).flat_map(move |at| {
        let (before, after) = token.split_at(at);
        let replaced = characters
            .chars()
            .filter(move |character| !after.starts_with(*character))
            .map(move |character| format!("{before}{character}{}", &after[1..]));
        let inserted = ['A', '=', ' ', '.'].map(move |character| format!("{before}{character}{after}"));
        replaced.chain(inserted).chain([format!("{before}{}", &after[1..])])
    })
}

fn check(token: &str, characters: &str) {
    let keys = KeySet::new(&keyring::project()).unwrap();
    assert!(keys.verify_at(token, now()).is_ok());
    for neighbour in neighbours(token, characters) {
        assert!(keys.verify_at(&neighbour, now()).is_err(), "{neighbour}");
    }
}

#[test]
fn of_an_hs256_token() {
    check(&user(), CHARACTERS);
}

/// Fewer replacements: an elliptic signature takes a hundred times as long to check.
#[test]
fn of_asymmetric_tokens() {
    check(&user_by(&ec(), Algorithm::ES256, "ec"), "AZ-_=");
    check(&user_by(&ed25519(), Algorithm::EdDSA, "ed"), "AZ-_=");
}
