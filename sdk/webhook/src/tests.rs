//! The test vectors that the providers publish, and what must not pass.

use crate::{Delivery, Encoding, Error, Hmac, Provider, UnusableSecret, Verifier};

/// One genuine webhook.
#[derive(Clone)]
struct Sent {
    provider: Provider,
    secret: &'static str,
    headers: Vec<(&'static str, String)>,
    body: &'static [u8],
    signed_at: u64,
}

impl Sent {
    fn verify_at(&self, now: u64) -> Result<Delivery, Error> {
        let header = |name: &str| {
            let found = self.headers.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| value.as_str())
        };
        Verifier::new(self.provider.clone(), self.secret).unwrap().verify(header, self.body, now)
    }

    fn verify(&self) -> Result<Delivery, Error> {
        self.verify_at(self.signed_at)
    }

    fn with(&self, name: &'static str, value: &str) -> Self {
        let mut changed = self.clone();
        changed.headers.retain(|(known, _)| *known != name);
        changed.headers.push((name, value.to_owned()));
        changed
    }
}

/// docs.github.com: "Testing the webhook payload validation".
fn github() -> Sent {
    let signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    Sent {
        provider: Provider::GitHub,
        secret: "It's a Secret to Everybody",
        headers: vec![
            ("x-hub-signature-256", signature.into()),
            ("x-github-delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958".into()),
        ],
        body: b"Hello, World!",
        signed_at: 0,
    }
}

/// api.slack.com: "Verifying requests from Slack".
fn slack() -> Sent {
    Sent {
        provider: Provider::Slack,
        secret: "8f742231b10e8888abcd99yyyzzz85a5",
        headers: vec![
            ("x-slack-request-timestamp", "1531420618".into()),
            (
                "x-slack-signature",
                "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503".into(),
            ),
        ],
        body:
            b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&\
channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=\
https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=\
398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c",
        signed_at: 1_531_420_618,
    }
}

/// The reference vector of the Standard Webhooks libraries and of Svix.
fn standard() -> Sent {
    Sent {
        provider: Provider::Standard,
        secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        headers: vec![
            ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek".into()),
            ("webhook-timestamp", "1614265330".into()),
            ("webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=".into()),
        ],
        body: br#"{"test": 2432232314}"#,
        signed_at: 1_614_265_330,
    }
}

/// Stripe publishes none; made with `openssl dgst -sha256 -hmac whsec_test_secret`.
fn stripe() -> Sent {
    Sent {
        provider: Provider::Stripe,
        secret: "whsec_test_secret",
        headers: vec![("stripe-signature", STRIPE_SIGNATURE.into())],
        body: STRIPE_BODY,
        signed_at: 1_700_000_000,
    }
}

const STRIPE_BODY: &[u8] = br#"{"id":"evt_1","object":"event","type":"payment_intent.succeeded"}"#;
const STRIPE_SIGNATURE: &str = "t=1700000000,v1=67da5088c63e080c71bd2bb0cb5c03d85a8fc6a21ce3aaf484df809654745b92,v0=6ffbb59b2300aae63f272406069a9788598b792a944a07aba816edb039989a39";

/// RFC 4231, test case 2.
fn plain() -> Sent {
    Sent {
        provider: Provider::Hmac(Hmac::default()),
        secret: "Jefe",
        headers: vec![(
            "x-signature",
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843".into(),
        )],
        body: b"what do ya want for nothing?",
        signed_at: 0,
    }
}

#[test]
fn published_vectors_pass() {
    let ids: Vec<_> = [github(), slack(), standard(), stripe(), plain()]
        .iter()
        .map(|sent| sent.verify().expect("it is genuine").id)
        .collect();
    let expected = [
        Some("72d3162e-cc78-11e3-81ab-4c9367dc0958"),
        None,
        Some("msg_p5jXN8AQM9LWM0D4loKWxJek"),
        Some("evt_1"),
        None,
    ];
    assert_eq!(ids.iter().map(Option::as_deref).collect::<Vec<_>>(), expected);
}

#[test]
fn another_body_or_secret_does_not_pass() {
    for sent in [github(), slack(), standard(), stripe(), plain()] {
        let other_body = Sent { body: b"{}", ..sent.clone() };
        assert_eq!(other_body.verify(), Err(Error::Signature), "{:?}", sent.provider);
        let secret = if sent.provider == Provider::Standard { "whsec_AAAA" } else { "another" };
        let other_secret = Sent { secret, ..sent.clone() };
        assert_eq!(other_secret.verify(), Err(Error::Signature), "{:?}", sent.provider);
        let unsigned = Sent { headers: Vec::new(), ..sent.clone() };
        assert!(matches!(unsigned.verify(), Err(Error::Missing(_))), "{:?}", sent.provider);
    }
}

#[test]
fn time_has_a_tolerance_both_ways() {
    for sent in [slack(), standard(), stripe()] {
        for (offset, expected) in [(300, None), (301, Some(Error::TooOld))] {
            assert_eq!(sent.verify_at(sent.signed_at + offset).err(), expected, "{:?}", sent.provider);
        }
        for (offset, expected) in [(300, None), (301, Some(Error::TooNew))] {
            assert_eq!(sent.verify_at(sent.signed_at - offset).err(), expected, "{:?}", sent.provider);
        }
    }
    // A time that was not signed proves nothing, however fresh it looks.
    let refreshed = slack().with("x-slack-request-timestamp", "1531420919");
    assert_eq!(refreshed.verify_at(1_531_420_919), Err(Error::Signature));
}

#[test]
fn several_signatures_and_secrets_are_a_rotation() {
    let good = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    let other = "v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let rotated = standard().with("webhook-signature", &format!("{other} v1a,xyz {good}"));
    assert!(rotated.verify().is_ok());
    let two_secrets = Sent { secret: "whsec_AAAA whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", ..standard() };
    assert!(two_secrets.verify().is_ok());
}

#[test]
fn svix_is_standard_by_another_name() {
    let mut svix = standard();
    for (name, _) in &mut svix.headers {
        *name = match *name {
            "webhook-id" => "svix-id",
            "webhook-timestamp" => "svix-timestamp",
            _ => "svix-signature",
        };
    }
    assert_eq!(svix.verify().unwrap().id.as_deref(), Some("msg_p5jXN8AQM9LWM0D4loKWxJek"));
}

#[test]
fn headers_are_read_strictly() {
    let malformed = [
        github()
            .with("x-hub-signature-256", "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"),
        github().with("x-hub-signature-256", "sha256=757107"),
        slack().with("x-slack-request-timestamp", "+1531420618"),
        slack().with("x-slack-request-timestamp", ""),
        standard().with("webhook-id", "a.b"),
        standard().with("webhook-signature", "v2,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
        stripe().with("stripe-signature", "v1=00"),
        stripe().with(
            "stripe-signature",
            "t=1700000000,v0=6ffbb59b2300aae63f272406069a9788598b792a944a07aba816edb039989a39",
        ),
        plain().with("x-signature", "zz"),
    ];
    for sent in malformed {
        assert!(matches!(sent.verify(), Err(Error::Malformed(_))), "{:?} {:?}", sent.headers, sent.verify());
    }
}

#[test]
fn a_plain_hmac_is_found_where_it_is_said_to_be() {
    let hmac = Hmac { header: "x-shop-hmac".into(), prefix: "v1=".into(), encoding: Encoding::Base64 };
    let sent = Sent {
        provider: Provider::Hmac(hmac),
        headers: vec![
            ("x-shop-hmac", "v1=W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM=".into()),
            ("idempotency-key", "order-7".into()),
        ],
        ..plain()
    };
    assert_eq!(sent.verify().unwrap().id.as_deref(), Some("order-7"));
}

#[test]
fn secrets_must_be_some() {
    let why = |provider, secret| Verifier::new(provider, secret).err();
    assert_eq!(why(Provider::Stripe, " "), Some(UnusableSecret::Empty));
    assert_eq!(why(Provider::GitHub, ""), Some(UnusableSecret::Empty));
    assert_eq!(why(Provider::Standard, "whsec_?"), Some(UnusableSecret::NotBase64));
    assert_eq!(why(Provider::Standard, "whsec_"), Some(UnusableSecret::Empty));
}
