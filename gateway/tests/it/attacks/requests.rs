//! Groups 39 to 43 and 47: credentials that contradict each other or are in the wrong place.

use super::{Attack, Outcome, headers};
use crate::keyring::{PUBLISHABLE, SECRET_KEY, api_key, user};

pub(super) fn requests() -> Vec<Attack> {
    let bearer = |token: &str| format!("Authorization: Bearer {token}");
    let (user, service) = (user(), api_key("service_role"));
    let mut table = vec![
        headers(39, "two headers", &[bearer(&user), bearer(&service)]),
        headers(39, "the same twice", &[bearer(&user), bearer(&user)]),
        headers(39, "joined by a comma", &[format!("{}, Bearer {service}", bearer(&user))]),
        headers(40, "bearer", &[format!("Authorization: bearer {user}")]).is("authenticated"),
        headers(40, "BEARER", &[format!("AUTHORIZATION: BEARER {user}")]).is("authenticated"),
        headers(40, "no space", &[format!("Authorization: Bearer{user}")]),
        headers(40, "a tab", &[format!("Authorization: Bearer\t{user}")]),
        headers(40, "no scheme", &[format!("Authorization: {user}")]),
        headers(40, "Basic", &["Authorization: Basic c2VydmljZV9yb2xlOg==".into()]),
        headers(40, "Bearer twice", &[format!("Authorization: Bearer Bearer {user}")]),
        headers(41, "header and query disagree", &[format!("apikey: {PUBLISHABLE}")])
            .to("GET /rest/v1/t?apikey=sb_secret_CCCCCCCCCCCCCCCCCCCCCC_DDDDDDDD"),
        headers(41, "header and bearer disagree", &[format!("apikey: {PUBLISHABLE}"), bearer(SECRET_KEY)]),
        headers(
            41,
            "two apikey headers",
            &[format!("apikey: {PUBLISHABLE}"), format!("apikey: {SECRET_KEY}")],
        ),
        headers(41, "header and bearer agree", &[format!("apikey: {PUBLISHABLE}"), bearer(PUBLISHABLE)])
            .is("anon"),
        headers(42, "publishable key, service token", &[format!("apikey: {PUBLISHABLE}"), bearer(&service)])
            .is("service_role"),
        headers(42, "secret key, user's token", &[format!("apikey: {SECRET_KEY}"), bearer(&user)])
            .is("authenticated"),
        headers(42, "secret key, bad token", &[format!("apikey: {SECRET_KEY}"), bearer("a.b.c")]),
        headers(43, "secret key alone", &[format!("apikey: {SECRET_KEY}")]).is("service_role"),
        headers(47, "access_token in the query", &[])
            .to("GET /rest/v1/t?access_token=sb_secret_CCCCCCCCCCCCCCCCCCCCCC_DDDDDDDD")
            .is("anon"),
    ];
    for near_miss in [
        "sb_secret_CCCCCCCCCCCCCCCCCCCCCC_DDDDDDDE",
        "sb_secret_CCCCCCCCCCCCCCCCCCCCCC_DDDDDDD",
        "sb_secret_CCCCCCCCCCCCCCCCCCCCCC_DDDDDDDDD",
        "sb_secret_",
        "sb_temp_CCCCCCCCCCCCCCCCCCCCCC_DDDDDDDD",
        "SB_secret_CCCCCCCCCCCCCCCCCCCCCC_DDDDDDDD",
    ] {
        table.push(headers(43, near_miss, &[format!("apikey: {near_miss}")]));
        table.push(headers(43, near_miss, &[bearer(near_miss)]));
        table.push(headers(43, near_miss, &[format!("apikey: {near_miss}"), bearer(&user)]));
    }
    // An apikey that is no opaque key only matters where there is no token: as the local stack does.
    let last = table.len() - 1;
    table[last].expected = Outcome::Role("authenticated");
    table
}
