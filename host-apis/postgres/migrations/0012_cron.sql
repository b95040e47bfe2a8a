-- unless: exists (select from pg_extension where extname = 'pg_cron') or exists (select from pg_namespace where nspname = 'cron' and not pg_has_role(current_user, nspowner, 'member'))
-- Schedules: the tables and functions of pg_cron 1.6, run by the host itself. Schema `cron` looks as it
-- does upstream; what we add is in schema `isobase`.
--
-- The functions act as their caller, so that whoever may not write a row cannot have it written.
-- Postgres' own checks and the triggers below are the only ones there are, and they hold for plain
-- `insert`, `update` and `delete` on cron.job as well.

create schema if not exists cron;
create sequence if not exists cron.jobid_seq;
create sequence if not exists cron.runid_seq;

create table if not exists cron.job (
  jobid bigint primary key default nextval('cron.jobid_seq'),
  schedule text not null,
  command text not null,
  nodename text not null default 'localhost',
  nodeport int not null default coalesce(inet_server_port(), current_setting('port')::int),
  database text not null default current_database(),
  username text not null default current_user,
  active boolean not null default true,
  jobname text,
  constraint jobname_username_uniq unique (jobname, username)
);

create table if not exists cron.job_run_details (
  jobid bigint,
  runid bigint primary key default nextval('cron.runid_seq'),
  job_pid int,
  database text,
  username text,
  command text,
  status text,
  return_message text,
  start_time timestamptz,
  end_time timestamptz
);
-- History is shown and trimmed by job.
create index if not exists job_run_details_jobid_runid on cron.job_run_details (jobid, runid);

alter table cron.job enable row level security;
alter table cron.job_run_details enable row level security;
drop policy if exists cron_job_policy on cron.job;
create policy cron_job_policy on cron.job
  using (username = current_user)
  with check (username = current_user and database = current_database());
drop policy if exists cron_job_run_details_policy on cron.job_run_details;
create policy cron_job_run_details_policy on cron.job_run_details using (username = current_user);

-- Nobody but `postgres` sees the schema, until somebody is granted it; then he has his own jobs.
grant select, insert, update, delete on cron.job to public;
grant select, delete on cron.job_run_details to public;
grant usage on sequence cron.jobid_seq to public;

-- What we add to a job. A job without a row here behaves as in pg_cron.
create table isobase.cron_options (
  jobid bigint primary key references cron.job on delete cascade,
  -- A name of the IANA time zone database.
  timezone text not null default 'UTC',
  -- Runs that were due while nothing ran: left out, the latest one made up, all made up (to a bound).
  misfire text not null default 'skip' check (misfire in ('skip', 'once', 'all')),
  -- Attempts after the first.
  max_retries int not null default 0 check (max_retries between 0 and 100),
  -- Before the second attempt; it doubles from one to the next.
  backoff interval not null default '1 second' check (backoff between '1 millisecond' and '1 hour'),
  timeout interval check (timeout between '1 millisecond' and '1 day'),
  -- A run that is due while the one before it is at work: waits, is left out, runs beside it.
  overlap text not null default 'queue' check (overlap in ('queue', 'skip', 'allow')),
  -- Runs kept in cron.job_run_details.
  history_keep int not null default 1000 check (history_keep between 0 and 1000000)
);

-- From when on the times of a job count: its creation, or the last change of its schedule.
create table isobase.cron_anchors (
  jobid bigint primary key references cron.job on delete cascade,
  anchored_at timestamptz not null
);

-- The jobs that come from the project's settings rather than from somebody's statement.
create table isobase.cron_declared (
  jobid bigint primary key references cron.job on delete cascade
);

-- Hosts that are alive. One that does not renew in time loses its runs.
create table isobase.cron_leases (
  lease bigint primary key generated always as identity,
  expires_at timestamptz not null
);

-- Who does which run: its key makes each due time happen once, whichever host comes first. Without a
-- reference to cron.job, because a run may outlive its job.
create table isobase.cron_runs (
  jobid bigint not null,
  due_at timestamptz not null,
  lease bigint not null,
  -- The line in cron.job_run_details of the attempt that is at work, or was last.
  runid bigint not null,
  -- From 1; 0 for a run that its host has let go before it began.
  attempt int not null default 1,
  is_done boolean not null default false,
  primary key (jobid, due_at)
);
create index cron_runs_open on isobase.cron_runs (jobid, lease) where not is_done;

-- `N`, `N-N`, `*`, each with `/N` but a single number, and lists of these. Names and the last day of the
-- month where the field has them.
create or replace function isobase.cron_field_is_valid(field text, low int, high int, names text[], has_last boolean)
returns boolean
language plpgsql immutable
set search_path = ''
as $$
declare
  part text;
  found text[];
  bounds int[];
begin
  foreach part in array string_to_array(field, ',') loop
    continue when has_last and part = '$';
    found := regexp_match(part, '^(?:\*|([0-9]{1,4}|[a-z]{3})(?:-([0-9]{1,4}|[a-z]{3}))?)(?:/([0-9]{1,4}))?$', 'i');
    if found is null or found[3]::int = 0 then
      return false;
    end if;
    continue when starts_with(part, '*');
    if found[2] is null and found[3] is not null then
      return false;
    end if;
    bounds := array[]::int[];
    for side in 1 .. case when found[2] is null then 1 else 2 end loop
      bounds := bounds || case
        when found[side] ~ '^[0-9]' then found[side]::int
        else array_position(names, lower(found[side])) - 1 + low
      end;
    end loop;
    -- `fri-sun`.
    if high = 7 and bounds[2] = 0 and bounds[1] > 0 then
      bounds[2] := 7;
    end if;
    if bounds[1] is null or bounds[1] not between low and high then
      return false;
    end if;
    if found[2] is not null and (bounds[2] is null or bounds[2] not between bounds[1] and high) then
      return false;
    end if;
  end loop;
  return true;
end
$$;

-- Equal to what the host reads: five fields (six with seconds first), `@` names, `N seconds` to years.
create or replace function isobase.cron_schedule_is_valid(schedule text)
returns boolean
language plpgsql immutable
set search_path = ''
as $$
declare
  trimmed text := regexp_replace(schedule, '^[ \t\n\r]+|[ \t\n\r]+$', '', 'g');
  found text[];
  fields text[];
  months constant text[] := '{jan,feb,mar,apr,may,jun,jul,aug,sep,oct,nov,dec}';
  weekdays constant text[] := '{sun,mon,tue,wed,thu,fri,sat}';
begin
  if length(schedule) > 1000 then
    return false;
  end if;
  if trimmed ~ '^@(reboot|restart|yearly|annually|monthly|weekly|daily|midnight|hourly)$' then
    return true;
  end if;
  found := regexp_match(trimmed, '^([0-9]{1,9})[ \t\n\r]+(second|minute|hour|day|week|month|year)s?$', 'i');
  if found is not null then
    return found[1]::bigint > 0 and found[1]::bigint * case lower(found[2])
      when 'second' then 1
      when 'minute' then 60
      when 'hour' then 3600
      when 'day' then 86400
      when 'week' then 7 * 86400
      when 'month' then 31 * 86400
      else 366 * 86400
    end <= 3720 * 86400;
  end if;
  fields := regexp_split_to_array(trimmed, '[ \t\n\r]+');
  if cardinality(fields) = 6 then
    if not isobase.cron_field_is_valid(fields[1], 0, 59, null, false) then
      return false;
    end if;
    fields := fields[2:];
  end if;
  return cardinality(fields) = 5
    and isobase.cron_field_is_valid(fields[1], 0, 59, null, false)
    and isobase.cron_field_is_valid(fields[2], 0, 23, null, false)
    and isobase.cron_field_is_valid(fields[3], 1, 31, null, true)
    and isobase.cron_field_is_valid(fields[4], 1, 12, months, false)
    and isobase.cron_field_is_valid(fields[5], 0, 7, weekdays, false);
end
$$;

create or replace function isobase.cron_check_schedule() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  if not isobase.cron_schedule_is_valid(new.schedule) then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = format('invalid schedule: %s', new.schedule),
      hint = 'Use cron format (e.g. 5 4 * * *), or interval format ''[1-59] seconds''';
  end if;
  return new;
end
$$;

-- As whom a job runs is checked against who writes the row, so this acts as the caller.
create or replace function cron.check_job_owner() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  if not pg_has_role(current_user, new.username, 'member') then
    raise exception using
      errcode = 'insufficient_privilege',
      message = format('permission denied to schedule a job as role "%s"', new.username);
  end if;
  if starts_with(new.jobname, 'isobase:') and (tg_op = 'INSERT' or new.jobname is distinct from old.jobname)
    and not pg_has_role(current_user, (select relowner from pg_class where oid = 'cron.job'::regclass), 'member')
  then
    raise exception using
      errcode = 'reserved_name',
      message = format('job name "%s" is reserved', new.jobname),
      detail = 'Names that begin with "isobase:" are those of schedules in the project''s settings.';
  end if;
  return new;
end
$$;

create or replace function isobase.cron_set_anchor() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  if tg_op = 'INSERT' or new.schedule is distinct from old.schedule then
    insert into isobase.cron_anchors values (new.jobid, clock_timestamp())
    on conflict (jobid) do update set anchored_at = excluded.anchored_at;
  end if;
  return null;
end
$$;

create or replace function isobase.cron_check_options() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  if tg_op = 'INSERT' or new.timezone <> old.timezone then
    if new.timezone <> 'UTC' and not exists (select from pg_timezone_names where name = new.timezone) then
      raise exception using
        errcode = 'invalid_parameter_value',
        message = format('time zone "%s" not recognized', new.timezone),
        hint = 'Use a name such as Europe/Berlin; pg_timezone_names lists them.';
    end if;
  end if;
  return new;
end
$$;

-- Upstream's name. Here it wakes the hosts.
create or replace function cron.job_cache_invalidate() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  notify isobase_cron;
  return null;
end
$$;

create or replace trigger cron_check_schedule before insert or update of schedule on cron.job
  for each row execute function isobase.cron_check_schedule();
create or replace trigger cron_check_owner before insert or update of username, jobname on cron.job
  for each row execute function cron.check_job_owner();
create or replace trigger cron_set_anchor after insert or update of schedule on cron.job
  for each row execute function isobase.cron_set_anchor();
create or replace trigger cron_job_cache_invalidate after insert or update or delete or truncate on cron.job
  for each statement execute function cron.job_cache_invalidate();
create or replace trigger cron_check_options before insert or update of timezone on isobase.cron_options
  for each row execute function isobase.cron_check_options();
create or replace trigger cron_options_changed after insert or update or delete or truncate on isobase.cron_options
  for each statement execute function cron.job_cache_invalidate();

create or replace function cron.schedule(schedule text, command text) returns bigint
language sql
set search_path = ''
as $$
  insert into cron.job (schedule, command) values ($1, $2) returning jobid;
$$;

create or replace function cron.schedule_in_database(
  job_name text, schedule text, command text, database text, username text default null, active boolean default true
) returns bigint
language plpgsql
set search_path = ''
as $$
declare
  id bigint;
begin
  if $1 is null then
    raise exception 'job_name can not be NULL';
  end if;
  insert into cron.job as job (schedule, command, database, username, active, jobname)
  values ($2, $3, $4, coalesce($5, current_user), $6, $1)
  on conflict on constraint jobname_username_uniq
    do update set schedule = excluded.schedule, command = excluded.command
  returning job.jobid into id;
  return id;
end
$$;

create or replace function cron.schedule(job_name text, schedule text, command text) returns bigint
language plpgsql
set search_path = ''
as $$
declare
  id bigint;
begin
  if $1 is null then
    raise exception 'job_name can not be NULL';
  end if;
  insert into cron.job as job (schedule, command, jobname) values ($2, $3, $1)
  on conflict on constraint jobname_username_uniq
    do update set schedule = excluded.schedule, command = excluded.command
  returning job.jobid into id;
  return id;
end
$$;

create or replace function cron.alter_job(
  job_id bigint, schedule text default null, command text default null, database text default null,
  username text default null, active boolean default null
) returns void
language plpgsql
set search_path = ''
as $$
begin
  update cron.job as job set
    schedule = coalesce($2, job.schedule),
    command = coalesce($3, job.command),
    database = coalesce($4, job.database),
    username = coalesce($5, job.username),
    active = coalesce($6, job.active)
  where job.jobid = $1;
  if not found then
    raise exception 'Job % does not exist or you don''t own it', $1;
  end if;
end
$$;

create or replace function cron.unschedule(job_id bigint) returns boolean
language plpgsql
set search_path = ''
as $$
begin
  delete from cron.job where jobid = $1;
  if not found then
    raise exception 'could not find valid entry for job %', $1;
  end if;
  return true;
end
$$;

create or replace function cron.unschedule(job_name text) returns boolean
language plpgsql
set search_path = ''
as $$
begin
  delete from cron.job where jobname = $1 and username = current_user;
  if not found then
    raise exception 'could not find valid entry for job ''%''', $1;
  end if;
  return true;
end
$$;

-- Nobody can grant to himself what he owns.
do $$
begin
  if current_user <> 'postgres' then
    grant usage on schema cron to postgres with grant option;
    grant select, insert, update, delete on cron.job, cron.job_run_details to postgres with grant option;
    grant execute on all functions in schema cron to postgres with grant option;
    grant usage on schema isobase to postgres;
    grant select, insert, update, delete on isobase.cron_options to postgres;
  end if;
end
$$;
revoke execute on function cron.schedule_in_database(text, text, text, text, text, boolean) from public;
revoke execute on function cron.alter_job(bigint, text, text, text, text, boolean) from public;
