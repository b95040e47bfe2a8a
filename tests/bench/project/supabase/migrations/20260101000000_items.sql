-- The table, the policy and the grant of tests/bench/four.sql: both sides do the same work in Postgres.
create table items (
    id int primary key,
    owner uuid not null,
    title text not null
);

insert into items
select number, '11111111-1111-1111-1111-111111111111', 'Item ' || number
from generate_series(1, 100000) number;

alter table items enable row level security;
grant select on items to authenticated;
create policy own on items for select to authenticated
    using (owner = (current_setting('request.jwt.claims', true)::json ->> 'sub')::uuid);

analyze items;
