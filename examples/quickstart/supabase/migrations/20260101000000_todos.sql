-- A list of things to do. Everybody may read what is public; a signed-in user may do
-- everything with what is theirs. The database decides, whoever asks: REST, TypeScript or Rust.
create table public.todos (
    id bigint generated always as identity primary key,
    owner uuid not null default auth.uid(),
    title text not null check (title <> ''),
    done boolean not null default false,
    public boolean not null default false,
    created_at timestamptz not null default now()
);

create index todos_owner on public.todos (owner);

alter table public.todos enable row level security;

create policy "public todos can be read by everybody"
    on public.todos for select
    using (public);

create policy "users do as they like with their own todos"
    on public.todos for all to authenticated
    using (owner = (select auth.uid()))
    with check (owner = (select auth.uid()));

grant select on public.todos to anon;
grant select, insert, update, delete on public.todos to authenticated, service_role;

-- How many todos of the caller are still open: callable as /rest/v1/rpc/open_todos.
create function public.open_todos() returns bigint
    language sql stable
    as $$ select count(*) from public.todos where not done $$;

grant execute on function public.open_todos() to anon, authenticated, service_role;
