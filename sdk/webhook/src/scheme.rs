//! What a request claims of itself, read from its headers as each provider writes them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::error::{Error, UnusableSecret};
use crate::provider::{Encoding, Hmac, Provider};
use crate::signature::{Claim, Signature};

/// A provider, as far as reading headers goes.
#[derive(Clone, Debug)]
pub(crate) enum Scheme {
    Stripe,
    GitHub,
    Slack,
    Standard,
    Plain(Hmac),
}

/// Signatures looked at in one header: more is no rotation but an attempt at something.
const SIGNATURES_MAX: usize = 16;

impl Scheme {
    pub(crate) fn of(provider: Provider) -> Self {
        match provider {
            Provider::Stripe => Self::Stripe,
            Provider::GitHub => Self::GitHub,
            Provider::Slack => Self::Slack,
            Provider::Standard => Self::Standard,
            Provider::Hmac(hmac) => Self::Plain(hmac),
        }
    }

    /// Providers whose users choose the secret themselves: it may be a sentence.
    pub(crate) fn secrets_have_spaces(&self) -> bool {
        match self {
            Self::GitHub | Self::Plain(_) => true,
            Self::Stripe | Self::Slack | Self::Standard => false,
        }
    }

    /// The bytes that a secret stands for.
    pub(crate) fn key(&self, secret: &str) -> Result<Vec<u8>, UnusableSecret> {
        match self {
            Self::Standard => {
                let encoded = secret.strip_prefix("whsec_").unwrap_or(secret);
                STANDARD.decode(encoded).map_err(|_| UnusableSecret::NotBase64)
            }
            Self::Stripe | Self::GitHub | Self::Slack | Self::Plain(_) => Ok(secret.as_bytes().to_vec()),
        }
    }

    /// Reads what is claimed; nothing of it is believed yet.
    pub(crate) fn claim<'h>(&self, header: &impl Fn(&str) -> Option<&'h str>) -> Result<Claim, Error> {
        match self {
            Self::Stripe => stripe(header),
            Self::GitHub => github(header),
            Self::Slack => slack(header),
            Self::Standard => standard(header),
            Self::Plain(hmac) => plain(hmac, header),
        }
    }
}

fn find<'h>(header: &impl Fn(&str) -> Option<&'h str>, name: &str) -> Result<&'h str, Error> {
    header(name).ok_or_else(|| Error::Missing(name.to_owned()))
}

fn malformed(name: &str) -> Error {
    Error::Malformed(name.to_owned())
}

/// Digits only: a sign or a blank would be signed differently from how it is read.
fn seconds(text: &str, name: &str) -> Result<u64, Error> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_number).ok_or_else(|| malformed(name))
}

fn stripe<'h>(header: &impl Fn(&str) -> Option<&'h str>) -> Result<Claim, Error> {
    const NAME: &str = "stripe-signature";
    let (mut time, mut signatures) = (None, Vec::new());
    for (name, value) in find(header, NAME)?.split(',').filter_map(|item| item.trim().split_once('=')) {
        match name {
            "t" => time = Some(value),
            "v1" => signatures.extend(Signature::hex(value)),
            // v0 is Stripe's test scheme, which proves nothing.
            _ => {}
        }
    }
    let time = time.ok_or_else(|| malformed(NAME))?;
    claim(Some(seconds(time, NAME)?), format!("{time}."), signatures, NAME)
}

fn github<'h>(header: &impl Fn(&str) -> Option<&'h str>) -> Result<Claim, Error> {
    const NAME: &str = "x-hub-signature-256";
    let signature = find(header, NAME)?.strip_prefix("sha256=").and_then(Signature::hex);
    claim(None, String::new(), signature.into_iter().collect(), NAME)
}

fn slack<'h>(header: &impl Fn(&str) -> Option<&'h str>) -> Result<Claim, Error> {
    const NAME: &str = "x-slack-signature";
    const TIME: &str = "x-slack-request-timestamp";
    let signature = find(header, NAME)?.strip_prefix("v0=").and_then(Signature::hex);
    let time = find(header, TIME)?;
    let signed_at = seconds(time, TIME)?;
    claim(Some(signed_at), format!("v0:{time}:"), signature.into_iter().collect(), NAME)
}

fn standard<'h>(header: &impl Fn(&str) -> Option<&'h str>) -> Result<Claim, Error> {
    let prefix =
        if header("webhook-id").is_none() && header("svix-id").is_some() { "svix" } else { "webhook" };
    let [id_name, time_name, name] = ["id", "timestamp", "signature"].map(|part| format!("{prefix}-{part}"));
    let (id, time) = (find(header, &id_name)?, find(header, &time_name)?);
    // The format sets parts off by dots; a dot in the id could move bytes from one part to another.
    if id.is_empty() || id.contains('.') {
        return Err(malformed(&id_name));
    }
    let signed_at = seconds(time, &time_name)?;
    // v1a are public-key signatures, which need a key of another kind.
    let versions = find(header, &name)?.split(' ').filter_map(|item| item.strip_prefix("v1,"));
    let signatures = versions.filter_map(Signature::base64).collect();
    claim(Some(signed_at), format!("{id}.{time}."), signatures, &name)
}

fn plain<'h>(hmac: &Hmac, header: &impl Fn(&str) -> Option<&'h str>) -> Result<Claim, Error> {
    let value = find(header, &hmac.header)?.strip_prefix(hmac.prefix.as_str());
    let signature = value.and_then(|value| match hmac.encoding {
        Encoding::Hex => Signature::hex(value),
        Encoding::Base64 => Signature::base64(value),
    });
    claim(None, String::new(), signature.into_iter().collect(), &hmac.header)
}

fn claim(
    signed_at: Option<u64>,
    before_body: String,
    mut signatures: Vec<Signature>,
    name: &str,
) -> Result<Claim, Error> {
    if signatures.is_empty() {
        return Err(malformed(name));
    }
    signatures.truncate(SIGNATURES_MAX);
    Ok(Claim { signed_at, before_body, signatures })
}
