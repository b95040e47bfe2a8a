//! The SQL of some requests, and that no request changes it but by its shape.

use expect_test::{Expect, expect};
use proptest::prelude::*;

use crate::catalog::Catalog;
use crate::plan::plan;
use crate::problem::Problem;
use crate::request::{Incoming, Intent, Parameters, Payload, Place, read_body};
use crate::settings::Settings;

use super::{Bound, statement};

const CATALOG: &str = r#"{
  "relations": [
    ["public", "artists", false, 28, ["id"], [
      ["id", "pg_catalog", "int4", "int4", null], ["name", "pg_catalog", "text", "text", "'x'::text"],
      ["data", "pg_catalog", "jsonb", "jsonb", null], ["label_id", "pg_catalog", "int4", "int4", null]]],
    ["public", "labels", false, 28, ["id"], [
      ["id", "pg_catalog", "int4", "int4", null], ["name", "pg_catalog", "text", "text", null]]]
  ],
  "foreign_keys": [["artists_label_fk", "public", "artists", "public", "labels", ["label_id"], ["id"], false]],
  "view_keys": [], "view_tables": [], "computed": [],
  "functions": [
    ["public", "add", [["a", "integer", "pg_catalog", "int4", true, false]], false, false, "pg_catalog", "int4", "i", null],
    ["public", "some", [], true, true, "public", "artists", "s", null]
  ]
}"#;

/// The statement's text and its parameters, or the problem.
fn sql(
    method: &str,
    path: &str,
    query: &str,
    prefer: &str,
    body: &str,
) -> Result<(String, Vec<String>), Problem> {
    let catalog = Catalog::decode(CATALOG).expect("a catalog");
    let settings = Settings { schemas: vec!["public".into()], rows_max: None, ..Settings::default() };
    let headers = [("prefer".to_owned(), prefer.as_bytes().to_vec())];
    let incoming = Incoming { method, path, query, headers: &headers };
    let parameters = Parameters::decode(query);
    let intent = Intent::parse(&incoming, &parameters, &settings)?;
    let payload = match intent.needs_body() {
        true => Some(read_body(body.as_bytes(), &intent.content, intent.action.is_call())?),
        false => intent.passes_body().then_some(Payload::Unread),
    };
    let plan = plan(&intent, payload.as_ref(), &catalog, &settings)?;
    let (statement, _) = statement(&plan, &intent, &settings).expect("a statement");
    let parameters = statement
        .parameters
        .iter()
        .map(|bound| match bound {
            Bound::Text(text) => text.to_string(),
            Bound::Bytes(bytes) => format!("{bytes:?}"),
            Bound::Body => "the body".to_owned(),
        })
        .collect();
    Ok((statement.sql, parameters))
}

fn check(method: &str, target: &str, prefer: &str, body: &str, expect: &Expect) {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let (sql, parameters) = sql(method, path, query, prefer, body).expect("a plan");
    expect.assert_eq(&format!("{sql} {parameters:?}"));
}

#[test]
fn reads() {
    check(
        "GET",
        "/artists?id=eq.1",
        "",
        "",
        &expect![[
            r#"SELECT null::bigint AS total, count(*) AS page, nullif(current_setting('response.headers', true), '') AS response_headers, nullif(current_setting('response.status', true), '') AS response_status, coalesce(json_agg(_t), '[]') AS body FROM (SELECT "public"."artists".* FROM "public"."artists" WHERE "public"."artists"."id" = $1) _t ["1"]"#
        ]],
    );
}

#[test]
fn writes() {
    check(
        "DELETE",
        "/artists?id=eq.1",
        "",
        "",
        &expect![[
            r#"WITH pgrst_source AS (DELETE FROM "public"."artists" WHERE "public"."artists"."id" = $1 RETURNING 1) SELECT count(*) AS page, nullif(current_setting('response.headers', true), '') AS response_headers, nullif(current_setting('response.status', true), '') AS response_status, null::bigint AS inserted, null::text AS location, null::text AS body FROM pgrst_source _t ["1"]"#
        ]],
    );
}

#[test]
fn pages_by_cursor() {
    check(
        "GET",
        "/artists?select=name&limit=2&after=",
        "",
        "",
        &expect![[
            r#"SELECT null::bigint AS total, count(*) AS page, nullif(current_setting('response.headers', true), '') AS response_headers, nullif(current_setting('response.status', true), '') AS response_status, json_build_object('next', (SELECT json_build_array(("public"."artists"."id")::text) FROM "public"."artists" ORDER BY "public"."artists"."id" LIMIT $1 OFFSET $2))::text AS beyond, coalesce(json_agg(_t), '[]') AS body FROM (SELECT "public"."artists"."name" FROM "public"."artists" ORDER BY "public"."artists"."id" LIMIT $3) _t ["1", "1", "2"]"#
        ]],
    );
    check(
        "GET",
        "/artists?select=name&order=id&limit=2&after=WyJcImlkXCIiLFsiNyJdXQ",
        "",
        "",
        &expect![[
            r#"SELECT null::bigint AS total, count(*) AS page, nullif(current_setting('response.headers', true), '') AS response_headers, nullif(current_setting('response.status', true), '') AS response_status, json_build_object('next', (SELECT json_build_array(("public"."artists"."id")::text) FROM "public"."artists" WHERE "public"."artists"."id" >= $1 AND ("public"."artists"."id" > $2) ORDER BY "public"."artists"."id" LIMIT $3 OFFSET $4))::text AS beyond, coalesce(json_agg(_t), '[]') AS body FROM (SELECT "public"."artists"."name" FROM "public"."artists" WHERE "public"."artists"."id" >= $5 AND ("public"."artists"."id" > $6) ORDER BY "public"."artists"."id" LIMIT $7) _t ["7", "7", "1", "1", "7", "7", "2"]"#
        ]],
    );
}

#[test]
fn unread_bodies_are_bound_by_the_host() {
    let (text, parameters) = sql("POST", "/artists", "columns=id", "", "").expect("a plan");
    assert!(text.contains("json_typeof(pgrst_payload.json_data)"), "{text}");
    assert_eq!(parameters, ["the body"]);
}

/// All quoted parts cut out: what is left must be the same whatever a request holds.
fn skeleton(sql: &str) -> String {
    let mut rest = sql;
    let mut skeleton = String::new();
    while let Some(start) = rest.find('"') {
        skeleton.push_str(&rest[..start]);
        skeleton.push('q');
        rest = &rest[start + 1..];
        loop {
            let end = rest.find('"').expect("a closed quote");
            rest = &rest[end + 1..];
            match rest.strip_prefix('"') {
                Some(more) => rest = more,
                None => break,
            }
        }
    }
    skeleton + rest
}

fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

proptest! {
    #[test]
    fn values_never_enter_the_text(value in any::<String>()) {
        let one = sql("GET", "/artists", &format!("name=eq.{}", encoded(&value)), "", "").expect("a plan");
        let other = sql("GET", "/artists", "name=eq.x", "", "").expect("a plan");
        prop_assert_eq!(one.0, other.0);
        prop_assert_eq!(&one.1, &[value]);
    }

    #[test]
    fn names_stay_inside_their_quotes(name in any::<String>()) {
        // Even in quotes a lone star means all columns, as in PostgREST.
        prop_assume!(name != "*");
        let quoted = format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""));
        let column = encoded(&quoted);
        let query = format!("select={column},x:{column}&order={column}.desc&{column}=eq.1&or=({column}.eq.2)");
        let plain = "select=n,x:n&order=n.desc&n=eq.1&or=(n.eq.2)";
        let one = sql("GET", "/artists", &query, "", "").expect("a plan");
        let other = sql("GET", "/artists", plain, "", "").expect("a plan");
        prop_assert_eq!(skeleton(&one.0), skeleton(&other.0));
    }

    #[test]
    fn the_same_shape_is_the_same_text(one in 0..1000_i32, two in 0..1000_i32, limit in 1..50_u8) {
        let query = |id: i32, limit: u8| format!("select=id,labels(name)&id=eq.{id}&limit={limit}&offset=1");
        let first = sql("GET", "/artists", &query(one, limit), "count=exact", "").expect("a plan");
        let second = sql("GET", "/artists", &query(two, 7), "count=exact", "").expect("a plan");
        prop_assert_eq!(first.0, second.0);
    }

    #[test]
    fn cursors_hold_values_and_no_text(one in any::<Option<String>>(), two in any::<String>()) {
        let order = "\"name\",id".to_owned();
        let token = |name: Option<String>, id: String| Place { order: order.clone(), values: vec![name, Some(id)] }.encode();
        let query = |token: String| format!("order=name&limit=5&after={token}");
        let plain = one.as_ref().map(|_| "x".to_owned());
        let first = sql("GET", "/artists", &query(token(one.clone(), two.clone())), "", "").expect("a plan");
        let second = sql("GET", "/artists", &query(token(plain, "1".to_owned())), "", "").expect("a plan");
        prop_assert_eq!(first.0, second.0);
        prop_assert!(first.1.contains(&two) && one.is_none_or(|one| first.1.contains(&one)));
    }
}
