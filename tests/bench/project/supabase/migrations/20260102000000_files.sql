-- A bucket in which everybody who is signed in owns everything.
insert into storage.buckets (id, name) values ('files', 'files');
create policy all_files on storage.objects to authenticated
    using (bucket_id = 'files') with check (bucket_id = 'files');
