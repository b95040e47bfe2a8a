//! Groups 16 to 18: signatures that a lax verifier takes.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;

use super::{Attack, token};
use crate::keyring::{ec, ed25519, encode, rsa, user_by};

/// The token with its signature replaced.
fn with_signature(token: &str, signature: &[u8]) -> String {
    format!("{}.{}", token.rsplit_once('.').unwrap().0, encode(signature))
}

fn signature_of(token: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(token.rsplit_once('.').unwrap().1).unwrap()
}

/// An ECDSA signature in ASN.1, as X.509 has it.
fn der(raw: &[u8]) -> Vec<u8> {
    let integer = |number: &[u8]| {
        let mut bytes = vec![0];
        bytes.extend_from_slice(number);
        [&[2, bytes.len() as u8], &bytes[..]].concat()
    };
    let both = [integer(&raw[..32]), integer(&raw[32..])].concat();
    [&[0x30, both.len() as u8], &both[..]].concat()
}

/// The order of P-256, and of Ed25519 little-endian.
const P256_ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa,
    0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];
const ED25519_ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

/// `signature` with `s + L` for `s`: the same number to a verifier that forgets to check its range.
fn malleated(signature: &[u8]) -> Vec<u8> {
    let (point, scalar) = signature.split_at(32);
    let mut carry = 0;
    let sum = scalar.iter().zip(ED25519_ORDER).map(|(left, right)| {
        let total = u16::from(*left) + u16::from(right) + carry;
        carry = total >> 8;
        total as u8
    });
    [point, &sum.collect::<Vec<u8>>()].concat()
}

pub(super) fn signatures() -> Vec<Attack> {
    let ecdsa = user_by(&ec(), Algorithm::ES256, "ec");
    let good = signature_of(&ecdsa);
    let (zero, one, ones) = (
        [0; 32],
        {
            let mut one = [0; 32];
            one[31] = 1;
            one
        },
        [0xff; 32],
    );
    let forged: Vec<(&str, Vec<u8>)> = vec![
        ("r = 0, s = 0", vec![0; 64]),
        ("r = 0, s = 1", [zero, one].concat()),
        ("r = 1, s = 0", [one, zero].concat()),
        ("r = 1, s = 1", [one, one].concat()),
        ("r = n", [&P256_ORDER[..], &good[32..]].concat()),
        ("s = n", [&good[..32], &P256_ORDER[..]].concat()),
        ("all ones", [ones, ones].concat()),
        ("DER", der(&good)),
        ("63 bytes", good[..63].to_vec()),
        ("65 bytes", [&good[..], &[0]].concat()),
        ("a zero before", [&[0], &good[..]].concat()),
        ("nothing", Vec::new()),
    ];
    let mut table: Vec<Attack> =
        forged.iter().map(|(what, signature)| token(16, what, with_signature(&ecdsa, signature))).collect();
    let by_rsa = user_by(&rsa(), Algorithm::RS256, "rsa");
    let good = signature_of(&by_rsa);
    let mut number_one = vec![0; 256];
    number_one[255] = 1;
    for (what, signature) in [
        ("a zero before", [&[0], &good[..]].concat()),
        ("a byte short", good[1..].to_vec()),
        ("zero", vec![0; 256]),
        ("one", number_one),
        ("larger than the modulus", vec![0xff; 256]),
        ("another length", vec![1; 128]),
    ] {
        table.push(token(17, what, with_signature(&by_rsa, &signature)));
    }
    let by_ed = user_by(&ed25519(), Algorithm::EdDSA, "ed");
    let good = signature_of(&by_ed);
    for (what, signature) in [
        ("s + L", malleated(&good)),
        ("the neutral point and s = 0", [one_point(), zero.to_vec()].concat()),
        ("63 bytes", good[..63].to_vec()),
        ("65 bytes", [&good[..], &[0]].concat()),
        ("zero", vec![0; 64]),
    ] {
        table.push(token(18, what, with_signature(&by_ed, &signature)));
    }
    table
}

/// The neutral element of Ed25519.
pub(super) fn one_point() -> Vec<u8> {
    let mut point = vec![0; 32];
    point[0] = 1;
    point
}
