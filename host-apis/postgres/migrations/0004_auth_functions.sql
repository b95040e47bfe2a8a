-- unless: to_regprocedure('auth.uid()') is not null
-- Who is asking, for row level security. The data API sets `request.jwt.claims` to the token's
-- payload for the time of a request; older clients of PostgREST set one setting per claim, which
-- therefore goes first. An empty setting is one that was set and reset: it counts as absent.
--
-- In a policy write `(select auth.uid())`: it is then computed once per statement, not per row.

set local role supabase_auth_admin;

create function auth.uid() returns uuid
language sql stable
as $$
  select coalesce(
    nullif(current_setting('request.jwt.claim.sub', true), ''),
    nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'
  )::uuid
$$;

create function auth.role() returns text
language sql stable
as $$
  select coalesce(
    nullif(current_setting('request.jwt.claim.role', true), ''),
    nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'role'
  )
$$;

create function auth.email() returns text
language sql stable
as $$
  select coalesce(
    nullif(current_setting('request.jwt.claim.email', true), ''),
    nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'email'
  )
$$;

create function auth.jwt() returns jsonb
language sql stable
as $$
  select coalesce(
    nullif(current_setting('request.jwt.claim', true), ''),
    nullif(current_setting('request.jwt.claims', true), '')
  )::jsonb
$$;

comment on function auth.uid() is 'Id of the user who makes this request, from claim sub of its token.';
comment on function auth.role() is 'Role that this request acts as, from claim role of its token.';
comment on function auth.email() is 'E-mail address in the token of this request.';
comment on function auth.jwt() is 'All claims of the token of this request.';

reset role;
