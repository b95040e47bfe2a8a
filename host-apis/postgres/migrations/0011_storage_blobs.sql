-- What keeps the files of stored objects in step with their rows. A file is named by a row's `version`
-- and never changes; whatever statement takes the last name away, a file is put on the list of those
-- that may go, in the statement's own transaction.

create table isobase.storage_garbage (
  version text primary key,
  deleted_at timestamptz not null default now()
);
create index storage_garbage_deleted_at on isobase.storage_garbage (deleted_at);
comment on table isobase.storage_garbage is
  'Versions of objects that were deleted or overwritten and whose files are still there.';

-- Definer's rights: whoever may delete an object need not know of the list.
create function isobase.note_deleted_objects() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
  insert into isobase.storage_garbage (version)
    select gone.version from gone where gone.version is not null
    on conflict do nothing;
  return null;
end
$$;

create function isobase.note_overwritten_object() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
  insert into isobase.storage_garbage (version) values (old.version) on conflict do nothing;
  return null;
end
$$;

-- Hosts remember the limits of buckets until they are told.
create function isobase.notify_buckets() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
  perform pg_catalog.pg_notify('isobase_buckets', '');
  return null;
end
$$;

grant usage on schema isobase to supabase_storage_admin;
set local role supabase_storage_admin;

create trigger isobase_note_deleted after delete on storage.objects
  referencing old table as gone for each statement
  execute function isobase.note_deleted_objects();
create trigger isobase_note_overwritten after update of version on storage.objects
  for each row when (old.version is not null and old.version is distinct from new.version)
  execute function isobase.note_overwritten_object();
create trigger isobase_notify_buckets after insert or update or delete or truncate on storage.buckets
  for each statement execute function isobase.notify_buckets();

-- For policies that allow only some operations; with or without "storage." before their names.
do $$
begin
  if to_regprocedure('storage.allow_any_operation(text[])') is null then
    create function storage.allow_any_operation(expected_operations text[]) returns boolean
    language sql stable
    as $function$
      select exists (
        select from unnest(expected_operations) as expected
        where regexp_replace(expected, '^storage\.', '') = regexp_replace(storage.operation(), '^storage\.', '')
          and storage.operation() <> ''
      )
    $function$;
  end if;
  if to_regprocedure('storage.allow_only_operation(text)') is null then
    create function storage.allow_only_operation(expected_operation text) returns boolean
    language sql stable
    as $function$ select storage.allow_any_operation(array[expected_operation]) $function$;
  end if;
end
$$;

-- Is this file still somebody's?
create index if not exists isobase_objects_version on storage.objects (version);

reset role;
