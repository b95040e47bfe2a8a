//! Reads made up over the specification's database: embeds in embeds, spreads, aggregates, filters and
//! orders on all levels. Whatever such a request means, the SQL made of it must be sound, its rows must
//! be counted right, and an inner embed must say the same as a filter for what is embedded.

use std::fmt::Write as _;

use serde::Deserialize;
use serde_json::Value;

use super::case::Step;
use super::judge::Given;
use super::{Configuration, play};
use crate::host::Bench;
use isobase_rest::Catalog;

/// Requests per run; about two hundred a second are played.
const REQUESTS: usize = 1500;

/// Errors that speak of the statement's text and not of what a client named: syntax, a missing table or
/// column, an alias used twice, an ambiguous column, grouping, a parameter without type.
const UNSOUND: [&str; 11] =
    ["42601", "42P01", "42703", "42712", "42702", "42803", "42804", "42P18", "42P02", "XX000", "PGRSTX00"];

/// Relations with columns that can be compared and ordered, and the foreign keys between them.
const STRUCTURE: &str = "
    with relations as (
        select c.oid, c.relname, array_agg(a.attname order by a.attnum) as columns
        from pg_class c
        join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        where c.relnamespace = 'test'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
            and a.atttypid in ('int4'::regtype, 'int8'::regtype, 'text'::regtype, 'numeric'::regtype)
            and a.attname ~ '^[a-z_]+$' and c.relname ~ '^[a-z_]+$'
        group by c.oid, c.relname
    )
    select json_build_object(
        'relations', (select json_agg(json_build_array(relname, columns) order by relname) from relations),
        'keys', (
            select json_agg(json_build_array(f.conname, n.relname, t.relname) order by f.conname)
            from pg_constraint f
            join relations n on n.oid = f.conrelid
            join relations t on t.oid = f.confrelid
            where f.contype = 'f' and n.oid <> t.oid and f.conparentid = 0
        )
    )::text";

#[derive(Deserialize)]
struct Structure {
    relations: Vec<(String, Vec<String>)>,
    /// Name, near and far relation.
    keys: Vec<(String, String, String)>,
}

/// The same requests in each run (xorshift).
pub(super) struct Dice(u64);

impl Dice {
    /// `SPECIFICATION_SEED=number` makes other requests.
    pub(super) fn cast() -> Self {
        let seed = std::env::var("SPECIFICATION_SEED").ok().and_then(|seed| seed.parse().ok());
        Self(seed.unwrap_or(0x5EED))
    }

    pub(super) fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % sides as u64).expect("a side")
    }

    pub(super) fn pick<'p, T>(&mut self, pool: &'p [T]) -> &'p T {
        &pool[self.roll(pool.len())]
    }
}

/// A query in the making.
struct Query<'s> {
    structure: &'s Structure,
    dice: Dice,
    /// Aliases given so far.
    names: usize,
    /// The root's filters choose what is changed, and know nothing of embeds.
    writes: bool,
    /// Embeds that filter their parent: how they begin, and the same said by a filter.
    inner: Vec<(String, String)>,
    /// Everything but `select`.
    parameters: String,
}

impl<'s> Query<'s> {
    fn name(&mut self, prefix: &str) -> String {
        self.names += 1;
        format!("{prefix}{}", self.names)
    }

    fn columns(&self, relation: &str) -> &'s [String] {
        let found = self.structure.relations.iter().find(|(name, _)| name == relation);
        found.map_or(&[], |(_, columns)| columns)
    }

    /// The select list of one level, and what applies to it below `path`.
    fn level(&mut self, relation: &'s str, path: &str, depth: usize) -> String {
        let columns = self.columns(relation);
        let mut items = Vec::new();
        let mut aggregates = false;
        for _ in 0..self.dice.roll(3) {
            let column = self.dice.pick(columns);
            let alias = self.name("x");
            let kind = self.dice.roll(7);
            aggregates |= kind > 3;
            items.push(match kind {
                0 => format!("{alias}:{column}::text"),
                4 => format!("{alias}:count()"),
                5 => format!("{alias}:{column}.max()"),
                6 => format!("{alias}:{column}.count()::text"),
                _ => format!("{alias}:{column}"),
            });
        }
        let embeds = if depth < 4 { self.dice.roll(3) } else { 0 };
        let mut spreads = Vec::new();
        for _ in 0..embeds {
            items.extend(self.embed(relation, path, depth, &mut spreads));
        }
        if items.is_empty() {
            items.push(format!("{}:{}", self.name("x"), self.dice.pick(columns)));
        }
        self.level_parameters(path, columns, aggregates || !spreads.is_empty());
        items.join(",")
    }

    fn embed(
        &mut self,
        relation: &'s str,
        path: &str,
        depth: usize,
        spreads: &mut Vec<&'s str>,
    ) -> Option<String> {
        let ways = self
            .structure
            .keys
            .iter()
            .filter_map(|(name, near, far)| match relation {
                _ if near == relation => Some((name, far, true)),
                _ if far == relation => Some((name, near, false)),
                _ => None,
            })
            .collect::<Vec<_>>();
        if ways.is_empty() {
            return None;
        }
        let (constraint, target, to_one) = *self.dice.pick(&ways);
        let join = *self.dice.pick(&["", "!inner", "!left"]);
        // A spread embed has no alias, so a second one of the same target could not be called.
        let spread = self.dice.roll(3) == 0 && !spreads.contains(&target.as_str());
        if spread {
            spreads.push(target);
        }
        let (head, called) = if spread {
            ("...".to_owned(), target.clone())
        } else {
            let alias = self.name("e");
            (format!("{alias}:"), alias)
        };
        let below = format!("{path}{called}.");
        let mut items = self.level(target, &below, depth + 1);
        if !spread {
            match self.dice.roll(6) {
                0 | 1 if self.writes && depth == 0 => {}
                0 => self.parameter(&format!("{path}{called}=not.is.null")),
                1 => self.parameter(&format!("{path}or=({called}.is.null,{called}.not.is.null)")),
                2 if to_one && depth == 0 => {
                    // Only what is selected can be ordered by.
                    let column = self.dice.pick(self.columns(target));
                    let alias = self.name("x");
                    let _ = write!(items, ",{alias}:{column}");
                    self.parameter(&format!("{path}order={called}({alias}).desc"));
                }
                _ => {}
            }
        }
        let begin = format!("{head}{target}!{constraint}{join}(");
        if !spread && join == "!inner" && !(self.writes && depth == 0) {
            self.inner.push((begin.clone(), format!("{path}{called}=not.is.null")));
        }
        Some(format!("{begin}{items})"))
    }

    /// `grouped`: only what is grouped by could order then.
    fn level_parameters(&mut self, path: &str, columns: &[String], grouped: bool) {
        let column = self.dice.pick(columns);
        match self.dice.roll(7) {
            0 => self.parameter(&format!("{path}{column}=not.is.null")),
            1 => self.parameter(&format!("{path}or=({column}.is.null,{column}.in.(1,2,3))")),
            2 if !grouped => self.parameter(&format!("{path}order={column}.desc.nullslast")),
            3 if !path.is_empty() => self.parameter(&format!("{path}limit=2&{path}offset=1")),
            4 if !self.writes => self.addition(path, column),
            _ => {}
        }
    }

    /// What PostgREST does not have.
    fn addition(&mut self, path: &str, column: &str) {
        match self.dice.roll(7) {
            0 | 1 if path.is_empty() => self.parameter(&format!("after=&order={column}.desc")),
            2 => self.parameter(&format!("{path}distinct=*")),
            3 => self.parameter(&format!("{path}distinct={column}&{path}order={column}.desc")),
            4 => self.parameter(&format!("{path}having={column}.count(distinct).gte.0")),
            5 => self.parameter(&format!("{path}having=count().gt.0,{column}.max().not.is.null")),
            6 => self.parameter(&format!("{path}order=count().desc,{column}.min()")),
            _ => {}
        }
    }

    fn parameter(&mut self, text: &str) {
        let _ = write!(self.parameters, "&{text}");
    }
}

/// A read, or a write that shows what it has changed.
fn request(query: &mut Query<'_>) -> Step {
    query.names = 0;
    query.parameters.clear();
    query.inner.clear();
    query.writes = query.dice.roll(4) == 0;
    let structure = query.structure;
    let (relation, columns) = query.dice.pick(&structure.relations);
    let select = query.level(relation, "", 0);
    let parameters = &query.parameters;
    if query.writes {
        let (method, body) = match query.dice.roll(2) {
            0 => ("DELETE", String::new()),
            _ => ("PATCH", format!("{{\"{}\": null}}", query.dice.pick(columns))),
        };
        let request = format!("{method} /{relation}?select={select}{parameters}");
        return Step::made(request, "return=representation", body);
    }
    let counted = *query.dice.pick(&["count=none", "count=exact", "count=planned", "count=exact, etag"]);
    // A limit makes the count a query of its own.
    Step::made(format!("GET /{relation}?select={select}&limit=5000{parameters}"), counted, String::new())
}

/// What is wrong with the answer, whatever was asked.
fn fault(step: &Step, given: &Given) -> Option<String> {
    let body = given.text();
    let problem = serde_json::from_str::<Value>(&body).unwrap_or_default();
    if problem["code"].as_str().is_some_and(|code| UNSOUND.contains(&code)) {
        return Some(format!("{}\n  {body}", step.request));
    }
    if !step.prefers("count=exact") || given.status >= 300 {
        return None;
    }
    let rows = serde_json::from_str::<Vec<Value>>(&body).expect("rows").len();
    let range = given.values("content-range").collect::<String>();
    (!range.ends_with(&format!("/{rows}")))
        .then(|| format!("{}\n  {rows} rows, but Content-Range: {range}", step.request))
}

/// Requests whose SQL Postgres does not understand, or whose rows are wrong.
pub(super) fn unsound(configuration: &Configuration, bench: &mut Bench, catalog: &Catalog) -> Vec<String> {
    let structure: Structure = serde_json::from_str(&bench.first_text(STRUCTURE)).expect("a structure");
    let mut query = Query {
        structure: &structure,
        dice: Dice::cast(),
        names: 0,
        writes: false,
        inner: Vec::new(),
        parameters: String::new(),
    };
    let mut unsound = Vec::new();
    for _ in 0..REQUESTS {
        let step = request(&mut query);
        let given = play(&step, configuration, bench, catalog);
        unsound.extend(fault(&step, &given));
        // Which rows a limit leaves depends on the order they are found in.
        let inner = query.inner.first().filter(|_| !query.parameters.contains("limit="));
        if let Some((begin, filter)) = inner {
            let plain = begin.replace("!inner(", "(");
            let request = format!("{}&{filter}", step.request.replacen(begin.as_str(), &plain, 1));
            let mut other = step.clone();
            other.request = request;
            let found = play(&other, configuration, bench, catalog);
            if rows(&given) != rows(&found) {
                unsound.push(format!("{}\n{}\n  show different rows", step.request, other.request));
            }
        }
    }
    unsound
}

/// What an answer shows; lists in an order of their own, for none was asked for.
fn rows(given: &Given) -> String {
    fn sort(value: &mut Value) {
        match value {
            Value::Array(items) => {
                items.iter_mut().for_each(sort);
                items.sort_by_cached_key(Value::to_string);
            }
            Value::Object(members) => members.values_mut().for_each(sort),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let mut shown = serde_json::from_str(&given.text()).expect("JSON");
    sort(&mut shown);
    shown.to_string()
}
