insert into public.todos (owner, title, done, public) values
    ('11111111-1111-1111-1111-111111111111', 'Read the README', true, true),
    ('11111111-1111-1111-1111-111111111111', 'Write a function', false, false),
    ('22222222-2222-2222-2222-222222222222', 'Deploy on Friday', false, false),
    ('22222222-2222-2222-2222-222222222222', 'Share this list', false, true);
