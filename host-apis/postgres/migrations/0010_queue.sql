-- unless: exists (select from pg_available_extensions where name = 'pgmq') or to_regclass('pgmq.meta') is not null
-- Message queues in tables, with the names, layouts and behaviour of pgmq 1.5 and the grouped reads,
-- topics and notifications of later versions; and the wrappers that Supabase exposes to the data API.
-- A server that has pgmq itself is left to it, and so is a database that has had it installed by hand.
--
-- Each number of arguments is a function of its own: with defaults across them, `read(name, 30, 1)`
-- would not be unique. For the same reason there are no forms of `read` and `set_vt` that take a time.

create schema if not exists pgmq;

-- Tables ------------------------------------------------------------------------------------------

create table pgmq.meta (
  queue_name varchar unique not null,
  is_partitioned boolean not null,
  is_unlogged boolean not null,
  created_at timestamptz not null default now()
);

create table pgmq.notify_insert_throttle (
  queue_name varchar unique not null references pgmq.meta (queue_name) on delete cascade,
  throttle_interval_ms integer not null default 0,
  last_notified_at timestamptz not null default to_timestamp(0)
);

create table pgmq.topic_bindings (
  pattern text not null,
  queue_name varchar not null references pgmq.meta (queue_name) on delete cascade,
  bound_at timestamptz not null default now(),
  compiled_regex text not null,
  unique (pattern, queue_name)
);

-- Types -------------------------------------------------------------------------------------------

create type pgmq.message_record as (
  msg_id bigint,
  read_ct integer,
  enqueued_at timestamptz,
  vt timestamptz,
  message jsonb,
  headers jsonb
);

create type pgmq.queue_record as (
  queue_name varchar,
  is_partitioned boolean,
  is_unlogged boolean,
  created_at timestamptz
);

create type pgmq.metrics_result as (
  queue_name text,
  queue_length bigint,
  newest_msg_age_sec integer,
  oldest_msg_age_sec integer,
  total_messages bigint,
  scrape_time timestamptz,
  queue_visible_length bigint
);

-- Names -------------------------------------------------------------------------------------------

create function pgmq.validate_queue_name(queue_name text) returns void
language plpgsql immutable
as $$
begin
  if queue_name is null or queue_name = '' then
    raise exception 'a queue needs a name' using errcode = 'invalid_parameter_value';
  end if;
  if octet_length(queue_name) > 47 then
    raise exception 'queue name is too long, maximum length is 47 characters'
      using errcode = 'name_too_long';
  end if;
  if queue_name ~ '\$|;|--|''' then
    raise exception 'queue name contains invalid characters: $, ;, --, or '''
      using errcode = 'invalid_name';
  end if;
end
$$;

-- The table of a queue (prefix q) or of its archive (prefix a), without its schema.
create function pgmq.format_table_name(queue_name text, prefix text) returns text
language plpgsql immutable
as $$
begin
  perform pgmq.validate_queue_name(queue_name);
  return lower(prefix || '_' || queue_name);
end
$$;

create function pgmq.acquire_queue_lock(queue_name text) returns void
language sql
as $$
  select pg_advisory_xact_lock(hashtext('pgmq.queue_' || lower(queue_name)))
$$;

-- Waking consumers --------------------------------------------------------------------------------

-- The host listens on one channel for each queue that a function consumes. A statement's trigger, so
-- that a batch costs as much as one message.
create function pgmq.wake_consumers() returns trigger
language plpgsql
as $$
begin
  perform pg_notify('isobase_' || tg_table_name, '');
  return null;
end
$$;

-- For whoever asked with enable_notify_insert. The row is only written when it is time, so that inserts
-- do not queue up for it. It runs as its owner, who is no superuser (see the end of this file), for a
-- project may put triggers on what it updates.
create function pgmq.notify_queue_listeners() returns trigger
language plpgsql security definer set search_path = ''
as $$
declare
  due boolean;
begin
  select clock_timestamp() >= throttle.last_notified_at
      + make_interval(secs => throttle.throttle_interval_ms / 1000.0)
    into due
    from pgmq.notify_insert_throttle as throttle
    where lower('q_' || throttle.queue_name::text) = tg_table_name::text;
  if due then
    update pgmq.notify_insert_throttle as throttle
      set last_notified_at = clock_timestamp()
      where lower('q_' || throttle.queue_name::text) = tg_table_name::text
        and clock_timestamp() >= throttle.last_notified_at
          + make_interval(secs => throttle.throttle_interval_ms / 1000.0);
    if found then
      perform pg_notify('pgmq.' || tg_table_name || '.' || tg_op, null);
    end if;
  end if;
  return null;
end
$$;

create function pgmq.enable_notify_insert(queue_name text, throttle_interval_ms integer default 250)
returns void
language plpgsql
as $$
#variable_conflict use_variable
declare
  q text := pgmq.format_table_name(queue_name, 'q');
begin
  if throttle_interval_ms < 0 then
    raise exception 'throttle_interval_ms must not be negative, got %', throttle_interval_ms
      using errcode = 'invalid_parameter_value';
  end if;
  if not exists (select from pgmq.meta as known where known.queue_name = queue_name) then
    raise exception 'Queue "%" does not exist. Create it first using pgmq.create()', queue_name
      using errcode = 'undefined_table';
  end if;
  perform pgmq.disable_notify_insert(queue_name);
  insert into pgmq.notify_insert_throttle (queue_name, throttle_interval_ms)
    values (queue_name, throttle_interval_ms);
  execute format(
    'create trigger trigger_notify_queue_insert_listeners after insert on pgmq.%I
       for each statement execute function pgmq.notify_queue_listeners()', q);
end
$$;

create function pgmq.disable_notify_insert(queue_name text) returns void
language plpgsql
as $$
#variable_conflict use_variable
declare
  q text := pgmq.format_table_name(queue_name, 'q');
begin
  if exists (
    select from pg_trigger
    where tgname = 'trigger_notify_queue_insert_listeners'
      and tgrelid = to_regclass(format('pgmq.%I', q))
  ) then
    execute format('drop trigger trigger_notify_queue_insert_listeners on pgmq.%I', q);
  end if;
  delete from pgmq.notify_insert_throttle as throttle where throttle.queue_name = queue_name;
end
$$;

-- Making and dropping queues ----------------------------------------------------------------------

create function pgmq._create(queue_name text, is_unlogged boolean) returns void
language plpgsql
as $$
#variable_conflict use_variable
declare
  q text := pgmq.format_table_name(queue_name, 'q');
  a text := pgmq.format_table_name(queue_name, 'a');
begin
  perform pgmq.acquire_queue_lock(queue_name);
  if to_regclass(format('pgmq.%I', q)) is null then
    execute format(
      'create %s table pgmq.%I (
         msg_id bigint primary key generated always as identity,
         read_ct integer default 0 not null,
         enqueued_at timestamptz default now() not null,
         vt timestamptz not null,
         message jsonb,
         headers jsonb
       )', case when is_unlogged then 'unlogged' else '' end, q);
    execute format('create index %I on pgmq.%I (vt)', q || '_vt_idx', q);
    execute format(
      'create trigger isobase_wake_consumers after insert on pgmq.%I
         for each statement execute function pgmq.wake_consumers()', q);
  end if;
  if to_regclass(format('pgmq.%I', a)) is null then
    execute format(
      'create table pgmq.%I (
         msg_id bigint primary key,
         read_ct integer default 0 not null,
         enqueued_at timestamptz default now() not null,
         archived_at timestamptz default now() not null,
         vt timestamptz not null,
         message jsonb,
         headers jsonb
       )', a);
    execute format('create index %I on pgmq.%I (archived_at)', 'archived_at_idx_' || queue_name, a);
  end if;
  insert into pgmq.meta (queue_name, is_partitioned, is_unlogged)
    values (queue_name, false, is_unlogged)
    on conflict do nothing;
end
$$;

create function pgmq.create_non_partitioned(queue_name text) returns void
language sql as $$ select pgmq._create(queue_name, false) $$;

create function pgmq.create(queue_name text) returns void
language sql as $$ select pgmq._create(queue_name, false) $$;

create function pgmq.create_unlogged(queue_name text) returns void
language sql as $$ select pgmq._create(queue_name, true) $$;

create function pgmq.create_partitioned(
  queue_name text,
  partition_interval text default '10000',
  retention_interval text default '100000'
) returns void
language plpgsql
as $$
begin
  raise exception 'partitioned queues need the extension pg_partman, which this server does not have'
    using errcode = 'feature_not_supported', hint = 'Use pgmq.create, and purge or archive what is old.';
end
$$;

create function pgmq.convert_archive_partitioned(
  table_name text,
  partition_interval text default '10000',
  retention_interval text default '100000',
  leading_partition integer default 10
) returns void
language plpgsql
as $$
begin
  raise exception 'partitioned archives need the extension pg_partman, which this server does not have'
    using errcode = 'feature_not_supported';
end
$$;

-- Kept because old migrations call it: archives belong to no extension here.
create function pgmq.detach_archive(queue_name text) returns void
language sql as $$ select $$;

create function pgmq.drop_queue(queue_name text) returns boolean
language plpgsql
as $$
#variable_conflict use_variable
declare
  q text := pgmq.format_table_name(queue_name, 'q');
  a text := pgmq.format_table_name(queue_name, 'a');
begin
  perform pgmq.acquire_queue_lock(queue_name);
  if not exists (select from pgmq.meta as known where lower(known.queue_name) = lower(queue_name)) then
    raise notice 'pgmq queue "%" does not exist', queue_name;
    return false;
  end if;
  execute format('drop table if exists pgmq.%I', q);
  execute format('drop table if exists pgmq.%I', a);
  delete from pgmq.meta as known where lower(known.queue_name) = lower(queue_name);
  return true;
end
$$;

create function pgmq.drop_queue(queue_name text, partitioned boolean) returns boolean
language sql as $$ select pgmq.drop_queue(queue_name) $$;

create function pgmq.purge_queue(queue_name text) returns bigint
language plpgsql
as $$
declare
  q text := pgmq.format_table_name(queue_name, 'q');
  purged bigint;
begin
  execute format('select count(*) from pgmq.%I', q) into purged;
  execute format('truncate pgmq.%I', q);
  return purged;
end
$$;

create function pgmq.list_queues() returns setof pgmq.queue_record
language sql stable
as $$ select queue_name, is_partitioned, is_unlogged, created_at from pgmq.meta $$;

-- Sending -----------------------------------------------------------------------------------------

create function pgmq._send(queue_name text, msgs jsonb[], headers jsonb[], delay timestamptz)
returns setof bigint
language plpgsql
as $$
begin
  if headers is not null and cardinality(headers) <> cardinality(msgs) then
    raise exception 'there are % messages and % headers', cardinality(msgs), cardinality(headers)
      using errcode = 'invalid_parameter_value';
  end if;
  return query execute format(
    'insert into pgmq.%I (vt, message, headers)
     select $3, given.message, given.headers
     from unnest($1, $2) with ordinality as given (message, headers, place)
     where given.place <= cardinality($1)
     order by given.place
     returning msg_id', pgmq.format_table_name(queue_name, 'q'))
    using msgs, headers, delay;
end
$$;

create function pgmq._send_one(queue_name text, msg jsonb, headers jsonb, delay timestamptz)
returns setof bigint
language plpgsql
as $$
begin
  return query execute format(
    'insert into pgmq.%I (vt, message, headers) values ($3, $1, $2) returning msg_id',
    pgmq.format_table_name(queue_name, 'q'))
    using msg, headers, delay;
end
$$;

create function pgmq._after(delay integer) returns timestamptz
language sql volatile as $$ select clock_timestamp() + make_interval(secs => delay) $$;

create function pgmq.send(queue_name text, msg jsonb) returns setof bigint
language sql as $$ select pgmq._send_one(queue_name, msg, null, clock_timestamp()) $$;

create function pgmq.send(queue_name text, msg jsonb, headers jsonb) returns setof bigint
language sql as $$ select pgmq._send_one(queue_name, msg, headers, clock_timestamp()) $$;

create function pgmq.send(queue_name text, msg jsonb, delay integer) returns setof bigint
language sql as $$ select pgmq._send_one(queue_name, msg, null, pgmq._after(delay)) $$;

create function pgmq.send(queue_name text, msg jsonb, delay timestamptz) returns setof bigint
language sql as $$ select pgmq._send_one(queue_name, msg, null, delay) $$;

create function pgmq.send(queue_name text, msg jsonb, headers jsonb, delay integer) returns setof bigint
language sql as $$ select pgmq._send_one(queue_name, msg, headers, pgmq._after(delay)) $$;

create function pgmq.send(queue_name text, msg jsonb, headers jsonb, delay timestamptz) returns setof bigint
language sql as $$ select pgmq._send_one(queue_name, msg, headers, delay) $$;

create function pgmq.send_batch(queue_name text, msgs jsonb[]) returns setof bigint
language sql as $$ select pgmq._send(queue_name, msgs, null, clock_timestamp()) $$;

create function pgmq.send_batch(queue_name text, msgs jsonb[], headers jsonb[]) returns setof bigint
language sql as $$ select pgmq._send(queue_name, msgs, headers, clock_timestamp()) $$;

create function pgmq.send_batch(queue_name text, msgs jsonb[], delay integer) returns setof bigint
language sql as $$ select pgmq._send(queue_name, msgs, null, pgmq._after(delay)) $$;

create function pgmq.send_batch(queue_name text, msgs jsonb[], delay timestamptz) returns setof bigint
language sql as $$ select pgmq._send(queue_name, msgs, null, delay) $$;

create function pgmq.send_batch(queue_name text, msgs jsonb[], headers jsonb[], delay integer)
returns setof bigint
language sql as $$ select pgmq._send(queue_name, msgs, headers, pgmq._after(delay)) $$;

create function pgmq.send_batch(queue_name text, msgs jsonb[], headers jsonb[], delay timestamptz)
returns setof bigint
language sql as $$ select pgmq._send(queue_name, msgs, headers, delay) $$;

-- Reading -----------------------------------------------------------------------------------------

create function pgmq.read(queue_name text, vt integer, qty integer, conditional jsonb)
returns setof pgmq.message_record
language plpgsql
as $$
declare
  q text := pgmq.format_table_name(queue_name, 'q');
begin
  return query execute format(
    'with due as materialized (
       select msg_id from pgmq.%1$I
       where vt <= clock_timestamp() and case when $3 <> ''{}''::jsonb then message @> $3 else true end
       order by msg_id limit $2 for update skip locked
     ), taken as (
       update pgmq.%1$I as queue
       set vt = clock_timestamp() + make_interval(secs => $1), read_ct = queue.read_ct + 1
       from due where queue.msg_id = due.msg_id
       returning queue.msg_id, queue.read_ct, queue.enqueued_at, queue.vt, queue.message, queue.headers
     )
     select msg_id, read_ct, enqueued_at, vt, message, headers from taken order by msg_id', q)
    using vt, qty, coalesce(conditional, '{}');
end
$$;

create function pgmq.read(queue_name text, vt integer, qty integer)
returns setof pgmq.message_record
language sql
as $$
  select msg_id, read_ct, enqueued_at, vt, message, headers
  from pgmq.read(queue_name, vt, qty, '{}'::jsonb)
$$;

create function pgmq.read_with_poll(
  queue_name text,
  vt integer,
  qty integer,
  max_poll_seconds integer default 5,
  poll_interval_ms integer default 100,
  conditional jsonb default '{}'
) returns setof pgmq.message_record
language plpgsql
as $$
declare
  until timestamptz := clock_timestamp() + make_interval(secs => max_poll_seconds);
begin
  loop
    return query
      select due.msg_id, due.read_ct, due.enqueued_at, due.vt, due.message, due.headers
      from pgmq.read(queue_name, vt, qty, conditional) as due;
    if found or clock_timestamp() >= until then
      return;
    end if;
    perform pg_sleep(poll_interval_ms / 1000.0);
  end loop;
end
$$;

create function pgmq.pop(queue_name text, qty integer) returns setof pgmq.message_record
language plpgsql
as $$
declare
  q text := pgmq.format_table_name(queue_name, 'q');
begin
  return query execute format(
    'with due as materialized (
       select msg_id from pgmq.%1$I where vt <= clock_timestamp()
       order by msg_id limit $1 for update skip locked
     ), taken as (
       delete from pgmq.%1$I as queue using due where queue.msg_id = due.msg_id
       returning queue.msg_id, queue.read_ct, queue.enqueued_at, queue.vt, queue.message, queue.headers
     )
     select msg_id, read_ct, enqueued_at, vt, message, headers from taken order by msg_id', q)
    using qty;
end
$$;

create function pgmq.pop(queue_name text) returns setof pgmq.message_record
language sql
as $$ select msg_id, read_ct, enqueued_at, vt, message, headers from pgmq.pop(queue_name, 1) $$;

-- Settling ----------------------------------------------------------------------------------------

create function pgmq.delete(queue_name text, msg_ids bigint[]) returns setof bigint
language plpgsql
as $$
begin
  return query execute format(
    'delete from pgmq.%I where msg_id = any ($1) returning msg_id',
    pgmq.format_table_name(queue_name, 'q'))
    using msg_ids;
end
$$;

create function pgmq.delete(queue_name text, msg_id bigint) returns boolean
language sql
as $$ select exists (select from pgmq.delete(queue_name, array[msg_id])) $$;

create function pgmq.archive(queue_name text, msg_ids bigint[]) returns setof bigint
language plpgsql
as $$
begin
  return query execute format(
    'with gone as (
       delete from pgmq.%I where msg_id = any ($1)
       returning msg_id, read_ct, enqueued_at, vt, message, headers
     )
     insert into pgmq.%I (msg_id, read_ct, enqueued_at, vt, message, headers)
     select msg_id, read_ct, enqueued_at, vt, message, headers from gone
     returning msg_id',
    pgmq.format_table_name(queue_name, 'q'), pgmq.format_table_name(queue_name, 'a'))
    using msg_ids;
end
$$;

create function pgmq.archive(queue_name text, msg_id bigint) returns boolean
language sql
as $$ select exists (select from pgmq.archive(queue_name, array[msg_id])) $$;

create function pgmq.set_vt(queue_name text, msg_ids bigint[], vt integer)
returns setof pgmq.message_record
language plpgsql
as $$
begin
  return query execute format(
    'update pgmq.%I as queue set vt = clock_timestamp() + make_interval(secs => $2)
     where queue.msg_id = any ($1)
     returning queue.msg_id, queue.read_ct, queue.enqueued_at, queue.vt, queue.message, queue.headers',
    pgmq.format_table_name(queue_name, 'q'))
    using msg_ids, vt;
end
$$;

create function pgmq.set_vt(queue_name text, msg_id bigint, vt integer)
returns setof pgmq.message_record
language sql
as $$
  select moved.msg_id, moved.read_ct, moved.enqueued_at, moved.vt, moved.message, moved.headers
  from pgmq.set_vt(queue_name, array[msg_id], vt) as moved
$$;

-- Metrics -----------------------------------------------------------------------------------------

create function pgmq.metrics(queue_name text) returns pgmq.metrics_result
language plpgsql
as $$
declare
  q text := pgmq.format_table_name(queue_name, 'q');
  result pgmq.metrics_result;
begin
  execute format(
    'select $1::text,
       count(*),
       extract(epoch from clock_timestamp() - max(enqueued_at))::integer,
       extract(epoch from clock_timestamp() - min(enqueued_at))::integer,
       coalesce(pg_sequence_last_value(pg_get_serial_sequence($2, ''msg_id'')::regclass), 0),
       clock_timestamp(),
       count(*) filter (where vt <= clock_timestamp())
     from pgmq.%I', q)
    into result using queue_name, format('pgmq.%I', q);
  return result;
end
$$;

create function pgmq.metrics_all() returns setof pgmq.metrics_result
language sql
as $$
  select measured.*
  from pgmq.meta as known
  cross join lateral pgmq.metrics(known.queue_name) as measured
$$;

-- First in, first out, by group -------------------------------------------------------------------

-- A message's group is its header `x-pgmq-group`; those without one are one group. Within a group
-- nothing is read past a message that is invisible, and readers take turns by a lock for each group.
-- `layout` says how the batch is filled: `drain` empties the oldest group first, `robin` takes one of
-- each group in turn, `head` takes the first of each.
create function pgmq._read_grouped(queue_name text, vt integer, qty integer, layout text)
returns setof pgmq.message_record
language plpgsql
as $$
declare
  q text := pgmq.format_table_name(queue_name, 'q');
  candidate record;
  mine text[] := '{}';
  available bigint := 0;
begin
  for candidate in execute format(
    'select coalesce(headers ->> ''x-pgmq-group'', '''') as name, min(msg_id) as head, count(*) as size
     from pgmq.%I group by 1 having bool_or(vt <= clock_timestamp()) order by head', q)
  loop
    exit when available >= qty;
    if pg_try_advisory_xact_lock(hashtext('pgmq.group_' || q), hashtext(candidate.name)) then
      mine := mine || candidate.name;
      available := available + case when layout = 'drain' then candidate.size else 1 end;
    end if;
  end loop;
  -- A statement of its own, so that it sees what the reader before us did to a group.
  return query execute format(
    'with message as (
       select msg_id, coalesce(headers ->> ''x-pgmq-group'', '''') as name, vt from pgmq.%1$I
     ), ranked as (
       select msg_id,
         min(msg_id) over one_group as head,
         row_number() over (one_group order by msg_id) as layer,
         bool_and(vt <= clock_timestamp()) over (one_group order by msg_id) as is_open
       from message where name = any ($1)
       window one_group as (partition by name)
     ), chosen as (
       select msg_id from ranked
       where is_open and ($4 <> ''head'' or layer = 1)
       order by case when $4 = ''robin'' then layer else 0 end, head, msg_id
       limit $3
     ), due as materialized (
       select queue.msg_id from pgmq.%1$I as queue join chosen using (msg_id)
       where queue.vt <= clock_timestamp()
       for update of queue skip locked
     ), taken as (
       update pgmq.%1$I as queue
       set vt = clock_timestamp() + make_interval(secs => $2), read_ct = queue.read_ct + 1
       from due where queue.msg_id = due.msg_id
       returning queue.msg_id, queue.read_ct, queue.enqueued_at, queue.vt, queue.message, queue.headers
     )
     select taken.msg_id, taken.read_ct, taken.enqueued_at, taken.vt, taken.message, taken.headers
     from taken join ranked using (msg_id)
     order by case when $4 = ''robin'' then ranked.layer else 0 end, ranked.head, taken.msg_id', q)
    using mine, vt, qty, layout;
end
$$;

create function pgmq.read_grouped(queue_name text, vt integer, qty integer)
returns setof pgmq.message_record
language sql as $$ select * from pgmq._read_grouped(queue_name, vt, qty, 'drain') $$;

create function pgmq.read_grouped_rr(queue_name text, vt integer, qty integer)
returns setof pgmq.message_record
language sql as $$ select * from pgmq._read_grouped(queue_name, vt, qty, 'robin') $$;

create function pgmq.read_grouped_head(queue_name text, vt integer, qty integer)
returns setof pgmq.message_record
language sql as $$ select * from pgmq._read_grouped(queue_name, vt, qty, 'head') $$;

create function pgmq._read_grouped_with_poll(
  queue_name text,
  vt integer,
  qty integer,
  max_poll_seconds integer,
  poll_interval_ms integer,
  layout text
) returns setof pgmq.message_record
language plpgsql
as $$
declare
  until timestamptz := clock_timestamp() + make_interval(secs => max_poll_seconds);
begin
  loop
    return query select * from pgmq._read_grouped(queue_name, vt, qty, layout);
    if found or clock_timestamp() >= until then
      return;
    end if;
    perform pg_sleep(poll_interval_ms / 1000.0);
  end loop;
end
$$;

create function pgmq.read_grouped_with_poll(
  queue_name text,
  vt integer,
  qty integer,
  max_poll_seconds integer default 5,
  poll_interval_ms integer default 100
) returns setof pgmq.message_record
language sql
as $$
  select * from pgmq._read_grouped_with_poll(queue_name, vt, qty, max_poll_seconds, poll_interval_ms, 'drain')
$$;

create function pgmq.read_grouped_rr_with_poll(
  queue_name text,
  vt integer,
  qty integer,
  max_poll_seconds integer default 5,
  poll_interval_ms integer default 100
) returns setof pgmq.message_record
language sql
as $$
  select * from pgmq._read_grouped_with_poll(queue_name, vt, qty, max_poll_seconds, poll_interval_ms, 'robin')
$$;

create function pgmq.create_fifo_index(queue_name text) returns void
language plpgsql
as $$
declare
  q text := pgmq.format_table_name(queue_name, 'q');
begin
  execute format(
    'create index if not exists %I on pgmq.%I ((coalesce(headers ->> ''x-pgmq-group'', '''')), msg_id)',
    q || '_fifo_idx', q);
end
$$;

create function pgmq.create_fifo_indexes_all() returns void
language plpgsql
as $$
declare
  known record;
begin
  for known in select queue_name from pgmq.meta loop
    perform pgmq.create_fifo_index(known.queue_name);
  end loop;
end
$$;

-- Topics ------------------------------------------------------------------------------------------

create function pgmq.validate_routing_key(routing_key text) returns boolean
language plpgsql immutable
as $$
begin
  if routing_key is null or routing_key = '' then
    raise exception 'routing_key cannot be NULL or empty' using errcode = 'invalid_parameter_value';
  end if;
  if length(routing_key) > 255 then
    raise exception 'routing_key length exceeds maximum of 255 characters, got %', length(routing_key)
      using errcode = 'invalid_parameter_value';
  end if;
  if routing_key !~ '^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$' then
    raise exception 'routing_key is words of letters, digits, "_" and "-", joined by dots; got "%"', routing_key
      using errcode = 'invalid_parameter_value';
  end if;
  return true;
end
$$;

create function pgmq.validate_topic_pattern(pattern text) returns boolean
language plpgsql immutable
as $$
begin
  if pattern is null or pattern = '' then
    raise exception 'pattern cannot be NULL or empty' using errcode = 'invalid_parameter_value';
  end if;
  if length(pattern) > 255 then
    raise exception 'pattern length exceeds maximum of 255 characters, got %', length(pattern)
      using errcode = 'invalid_parameter_value';
  end if;
  if pattern !~ '^[A-Za-z0-9._*#-]+$' or pattern ~ '^\.|\.$|\.\.' then
    raise exception 'pattern is words of letters, digits, "_", "-", "*" and "#", joined by dots; got "%"', pattern
      using errcode = 'invalid_parameter_value';
  end if;
  if pattern ~ '[*#][*#]' then
    raise exception 'pattern cannot have adjacent wildcards; got "%"', pattern
      using errcode = 'invalid_parameter_value';
  end if;
  return true;
end
$$;

-- `*` is one word, `#` any text; so `logs.#` wants at least the dot, unlike in AMQP.
create function pgmq._compile_topic(pattern text) returns text
language sql immutable
as $$ select '^' || replace(replace(replace(pattern, '.', '\.'), '*', '[^.]+'), '#', '.*') || '$' $$;

create function pgmq.bind_topic(pattern text, queue_name text) returns void
language plpgsql
as $$
#variable_conflict use_variable
begin
  perform pgmq.validate_topic_pattern(pattern);
  perform pgmq.validate_queue_name(queue_name);
  if not exists (select from pgmq.meta as known where known.queue_name = queue_name) then
    raise exception 'Queue "%" does not exist. Create it first using pgmq.create()', queue_name
      using errcode = 'undefined_table';
  end if;
  insert into pgmq.topic_bindings (pattern, queue_name, compiled_regex)
    values (pattern, queue_name, pgmq._compile_topic(pattern))
    on conflict do nothing;
end
$$;

create function pgmq.unbind_topic(pattern text, queue_name text) returns boolean
language plpgsql
as $$
#variable_conflict use_variable
begin
  delete from pgmq.topic_bindings as bound
    where bound.pattern = pattern and bound.queue_name = queue_name;
  return found;
end
$$;

create function pgmq.test_routing(routing_key text)
returns table (pattern text, queue_name text, compiled_regex text)
language plpgsql stable
as $$
begin
  perform pgmq.validate_routing_key(routing_key);
  return query
    select bound.pattern, bound.queue_name::text, bound.compiled_regex
    from pgmq.topic_bindings as bound
    where routing_key ~ bound.compiled_regex
    order by bound.pattern, bound.queue_name;
end
$$;

create function pgmq.list_topic_bindings()
returns table (pattern text, queue_name text, bound_at timestamptz, compiled_regex text)
language sql stable
as $$
  select bound.pattern, bound.queue_name::text, bound.bound_at, bound.compiled_regex
  from pgmq.topic_bindings as bound order by bound.bound_at, bound.pattern, bound.queue_name
$$;

create function pgmq._send_topic(routing_key text, msgs jsonb[], headers jsonb[], delay timestamptz)
returns table (queue_name text, msg_id bigint)
language plpgsql
as $$
declare
  matching record;
begin
  for matching in
    select distinct routed.queue_name as name from pgmq.test_routing(routing_key) as routed order by 1
  loop
    return query select matching.name::text, sent from pgmq._send(matching.name, msgs, headers, delay) as sent;
  end loop;
end
$$;

create function pgmq.send_topic(routing_key text, msg jsonb, headers jsonb, delay integer) returns integer
language sql
as $$
  select count(*)::integer
  from pgmq._send_topic(routing_key, array[msg], array[headers], pgmq._after(delay))
$$;

create function pgmq.send_topic(routing_key text, msg jsonb) returns integer
language sql as $$ select pgmq.send_topic(routing_key, msg, null, 0) $$;

create function pgmq.send_topic(routing_key text, msg jsonb, delay integer) returns integer
language sql as $$ select pgmq.send_topic(routing_key, msg, null, delay) $$;

create function pgmq.send_topic(routing_key text, msg jsonb, headers jsonb) returns integer
language sql as $$ select pgmq.send_topic(routing_key, msg, headers, 0) $$;

create function pgmq.send_batch_topic(routing_key text, msgs jsonb[])
returns table (queue_name text, msg_id bigint)
language sql as $$ select * from pgmq._send_topic(routing_key, msgs, null, clock_timestamp()) $$;

create function pgmq.send_batch_topic(routing_key text, msgs jsonb[], headers jsonb[])
returns table (queue_name text, msg_id bigint)
language sql as $$ select * from pgmq._send_topic(routing_key, msgs, headers, clock_timestamp()) $$;

create function pgmq.send_batch_topic(routing_key text, msgs jsonb[], delay integer)
returns table (queue_name text, msg_id bigint)
language sql as $$ select * from pgmq._send_topic(routing_key, msgs, null, pgmq._after(delay)) $$;

create function pgmq.send_batch_topic(routing_key text, msgs jsonb[], delay timestamptz)
returns table (queue_name text, msg_id bigint)
language sql as $$ select * from pgmq._send_topic(routing_key, msgs, null, delay) $$;

create function pgmq.send_batch_topic(routing_key text, msgs jsonb[], headers jsonb[], delay integer)
returns table (queue_name text, msg_id bigint)
language sql as $$ select * from pgmq._send_topic(routing_key, msgs, headers, pgmq._after(delay)) $$;

create function pgmq.send_batch_topic(routing_key text, msgs jsonb[], headers jsonb[], delay timestamptz)
returns table (queue_name text, msg_id bigint)
language sql as $$ select * from pgmq._send_topic(routing_key, msgs, headers, delay) $$;

-- What the data API is given, where `[api] schemas` lists pgmq_public ---------------------------------

create schema if not exists pgmq_public;

create function pgmq_public.send(queue_name text, message jsonb, sleep_seconds integer default 0)
returns setof bigint
language sql set search_path = ''
as $$ select pgmq.send(queue_name, message, sleep_seconds) $$;

create function pgmq_public.send_batch(queue_name text, messages jsonb[], sleep_seconds integer default 0)
returns setof bigint
language sql set search_path = ''
as $$ select pgmq.send_batch(queue_name, messages, sleep_seconds) $$;

create function pgmq_public.read(queue_name text, sleep_seconds integer, n integer)
returns setof pgmq.message_record
language sql set search_path = ''
as $$ select * from pgmq.read(queue_name, sleep_seconds, n) $$;

create function pgmq_public.pop(queue_name text) returns setof pgmq.message_record
language sql set search_path = ''
as $$ select * from pgmq.pop(queue_name) $$;

create function pgmq_public.archive(queue_name text, message_id bigint) returns boolean
language sql set search_path = ''
as $$ select pgmq.archive(queue_name, message_id) $$;

create function pgmq_public.delete(queue_name text, message_id bigint) returns boolean
language sql set search_path = ''
as $$ select pgmq.delete(queue_name, message_id) $$;

comment on function pgmq_public.read is
  'Reads up to n messages and hides them for sleep_seconds: the visibility timeout, not a wait.';

-- Who may do what ---------------------------------------------------------------------------------

-- Everybody may call; the tables decide, by grants and row level security, for all functions run as
-- their caller.
grant usage on schema pgmq, pgmq_public to anon, authenticated, service_role;
grant all on schema pgmq, pgmq_public to postgres;
grant all on all tables in schema pgmq to postgres with grant option;
grant all on all tables in schema pgmq to service_role;
grant select on pgmq.meta, pgmq.topic_bindings to anon, authenticated;
grant all on all routines in schema pgmq to postgres, anon, authenticated, service_role;
grant all on all routines in schema pgmq_public to postgres, anon, authenticated, service_role;
grant usage on schema pgmq to pg_monitor;
grant select on all tables in schema pgmq to pg_monitor;

do $$
begin
  if pg_has_role(current_user, 'postgres', 'member') then
    alter function pgmq.notify_queue_listeners() owner to postgres;
  end if;
end
$$;

-- Queues that come later, made by people or by the host.
do $$
declare
  maker text;
begin
  foreach maker in array array['postgres', current_user] loop
    if pg_has_role(current_user, maker, 'usage') then
      execute format(
        'alter default privileges for role %1$I in schema pgmq grant all on tables to postgres with grant option;
         alter default privileges for role %1$I in schema pgmq grant all on tables to service_role;
         alter default privileges for role %1$I in schema pgmq grant select on tables to pg_monitor;
         alter default privileges for role %1$I in schema pgmq grant all on sequences to postgres with grant option;
         alter default privileges for role %1$I in schema pgmq grant usage on sequences
           to anon, authenticated, service_role, pg_monitor', maker);
    end if;
  end loop;
end
$$;
