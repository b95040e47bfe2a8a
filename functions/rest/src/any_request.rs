//! Whatever a client sends, and whatever SQL code answers: no panic, and a status that HTTP has.
//!
//! Requests are put together from pieces of all grammars, so that most get past the first parser; the
//! host answers with anything at all.

use std::borrow::Cow;

use proptest::prelude::*;

use crate::catalog::Catalog;
use crate::problem::{Problem, SqlFault};
use crate::request::Incoming;
use crate::respond::HeadValue;
use crate::serve::{End, Host, HostError, Ran, Step, Steps, Work, serve};
use crate::settings::Settings;
use crate::sql::Statement;

const CATALOG: &str = r#"{
  "relations": [
    ["public", "artists", false, 28, ["id"], [
      ["id", "pg_catalog", "int4", "int4", "nextval('s')"], ["name", "pg_catalog", "text", "text", "'x'::text"],
      ["data", "pg_catalog", "jsonb", "jsonb", null], ["label_id", "pg_catalog", "int4", "int4", null]]],
    ["public", "labels", false, 28, ["id"], [
      ["id", "pg_catalog", "int4", "int4", null], ["name", "public", "odd", "text", null]]],
    ["public", "fans", false, 28, ["id"], [["id", "pg_catalog", "int4", "int4", null]]],
    ["public", "likes", false, 28, ["artist_id", "fan_id"], [
      ["artist_id", "pg_catalog", "int4", "int4", null], ["fan_id", "pg_catalog", "int4", "int4", null]]],
    ["public", "faces", true, 0, [], [["id", "pg_catalog", "int4", "int4", null]]]
  ],
  "foreign_keys": [
    ["artists_label_fk", "public", "artists", "public", "labels", ["label_id"], ["id"], false],
    ["likes_artist_fk", "public", "likes", "public", "artists", ["artist_id"], ["id"], false],
    ["likes_fan_fk", "public", "likes", "public", "fans", ["fan_id"], ["id"], false]],
  "view_keys": [["public", "faces", "id", "public", "artists", "id"]],
  "view_tables": [["public", "artists", ["id"]]],
  "computed": [["public", "big", "public", "artists", "public", "fans", false]],
  "casts": [["public", "odd", "to_json", "public", "odd_json"], ["public", "odd", "from_json", "public", "odd"]],
  "handlers": [["text/csv", "public", "csv_agg", null, null]],
  "functions": [
    ["public", "add", [["a", "integer", "pg_catalog", "int4", true, false], ["b", "text", "pg_catalog", "text", false, true]],
      false, false, "pg_catalog", "int4", "i", null],
    ["public", "some", [], true, true, "public", "artists", "v", [["statement_timeout", "1s"]]],
    ["public", "one", [["", "json", "pg_catalog", "json", true, false]], false, true, "public", "artists", "v", null]
  ]
}"#;

/// Results that a host may hand over.
#[derive(Debug, Clone)]
struct Answers {
    head: Vec<HeadValue>,
    document: Option<String>,
    fault: Option<SqlFault>,
    body: Vec<u8>,
}

impl Answers {
    fn fails(&self) -> Result<(), HostError> {
        match &self.fault {
            Some(fault) => Err(HostError::Sql(fault.clone())),
            None => Ok(()),
        }
    }
}

impl Host for Answers {
    fn read_body(&mut self) -> Result<Vec<u8>, Problem> {
        Ok(self.body.clone())
    }

    fn run(&mut self, _: Work<'_>) -> Result<Ran, HostError> {
        self.fails()?;
        Ok(Ran { head: self.head.clone(), explanation: self.document.clone(), rows: None })
    }

    fn read_text(&mut self, _: Work<'_>) -> Result<String, HostError> {
        self.fails()?;
        Ok(self.document.clone().unwrap_or_default())
    }

    fn explain(&mut self, _: Work<'_>) -> Result<Vec<String>, HostError> {
        self.fails()?;
        Ok(self.document.iter().cloned().collect())
    }

    fn role(&mut self) -> Cow<'_, str> {
        Cow::Borrowed("authenticated")
    }
}

impl Steps for Answers {
    fn begin(&mut self, _: &[(String, String)], _: bool) -> Result<(), HostError> {
        Ok(())
    }

    fn step(&mut self, _: Statement<'_>, _: usize) -> Result<Step, HostError> {
        self.fails()?;
        Ok(Step { head: self.head.clone(), document: self.document.clone() })
    }

    fn end(&mut self, _: End) -> Result<(), HostError> {
        self.fails()
    }
}

fn pieces(known: &'static [&'static str], most: usize) -> impl Strategy<Value = String> {
    let piece = prop_oneof![8 => prop::sample::select(known).prop_map(str::to_owned), 1 => ".{0,6}"];
    prop::collection::vec(piece, 0..most).prop_map(|pieces| pieces.concat())
}

const PATHS: &[&str] = &[
    "/",
    "/",
    "/artists",
    "/artists",
    "/labels",
    "/likes",
    "/fans",
    "/faces",
    "/rpc/add",
    "/rpc/some",
    "/rpc/one",
    "/%C3",
    "/rpc/",
];

const QUERY: &[&str] = &[
    "select=",
    "order=",
    "limit=",
    "offset=",
    "and=",
    "or=",
    "not.or=",
    "columns=",
    "on_conflict=",
    "after=",
    "distinct=",
    "having=",
    "id",
    "name",
    "data",
    "label_id",
    "artists",
    "labels",
    "likes",
    "fans",
    "big",
    "x:",
    "...",
    "!inner",
    "!left",
    "!artists_label_fk",
    "(",
    ")",
    "(*)",
    "(id)",
    ",",
    ".",
    "*",
    "=",
    "&",
    "&",
    "&",
    "->",
    "->>",
    "::text",
    "::",
    ".sum()",
    "count()",
    ".count(distinct)",
    "eq.",
    "neq.",
    "in.",
    "is.null",
    "not.",
    "fts(english).",
    "like(any).",
    "cs.{",
    "}",
    "isdistinct.",
    ".desc",
    ".nullslast",
    "1",
    "-1",
    "0",
    "99999999999999999999",
    "\"",
    "%22",
    "\\",
    "%5C",
    "%00",
    "%ff",
    "é",
    "%F0%9F%98%80",
    "+",
    "%20",
    "a=",
    "b=",
    "WyJpZCIsWyIyIl1d",
    "WyJuYW1lLGlkIixbbnVsbCwiMiJdXQ",
    "W10",
    "WyIiLFtdXQ",
];

const PREFER: &[&str] = &[
    "return=representation",
    "return=headers-only",
    "nested=insert",
    "nested=update",
    "resolution=merge-duplicates",
    "missing=default",
    "count=exact",
    "count=planned",
    "count=estimated",
    "tx=rollback",
    "handling=strict",
    "max-affected=",
    "1",
    "timezone=",
    "etag",
    "isolation=serializable",
    ",",
    ", ",
    ";",
    "=",
    "x",
];

const ACCEPT: &[&str] = &[
    "application/json",
    "application/vnd.pgrst.object+json",
    "application/vnd.pgrst.array+json;nulls=stripped",
    "text/csv",
    "*/*",
    "application/geo+json",
    "application/vnd.pgrst.plan+json; for=\"",
    "; options=analyze|",
    "\"",
    "application/openapi+json",
    ";version=3.1",
    "application/x-ndjson",
    "application/octet-stream",
    ";q=",
    "0.5",
    ",",
    ";",
    "application/x-www-form-urlencoded",
];

const OTHERS: &[&str] = &[
    "0-9",
    "5-",
    "-",
    "bytes=",
    "\"",
    "W/\"",
    "\",\"",
    "*",
    "00000000000000000000000000000000",
    ".",
    "a=b; c",
    "public",
    "é",
    "1",
    "https",
    "localhost:1",
];

const BODY: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "null",
    "1",
    "-0.5e999",
    "\"id\":",
    "\"name\":",
    "\"labels\":",
    "\"artists\":",
    "\"fans\":",
    "\"likes\":",
    "{\"id\":1}",
    "[{\"id\":1}]",
    "\"a\":",
    "\"\\u0000\"",
    "\"é\"",
    "\"${x}\"",
    "\\",
    "\"",
    "\n",
    "id,name\n",
    "a=1&b=2",
    "{\"method\":\"GET\",\"path\":\"/artists\"}",
    "{\"method\":\"PATCH\",\"path\":\"/artists?select=labels(id)\",\"headers\":{\"Prefer\":\"nested=update\"},\"body\":",
    "{\"method\":\"POST\",\"path\":\"/artists?id=eq.${x}\",\"with\":{\"x\":\"0/body/0/id\"},\"body\":",
    "[[1,2],[null]]",
    "[[1]]",
    "[[\"1\",2]]",
];

const DOCUMENTS: &[&str] = &[
    "[[1]]",
    "[[1,2]]",
    "[]",
    "[[]]",
    "[[1,1,1]]",
    "{}",
    "null",
    "[{\"Plan\":{\"Plan Rows\":3}}]",
    "[{\"X-Y\":\"1\"}]",
    "418",
    "{\"next\":[null]}",
    "{\"rows\":\"a\",\"body\":\"b\"}",
    "[[\"id\",\"1\"]]",
    "{\"comment\":null,\"relations\":[],\"functions\":[]}",
    "x",
    "\u{0}",
    "é",
    "\r\n",
];

const CODES: &[&str] = &[
    "23505", "22P02", "PT418", "PTx", "PGRST", "42501", "57014", "P0001", "40001", "", "é", "21000", "08006",
];

fn text() -> impl Strategy<Value = String> {
    pieces(DOCUMENTS, 2)
}

fn answers() -> impl Strategy<Value = Answers> {
    let value = prop_oneof![
        Just(HeadValue::Null),
        (0..=i64::MAX).prop_map(HeadValue::Integer),
        (0..3_i64).prop_map(HeadValue::Integer),
        text().prop_map(HeadValue::Text)
    ];
    let fault = (prop::sample::select(CODES), text(), prop::option::of(text()), prop::option::of(text()));
    let fault = fault.prop_map(|(code, message, detail, hint)| SqlFault {
        sqlstate: code.to_owned(),
        message,
        detail,
        hint,
    });
    let body = prop_oneof![4 => pieces(BODY, 12).prop_map(String::into_bytes), 1 => prop::collection::vec(any::<u8>(), 0..20)];
    let results = (prop::collection::vec(value, 0..8), prop::option::of(text()));
    (results, prop::option::weighted(0.2, fault), body).prop_map(|((head, document), fault, body)| Answers {
        head,
        document,
        fault,
        body,
    })
}

fn headers() -> impl Strategy<Value = Vec<(String, Vec<u8>)>> {
    let header = |name: &'static str, known, most| {
        pieces(known, most).prop_map(move |value| (name.to_owned(), value.into_bytes()))
    };
    let others = prop::sample::select(vec![
        "range",
        "if-match",
        "if-none-match",
        "cookie",
        "accept-profile",
        "content-profile",
        "x-forwarded-host",
        "x-forwarded-proto",
    ]);
    let other = (others, pieces(OTHERS, 4)).prop_map(|(name, value)| (name.to_owned(), value.into_bytes()));
    let bytes = prop::collection::vec(any::<u8>(), 0..8).prop_map(|value| ("prefer".to_owned(), value));
    let header = prop_oneof![
        header("prefer", PREFER, 6),
        header("accept", ACCEPT, 5),
        header("content-type", ACCEPT, 2),
        other,
        bytes
    ];
    prop::collection::vec(header, 0..5)
}

fn settings() -> impl Strategy<Value = Settings> {
    (any::<[bool; 8]>(), prop::option::of(1..4_i64)).prop_map(|(flags, rows_max)| Settings {
        schemas: vec!["public".to_owned(), "graphql_public".to_owned()][..1 + usize::from(flags[0])].to_vec(),
        aggregates_enabled: flags[1],
        plan_enabled: flags[2],
        transaction_end_allowed: flags[3],
        server_timing_enabled: flags[4],
        errors_detailed: flags[5],
        target_names_allowed: flags[6],
        pre_request: flags[7].then(|| "public.before".to_owned()),
        rows_max,
        ..Settings::default()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn is_answered(
        method in prop::sample::select(vec!["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", ""]),
        path in prop_oneof![9 => prop::sample::select(PATHS).prop_map(str::to_owned), 1 => ".{0,12}"],
        query in pieces(QUERY, 24),
        headers in headers(),
        settings in settings(),
        mut host in answers(),
    ) {
        let catalog = Catalog::decode(CATALOG).expect("a catalog");
        let incoming = Incoming { method, path: &path, query: &query, headers: &headers };
        let answer = serve(&incoming, &catalog, &settings, &mut host);
        prop_assert!((100..=999).contains(&answer.status), "{}", answer.status);
    }

    /// The catalog is the database's own text, but a schema can be called anything.
    #[test]
    fn any_catalog_is_decoded_or_refused(text in pieces(&[CATALOG, "{", "}", "[", "]", ",", "\"relations\":", "null", "[\"public\",\"t\",false,28,[],", "1"], 8)) {
        let _ = Catalog::decode(text);
    }
}
