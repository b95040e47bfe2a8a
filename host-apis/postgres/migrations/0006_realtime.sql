-- unless: exists (select from pg_publication where pubname = 'supabase_realtime')
-- The publication that names the tables realtime reports changes of. Empty at first: projects add
-- tables to it, so it belongs to the role that their migrations run as.

create publication supabase_realtime;

do $$
begin
  if pg_has_role(current_user, 'postgres', 'member') then
    alter publication supabase_realtime owner to postgres;
  end if;
end
$$;
