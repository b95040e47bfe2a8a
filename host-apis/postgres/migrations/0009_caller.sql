-- What the pool logs in as for statements that functions write themselves. It can become what ordinary
-- callers are and, unlike authenticator, never service_role: whatever such a statement hides, row level
-- security holds.

do $$
begin
  if not exists (select from pg_roles where rolname = 'isobase_caller') then
    create role isobase_caller login noinherit;
  end if;
end
$$;

grant anon, authenticated to isobase_caller;
alter role isobase_caller set statement_timeout = '8s';
alter role isobase_caller set lock_timeout = '8s';
