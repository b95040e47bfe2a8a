-- Schemas, the extensions that come with Postgres, and who may look into what.

create schema if not exists extensions;
create schema if not exists auth;
create schema if not exists storage;
create schema if not exists realtime;
-- `[api] schemas` lists it by default, so it must exist.
create schema if not exists graphql_public;

-- Installed where the server has them. pg_stat_statements only shows something if the server also
-- loads it at start.
do $$
declare
  wanted text;
begin
  foreach wanted in array array['uuid-ossp', 'pgcrypto', 'pg_stat_statements'] loop
    if exists (select from pg_available_extensions where name = wanted and installed_version is null) then
      execute format('create extension %I with schema extensions', wanted);
    end if;
  end loop;
end
$$;

-- A cluster of our own: the database belongs to the role that people use, which thereby owns
-- schema public.
do $$
begin
  if (select pg_get_userbyid(datdba) = 'supabase_admin' from pg_database where datname = current_database()) then
    execute format('alter database %I owner to postgres', current_database());
  end if;
end
$$;

-- Unqualified names of extensions are found; where somebody has chosen a path, it stays.
do $$
begin
  if not exists (
    select from pg_db_role_setting as present, unnest(present.setconfig) as setting
    where present.setrole = 0
      and present.setdatabase = (select oid from pg_database where datname = current_database())
      and starts_with(setting, 'search_path=')
  ) then
    execute format('alter database %I set search_path to "$user", public, extensions', current_database());
  end if;
end
$$;

grant usage, create on schema public to postgres;
grant usage on schema public to anon, authenticated, service_role;
grant usage on schema extensions, auth, storage, realtime, graphql_public
  to anon, authenticated, service_role;
grant all on schema extensions, auth, storage, realtime, graphql_public to postgres;
grant all on schema extensions to dashboard_user;
grant all on schema auth to supabase_auth_admin, dashboard_user;
grant all on schema storage to supabase_storage_admin, dashboard_user;
grant all on schema realtime to supabase_realtime_admin, dashboard_user;

-- What extensions bring is for people to use and to hand on. Nobody can grant that to himself.
do $$
begin
  if current_user <> 'postgres' then
    grant all on all tables in schema extensions to postgres with grant option;
    grant all on all routines in schema extensions to postgres with grant option;
    grant all on all sequences in schema extensions to postgres with grant option;
    alter default privileges in schema extensions grant all on tables to postgres with grant option;
    alter default privileges in schema extensions grant all on routines to postgres with grant option;
    alter default privileges in schema extensions grant all on sequences to postgres with grant option;
  end if;
end
$$;
