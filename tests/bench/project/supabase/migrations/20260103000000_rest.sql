-- What the figures of tests/bench/rest read, write and call.
create table notes (
    id int primary key,
    item_id int not null references items,
    kind text not null,
    body text not null
);

insert into notes
select number, number, 'kind ' || number % 100, 'Note ' || number
from generate_series(1, 50000) number;

create index on notes (kind, id);

create table events (
    id bigint generated always as identity primary key,
    kind text not null,
    body text not null
);

create table stock (
    id int primary key,
    amount int not null,
    label text not null
);

alter table notes enable row level security;
alter table events enable row level security;
alter table stock enable row level security;
create policy all_notes on notes for select to authenticated using (true);
create policy all_events on events for insert to authenticated with check (true);
create policy all_stock on stock to authenticated using (true) with check (true);
grant select on notes to authenticated;
grant insert on events to authenticated;
grant select, insert, update on stock to authenticated;

create function add_them(a int, b int) returns int language sql immutable as 'select a + b';
create function large(bytes int) returns text language sql stable as $$ select repeat('x', bytes) $$;
grant execute on function add_them, large to authenticated;

analyze notes;
