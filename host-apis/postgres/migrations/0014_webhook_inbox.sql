-- Webhooks that were answered with 202 and are delivered to their function from here, and what became
-- of each attempt.

create table isobase.webhook_inbox (
  id uuid primary key default gen_random_uuid(),
  function text not null,
  -- The sender's name for the event: the same whenever it is sent again.
  event_id text,
  received_at timestamptz not null default now(),
  -- Path and query as the function sees them.
  target text not null,
  -- [[name, value], …] in the order they came; values are bytes, one a character.
  headers jsonb not null,
  body bytea not null,
  state text not null default 'waiting' check (state in ('waiting', 'delivering', 'delivered', 'dead')),
  attempts int not null default 0,
  -- After attempts_max it is dead; a replay grants as many again as it was granted at first.
  attempts_granted int not null,
  attempts_max int not null,
  due_at timestamptz not null default now(),
  -- Until when the host that delivers it is believed to be alive.
  lease_until timestamptz,
  ended_at timestamptz
);

create unique index webhook_inbox_event on isobase.webhook_inbox (function, event_id) where event_id is not null;
create index webhook_inbox_due on isobase.webhook_inbox (due_at) where state = 'waiting';
create index webhook_inbox_lease on isobase.webhook_inbox (lease_until) where state = 'delivering';
create index webhook_inbox_ended on isobase.webhook_inbox (ended_at) where state = 'delivered';

create table isobase.webhook_attempts (
  webhook uuid not null references isobase.webhook_inbox (id) on delete cascade,
  number int not null,
  began_at timestamptz not null default now(),
  ended_at timestamptz,
  status int,
  error text,
  primary key (webhook, number)
);

-- The project's owner may look and replay; only the host writes.
grant usage on schema isobase to postgres;
grant select on isobase.webhook_inbox, isobase.webhook_attempts to postgres;

create function isobase.replay_webhook(webhook uuid) returns boolean
  language plpgsql security definer set search_path = ''
as $$
begin
  update isobase.webhook_inbox inbox
    set state = 'waiting', due_at = now(), ended_at = null, attempts_max = inbox.attempts + inbox.attempts_granted
    where inbox.id = replay_webhook.webhook and inbox.state in ('delivered', 'dead', 'waiting');
  if found then
    perform pg_catalog.pg_notify('isobase_webhooks', '');
  end if;
  return found;
end
$$;
revoke execute on function isobase.replay_webhook(uuid) from public;
grant execute on function isobase.replay_webhook(uuid) to postgres;
