-- Variables of functions whose values nobody else may see. The host seals each value under a key that
-- is not in the database; the function and the name are part of what the seal covers.

create table isobase.secrets (
  -- Empty: of the project, for every function.
  function text not null,
  name text not null,
  nonce bytea not null,
  ciphertext bytea not null,
  updated_at timestamptz not null default now(),
  primary key (function, name)
);

create function isobase.tell_secrets_changed() returns trigger
language plpgsql set search_path = '' as $$
begin
  perform pg_catalog.pg_notify('isobase_secrets', '');
  return null;
end
$$;

create trigger tell_secrets_changed
  after insert or update or delete or truncate on isobase.secrets
  for each statement execute function isobase.tell_secrets_changed();
