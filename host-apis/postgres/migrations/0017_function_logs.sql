-- What functions log, and one row for each invocation. A table for each day, made and dropped by the
-- host: `isobase.function_logs_YYYYMMDD`, days in UTC.

create sequence isobase.function_logs_sequence;

create table isobase.function_logs (
  -- Grows with the order of arrival; unlike times it tells entries apart.
  sequence bigint not null default nextval('isobase.function_logs_sequence'),
  logged_at timestamptz not null,
  function text not null,
  -- line, invocation, boot or shutdown
  event text not null,
  -- debug, info, warn or error
  level text not null,
  version bigint,
  request_id uuid,
  message text not null,
  -- From here on of invocations; `duration_micros` of boots too.
  status smallint,
  failure text,
  duration_micros bigint,
  queue_micros bigint,
  cpu_micros bigint,
  memory_bytes bigint,
  -- Entries of the same kind that were left out in the second before.
  left_out bigint
) partition by range (logged_at);

create index function_logs_function_logged_at on isobase.function_logs (function, logged_at);
create index function_logs_logged_at on isobase.function_logs (logged_at);
create index function_logs_request_id on isobase.function_logs (request_id) where request_id is not null;
