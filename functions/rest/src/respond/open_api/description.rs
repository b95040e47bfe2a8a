//! What the description needs to know beyond the catalog: comments, types as people write them,
//! and what the caller may touch.

use serde::Deserialize;

use crate::catalog::BASE_TYPES;
use crate::settings::Settings;
use crate::sql::{Bound, Statement};

#[derive(Debug, Deserialize)]
pub(super) struct Description {
    pub(super) comment: Option<String>,
    pub(super) relations: Vec<RelationText>,
    pub(super) functions: Vec<FunctionText>,
}

#[derive(Debug, Deserialize)]
pub(super) struct RelationText {
    pub(super) name: String,
    pub(super) comment: Option<String>,
    pub(super) columns: Vec<ColumnText>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ColumnText {
    pub(super) name: String,
    pub(super) comment: Option<String>,
    #[serde(rename = "type")]
    pub(super) type_name: String,
    pub(super) length: Option<i64>,
    pub(super) required: bool,
    pub(super) default: Option<String>,
    #[serde(rename = "enum")]
    pub(super) labels: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct FunctionText {
    pub(super) name: String,
    pub(super) comment: Option<String>,
    pub(super) safe: bool,
    pub(super) parameters: Vec<ParameterText>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ParameterText {
    pub(super) name: String,
    #[serde(rename = "type")]
    pub(super) type_name: String,
    pub(super) required: bool,
    pub(super) variadic: bool,
}

/// Relations and functions of a schema, as one JSON text: those that the caller may touch, or all.
const DESCRIPTION: &str = r#"
with recursive
{base_types}
asked as (
  select oid, nspname from pg_catalog.pg_namespace where nspname = $1
),
relations as (
  select c.oid, c.relname
  from pg_catalog.pg_class c
  join asked on asked.oid = c.relnamespace
  where c.relkind in ('r', 'p', 'v', 'm', 'f') and not c.relispartition
    and ($2::boolean
      or pg_catalog.pg_has_role(c.relowner, 'USAGE')
      or pg_catalog.has_table_privilege(c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
      or pg_catalog.has_any_column_privilege(c.oid, 'SELECT, INSERT, UPDATE, REFERENCES'))
),
columns as (
  select
    a.attrelid,
    json_agg(json_build_object(
      'name', a.attname,
      'comment', pg_catalog.col_description(a.attrelid, a.attnum),
      'type', case
        when bt.typnamespace = 'pg_catalog'::pg_catalog.regnamespace then pg_catalog.format_type(bt.oid, null)
        -- A name that the search path finds is written without its schema.
        when pg_catalog.pg_type_is_visible(case when t.typcategory = 'A' then t.typelem else t.oid end)
          then pg_catalog.quote_ident(tn.nspname) || '.' || pg_catalog.format_type(a.atttypid, a.atttypmod)
        else pg_catalog.format_type(a.atttypid, a.atttypmod)
      end,
      'length', case
        when size.modifier < 0 then null
        when size.type in ('pg_catalog.bpchar'::pg_catalog.regtype, 'pg_catalog.varchar'::pg_catalog.regtype)
          then size.modifier - 4
        when size.type in ('pg_catalog.bit'::pg_catalog.regtype, 'pg_catalog.varbit'::pg_catalog.regtype)
          then size.modifier
      end,
      'required', a.attnotnull or t.typtype = 'd' and t.typnotnull,
      'default', case
        when t.typbasetype <> 0 and d.adbin is null then pg_catalog.pg_get_expr(t.typdefaultbin, 0)
        when a.attidentity <> '' or a.attgenerated <> '' then null
        else pg_catalog.pg_get_expr(d.adbin, d.adrelid)
      end,
      'enum', (
        select json_agg(e.enumlabel order by e.enumsortorder)
        from pg_catalog.pg_enum e where e.enumtypid = bt.oid
      )
    ) order by a.attnum) as list
  from pg_catalog.pg_attribute a
  join relations r on r.oid = a.attrelid
  join pg_catalog.pg_type t on t.oid = a.atttypid
  join pg_catalog.pg_namespace tn on tn.oid = t.typnamespace
  left join base_types b on b.oid = t.oid
  join pg_catalog.pg_type bt on bt.oid = coalesce(b.base, t.oid)
  left join pg_catalog.pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
  cross join lateral (
    select
      case when t.typtype = 'd' then t.typbasetype else a.atttypid end as type,
      case when t.typtype = 'd' then t.typtypmod else a.atttypmod end as modifier
  ) size
  where a.attnum > 0 and not a.attisdropped
  group by a.attrelid
),
functions as (
  select
    p.oid, p.proname, p.provolatile, coalesce(a.list, '[]') as list, coalesce(a.count, 0) as count
  from pg_catalog.pg_proc p
  join asked on asked.oid = p.pronamespace
  cross join lateral (
    select
      json_agg(json_build_object(
        'name', coalesce(x.name, ''),
        'type', pg_catalog.format_type(x.type, null),
        'required', x.position <= p.pronargs - p.pronargdefaults,
        'variadic', x.mode = 'v'
      ) order by x.position) as list,
      count(*) as count,
      count(*) filter (where coalesce(x.name, '') = '') as unnamed,
      (array_agg(x.type order by x.position))[1] as first
    from (
      select u.type, u.name, coalesce(u.mode, 'i') as mode, row_number() over (order by u.ordinal) as position
      from unnest(coalesce(p.proallargtypes, p.proargtypes::oid[]), p.proargnames, p.proargmodes)
        with ordinality as u(type, name, mode, ordinal)
      where u.type is not null and coalesce(u.mode, 'i') in ('i', 'b', 'v')
    ) x
  ) a
  where p.prokind = 'f'
    and p.prorettype not in ('pg_catalog.trigger'::pg_catalog.regtype, 'pg_catalog.event_trigger'::pg_catalog.regtype)
    and (a.unnamed = 0 or a.unnamed = 1 and a.first in (
      'pg_catalog.bytea'::pg_catalog.regtype, 'pg_catalog.json'::pg_catalog.regtype,
      'pg_catalog.jsonb'::pg_catalog.regtype, 'pg_catalog.text'::pg_catalog.regtype,
      'pg_catalog.xml'::pg_catalog.regtype))
    and ($2::boolean or pg_catalog.has_function_privilege(p.oid, 'execute'))
)
select json_build_object(
  'comment', (select pg_catalog.obj_description(oid, 'pg_namespace') from asked),
  'relations', coalesce((
    select json_agg(json_build_object(
      'name', r.relname,
      'comment', pg_catalog.obj_description(r.oid, 'pg_class'),
      'columns', coalesce(c.list, '[]')
    ) order by r.relname)
    from relations r
    left join columns c on c.attrelid = r.oid
  ), '[]'),
  'functions', coalesce((
    select json_agg(json_build_object(
      'name', f.proname,
      'comment', pg_catalog.obj_description(f.oid, 'pg_proc'),
      'safe', f.provolatile <> 'v',
      'parameters', f.list
    ) order by f.proname, f.count, f.oid)
    from functions f
  ), '[]')
)::text
"#;

pub(crate) fn statement<'a>(schema: &'a str, settings: &Settings) -> Statement<'a> {
    let everything = if settings.open_api_ignores_privileges { "true" } else { "false" };
    Statement {
        sql: DESCRIPTION.replace("{base_types}", BASE_TYPES),
        parameters: vec![Bound::Text(schema.into()), Bound::Text(everything.into())],
    }
}
