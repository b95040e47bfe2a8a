-- The roles of a Supabase database. Roles that exist already are left as they are, so this also
-- runs on a server that was set up by Supabase, or by hand.

do $$
declare
  wanted record;
begin
  for wanted in
    select * from (values
      -- What requests act as.
      ('anon', 'nologin'),
      ('authenticated', 'nologin'),
      ('service_role', 'nologin bypassrls'),
      -- What the pool logs in as: it has no right but to become one of the three.
      ('authenticator', 'login noinherit'),
      -- What people and their migrations log in as.
      ('postgres', 'login createdb createrole replication bypassrls'),
      -- Owners of the schemas of services, and what services log in as.
      ('supabase_auth_admin', 'login noinherit createrole'),
      ('supabase_storage_admin', 'login noinherit createrole'),
      ('supabase_functions_admin', 'login noinherit createrole'),
      ('supabase_realtime_admin', 'nologin noinherit'),
      ('supabase_replication_admin', 'login replication'),
      ('supabase_etl_admin', 'login replication'),
      ('supabase_read_only_user', 'login bypassrls'),
      ('dashboard_user', 'nologin createdb createrole replication'),
      ('pgbouncer', 'login')
    ) as roles (name, attributes)
  loop
    if not exists (select from pg_roles where rolname = wanted.name) then
      execute format('create role %I %s', wanted.name, wanted.attributes);
    end if;
  end loop;
end
$$;

-- Dumps name this role as an owner. Only a superuser can make it what it is elsewhere.
do $$
begin
  if not exists (select from pg_roles where rolname = 'supabase_admin') then
    if (select rolsuper from pg_roles where rolname = current_user) then
      create role supabase_admin login superuser;
    else
      create role supabase_admin nologin;
    end if;
  end if;
end
$$;

-- Memberships. Where a role may hand on what it has, as `postgres` may before version 16 because it
-- can create roles, the admin option keeps that true in later versions.
do $$
declare
  wanted record;
begin
  for wanted in
    select * from (values
      ('anon', 'authenticator', ''),
      ('authenticated', 'authenticator', ''),
      ('service_role', 'authenticator', ''),
      ('anon', 'postgres', ' with admin option'),
      ('authenticated', 'postgres', ' with admin option'),
      ('service_role', 'postgres', ' with admin option'),
      ('authenticator', 'postgres', ' with admin option'),
      ('supabase_auth_admin', 'postgres', ''),
      ('supabase_storage_admin', 'postgres', ''),
      ('supabase_functions_admin', 'postgres', ''),
      ('supabase_realtime_admin', 'postgres', ''),
      ('pg_monitor', 'postgres', ''),
      ('pg_read_all_data', 'postgres', ''),
      ('pg_signal_backend', 'postgres', ''),
      ('authenticator', 'supabase_storage_admin', ''),
      ('pg_read_all_data', 'supabase_read_only_user', ''),
      ('pg_monitor', 'supabase_etl_admin', ''),
      ('pg_read_all_data', 'supabase_etl_admin', '')
    ) as memberships (granted, member, options)
  loop
    if not exists (
      select from pg_auth_members as membership
      where membership.roleid = wanted.granted::regrole
        and membership.member = wanted.member::regrole
    ) then
      execute format('grant %I to %I%s', wanted.granted, wanted.member, wanted.options);
    end if;
  end loop;
end
$$;

-- Without superuser rights, owning a service's tables takes membership in the service's role.
do $$
begin
  if not (select rolsuper from pg_roles where rolname = current_user)
    and not pg_has_role(current_user, 'supabase_auth_admin', 'member')
  then
    execute format('grant supabase_auth_admin, supabase_storage_admin to %I', current_user);
  end if;
end
$$;

-- Settings of roles, where nobody has chosen other ones.
do $$
declare
  wanted record;
begin
  for wanted in
    select * from (values
      ('anon', 'statement_timeout', '3s'),
      ('authenticated', 'statement_timeout', '8s'),
      ('authenticator', 'statement_timeout', '8s'),
      ('authenticator', 'lock_timeout', '8s'),
      ('supabase_auth_admin', 'idle_in_transaction_session_timeout', '60000'),
      ('supabase_auth_admin', 'search_path', 'auth'),
      ('supabase_storage_admin', 'search_path', 'storage'),
      ('supabase_functions_admin', 'search_path', 'supabase_functions'),
      ('postgres', 'search_path', '"$user", public, extensions'),
      ('supabase_admin', 'search_path', '"$user", public, auth, extensions')
    ) as settings (role, name, value)
  loop
    if not exists (
      select from pg_db_role_setting as present, unnest(present.setconfig) as setting
      where present.setrole = wanted.role::regrole
        and present.setdatabase = 0
        and starts_with(setting, wanted.name || '=')
    ) then
      if wanted.name = 'search_path' then
        -- A list, so not one quoted word.
        execute format('alter role %I set search_path to %s', wanted.role, wanted.value);
      else
        execute format('alter role %I set %I to %L', wanted.role, wanted.name, wanted.value);
      end if;
    end if;
  end loop;
end
$$;
