-- Deployed functions: immutable numbered versions, content-addressed artifacts, and which version
-- answers. Only the host reads and writes here.

create table isobase.functions (
  id uuid primary key default gen_random_uuid(),
  slug text not null unique check (slug ~ '^[A-Za-z][A-Za-z0-9_-]*$'),
  name text not null,
  -- Counts on through failed deploys and deletion: a number never means two things.
  last_version int not null default 0,
  live_version int,
  previous_version int,
  -- Traffic beside the live version: [{"version": 2, "percent": 10}].
  shares jsonb not null default '[]',
  sticky boolean not null default false,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

create table isobase.artifacts (
  sha256 bytea primary key check (octet_length(sha256) = 32),
  content bytea not null,
  created_at timestamptz not null default now()
);
-- The content is compressed already, or does not compress.
alter table isobase.artifacts alter column content set storage external;

create table isobase.function_versions (
  function_id uuid not null references isobase.functions on delete cascade,
  version int not null,
  manifest jsonb not null,
  -- What an engine loads, and the sources it was made from.
  artifact bytea not null references isobase.artifacts,
  sources bytea not null references isobase.artifacts,
  -- The last segment of the preview URL; nobody can guess it.
  preview text not null unique,
  created_at timestamptz not null default now(),
  primary key (function_id, version)
);
create index on isobase.function_versions (artifact);
create index on isobase.function_versions (sources);

-- Every change of what answers: the history a rollback goes back in.
create table isobase.function_flips (
  function_id uuid not null references isobase.functions on delete cascade,
  at timestamptz not null default now(),
  live_version int,
  shares jsonb not null default '[]',
  reason text not null
);
create index on isobase.function_flips (function_id, at);

-- Every host that serves this database looks again.
create function isobase.announce_functions() returns trigger language plpgsql as $$
begin
  notify isobase_functions;
  return null;
end
$$;
create trigger announce after insert or update or delete on isobase.functions
  for each statement execute function isobase.announce_functions();
