-- superuser only: the data API does not notice schema changes by itself; send `notify pgrst` after them
-- unless: exists (select from pg_event_trigger where evtname = 'pgrst_ddl_watch')
-- Tells the data API, on channel `pgrst` as PostgREST's documentation has it, that the schema has
-- changed. Postgres sends equal notifications of one transaction once, when it commits.

create or replace function extensions.pgrst_ddl_watch() returns event_trigger
language plpgsql
as $$
begin
  if exists (
    select from pg_event_trigger_ddl_commands() as command
    where command.schema_name is distinct from 'pg_temp'
      and command.command_tag = any (array[
        'CREATE SCHEMA', 'ALTER SCHEMA',
        'CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO', 'ALTER TABLE',
        'CREATE FOREIGN TABLE', 'ALTER FOREIGN TABLE',
        'CREATE VIEW', 'ALTER VIEW',
        'CREATE MATERIALIZED VIEW', 'ALTER MATERIALIZED VIEW',
        'CREATE FUNCTION', 'ALTER FUNCTION',
        'CREATE PROCEDURE', 'ALTER PROCEDURE',
        'CREATE TRIGGER',
        'CREATE TYPE', 'ALTER TYPE',
        'CREATE DOMAIN', 'ALTER DOMAIN',
        'CREATE RULE',
        'CREATE EXTENSION', 'ALTER EXTENSION',
        'GRANT', 'REVOKE',
        'COMMENT'
      ])
  ) then
    notify pgrst, 'reload schema';
  end if;
end
$$;

create or replace function extensions.pgrst_drop_watch() returns event_trigger
language plpgsql
as $$
begin
  if exists (
    select from pg_event_trigger_dropped_objects() as dropped
    where not dropped.is_temporary
      and dropped.object_type = any (array[
        'schema', 'table', 'foreign table', 'view', 'materialized view',
        'table constraint', 'function', 'procedure', 'trigger', 'type', 'rule', 'extension'
      ])
  ) then
    notify pgrst, 'reload schema';
  end if;
end
$$;

create event trigger pgrst_ddl_watch on ddl_command_end execute function extensions.pgrst_ddl_watch();
create event trigger pgrst_drop_watch on sql_drop execute function extensions.pgrst_drop_watch();
