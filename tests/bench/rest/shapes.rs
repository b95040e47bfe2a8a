//! Requests of each kind, and the SQL that pgbench runs for the same work.
//!
//! A transaction of pgbench is the four statements of `four.sql`: begin, settings, the shape's own
//! statement, commit.

use std::path::PathBuf;

use anyhow::Context;

use crate::fixture::{Workplace, source};
use crate::load::{Load, Pgbench, Wrk};
use crate::report::Goal;

/// Rows of one upsert.
const UPSERT_ROWS: usize = 1_000;
/// Ranges of keys that upserts choose from, so that they do not all wait for the same rows.
const UPSERT_RANGES: usize = 16;

/// One kind of request.
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) name: &'static str,
    /// A script of wrk in this folder.
    lua: &'static str,
    pub(super) connections: u32,
    /// Times as many as pgbench: near, where only processor time can be saved, and far. What Postgres or
    /// its disk takes most of is for information.
    pub(super) goals: [Goal; 2],
    access: &'static str,
    /// Lines of a pgbench script: commands, then the one statement.
    statement: &'static str,
}

/// The spec's for a row by key, and half of the round trips that a distance saves.
const LIGHT: [Goal; 2] = [Goal::Ratio(1.2), Goal::Ratio(1.6)];
const HEAVY: [Goal; 2] = [Goal::Information, Goal::Ratio(1.2)];
const BOUND_BY_POSTGRES: [Goal; 2] = [Goal::Information, Goal::Information];

pub(super) const SHAPES: [Shape; 6] = [
    Shape {
        name: "row by key",
        lua: "row.lua",
        connections: 16,
        goals: LIGHT,
        access: "read only",
        statement: "\\set id random(1, 100000)
select null::bigint as total, count(*) as page, coalesce(json_agg(_t), '[]') as body from (select items.* from items where items.id = :id) _t;",
    },
    Shape {
        name: "100 rows",
        lua: "hundred.lua",
        connections: 16,
        goals: HEAVY,
        access: "read only",
        statement: "\\set id random(1, 99900)
select null::bigint as total, count(*) as page, coalesce(json_agg(_t), '[]') as body from (select items.id, items.title from items where items.id >= :id order by items.id limit 100) _t;",
    },
    Shape {
        name: "filtered list with an embed",
        lua: "embed.lua",
        connections: 16,
        goals: HEAVY,
        access: "read only",
        statement: "\\set kind random(0, 99)
select null::bigint as total, count(*) as page, coalesce(json_agg(_t), '[]') as body from (select notes.id, notes.body, row_to_json(i.*)::jsonb as items from notes left join lateral (select items.id, items.title from items where items.id = notes.item_id) i on true where notes.kind = 'kind ' || :kind order by notes.id limit 20) _t;",
    },
    Shape {
        name: "insert",
        lua: "insert.lua",
        connections: 16,
        goals: HEAVY,
        access: "read write",
        statement: r#"with pgrst_source as (insert into events (body, kind) select body, kind from json_to_record('{"kind": "click", "body": "A button was pressed"}') as _(body text, kind text) returning 1) select count(*) as page from pgrst_source;"#,
    },
    Shape {
        name: "upsert of 1,000 rows",
        lua: "upsert.lua",
        connections: 4,
        goals: BOUND_BY_POSTGRES,
        access: "read write",
        statement: "with pgrst_source as (insert into stock (amount, id, label) select amount, id, label from json_to_recordset('{rows}') as _(amount int, id int, label text) on conflict (id) do update set amount = excluded.amount, id = excluded.id, label = excluded.label where set_config('pgrst.updated', (coalesce(nullif(current_setting('pgrst.updated', true), ''), '0')::bigint + 1)::text, true) is not null returning 1) select count(*) as page, ((select count(*) from pgrst_source) - (coalesce(nullif(current_setting('pgrst.updated', true), ''), '0') || set_config('pgrst.updated', '', true))::bigint) as inserted from pgrst_source;",
    },
    Shape {
        name: "call",
        lua: "call.lua",
        connections: 16,
        goals: LIGHT,
        access: "read only",
        statement: r#"select null::bigint as total, count(*) as page, coalesce(json_agg(_t.pgrst_scalar)->0, 'null') as body from (select (select add_them(a => b.a, b => b.b) from json_to_record('{"a": 1, "b": 2}') as b(a int, b int)) as pgrst_scalar) _t;"#,
    },
];

const SETTINGS: &str = r#"select set_config('search_path', 'public', true), set_config('role', 'authenticated', true), set_config('request.jwt.claims', '{"sub":"11111111-1111-1111-1111-111111111111","role":"authenticated"}', true), set_config('request.method', 'GET', true), set_config('request.path', '/items', true), set_config('request.headers', '{}', true), set_config('request.cookies', '{}', true);"#;

impl Shape {
    /// Through the data API, by so many connections.
    pub(super) fn requests(&self, port: u16, token: &str) -> impl Fn(u32) -> Load {
        move |connections| {
            Load::Wrk(Wrk {
                port,
                path: "/".into(),
                connections,
                token: Some(token.into()),
                script: Some(lua(self.lua)),
                variables: Vec::new(),
            })
        }
    }

    /// Straight to Postgres, likewise. Scripts are written beside the project.
    pub(super) fn transactions(
        &self,
        workplace: &Workplace,
        url: &str,
    ) -> anyhow::Result<impl Fn(u32) -> Load> {
        let ranges = if self.statement.contains("{rows}") { UPSERT_RANGES } else { 1 };
        let mut scripts = Vec::with_capacity(ranges);
        for range in 0..ranges {
            let statement = self.statement.replace("{rows}", &rows(range));
            let (commands, statement) = statement.rsplit_once('\n').unwrap_or(("", &statement));
            let text = format!(
                "{commands}\nbegin isolation level read committed {};\n{SETTINGS}\n{statement}\ncommit;\n",
                self.access
            );
            let path = workplace.beside(&format!("{}-{range}.sql", self.lua));
            std::fs::write(&path, text).with_context(|| format!("could not write {}", path.display()))?;
            scripts.push(path);
        }
        Ok(move |connections| {
            let (url, scripts) = (url.into(), scripts.clone());
            Load::Pgbench(Pgbench { url, scripts, protocol: "extended", connections })
        })
    }
}

pub(super) fn lua(name: &str) -> PathBuf {
    source("rest").join(name)
}

/// The same rows as `upsert.lua` sends.
fn rows(range: usize) -> String {
    let row = |index: usize| {
        let id = range * UPSERT_ROWS + index;
        format!(r#"{{"id": {id}, "amount": {}, "label": "Label {id}"}}"#, id % 7)
    };
    format!("[{}]", (1..=UPSERT_ROWS).map(row).collect::<Vec<_>>().join(", "))
}
