-- What was received. The unique key makes handling an event twice harmless: deliveries come at least once.
create table events (
  key text primary key,
  source text not null,
  attempt int,
  payload jsonb not null,
  handled_at timestamptz not null default now()
);
alter table events enable row level security;
grant select, insert on events to service_role;
