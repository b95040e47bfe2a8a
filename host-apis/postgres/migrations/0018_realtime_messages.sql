-- unless: to_regclass('realtime.messages') is not null
-- Broadcasts from the database. realtime.send leaves a message in realtime.messages, in the sender's
-- transaction; the host hands it to sockets after the commit. What was handed out is struck off
-- realtime.undelivered in the same transaction, so a crash of the host delivers twice rather than never.

create table realtime.messages (
  id uuid not null default gen_random_uuid(),
  topic text not null,
  extension text not null default 'broadcast',
  payload jsonb,
  binary_payload bytea,
  event text,
  private boolean default false,
  inserted_at timestamp without time zone not null default now(),
  updated_at timestamp without time zone not null default now(),
  primary key (id, inserted_at),
  constraint messages_payload_exclusive check (payload is null or binary_payload is null)
);

create index messages_inserted_at_topic_index on realtime.messages (inserted_at desc, topic)
  where extension = 'broadcast' and private;

alter table realtime.messages enable row level security;
grant select, insert, update on realtime.messages to anon, authenticated, service_role;
grant all on realtime.messages to postgres, dashboard_user;

-- Projects write policies on it, so it belongs to a role that theirs is a member of, as in Supabase.
do $$
begin
  if (select rolsuper from pg_roles where rolname = current_user) then
    alter table realtime.messages owner to supabase_realtime_admin;
  end if;
end
$$;

create table realtime.undelivered (
  position bigint generated always as identity primary key,
  id uuid not null,
  inserted_at timestamp without time zone not null
);

create function realtime.remember_undelivered() returns trigger
  language plpgsql security definer set search_path = ''
as $$
begin
  insert into realtime.undelivered (id, inserted_at)
    select fresh.id, fresh.inserted_at from fresh where fresh.extension = 'broadcast' and fresh.event is not null;
  if found then
    perform pg_catalog.pg_notify('isobase_realtime', '');
  end if;
  return null;
end
$$;
revoke execute on function realtime.remember_undelivered() from public;

create trigger remember_undelivered after insert on realtime.messages
  referencing new table as fresh for each statement
  execute function realtime.remember_undelivered();

-- The topic that a policy on realtime.messages is asked about.
create function realtime.topic() returns text language sql stable
as $$ select nullif(current_setting('realtime.topic', true), '') $$;

-- A message that cannot be left is a warning, never the end of the sender's transaction.
create function realtime.send(payload jsonb, event text, topic text, private boolean default true) returns void
  language plpgsql
as $$
declare
  message_id uuid := gen_random_uuid();
begin
  if jsonb_typeof(payload) = 'object' and not payload ? 'id' then
    payload := payload || jsonb_build_object('id', message_id);
  end if;
  perform set_config('realtime.topic', topic, true);
  insert into realtime.messages (id, payload, event, topic, private, extension)
    values (message_id, payload, event, topic, private, 'broadcast');
exception when others then
  raise warning 'ErrorSendingBroadcastMessage: %', sqlerrm;
end
$$;

create function realtime.send_binary(payload bytea, event text, topic text, private boolean default true) returns void
  language plpgsql
as $$
begin
  perform set_config('realtime.topic', topic, true);
  insert into realtime.messages (binary_payload, event, topic, private, extension)
    values (payload, event, topic, private, 'broadcast');
exception when others then
  raise warning 'ErrorSendingBroadcastMessage: %', sqlerrm;
end
$$;

-- For row triggers: what was changed, as a message to the private channel `topic_name`.
create function realtime.broadcast_changes(
  topic_name text, event_name text, operation text, table_name text, table_schema text,
  new record, old record, level text default 'ROW'
) returns void language plpgsql
as $$
begin
  if level = 'STATEMENT' then
    raise exception 'function can only be triggered for each row, not for each statement';
  end if;
  perform realtime.send(
    jsonb_build_object(
      'old_record', to_jsonb(old), 'record', to_jsonb(new), 'operation', operation, 'table', table_name,
      'schema', table_schema
    ),
    event_name, topic_name
  );
end
$$;
