//! Values in and out, type by type.

use bytes::Bytes;
use isobase_database::{Parameter, Session, Statement, Value};

use crate::support::{alice, body_of, database, query, sql_error, text};

fn text_value(value: &str) -> Value {
    Value::Text(value.to_owned())
}

fn json(value: &str) -> Value {
    Value::Json(value.to_owned())
}

/// An expression, its type's name and its value.
fn table() -> Vec<(&'static str, &'static str, Value)> {
    vec![
        ("null::int", "int4", Value::Null),
        ("true", "bool", Value::Boolean(true)),
        ("false", "bool", Value::Boolean(false)),
        ("(-32768)::int2", "int2", Value::Int32(-32_768)),
        ("2147483647", "int4", Value::Int32(i32::MAX)),
        ("(-9223372036854775808)::int8", "int8", Value::Int64(i64::MIN)),
        ("4294967295::oid", "oid", Value::Int64(4_294_967_295)),
        ("0.1::float4", "float4", Value::Float64(0.1)),
        ("1e308::float8", "float8", Value::Float64(1e308)),
        ("'-Infinity'::float8", "float8", Value::Float64(f64::NEG_INFINITY)),
        (
            "123456789012345678901234567890.5::numeric",
            "numeric",
            text_value("123456789012345678901234567890.5"),
        ),
        ("'é\u{1F600}'::text", "text", text_value("é\u{1F600}")),
        ("'x'::varchar(3)", "varchar", text_value("x")),
        ("'x'::char(3)", "bpchar", text_value("x  ")),
        ("'pg_class'::name", "name", text_value("pg_class")),
        ("'\\x00ff10'::bytea", "bytea", Value::Bytes(Bytes::from_static(&[0, 255, 16]))),
        ("''::bytea", "bytea", Value::Bytes(Bytes::new())),
        ("'{\"b\": 1}'::json", "json", json("{\"b\": 1}")),
        ("'{\"b\":1,  \"a\":null}'::jsonb", "jsonb", json("{\"a\": null, \"b\": 1}")),
        (
            "'6f9619ff-8b86-d011-b42d-00c04fc964ff'::uuid",
            "uuid",
            text_value("6f9619ff-8b86-d011-b42d-00c04fc964ff"),
        ),
        ("'2026-02-28'::date", "date", text_value("2026-02-28")),
        ("'12:34:56.789'::time", "time", text_value("12:34:56.789")),
        ("'2026-02-28 12:34:56.000001'::timestamp", "timestamp", text_value("2026-02-28 12:34:56.000001")),
        ("'infinity'::timestamptz", "timestamptz", text_value("infinity")),
        ("'1 mon 2 days 03:04:05'::interval", "interval", text_value("1 mon 2 days 03:04:05")),
        ("'{1,NULL,3}'::int[]", "_int4", text_value("{1,NULL,3}")),
        ("'{\"a b\",c}'::text[]", "_text", text_value("{\"a b\",c}")),
        ("'glad'::mood", "mood", text_value("glad")),
        ("'{glad,sad}'::mood[]", "_mood", text_value("{glad,sad}")),
        ("'a@b'::email", "text", text_value("a@b")),
        ("row(1, 'x')", "record", text_value("(1,x)")),
        ("'[1,5)'::int4range", "int4range", text_value("[1,5)")),
        ("'10.0.0.0/8'::inet", "inet", text_value("10.0.0.0/8")),
        ("'(1,2)'::point", "point", text_value("(1,2)")),
        ("'a & b'::tsquery", "tsquery", text_value("'a' & 'b'")),
        ("12.5::money", "money", text_value("$12.50")),
        ("B'101'", "bit", text_value("101")),
        ("'pg_class'::regclass", "regclass", text_value("pg_class")),
        ("'<a/>'::xml", "xml", text_value("<a/>")),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_type_arrives_cold_and_warm() {
    let database = database(1).await;
    let door = alice(&database);
    for (expression, type_name, expect) in table() {
        for temperature in ["cold", "warm"] {
            let sql = format!("select {expression} as value");
            let table = query(&door, &sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
            assert_eq!(table.columns[0].type_name, type_name, "{sql}, {temperature}");
            assert_eq!(table.rows[0][0], expect, "{sql}, {temperature}");
        }
    }
    let nan = query(&door, "select 'NaN'::float8").await.unwrap();
    assert!(matches!(nan.rows[0][0], Value::Float64(value) if value.is_nan()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parameters_fit_the_type_that_the_server_infers() {
    let database = database(1).await;
    let door = alice(&database);
    let text_parameter = |value: &'static str| Parameter::Text(Bytes::from_static(value.as_bytes()));
    for (expression, parameter, expect) in [
        ("$1::int8", Parameter::Int32(-7), "-7"),
        ("$1::int2", Parameter::Int64(7), "7"),
        ("$1::numeric", Parameter::Int64(i64::MAX), "9223372036854775807"),
        ("$1::float8", Parameter::Int32(7), "7"),
        ("$1::text", Parameter::Int32(7), "7"),
        ("$1::text", Parameter::Boolean(true), "true"),
        ("$1::bool", Parameter::Boolean(false), "false"),
        ("$1::float8", Parameter::Float64(f64::INFINITY), "inf"),
        ("$1::float8", Parameter::Float64(f64::NAN), "NaN"),
        ("$1::float4", Parameter::Float64(0.1), "0.1"),
        ("$1::int4", Parameter::Float64(3.0), "3"),
        ("$1::text", Parameter::Null, "null"),
        (
            "$1::uuid",
            text_parameter("6f9619ff8b86d011b42d00c04fc964ff"),
            "6f9619ff-8b86-d011-b42d-00c04fc964ff",
        ),
        ("$1::int[]", text_parameter("{1,2}"), "{1,2}"),
        ("$1::mood", text_parameter("sad"), "sad"),
        ("($1::jsonb ->> 'a')", text_parameter("{\"a\": \"b\"}"), "b"),
        ("encode($1::bytea, 'hex')", Parameter::Bytes(Bytes::from_static(&[0, 255])), "00ff"),
        ("encode($1::bytea, 'hex')", text_parameter("\\x0a"), "0a"),
        ("$1", text_parameter("untyped"), "untyped"),
    ] {
        for temperature in ["cold", "warm"] {
            let statement = Statement::new(format!("select {expression}"), vec![parameter.clone()]);
            let table = door
                .query(&Session::default(), statement)
                .await
                .unwrap_or_else(|error| panic!("{expression} {parameter:?} {temperature}: {error}"));
            assert_eq!(text(&table.rows[0][0]), expect, "{expression} {parameter:?} {temperature}");
        }
    }
    let wrong = Statement::new("select $1::int", vec![Parameter::Text(Bytes::from_static(b"seven"))]);
    assert_eq!(sql_error(door.query(&Session::default(), wrong).await).sqlstate, "22P02");
    let not_utf8 = Statement::new("select $1::text", vec![Parameter::Text(Bytes::from_static(&[0xff]))]);
    assert_eq!(sql_error(door.query(&Session::default(), not_utf8).await).sqlstate, "22021");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn documents_are_handed_through_as_bytes() {
    let database = database(1).await;
    let door = alice(&database);
    for (sql, expect) in [
        ("select 1, '[{\"a\":1}]'::json", Some(&b"[{\"a\":1}]"[..])),
        ("select 1, '\\x00ff'::bytea", Some(&[0, 255])),
        ("select 1, 42", Some(b"42")),
        ("select 1, null::json", None),
    ] {
        for _ in 0..2 {
            let document = door.query_document(&Session::default(), Statement::from(sql)).await.unwrap();
            assert_eq!(document.head, [Value::Int32(1)]);
            assert_eq!(body_of(document).await.as_deref(), expect, "{sql}");
        }
    }
    let large = "select repeat('0123456789', 1000000)";
    let document = door.query_document(&Session::default(), Statement::from(large)).await.unwrap();
    assert_eq!(body_of(document).await.unwrap().len(), 10_000_000);
    let long = Bytes::from(vec![b'x'; 5_000_000]);
    let statement = Statement::new("select length($1::text)", vec![Parameter::Text(long)]);
    assert_eq!(text(&door.query(&Session::default(), statement).await.unwrap().rows[0][0]), "5000000");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_keep_what_postgres_says() {
    let database = database(1).await;
    let door = alice(&database);
    let error = sql_error(query(&door, "select nothing from items").await);
    assert_eq!((error.sqlstate.as_str(), error.position), ("42703", Some(8)));
    let error = sql_error(query(&door, "insert into parents values (1), (1)").await);
    assert_eq!((error.sqlstate.as_str(), error.constraint.as_deref()), ("23505", Some("parents_pkey")));
    assert_eq!(error.detail.as_deref(), Some("Key (id)=(1) already exists."));
}
