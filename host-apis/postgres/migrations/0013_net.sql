-- unless: to_regclass('net.http_request_queue') is not null
-- HTTP requests from SQL: the interface of pg_net and of Supabase's database webhooks, on ordinary
-- logged tables. The host reads the queue, sends outside of any transaction and writes the responses.
-- Names, arguments and defaults are pg_net's; what it lacks stands beside them.

do $$
begin
  if not (select rolsuper from pg_roles where rolname = current_user)
    and not pg_has_role(current_user, 'supabase_functions_admin', 'member')
  then
    execute format('grant supabase_functions_admin to %I', current_user);
  end if;
end
$$;

create schema if not exists net;

create domain net.http_method as text
  check (value ~ '^[A-Za-z][A-Za-z-]{0,31}$' and upper(value) <> 'CONNECT');
create type net.request_state as enum ('waiting', 'sending');
create type net.request_status as enum ('PENDING', 'SUCCESS', 'ERROR');
create type net.http_response as (status_code integer, headers jsonb, body text);
create type net.http_response_result as (status net.request_status, message text, response net.http_response);

-- What is not delivered yet. A row is there from its transaction's commit until its response is
-- committed; while it is sent, next_attempt_at is the end of the sender's lease.
create table net.http_request_queue (
  id bigserial constraint http_request_queue_pkey primary key,
  method net.http_method not null,
  url text not null,
  headers jsonb,
  body bytea,
  timeout_milliseconds int not null default 5000,
  options jsonb not null default '{}',
  state net.request_state not null default 'waiting',
  attempts int not null default 0,
  next_attempt_at timestamptz not null default now(),
  leased_by int,
  last_error text,
  created timestamptz not null default now(),
  host text collate "C" not null generated always as
    (coalesce(lower(substring(url from '^[A-Za-z]+://(?:[^/?#@]*@)?([^/?#]*)')), '')) stored
);
-- For each host, what is due first: a host that answers nobody is one entry to step over.
create index http_request_queue_due on net.http_request_queue (host, next_attempt_at);
create index http_request_queue_sending on net.http_request_queue (leased_by) where state = 'sending';
alter table net.http_request_queue set (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);

create table net._http_response (
  id bigint,
  status_code integer,
  content_type text,
  headers jsonb,
  content text,
  timed_out boolean,
  error_msg text,
  created timestamptz not null default now(),
  content_bytes bytea,
  attempts int,
  duration_ms int
);
create index _http_response_created_idx on net._http_response (created);
create index _http_response_id_idx on net._http_response (id);
comment on column net._http_response.content_bytes is 'The body where it is not text.';

-- Requests that asked for retries and have none left. net.retry puts one back.
create table net.http_dead_letter (
  id bigint not null constraint http_dead_letter_pkey primary key,
  method net.http_method not null,
  url text not null,
  headers jsonb,
  body bytea,
  timeout_milliseconds int not null,
  options jsonb not null,
  attempts int not null,
  last_error text,
  created timestamptz not null,
  failed_at timestamptz not null default now()
);

-- Once a statement, not a row; rows inserted by hand wake the host too.
create function net._announce() returns trigger
language plpgsql set search_path = ''
as $$
begin
  notify isobase_net;
  return null;
end
$$;
create trigger announce after insert on net.http_request_queue
  for each statement execute function net._announce();

-- What a database or role was given as pg_net.<name>, also after this session began.
create function net._setting(name text, fallback text) returns text
language sql stable set search_path = ''
as $$
  select coalesce(
    (select substr(setting, length(name) + 2)
     from pg_catalog.pg_db_role_setting as given, unnest(given.setconfig) as setting
     where given.setdatabase in (0, (select oid from pg_catalog.pg_database where datname = current_database()))
       and given.setrole = 0
       and starts_with(setting, name || '=')
     order by given.setdatabase desc limit 1),
    nullif(current_setting(name, true), ''),
    fallback)
$$;

create function net._urlencode_string(string varchar) returns text
language sql immutable strict parallel safe set search_path = ''
as $$
  select case when string ~ '^[A-Za-z0-9_.~-]*$' then string::text else (
    select string_agg(
      case when chr(byte) ~ '[A-Za-z0-9_.~-]' and byte < 128 then chr(byte)
      else '%' || upper(lpad(to_hex(byte), 2, '0')) end, '' order by place)
    from (
      select place, get_byte(convert_to(string, 'UTF8'), place) as byte
      from generate_series(0, length(convert_to(string, 'UTF8')) - 1) as place
    ) as bytes
  ) end
$$;

create function net._encode_url_with_params_array(url text, params_array text[]) returns text
language plpgsql immutable strict parallel safe set search_path = ''
as $$
declare
  base text := split_part(url, '#', 1);
begin
  if url !~* '^https?://[^/?#[:space:]]' then
    raise exception using errcode = 'invalid_parameter_value',
      message = format('cannot request %L: the URL must begin with http:// or https:// and name a host', url);
  end if;
  if cardinality(params_array) = 0 then
    return base;
  end if;
  return base
    || case when strpos(base, '?') = 0 then '?' when base ~ '[?&]$' then '' else '&' end
    || array_to_string(params_array, '&');
end
$$;

-- Every function below ends here.
create function net._enqueue(
  method text, url text, params jsonb, headers jsonb, body bytea, timeout_milliseconds int, options jsonb
) returns bigint
language plpgsql volatile set search_path = ''
as $$
declare
  request_id bigint;
  pairs text[];
  unknown text;
begin
  select coalesce(array_agg(net._urlencode_string(key) || '=' || coalesce(net._urlencode_string(value), '')), '{}')
  into pairs from jsonb_each_text(coalesce(params, '{}'));
  select key into unknown from jsonb_object_keys(coalesce(options, '{}')) as key
  where key <> all (array['retries', 'retry_on', 'backoff_milliseconds', 'backoff_max_milliseconds',
    'signing_secret', 'max_response_bytes', 'idempotency_key', 'follow_redirects']);
  if unknown is not null then
    raise exception using errcode = 'invalid_parameter_value', message = format('unknown option %L', unknown);
  end if;
  insert into net.http_request_queue (method, url, headers, body, timeout_milliseconds, options)
  values (_enqueue.method, net._encode_url_with_params_array(_enqueue.url, pairs), _enqueue.headers,
    _enqueue.body, _enqueue.timeout_milliseconds, coalesce(_enqueue.options, '{}'))
  returning id into request_id;
  return request_id;
end
$$;

-- A JSON body and the headers that go with it: any JSON media type, with or without parameters.
create function net._json_headers(headers jsonb) returns jsonb
language plpgsql immutable set search_path = ''
as $$
declare
  given text;
begin
  select value into given from jsonb_each_text(coalesce(headers, '{}')) where lower(key) = 'content-type' limit 1;
  if given is null then
    return coalesce(headers, '{}') || '{"Content-Type": "application/json"}';
  end if;
  if given !~* '^[[:space:]]*[a-z0-9.+-]+/([a-z0-9.+-]+\+)?json[[:space:]]*(;.*)?$' then
    raise exception using errcode = 'invalid_parameter_value',
      message = format('Content-Type header must be "application/json" or another JSON type, not %L', given),
      hint = 'net.http_request sends bodies of any type.';
  end if;
  return headers;
end
$$;

create function net.http_get(
  url text, params jsonb default '{}', headers jsonb default '{}', timeout_milliseconds int default 5000
) returns bigint
language sql strict volatile security definer set search_path = ''
as $$ select net._enqueue('GET', url, params, headers, null, timeout_milliseconds, '{}') $$;

create function net.http_head(
  url text, params jsonb default '{}', headers jsonb default '{}', timeout_milliseconds int default 5000
) returns bigint
language sql strict volatile security definer set search_path = ''
as $$ select net._enqueue('HEAD', url, params, headers, null, timeout_milliseconds, '{}') $$;

create function net.http_post(
  url text, body jsonb default '{}', params jsonb default '{}',
  headers jsonb default '{"Content-Type": "application/json"}', timeout_milliseconds int default 5000
) returns bigint
language sql volatile security definer set search_path = ''
as $$
  select net._enqueue('POST', url, params, net._json_headers(headers), convert_to(body::text, 'UTF8'),
    timeout_milliseconds, '{}')
$$;

create function net.http_put(
  url text, body jsonb default '{}', params jsonb default '{}',
  headers jsonb default '{"Content-Type": "application/json"}', timeout_milliseconds int default 5000
) returns bigint
language sql volatile security definer set search_path = ''
as $$
  select net._enqueue('PUT', url, params, net._json_headers(headers), convert_to(body::text, 'UTF8'),
    timeout_milliseconds, '{}')
$$;

create function net.http_patch(
  url text, body jsonb default '{}', params jsonb default '{}',
  headers jsonb default '{"Content-Type": "application/json"}', timeout_milliseconds int default 5000
) returns bigint
language sql volatile security definer set search_path = ''
as $$
  select net._enqueue('PATCH', url, params, net._json_headers(headers), convert_to(body::text, 'UTF8'),
    timeout_milliseconds, '{}')
$$;

create function net.http_delete(
  url text, params jsonb default '{}', headers jsonb default '{}', timeout_milliseconds int default 5000,
  body jsonb default null
) returns bigint
language sql volatile security definer set search_path = ''
as $$
  select net._enqueue('DELETE', url, params, case when body is null then headers else net._json_headers(headers) end,
    convert_to(body::text, 'UTF8'), timeout_milliseconds, '{}')
$$;

-- Any method and body. Options: retries (further attempts), retry_on (statuses), backoff_milliseconds
-- (first pause, doubled each time), backoff_max_milliseconds, signing_secret (Standard Webhooks),
-- max_response_bytes, idempotency_key, follow_redirects.
create function net.http_request(
  method text, url text, headers jsonb default '{}', body bytea default null, content_type text default null,
  timeout_milliseconds int default 5000, options jsonb default '{}'
) returns bigint
language sql volatile security definer set search_path = ''
as $$
  select net._enqueue(upper(method), url, '{}',
    case when content_type is null then coalesce(headers, '{}')
    else coalesce(headers, '{}') || jsonb_build_object('Content-Type', content_type) end,
    body, timeout_milliseconds, options)
$$;

-- Puts a dead letter back. It keeps its id, so the receiver sees the same idempotency key.
create function net.retry(request_id bigint) returns bigint
language sql volatile set search_path = ''
as $$
  with taken as (delete from net.http_dead_letter where id = request_id returning *)
  insert into net.http_request_queue (id, method, url, headers, body, timeout_milliseconds, options)
  select id, method, url, headers, body, timeout_milliseconds, options from taken
  returning id
$$;

-- A host that serves the queue holds an advisory lock of this class; its number is leased_by.
create function net._workers() returns setof int
language sql volatile set search_path = ''
as $$
  select objid::int from pg_catalog.pg_locks
  where locktype = 'advisory' and classid = 7234932 and objsubid = 2 and granted
    and database = (select oid from pg_catalog.pg_database where datname = current_database())
$$;

create function net.check_worker_is_up() returns void
language plpgsql volatile set search_path = ''
as $$
begin
  if not exists (select from net._workers()) then
    raise exception using message = 'the pg_net background worker is not up', detail = 'No isobase host serves this database.', hint = 'Start one with isobase start.';
  end if;
end
$$;

create function net.wake() returns void
language plpgsql volatile set search_path = ''
as $$
begin
  notify isobase_net;
end
$$;

create function net.worker_restart() returns bool
language plpgsql volatile set search_path = ''
as $$
begin
  notify isobase_net;
  return exists (select from net._workers());
end
$$;

create function net.wait_until_running() returns void
language plpgsql volatile set search_path = ''
as $$
begin
  while not exists (select from net._workers()) loop
    perform pg_sleep(0.05);
  end loop;
end
$$;

create function net._await_response(request_id bigint) returns bool
language plpgsql volatile strict set search_path = ''
as $$
begin
  while exists (select from net.http_request_queue where id = request_id)
    and not exists (select from net._http_response where id = request_id)
  loop
    perform pg_sleep(0.05);
  end loop;
  return exists (select from net._http_response where id = request_id);
end
$$;

create function net._http_collect_response(request_id bigint, async bool default true)
returns net.http_response_result
language plpgsql volatile strict set search_path = ''
as $$
declare
  answer net._http_response;
begin
  if not async then
    perform net._await_response(request_id);
  end if;
  select * into answer from net._http_response where id = request_id order by created desc limit 1;
  if not found then
    if exists (select from net.http_request_queue where id = request_id) then
      return ('PENDING', 'request is pending processing', null)::net.http_response_result;
    end if;
    return ('ERROR', 'request matching request_id not found', null)::net.http_response_result;
  end if;
  if answer.status_code is null then
    return ('ERROR', coalesce(answer.error_msg, 'no response'), null)::net.http_response_result;
  end if;
  return ('SUCCESS', 'ok', (answer.status_code, answer.headers, answer.content)::net.http_response)
    ::net.http_response_result;
end
$$;

create function net.http_collect_response(request_id bigint, async bool default true)
returns net.http_response_result
language plpgsql volatile strict set search_path = ''
as $$
begin
  raise notice 'The net.http_collect_response function is deprecated.';
  return net._http_collect_response(request_id, async);
end
$$;

-- The host behind a request's idempotency key, so that two databases never send the same one.
insert into isobase.settings (name, value) values ('net_key', replace(gen_random_uuid()::text, '-', ''))
on conflict (name) do nothing;

revoke all on all functions in schema net from public;
grant usage on schema net to supabase_functions_admin, postgres, anon, authenticated, service_role;
grant all on all functions in schema net to supabase_functions_admin, postgres, service_role;
grant all on all tables in schema net to supabase_functions_admin, postgres, service_role;
grant all on all sequences in schema net to supabase_functions_admin, postgres, service_role;
-- Triggers run as whoever writes, so the API roles may ask for requests, not read responses.
do $$
declare
  wanted text;
begin
  foreach wanted in array array['http_get', 'http_head', 'http_post', 'http_put', 'http_patch', 'http_delete',
    'http_request', 'wake']
  loop
    execute format('grant execute on function net.%I to anon, authenticated', wanted);
  end loop;
end
$$;

-- Database webhooks: a trigger that any table can have.

create schema if not exists supabase_functions;
grant usage on schema supabase_functions to postgres, anon, authenticated, service_role;
grant all on schema supabase_functions to supabase_functions_admin;

create table if not exists supabase_functions.migrations (
  version text not null constraint migrations_pkey primary key,
  inserted_at timestamptz not null default now()
);
insert into supabase_functions.migrations (version) values ('initial'), ('20210809183423_update_grants')
on conflict (version) do nothing;

create table if not exists supabase_functions.hooks (
  id bigserial constraint hooks_pkey primary key,
  hook_table_id integer not null,
  hook_name text not null,
  created_at timestamptz not null default now(),
  request_id bigint
);
create index if not exists supabase_functions_hooks_request_id_idx on supabase_functions.hooks (request_id);
create index if not exists supabase_functions_hooks_h_table_id_h_name_idx
  on supabase_functions.hooks (hook_table_id, hook_name);
comment on table supabase_functions.hooks is 'Supabase Functions Hooks: Audit trail for triggered hooks.';

-- Arguments: url, method, headers, params, timeout_ms, max_retries. Retries are the sender's business:
-- the statement that fires this waits for nothing.
create or replace function supabase_functions.http_request() returns trigger
language plpgsql security definer set search_path = ''
as $$
declare
  url text := nullif(tg_argv[0], 'null');
  method text := nullif(tg_argv[1], 'null');
  headers jsonb := coalesce(nullif(tg_argv[2], 'null'), '{"Content-Type": "application/json"}')::jsonb;
  params jsonb := coalesce(nullif(tg_argv[3], 'null'), '{}')::jsonb;
  timeout_ms int := coalesce(nullif(tg_argv[4], 'null'), '1000')::int;
  max_retries int := coalesce(nullif(tg_argv[5], 'null'), '0')::int;
  payload jsonb;
  request_id bigint;
begin
  if url is null then
    raise exception 'url argument is missing';
  end if;
  if method is null then
    raise exception 'method argument is missing';
  end if;
  case upper(method)
    when 'GET' then
      payload := null;
    when 'POST', 'PUT', 'PATCH', 'DELETE' then
      payload := jsonb_build_object('old_record', old, 'record', new, 'type', tg_op, 'table', tg_table_name,
        'schema', tg_table_schema);
      headers := net._json_headers(headers);
    else
      raise exception 'method argument % is invalid', method;
  end case;
  request_id := net._enqueue(upper(method), url, params, headers, convert_to(payload::text, 'UTF8'), timeout_ms,
    case when max_retries > 0 then jsonb_build_object('retries', max_retries) else '{}' end);
  insert into supabase_functions.hooks (hook_table_id, hook_name, request_id)
  values (tg_relid, tg_name, request_id);
  return coalesce(new, old);
end
$$;

revoke all on function supabase_functions.http_request() from public;
grant execute on function supabase_functions.http_request()
  to supabase_functions_admin, postgres, anon, authenticated, service_role;
grant all on all tables in schema supabase_functions to supabase_functions_admin, postgres, service_role;
grant all on all sequences in schema supabase_functions to supabase_functions_admin, postgres, service_role;
