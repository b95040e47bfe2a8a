//! The keys and tokens a request presents, found but not yet believed.

use std::borrow::Cow;

use http::header::{AUTHORIZATION, HeaderMap};
use percent_encoding::percent_decode_str;

use crate::keys::looks_opaque;

/// Why the credentials cannot even be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unclear {
    /// Two `Authorization` headers, or one that is not `Bearer` and a token.
    Authorization,
    /// Two API keys that differ.
    ApiKeys,
}

/// What `Authorization` holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bearer<'a> {
    Absent,
    /// The text after `Bearer`, a JWT or an opaque key. May be empty.
    Token(&'a str),
}

pub(super) struct Credentials<'a> {
    pub(super) bearer: Bearer<'a>,
    pub(super) apikey: Option<Cow<'a, str>>,
}

impl<'a> Credentials<'a> {
    /// Looks into the headers and, where `query` is given, into its `apikey` parameter, which
    /// browsers use where they cannot set headers. No other parameter is ever a credential.
    pub(super) fn find(headers: &'a HeaderMap, query: Option<&'a str>) -> Result<Self, Unclear> {
        let bearer = bearer(headers)?;
        let in_headers = headers.get_all("apikey").iter().map(|value| value.to_str().ok().map(Cow::Borrowed));
        let in_query = query.into_iter().flat_map(apikeys_in).map(Some);
        let mut apikey: Option<Cow<'a, str>> = None;
        for found in in_headers.chain(in_query) {
            let found = found.ok_or(Unclear::ApiKeys)?;
            match &apikey {
                Some(other) if *other != found => return Err(Unclear::ApiKeys),
                _ => apikey = Some(found),
            }
        }
        Ok(Self { bearer, apikey: apikey.filter(|key| !key.is_empty()) })
    }

    /// The text in `Authorization` that claims to be a token.
    pub(super) fn token(&self) -> Option<&'a str> {
        match self.bearer {
            Bearer::Token(token) if !looks_opaque(token) => Some(token),
            Bearer::Token(_) | Bearer::Absent => None,
        }
    }
}

/// The scheme is case-insensitive and set off by spaces (RFC 9110 §11.4, RFC 6750 §2.1). An empty
/// header counts as none: some clients send it for "not signed in".
fn bearer(headers: &HeaderMap) -> Result<Bearer<'_>, Unclear> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = match (values.next(), values.next()) {
        (None, _) => return Ok(Bearer::Absent),
        (Some(value), None) => value.to_str().map_err(|_| Unclear::Authorization)?,
        (Some(_), Some(_)) => return Err(Unclear::Authorization),
    };
    if value.is_empty() {
        return Ok(Bearer::Absent);
    }
    let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
    if scheme.eq_ignore_ascii_case("bearer") {
        Ok(Bearer::Token(token.trim_matches(' ')))
    } else {
        Err(Unclear::Authorization)
    }
}

const PARAMETER: &str = "apikey";

fn apikeys_in(query: &str) -> impl Iterator<Item = Cow<'_, str>> {
    query.split('&').filter(|pair| names_apikey(pair)).map(|pair| {
        let value = pair.split_once('=').map_or("", |(_, value)| value);
        percent_decode_str(value).decode_utf8_lossy()
    })
}

fn names_apikey(pair: &str) -> bool {
    let name = pair.split('=').next().unwrap_or_default();
    name == PARAMETER || (name.contains('%') && percent_decode_str(name).decode_utf8_lossy() == PARAMETER)
}

/// The query without its `apikey` parameter: the data API would take it for a filter, and it does
/// not belong into logs further on.
pub(super) fn without_apikey(query: &str) -> Cow<'_, str> {
    if !query.split('&').any(names_apikey) {
        return Cow::Borrowed(query);
    }
    let kept: Vec<&str> = query.split('&').filter(|pair| !names_apikey(pair)).collect();
    Cow::Owned(kept.join("&"))
}

#[cfg(test)]
mod tests {
    use super::{Bearer, Credentials, Unclear, without_apikey};
    use http::{HeaderMap, HeaderValue};

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn the_bearer_scheme_is_read_strictly() {
        let token = Ok(Bearer::Token("a.b.c"));
        let cases: [(&[(&str, &str)], _); 13] = [
            (&[], Ok(Bearer::Absent)),
            (&[("authorization", "")], Ok(Bearer::Absent)),
            (&[("authorization", "Bearer a.b.c")], token),
            (&[("authorization", "bearer a.b.c")], token),
            (&[("authorization", "BEARER   a.b.c")], token),
            (&[("authorization", "Bearer")], Ok(Bearer::Token(""))),
            (&[("authorization", "Bearer a.b.c, Bearer d.e.f")], Ok(Bearer::Token("a.b.c, Bearer d.e.f"))),
            (&[("authorization", "Bearera.b.c")], Err(Unclear::Authorization)),
            (&[("authorization", "Bearer\ta.b.c")], Err(Unclear::Authorization)),
            (&[("authorization", "Basic YTpi")], Err(Unclear::Authorization)),
            (&[("authorization", "a.b.c")], Err(Unclear::Authorization)),
            (&[("authorization", "Bearer a"), ("authorization", "Bearer a")], Err(Unclear::Authorization)),
            (&[("authorization", "Bearer a"), ("authorization", "")], Err(Unclear::Authorization)),
        ];
        for (lines, expected) in cases {
            let headers = headers(lines);
            assert_eq!(Credentials::find(&headers, None).map(|found| found.bearer), expected, "{lines:?}");
        }
    }

    #[test]
    fn the_apikey_is_found_once_or_refused() {
        let find = |lines: &[(&'static str, &'static str)], query| {
            Credentials::find(&headers(lines), query).map(|found| found.apikey.map(|key| key.into_owned()))
        };
        assert_eq!(find(&[], Some("a=1&apikey=k%2B1")), Ok(Some("k+1".into())));
        assert_eq!(find(&[("apikey", "k")], Some("%61pikey=k")), Ok(Some("k".into())));
        assert_eq!(find(&[("apikey", "k")], Some("apikey=l")), Err(Unclear::ApiKeys));
        assert_eq!(find(&[("apikey", "k"), ("apikey", "l")], None), Err(Unclear::ApiKeys));
        assert_eq!(find(&[], Some("access_token=t&jwt=t&token=t")), Ok(None));
        assert_eq!(find(&[("apikey", "")], None), Ok(None));
    }

    #[test]
    fn the_query_loses_only_its_apikey() {
        for (query, expected) in [
            ("select=*&id=eq.1", "select=*&id=eq.1"),
            ("apikey=k", ""),
            ("select=*&apikey=k&id=eq.1", "select=*&id=eq.1"),
            ("ap%69key=k&apikeys=1&x=apikey", "apikeys=1&x=apikey"),
            ("", ""),
        ] {
            assert_eq!(without_apikey(query), expected);
        }
    }
}
