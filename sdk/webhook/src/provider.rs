//! Who sends webhooks, and so how they are signed.

/// A sender's way of signing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Provider {
    /// `Stripe-Signature: t=…,v1=…` (docs.stripe.com/webhooks).
    Stripe,
    /// `X-Hub-Signature-256: sha256=…` (docs.github.com, validating webhook deliveries). Has no time.
    GitHub,
    /// `X-Slack-Signature: v0=…` (api.slack.com, verifying requests from Slack).
    Slack,
    /// `webhook-id`, `webhook-timestamp` and `webhook-signature` (standardwebhooks.com), or the same
    /// with `svix-`.
    Standard,
    /// An HMAC-SHA256 of the body in a header of any name. Has no time.
    Hmac(Hmac),
}

/// Where a plain HMAC is found and how it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hmac {
    /// In lower case.
    pub header: String,
    /// What stands before the signature, such as `sha256=`.
    pub prefix: String,
    pub encoding: Encoding,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    Hex,
    Base64,
}

impl Default for Hmac {
    fn default() -> Self {
        Self { header: "x-signature".into(), prefix: String::new(), encoding: Encoding::Hex }
    }
}

impl Provider {
    /// The provider called `name` in a manifest: `stripe`, `github`, `slack`, `standard`, `hmac`.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "stripe" => Some(Self::Stripe),
            "github" => Some(Self::GitHub),
            "slack" => Some(Self::Slack),
            "standard" => Some(Self::Standard),
            "hmac" => Some(Self::Hmac(Hmac::default())),
            _ => None,
        }
    }
}
