//! What a request costs before and after its statement: parse, plan, SQL, answer, against a host that
//! does nothing.
//!
//! `cargo bench -p isobase-rest --bench serve`
#![allow(clippy::print_stdout, reason = "a program of its own")]

use std::borrow::Cow;
use std::hint::black_box;
use std::time::Instant;

use isobase_rest::{
    Catalog, End, HeadValue, Host, HostError, Incoming, Problem, Ran, Settings, Statement, Step, Steps, Work,
    serve,
};

const REQUESTS: u32 = 5_000;
/// The fastest of so many rounds counts: what else runs on the machine only adds.
const ROUNDS: u32 = 40;

/// The structure of an ordinary application, as the catalog's query returns it.
const CATALOG: &str = r#"{
  "relations": [
    ["public","items",false,28,["id"],[["id","pg_catalog","int4","int4",null],["owner","pg_catalog","uuid","uuid",null],["title","pg_catalog","text","text",null]]],
    ["public","orders",false,28,["id"],[["id","pg_catalog","int8","int8",null],["item_id","pg_catalog","int4","int4",null],["state","pg_catalog","text","text","'new'::text"],["placed_at","pg_catalog","timestamptz","timestamptz","now()"],["data","pg_catalog","jsonb","jsonb",null]]]
  ],
  "foreign_keys": [["orders_item_id_fkey","public","orders","public","items",["item_id"],["id"],false]],
  "view_keys": [], "view_tables": [],
  "functions": [["public","add",[["a","integer","pg_catalog","int4",true,false],["b","integer","pg_catalog","int4",true,false]],false,false,"pg_catalog","int4","i",null]],
  "computed": []
}"#;

/// Name, method, path, query, body.
const SHAPES: [(&str, &str, &str, &str, &str); 6] = [
    ("row by key", "GET", "/items", "id=eq.4711", ""),
    ("100 rows", "GET", "/items", "select=id,title&order=id.desc&limit=100", ""),
    (
        "filtered list with an embed",
        "GET",
        "/orders",
        "select=id,state,placed_at,items(id,title)&state=in.(new,paid)&or=(id.gt.100,data->>kind.eq.gift)&order=placed_at.desc&limit=20",
        "",
    ),
    ("insert", "POST", "/items", "columns=id,title", r#"{"id":1,"title":"one"}"#),
    ("update, returning", "PATCH", "/orders", "id=eq.1&select=*", r#"{"state":"paid"}"#),
    ("call", "POST", "/rpc/add", "", r#"{"a":1,"b":2}"#),
];

struct Nobody<'b>(&'b str);

impl Host for Nobody<'_> {
    fn read_body(&mut self) -> Result<Vec<u8>, Problem> {
        Ok(self.0.as_bytes().to_vec())
    }

    fn run(&mut self, work: Work<'_>) -> Result<Ran, HostError> {
        black_box(&work.statement);
        let head = vec![HeadValue::Null, HeadValue::Integer(1), HeadValue::Null, HeadValue::Null];
        Ok(Ran { head, explanation: None, rows: None })
    }

    fn read_text(&mut self, _: Work<'_>) -> Result<String, HostError> {
        Ok(String::new())
    }

    fn explain(&mut self, _: Work<'_>) -> Result<Vec<String>, HostError> {
        Ok(Vec::new())
    }

    fn role(&mut self) -> Cow<'_, str> {
        Cow::Borrowed("authenticated")
    }
}

impl Steps for Nobody<'_> {
    fn begin(&mut self, _: &[(String, String)], _: bool) -> Result<(), HostError> {
        Ok(())
    }

    fn step(&mut self, statement: Statement<'_>, _: usize) -> Result<Step, HostError> {
        black_box(&statement);
        Ok(Step { head: Vec::new(), document: None })
    }

    fn end(&mut self, _: End) -> Result<(), HostError> {
        Ok(())
    }
}

fn main() {
    let catalog = Catalog::decode(CATALOG).expect("a catalog");
    let settings = Settings::default();
    let headers = [
        ("accept", "*/*"),
        ("accept-profile", "public"),
        ("authorization", "Bearer eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.e30.c2lnbmF0dXJl"),
        ("content-type", "application/json"),
        ("user-agent", "node"),
        ("x-client-info", "supabase-js/2.112.2"),
    ]
    .map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()));
    for (name, method, path, query, body) in SHAPES {
        let incoming = Incoming { method, path, query, headers: &headers };
        let round = |_| {
            let begun = Instant::now();
            for _ in 0..REQUESTS {
                black_box(serve(black_box(&incoming), &catalog, &settings, &mut Nobody(body)));
            }
            begun.elapsed() / REQUESTS
        };
        let each = (0..ROUNDS).map(round).min().unwrap_or_default();
        println!("{name}: {:.2} µs", each.as_secs_f64() * 1e6);
    }
}
