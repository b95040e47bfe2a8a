-- Rows that say whose they are, for tests/bench/mixed.
create table mixed (
    id bigint generated always as identity primary key,
    owner uuid not null default auth.uid(),
    note text not null
);

alter table mixed enable row level security;
create policy own on mixed to authenticated using (owner = auth.uid()) with check (owner = auth.uid());
create index on mixed (owner, id);
grant select, insert, update, delete on mixed to authenticated;
grant select on mixed to anon, service_role;

create function mixed_me() returns text language sql stable
    as $$ select coalesce(auth.uid()::text, 'nobody') || ' ' || current_user $$;
create function mixed_rows(most int) returns setof mixed language sql stable
    as $$ select * from mixed order by id desc limit most $$;
create function mixed_nap() returns int language sql as $$ select 1 from pg_sleep(10) $$;
grant execute on function mixed_me, mixed_rows, mixed_nap to anon, authenticated, service_role;
