//! What parses, what does not, and the words in which that is said.

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::cursor::{Cursor, Parsed};
use super::filter::{Extent, group_of, test};
use super::query::Query;
use super::{Media, Parameters, RowRange, field, order, read_body, select};

/// The value, or line, column and details of the fault.
fn check<'q, T: std::fmt::Debug>(
    text: &'q str,
    parse: impl FnOnce(&mut Cursor<'q>) -> Parsed<T>,
    expect: &Expect,
) {
    let mut cursor = Cursor::new(text);
    let shown = match parse(&mut cursor) {
        Ok(value) => format!("{value:?}"),
        Err(_) => {
            let (line, column, details) = cursor.explain();
            format!("{line}:{column} {details}")
        }
    };
    expect.assert_eq(&shown);
}

#[test]
fn names() {
    let check = |text, expect: Expect| check(text, field::field_name, &expect);
    check("identifier with spaces", expect![[r#""identifier with spaces""#]]);
    check("with-dashes", expect![[r#""with-dashes""#]]);
    check(" no leading or trailing spaces ", expect![[r#""no leading or trailing spaces""#]]);
    check("\" leading and trailing \"", expect![[r#"" leading and trailing ""#]]);
    check("\"a\\\"b\"", expect![[r#""a\"b""#]]);
    check(":", expect![[r#"1:1 unexpected ":" expecting field name (* or [a..z0..9_$])"#]]);
}

#[test]
fn json_paths() {
    let check = |text, expect: Expect| check(text, field::json_path, &expect);
    check(
        "->a->>1",
        expect![[
            r#"[Step { as_text: false, operand: Key("a") }, Step { as_text: true, operand: Index("1") }]"#
        ]],
    );
    check("->!@#$%^&*_a", expect![[r#"[Step { as_text: false, operand: Key("!@#$%^&*_a") }]"#]]);
    check(
        "->>-78xy",
        expect![[r#"1:7 unexpected 'x' expecting digit, "->", "::", ".", "," or end of input"#]],
    );
    check("->>--34", expect![[r#"1:5 unexpected "-" expecting digit"#]]);
}

#[test]
fn select_faults() {
    let check =
        |text, expect: Expect| check(text, |cursor| select::items(cursor).map(|items| items.len()), &expect);
    check("id,clients(name)", expect!["2"]);
    check("", expect!["0"]);
    check(
        "id,clients(name[])",
        expect![[
            r#"1:16 unexpected '[' expecting letter, digit, "-", "->>", "->", "::", ".", ")", "," or end of input"#
        ]],
    );
    check(
        "data->>-78xy",
        expect![[r#"1:11 unexpected 'x' expecting digit, "->", "::", ".", "," or end of input"#]],
    );
    check("name::", expect!["1:7 unexpected end of input expecting letter or digit"]);
}

#[test]
fn filter_faults() {
    let check =
        |text, expect: Expect| check(text, |cursor| test(cursor, Extent::Parameter).map(|_| ()), &expect);
    check("eq(any).value", expect!["()"]);
    check("noop.0", expect![[r#"1:1 unexpected "o" expecting "not" or operator (eq, gt, ...)"#]]);
    check("fts().value", expect![[r#"1:5 unexpected ")" expecting operator (eq, gt, ...)"#]]);
    check("eq().value", expect![[r#"1:4 unexpected ")" expecting operator (eq, gt, ...)"#]]);
    check("is().value", expect![[r#"1:3 unexpected "(" expecting operator (eq, gt, ...)"#]]);
    check("in().value", expect![[r#"1:3 unexpected "(" expecting operator (eq, gt, ...)"#]]);
}

#[test]
fn logic_faults() {
    let check = |text: &'static str, operator, expect: Expect| {
        let shown = match group_of(text, operator) {
            Ok(logic) => format!("{logic:?}"),
            Err((line, column, details)) => format!("{line}:{column} {details}"),
        };
        expect.assert_eq(&shown);
    };
    check(
        "()",
        "or",
        expect![[
            r#"1:4 unexpected ")" expecting field name (* or [a..z0..9_$]), negation operator (not) or logic operator (and, or)"#
        ]],
    );
    check("(id.in.1,2,id.eq.3)", "or", expect![[r#"1:10 unexpected "1" expecting "(""#]]);
    check(")(", "or", expect![[r#"1:3 unexpected ")" expecting "(""#]]);
    check("(ord(id.eq.1,id.eq.1),id.eq.2)", "and", expect![[r#"1:7 unexpected "d" expecting "(""#]]);
    check(
        "(id.eq.1,not.xor(id.eq.2,id.eq.3))",
        "or",
        expect![[r#"1:16 unexpected "x" expecting logic operator (and, or)"#]],
    );
}

#[test]
fn order_faults() {
    let check =
        |text, expect: Expect| check(text, |cursor| order::terms(cursor).map(|terms| terms.len()), &expect);
    check("name,clients(name),id", expect!["3"]);
    check(
        "clients(name,id)",
        expect![[
            r#"1:8 unexpected '(' expecting letter, digit, "-", "->>", "->", delimiter (.), "," or end of input"#
        ]],
    );
    check("id.ac", expect![[r#"1:4 unexpected "c" expecting "asc", "desc", "nullsfirst" or "nullslast""#]]);
    check("id.descc", expect![[r#"1:8 unexpected 'c' expecting delimiter (.), "," or end of input"#]]);
    check("id.nullslasttt", expect![[r#"1:13 unexpected 't' expecting "," or end of input"#]]);
    check("id.asc.nlsfst", expect![[r#"1:8 unexpected "l" expecting "nullsfirst" or "nullslast""#]]);
}

#[test]
fn ranges() {
    let check = |limit, offset, expect: Expect| {
        let range = RowRange::from_texts(limit, offset);
        expect.assert_eq(&format!("{}..{:?} limit {:?}", range.lower, range.upper, range.limit()));
    };
    check(Some("2"), None, expect!["0..Some(1) limit Some(2)"]);
    check(None, Some("3"), expect!["3..None limit None"]);
    check(Some("2"), Some("3"), expect!["3..Some(4) limit Some(2)"]);
    check(Some("x"), Some("3"), expect!["3..Some(2) limit Some(0)"]);
    check(Some("x"), None, expect!["0..None limit None"]);
    check(
        Some("99999999999999999999"),
        Some("99999999999999999999"),
        expect!["9223372036854775807..Some(9223372036854775806) limit Some(0)"],
    );
}

#[test]
fn accept_headers() {
    let check = |header, expect: Expect| {
        let names =
            super::media::accepted(header).iter().map(|media| media.name().into_owned()).collect::<Vec<_>>();
        expect.assert_eq(&names.join(" > "));
    };
    check(None, expect!["*/*"]);
    check(Some("text/csv;q=0.5, application/json"), expect!["application/json > text/csv"]);
    check(Some("*/*, text/csv"), expect!["text/csv > */*"]);
    check(Some("application/vnd.pgrst.object"), expect!["application/vnd.pgrst.object+json"]);
}

#[test]
fn bodies() {
    let check = |body: &str, expect: Expect| {
        let read = read_body(body.as_bytes(), &Media::Json, false).map_err(|fault| fault.0);
        expect.assert_eq(&match read {
            Ok(super::Payload::Json { text, keys, is_object }) => format!("{text} {keys:?} {is_object}"),
            Ok(other) => format!("{other:?}"),
            Err(fault) => fault,
        });
    };
    check(r#"{"b":1,"a":[{"c":2}]}"#, expect![[r#"{"b":1,"a":[{"c":2}]} {"a", "b"} true"#]]);
    check(r#"[{"a":1},{"a":2}]"#, expect![[r#"[{"a":1},{"a":2}] {"a"} false"#]]);
    check(r#"[{"a":1},{"b":2}]"#, expect!["All object keys must match"]);
    check(r#"[{"a":1},3]"#, expect!["All object keys must match"]);
    check("[]", expect!["[] {} false"]);
    check("3", expect!["[] {} false"]);
    check("", expect!["Empty or invalid json"]);
    check("{} x", expect!["Empty or invalid json"]);
}

#[test]
fn csv_bodies() {
    let check = |body: &str, expect: Expect| {
        let read = super::csv::to_json(body).map(|(json, _)| json).map_err(|fault| fault.message());
        expect.assert_eq(&read.unwrap_or_else(str::to_owned));
    };
    check("a,b\n1,NULL\r\n\"x \"\"y\"\"\",\n", expect![[r#"[{"a":"1","b":null},{"a":"x \"y\"","b":""}]"#]]);
    check("a,b\n1\n", expect!["All lines must have same number of fields"]);
    check("", expect!["parse error (not enough input)"]);
    check("a\n\"x", expect!["parse error (a quoted field is not closed)"]);
}

proptest! {
    #[test]
    fn no_query_panics(query in ".{0,80}") {
        for arguments_allowed in [false, true] {
            let parameters = Parameters::decode(&query);
            let _ = Query::parse(&parameters, arguments_allowed);
            let _ = parameters.canonical();
        }
    }

    #[test]
    fn no_query_of_the_grammar_panics(
        query in "(select|order|or|and|id|a\\.b|columns|on_conflict|limit|not\\.and)=([a-z0-9().,:!*\"\\\\>-]|\\.eq\\.|->>|::|\\.\\.\\.|%22|%C3%BC){0,40}"
    ) {
        let parameters = Parameters::decode(&query);
        let _ = Query::parse(&parameters, false);
    }

    #[test]
    fn no_body_panics(body in prop::collection::vec(any::<u8>(), 0..80)) {
        for media in [Media::Json, Media::Csv, Media::Form] {
            let _ = read_body(&body, &media, false);
            let _ = read_body(&body, &media, true);
        }
    }
}
