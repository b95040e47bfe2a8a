//! The one query that reads the database's structure, as one JSON text.
//!
//! Compact arrays instead of objects: every instance decodes the text once per change of the schema.
//! Column order is the contract with [`super::decode`].

use crate::settings::Settings;
use crate::sql::quote_literal;

/// The statement for these settings. Needs no privileges beyond reading `pg_catalog`.
pub fn catalog_sql(settings: &Settings) -> String {
    let list = |names: &[String]| names.iter().map(|name| quote_literal(name)).collect::<Vec<_>>().join(", ");
    let hoisted = match settings.hoisted_settings.as_slice() {
        [] => "null".to_owned(),
        names => list(names),
    };
    CATALOG
        .replace("{base_types}", BASE_TYPES)
        .replace("{hoisted}", &hoisted)
        .replace("{schemas}", &list(&settings.schemas))
}

/// CTEs of a recursive `WITH`: the type under a domain, however many domains are stacked.
pub(crate) const BASE_TYPES: &str = "domains as (
  select t.oid, t.typbasetype as base from pg_catalog.pg_type t where t.typtype = 'd'
  union all
  select d.oid, t.typbasetype from domains d join pg_catalog.pg_type t on t.oid = d.base where t.typtype = 'd'
),
base_types as (
  select d.oid, d.base from domains d join pg_catalog.pg_type t on t.oid = d.base where t.typtype <> 'd'
),";

const CATALOG: &str = r#"
with recursive
-- `alter role authenticator set pgrst.db_max_rows = 100`; what is set for this database alone counts more.
configuration as (
  select distinct on (name) split_part(item, '=', 1) as name, substr(item, strpos(item, '=') + 1) as value
  from pg_catalog.pg_db_role_setting s
  join pg_catalog.pg_roles r on r.oid = s.setrole and r.rolname = 'authenticator'
  left join pg_catalog.pg_database d on d.oid = s.setdatabase
  cross join lateral unnest(s.setconfig) as item
  cross join lateral split_part(item, '=', 1) as name
  where item like 'pgrst.%' and (s.setdatabase = 0 or d.datname = pg_catalog.current_database())
  order by name, s.setdatabase desc
),
exposed as (
  select oid, nspname from pg_catalog.pg_namespace
  where nspname = any (coalesce(
    (
      select pg_catalog.regexp_split_to_array(pg_catalog.btrim(value), '\s*,\s*')
      from configuration where name = 'pgrst.db_schemas'
    ),
    array[{schemas}]
  ))
),
{base_types}
relations as (
  select
    n.nspname, c.oid, c.relname, c.relkind,
    case
      when c.relkind in ('r', 'p') then 28
      when c.relkind in ('v', 'f') then pg_catalog.pg_relation_is_updatable(c.oid, true)
      else 0
    end as writable
  from pg_catalog.pg_class c
  join exposed n on n.oid = c.relnamespace
  where c.relkind in ('r', 'p', 'v', 'm', 'f') and not c.relispartition
),
columns as (
  select
    a.attrelid,
    json_agg(json_build_array(
      a.attname, tn.nspname, t.typname, coalesce(bt.typname, t.typname),
      case
        when t.typbasetype <> 0 and d.adbin is null then pg_catalog.pg_get_expr(t.typdefaultbin, 0)
        when a.attidentity = 'd' then pg_catalog.format('nextval(%L)', (
          select pg_catalog.format('%I.%I', sn.nspname, s.relname)
          from pg_catalog.pg_depend dep
          join pg_catalog.pg_class s on s.oid = dep.objid and s.relkind = 'S'
          join pg_catalog.pg_namespace sn on sn.oid = s.relnamespace
          where dep.refobjid = a.attrelid and dep.refobjsubid = a.attnum and dep.deptype = 'i'
          limit 1
        ))
        when a.attgenerated = 's' then null
        else pg_catalog.pg_get_expr(d.adbin, d.adrelid)
      end
    ) order by a.attnum) as list
  from pg_catalog.pg_attribute a
  join relations r on r.oid = a.attrelid
  join pg_catalog.pg_type t on t.oid = a.atttypid
  join pg_catalog.pg_namespace tn on tn.oid = t.typnamespace
  left join base_types b on b.oid = t.oid
  left join pg_catalog.pg_type bt on bt.oid = b.base
  left join pg_catalog.pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
  where a.attnum > 0 and not a.attisdropped
  group by a.attrelid
),
primary_keys as (
  select c.conrelid, json_agg(a.attname order by a.attname) as list
  from pg_catalog.pg_constraint c
  join pg_catalog.pg_attribute a on a.attrelid = c.conrelid and a.attnum = any (c.conkey)
  where c.contype = 'p'
  group by c.conrelid
),
uniques as (
  select conrelid, (select array_agg(key order by key) from unnest(conkey) as _(key)) as columns
  from pg_catalog.pg_constraint
  where contype in ('p', 'u')
),
foreign_keys as (
  select json_agg(json_build_array(
    c.conname, n1.nspname, t1.relname, n2.nspname, t2.relname,
    pairs.sources, pairs.targets,
    exists (select 1 from uniques u where u.conrelid = c.conrelid and u.columns = pairs.numbers)
  ) order by c.conrelid, c.conname) as list
  from pg_catalog.pg_constraint c
  join pg_catalog.pg_class t1 on t1.oid = c.conrelid
  join pg_catalog.pg_namespace n1 on n1.oid = t1.relnamespace
  join pg_catalog.pg_class t2 on t2.oid = c.confrelid
  join pg_catalog.pg_namespace n2 on n2.oid = t2.relnamespace
  join lateral (
    select
      json_agg(s.attname order by key.position) as sources,
      json_agg(f.attname order by key.position) as targets,
      array_agg(s.attnum order by s.attnum) as numbers
    from unnest(c.conkey, c.confkey) with ordinality as key(source, target, position)
    join pg_catalog.pg_attribute s on s.attrelid = c.conrelid and s.attnum = key.source
    join pg_catalog.pg_attribute f on f.attrelid = c.confrelid and f.attnum = key.target
  ) pairs on true
  where c.contype = 'f' and c.conparentid = 0
),
-- Which table column a view's column shows. A view's rule is a tree in text form; the entries of its
-- own target list stand two braces deep, those of subqueries deeper. Cutting the text at each entry and
-- counting braces by length is much faster than a regular expression over all of it.
view_entries as (
  select
    w.ev_class,
    entry.part,
    sum(octet_length(replace(entry.part, '}', '')) - octet_length(replace(entry.part, '{', '')))
      over (partition by w.ev_class order by entry.position rows between unbounded preceding and 1 preceding)
      as depth
  from pg_catalog.pg_rewrite w
  join pg_catalog.pg_class c on c.oid = w.ev_class and c.relkind in ('v', 'm')
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  cross join lateral unnest(string_to_array(
    -- Backslashes and braces of names; a backslash escapes what follows it.
    replace(replace(replace(w.ev_action::text, '\\', ''), '\{', ''), '\}', ''),
    ':resno '
  )) with ordinality as entry(part, position)
  where w.rulename = '_RETURN' and n.nspname not in ('pg_catalog', 'information_schema')
),
view_sources as (
  select
    e.ev_class as view,
    substring(e.part from '^\d+')::int as number,
    found[1]::oid as origin,
    found[2]::int as origin_number
  from view_entries e
  cross join lateral pg_catalog.regexp_match(
    -- An entry's own fields come first, and names are short.
    left(e.part, 400), ' :resorigtbl (\d+) :resorigcol (\d+) :resjunk false'
  ) as found
  where e.depth = 2 and found[1] <> '0'
),
view_columns as (
  select s.view, s.number, s.origin, s.origin_number, 1 as hops
  from view_sources s join relations r on r.oid = s.view
  union all
  select v.view, v.number, s.origin, s.origin_number, v.hops + 1
  from view_columns v
  join view_sources s on s.view = v.origin and s.number = v.origin_number
  where v.hops < 32
),
view_keys as (
  select json_agg(json_build_array(vn.nspname, v.relname, va.attname, tn.nspname, t.relname, ta.attname)
    order by vn.nspname, v.relname, va.attnum) as list
  from view_columns c
  join pg_catalog.pg_class v on v.oid = c.view
  join pg_catalog.pg_namespace vn on vn.oid = v.relnamespace
  join pg_catalog.pg_attribute va on va.attrelid = c.view and va.attnum = c.number
  join pg_catalog.pg_class t on t.oid = c.origin and t.relkind in ('r', 'p')
  join pg_catalog.pg_namespace tn on tn.oid = t.relnamespace
  join pg_catalog.pg_attribute ta on ta.attrelid = c.origin and ta.attnum = c.origin_number
),
view_tables as (
  select json_agg(json_build_array(n.nspname, t.relname, p.list)) as list
  from (select distinct origin from view_columns) o
  join pg_catalog.pg_class t on t.oid = o.origin
  join pg_catalog.pg_namespace n on n.oid = t.relnamespace
  join primary_keys p on p.conrelid = t.oid
),
type_names as (
  select
    t.oid, n.nspname, t.typname,
    case
      when n.nspname = 'pg_catalog' then pg_catalog.format_type(t.oid, null)
      when e.oid is not null then pg_catalog.format('%I.%I[]', en.nspname, e.typname)
      else pg_catalog.format('%I.%I', n.nspname, t.typname)
    end as shown
  from pg_catalog.pg_type t
  join pg_catalog.pg_namespace n on n.oid = t.typnamespace
  left join pg_catalog.pg_type e on e.oid = t.typelem and t.typcategory = 'A'
  left join pg_catalog.pg_namespace en on en.oid = e.typnamespace
),
arguments as (
  select
    p.oid,
    json_agg(json_build_array(
      coalesce(a.name, ''), tn.shown, tn.nspname, tn.typname,
      a.position <= p.pronargs - p.pronargdefaults, a.mode = 'v'
    ) order by a.position) as list,
    case count(*) filter (where coalesce(a.name, '') = '')
      when 0 then true
      when 1 then (array_agg(tn.shown order by a.position))[1] in ('bytea', 'json', 'jsonb', 'text', 'xml')
      else false
    end as callable
  from pg_catalog.pg_proc p
  join exposed on exposed.oid = p.pronamespace
  cross join lateral (
    select x.name, x.type, x.mode, row_number() over (order by x.ordinal) as position
    from (
      select u.name, u.type, coalesce(u.mode, 'i') as mode, u.ordinal
      from unnest(coalesce(p.proallargtypes, p.proargtypes::oid[]), p.proargnames, p.proargmodes)
        with ordinality as u(type, name, mode, ordinal)
    ) x
    where x.type is not null and x.mode in ('i', 'b', 'v')
  ) a
  join type_names tn on tn.oid = a.type
  group by p.oid
),
-- Domains that are named like media types.
media_types as (
  select t.oid, t.typname
  from pg_catalog.pg_type t
  where t.typtype = 'd' and (t.typname ~* '^[a-z0-9.-]+/[a-z0-9.+-]+$' or t.typname = '*/*')
),
-- Aggregates that make such a domain of rows.
handlers as (
  select json_agg(json_build_array(
    m.typname, n.nspname, p.proname,
    case when t.typrelid <> 0 then tn.nspname end, case when t.typrelid <> 0 then t.typname end
  ) order by n.nspname, p.oid) as list
  from media_types m
  join pg_catalog.pg_proc p on p.prorettype = m.oid and p.prokind = 'a' and p.pronargs = 1
  join exposed n on n.oid = p.pronamespace
  join pg_catalog.pg_type t on t.oid = p.proargtypes[0]
  join pg_catalog.pg_namespace tn on tn.oid = t.typnamespace
  left join pg_catalog.pg_class c on c.oid = t.typrelid
  where c.relkind in ('r', 'p', 'v', 'm', 'f') or t.oid = 'pg_catalog.anyelement'::pg_catalog.regtype
),
-- Implicit casts between domains and what requests are made of.
casts as (
  select json_agg(json_build_array(
    dn.nspname, d.typname,
    case
      when d.oid = c.castsource then 'to_json'
      when c.castsource = 'json'::pg_catalog.regtype then 'from_json'
      else 'from_text'
    end,
    pn.nspname, p.proname
  ) order by c.oid) as list
  from pg_catalog.pg_cast c
  join pg_catalog.pg_type d on d.typtype = 'd' and (
    d.oid = c.castsource and c.casttarget = 'json'::pg_catalog.regtype
    or d.oid = c.casttarget and c.castsource in ('json'::pg_catalog.regtype, 'text'::pg_catalog.regtype)
  )
  join pg_catalog.pg_namespace dn on dn.oid = d.typnamespace
  join pg_catalog.pg_proc p on p.oid = c.castfunc
  join pg_catalog.pg_namespace pn on pn.oid = p.pronamespace
  where c.castcontext = 'i' and c.castmethod = 'f' and pg_catalog.has_function_privilege(p.oid, 'execute')
),
functions as (
  select json_agg(json_build_array(
    n.nspname, p.proname, coalesce(a.list, '[]'), p.proretset,
    t.typtype = 'c' or coalesce(p.proargmodes::text[] && '{t,b,o}', false),
    case when m.oid is null then tn.nspname else '' end, coalesce(m.typname, rel.relname, t.typname), p.provolatile,
    (
      select json_agg(json_build_array(split_part(s, '=', 1), substr(s, strpos(s, '=') + 1)))
      from unnest(p.proconfig) s
      where split_part(s, '=', 1) in ({hoisted})
    )
  ) order by p.oid) as list
  from pg_catalog.pg_proc p
  join exposed n on n.oid = p.pronamespace
  left join arguments a on a.oid = p.oid
  left join media_types m on m.oid = p.prorettype and not p.proretset
  left join base_types b on b.oid = p.prorettype
  join pg_catalog.pg_type t on t.oid = coalesce(b.base, p.prorettype)
  join pg_catalog.pg_namespace tn on tn.oid = t.typnamespace
  left join pg_catalog.pg_class rel on rel.oid = t.typrelid
  where p.prokind = 'f'
    and t.typname not in ('trigger', 'event_trigger')
    and coalesce(a.callable, true)
),
computed as (
  select json_agg(json_build_array(
    fn.nspname, p.proname, an.nspname, ac.relname, rn.nspname, rc.relname, not p.proretset or p.prorows = 1
  ) order by p.oid) as list
  from pg_catalog.pg_proc p
  join pg_catalog.pg_namespace fn on fn.oid = p.pronamespace
  join pg_catalog.pg_type at on at.oid = p.proargtypes[0]
  join pg_catalog.pg_class ac on ac.oid = at.typrelid and ac.relkind in ('r', 'p', 'v', 'm', 'f')
  join exposed an on an.oid = ac.relnamespace
  join pg_catalog.pg_type rt on rt.oid = p.prorettype
  join pg_catalog.pg_class rc on rc.oid = rt.typrelid and rc.relkind in ('r', 'p', 'v', 'm', 'f')
  join exposed rn on rn.oid = rc.relnamespace
  where p.pronargs = 1
)
select json_build_object(
  'configuration', coalesce((select json_agg(json_build_array(name, value)) from configuration), '[]'),
  'relations', coalesce((
    select json_agg(json_build_array(
      r.nspname, r.relname, r.relkind in ('v', 'm'), r.writable, coalesce(p.list, '[]'), coalesce(c.list, '[]')
    ))
    from relations r
    left join primary_keys p on p.conrelid = r.oid
    left join columns c on c.attrelid = r.oid
  ), '[]'),
  'foreign_keys', coalesce((select list from foreign_keys), '[]'),
  'view_keys', coalesce((select list from view_keys), '[]'),
  'view_tables', coalesce((select list from view_tables), '[]'),
  'functions', coalesce((select list from functions), '[]'),
  'computed', coalesce((select list from computed), '[]'),
  'handlers', coalesce((select list from handlers), '[]'),
  'casts', coalesce((select list from casts), '[]')
)::text
"#;
