//! The base schema: what is in it, who may do what, and how it is applied again.

use std::future::poll_fn;

use expect_test::expect;
use isobase_base::progress::Silent;
use isobase_postgres::foreign;
use isobase_postgres::schema::{self, BaseSchema, RolePasswords, SchemaApplied, SchemaError};
use tokio_postgres::{AsyncMessage, NoTls};

use crate::support::{Bed, PATIENCE, Recorder, ask, connect};

const USER: &str = "11111111-1111-1111-1111-111111111111";

#[tokio::test]
async fn applying_again_does_nothing() {
    let bed = Bed::new().await;
    let before =
        ask(&bed.as_superuser().await, "select string_agg(xmin::text, ',') from isobase.migrations").await;
    let recorder = Recorder::default();
    let base = bed.cluster.base_schema(true);
    let applied = schema::apply(bed.cluster.superuser_url(), &base, &recorder).await.unwrap();
    assert_eq!(applied, SchemaApplied::default());
    assert_eq!(recorder.lines(), "");
    let after =
        ask(&bed.as_superuser().await, "select string_agg(xmin::text, ',') from isobase.migrations").await;
    assert_eq!(before, after);
    bed.cluster.stop().await;
}

#[tokio::test]
async fn history_is_checked() {
    let bed = Bed::new().await;
    let superuser = bed.as_superuser().await;
    let base = bed.cluster.base_schema(true);
    let again = async || schema::apply(bed.cluster.superuser_url(), &base, &Silent).await.unwrap_err();

    ask(&superuser, "update isobase.migrations set checksum = 'x' where version = 3").await;
    expect!["base schema migration 3 (auth_tables) was changed after it was applied to this database; run the isobase version that applied it, or a released one"]
        .assert_eq(&again().await.to_string());
    ask(&superuser, "insert into isobase.migrations values (9999, 'future', '')").await;
    ask(&superuser, "delete from isobase.migrations where version = 3").await;
    let newer = again().await;
    assert!(matches!(newer, SchemaError::Newer { version: 9999, .. }), "{newer}");
    bed.cluster.stop().await;
}

#[tokio::test]
async fn hosts_that_start_together_wait_for_each_other() {
    let bed = Bed::new().await;
    ask(&bed.as_superuser().await, "create database second owner postgres").await;
    let url = bed.cluster.superuser_url().replace("/postgres", "/second");
    assert_ne!(url, bed.cluster.superuser_url());
    let base = bed.cluster.base_schema(true);
    let (one, two) = tokio::join!(schema::apply(&url, &base, &Silent), schema::apply(&url, &base, &Silent));
    let mut counts = [one.unwrap().migrations.len(), two.unwrap().migrations.len()];
    counts.sort_unstable();
    assert_eq!(counts[0], 0);
    assert!(counts[1] > 0);
    bed.cluster.stop().await;
}

#[tokio::test]
async fn roles_are_those_of_supabase() {
    let bed = Bed::new().await;
    let superuser = bed.as_superuser().await;
    let roles = ask(
        &superuser,
        "select rpad(rolname, 27) || concat_ws(' ', \
           case when rolsuper then 'super' end, case when rolcanlogin then 'login' end, \
           case when not rolinherit then 'noinherit' end, case when rolcreaterole then 'createrole' end, \
           case when rolcreatedb then 'createdb' end, case when rolreplication then 'replication' end, \
           case when rolbypassrls then 'bypassrls' end, \
           '< ' || (select string_agg(granted.rolname, ' ' order by granted.rolname) from pg_auth_members \
             join pg_roles as granted on granted.oid = roleid where member = role.oid), \
           array_to_string(rolconfig, ' ')) \
         from pg_roles as role where rolname not like 'pg\\_%' order by rolname",
    )
    .await;
    let roles = roles.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
    expect![[r#"
        anon                       statement_timeout=3s
        authenticated              statement_timeout=8s
        authenticator              login noinherit < anon authenticated service_role statement_timeout=8s lock_timeout=8s
        dashboard_user             createrole createdb replication
        isobase_caller             login noinherit < anon authenticated statement_timeout=8s lock_timeout=8s
        pgbouncer                  login
        postgres                   login createrole createdb replication bypassrls < anon authenticated authenticator pg_monitor pg_read_all_data pg_signal_backend service_role supabase_auth_admin supabase_functions_admin supabase_realtime_admin supabase_storage_admin search_path="$user", public, extensions
        service_role               bypassrls
        supabase_admin             super login createrole createdb replication bypassrls search_path="$user", public, auth, extensions
        supabase_auth_admin        login noinherit createrole idle_in_transaction_session_timeout=60000 search_path=auth
        supabase_etl_admin         login replication < pg_monitor pg_read_all_data
        supabase_functions_admin   login noinherit createrole search_path=supabase_functions
        supabase_read_only_user    login bypassrls < pg_read_all_data
        supabase_realtime_admin    noinherit
        supabase_replication_admin login replication
        supabase_storage_admin     login noinherit createrole < authenticator search_path=storage"#]]
    .assert_eq(&roles);
    bed.cluster.stop().await;
}

#[tokio::test]
async fn helpers_tell_the_caller_to_every_role() {
    let bed = Bed::new().await;
    let client = bed.as_authenticator().await;
    let claims = format!(r#"{{"sub":"{USER}","role":"authenticated","email":"a@b.c","app":{{"x":1}}}}"#);
    let helpers = "select auth.uid(), auth.role(), auth.email(), auth.jwt()";
    let with = |settings: &str, role: &str| {
        format!("begin; select {settings}; set local role {role}; {helpers}; rollback")
    };
    let claims_setting = format!("set_config('request.jwt.claims', '{claims}', true)");
    for role in ["anon", "authenticated", "service_role"] {
        let found = ask(&client, &with(&claims_setting, role)).await;
        let expected = format!(
            r#"{USER}|authenticated|a@b.c|{{"app": {{"x": 1}}, "sub": "{USER}", "role": "authenticated", "email": "a@b.c"}}"#
        );
        assert_eq!(found.lines().last().unwrap(), expected, "{role}");
        // Never set, and set then reset, are both nobody.
        for nothing in ["1", "set_config('request.jwt.claims', '', true)"] {
            let found = ask(&client, &with(nothing, role)).await;
            assert_eq!(found.lines().last().unwrap(), "null|null|null|null", "{role} {nothing}");
        }
    }
    let legacy = "set_config('request.jwt.claim.sub', '22222222-2222-2222-2222-222222222222', true), \
                  set_config('request.jwt.claim.role', 'old', true), set_config('request.jwt.claim.email', 'o@l.d', true)";
    let found = ask(&client, &with(&format!("{legacy}, {claims_setting}"), "anon")).await;
    assert!(
        found.lines().last().unwrap().starts_with("22222222-2222-2222-2222-222222222222|old|o@l.d|"),
        "{found}"
    );
    bed.cluster.stop().await;
}

#[tokio::test]
async fn row_level_security_knows_the_user() {
    let bed = Bed::new().await;
    let owner = bed.as_postgres().await;
    let made = ask(
        &owner,
        &format!(
            "create table todos (id int primary key, owner uuid default auth.uid(), task text); \
             alter table todos enable row level security; \
             create policy own on todos to authenticated \
               using ((select auth.uid()) = owner) with check ((select auth.uid()) = owner); \
             insert into todos values (1, '{USER}', 'mine'), (2, gen_random_uuid(), 'theirs')"
        ),
    )
    .await;
    assert_eq!(made, "");
    let client = bed.as_authenticator().await;
    let act = |role: &str, sql: &str| {
        format!(
            "begin; set local role {role}; set local request.jwt.claims = '{{\"sub\":\"{USER}\"}}'; {sql}; commit"
        )
    };
    let read = "select id from todos order by id";
    assert_eq!(ask(&client, &act("authenticated", read)).await, "1");
    assert_eq!(ask(&client, &act("anon", read)).await, "");
    assert_eq!(ask(&client, &act("service_role", read)).await, "1\n2");
    assert_eq!(ask(&client, &act("authenticated", "insert into todos (id) values (3)")).await, "");
    let denied = ask(&client, &act("authenticated", "insert into todos values (4, gen_random_uuid())")).await;
    assert_eq!(denied, r#"42501 new row violates row-level security policy for table "todos""#);
    ask(&client, "rollback").await;
    // By itself the pool's role can do nothing.
    assert_eq!(ask(&client, read).await, "42501 permission denied for table todos");
    bed.cluster.stop().await;
}

#[tokio::test]
async fn new_tables_are_exposed_as_configured() {
    let bed = Bed::new().await;
    let owner = bed.as_postgres().await;
    let client = bed.as_authenticator().await;
    let select = |table: &str| format!("begin; set local role anon; select count(*) from {table}; rollback");
    ask(&owner, "create table open_one (); create sequence open_numbers").await;
    assert_eq!(ask(&client, &select("open_one")).await, "0");

    let closed = BaseSchema { auto_expose: false, ..bed.cluster.base_schema(true) };
    let applied = schema::apply(bed.cluster.superuser_url(), &closed, &Silent).await.unwrap();
    assert_eq!(applied, SchemaApplied::default());
    ask(
        &owner,
        "create table closed_one (); create function closed_function() returns int language sql return 1",
    )
    .await;
    assert_eq!(ask(&client, &select("closed_one")).await, "42501 permission denied for table closed_one");
    ask(&client, "rollback").await;
    assert_eq!(ask(&client, &select("open_one")).await, "0", "what exists keeps its grants");
    ask(&owner, "grant select on closed_one to anon").await;
    assert_eq!(ask(&client, &select("closed_one")).await, "0");

    schema::apply(bed.cluster.superuser_url(), &bed.cluster.base_schema(true), &Silent).await.unwrap();
    ask(&owner, "create table open_two ()").await;
    assert_eq!(ask(&client, &select("open_two")).await, "0");
    bed.cluster.stop().await;
}

#[tokio::test]
async fn projects_can_use_the_users_table() {
    let bed = Bed::new().await;
    let owner = bed.as_postgres().await;
    let made = ask(
        &owner,
        "create table profiles (id uuid primary key references auth.users (id) on delete cascade, name text); \
         create function public.on_user() returns trigger language plpgsql security definer set search_path = '' as $$ \
         begin insert into public.profiles values (new.id, new.raw_user_meta_data ->> 'name'); return new; end $$; \
         create trigger on_user after insert on auth.users for each row execute function public.on_user()",
    )
    .await;
    assert_eq!(made, "");
    // As seed files do it, and as the auth service will.
    let insert = |id: u32| {
        format!(
            "insert into auth.users (id, email, raw_user_meta_data, email_confirmed_at) values \
             ('00000000-0000-0000-0000-00000000000{id}', 'u{id}@x.y', '{{\"name\":\"u{id}\"}}', '2024-01-01')"
        )
    };
    assert_eq!(ask(&owner, &insert(1)).await, "");
    let superuser = bed.as_superuser().await;
    assert_eq!(ask(&superuser, &format!("set role supabase_auth_admin; {}", insert(2))).await, "");
    assert_eq!(ask(&owner, "select name from profiles order by name").await, "u1\nu2");
    assert_eq!(ask(&owner, "select count(*) from auth.users where confirmed_at = '2024-01-01'").await, "2");
    let duplicate = ask(&owner, &insert(1).replace("0001'", "0009'")).await;
    assert_eq!(
        duplicate,
        r#"23505 duplicate key value violates unique constraint "users_email_partial_key""#
    );
    let client = bed.as_authenticator().await;
    let peek = ask(&client, "begin; set local role authenticated; select email from auth.users").await;
    assert_eq!(peek, "42501 permission denied for table users");
    bed.cluster.stop().await;
}

#[tokio::test]
async fn projects_can_make_buckets_and_policies_on_objects() {
    let bed = Bed::new().await;
    let owner = bed.as_postgres().await;
    let made = ask(
        &owner,
        "insert into storage.buckets (id, name, public) values ('avatars', 'avatars', true); \
         create policy own on storage.objects for all to authenticated \
           using (bucket_id = 'avatars' and (storage.foldername(name))[1] = (select auth.uid())::text)",
    )
    .await;
    assert_eq!(made, "");
    let client = bed.as_authenticator().await;
    let act = |sql: &str| {
        format!(
            "begin; set local role authenticated; set local request.jwt.claims = '{{\"sub\":\"{USER}\"}}'; {sql}; rollback"
        )
    };
    let insert = |folder: &str| {
        format!(
            "insert into storage.objects (bucket_id, name) values ('avatars', '{folder}/a.png') returning path_tokens"
        )
    };
    assert_eq!(ask(&client, &act(&insert(USER))).await, format!("{{{USER},a.png}}"));
    let denied = ask(&client, &act(&insert("other"))).await;
    assert_eq!(denied, r#"42501 new row violates row-level security policy for table "objects""#);

    let parts = "select name, storage.foldername(name), storage.filename(name), storage.extension(name) \
                 from unnest(array['a/b/c.tar.gz', 'x', 'a/', '.env', '', null]) as name";
    expect![[r#"
        a/b/c.tar.gz|{a,b}|c.tar.gz|gz
        x|{}|x|x
        a/|{a}||
        .env|{}|.env|env
        |null|null|null
        null|null|null|null"#]]
    .assert_eq(&ask(&owner, parts).await);
    bed.cluster.stop().await;
}

#[tokio::test]
async fn schema_changes_are_announced_once_per_transaction() {
    let bed = Bed::new().await;
    let (client, mut connection) = tokio_postgres::connect(bed.cluster.postgres_url(), NoTls).await.unwrap();
    let mut heard = Vec::new();
    let talk = async {
        for sql in [
            "listen pgrst",
            "create table a (); create table b ()",
            "create temporary table t ()",
            "insert into a default values",
            "drop table a",
            "notify pgrst, 'end'",
        ] {
            assert_eq!(ask(&client, sql).await, "", "{sql}");
        }
        std::future::pending::<()>().await;
    };
    let listen = async {
        while let Some(message) = poll_fn(|context| connection.poll_message(context)).await {
            if let AsyncMessage::Notification(notification) = message.unwrap() {
                heard.push(notification.payload().to_owned());
                if notification.payload() == "end" {
                    return;
                }
            }
        }
    };
    tokio::select! {
        () = talk => {}
        heard = tokio::time::timeout(PATIENCE, listen) => heard.unwrap(),
    }
    assert_eq!(heard, ["reload schema", "reload schema", "end"]);
    drop((client, connection));
    bed.cluster.stop().await;
}

#[tokio::test]
async fn a_foreign_server_without_rights_is_told_plainly() {
    let bed = Bed::new().await;
    let superuser = bed.as_superuser().await;
    assert_eq!(ask(&superuser, "create role plain login password 'plain'").await, "");
    assert_eq!(ask(&superuser, "create database foreign_one").await, "");
    let url = format!("postgresql://plain:plain@127.0.0.1:{}/foreign_one", bed.cluster.port());
    let base = BaseSchema { auto_expose: true, passwords: RolePasswords::default() };
    let error = schema::apply(&url, &base, &Silent).await.unwrap_err();
    expect!["plain may not prepare this database (base schema `history`): permission denied for database foreign_one. Start once with the URL of a superuser; afterwards plain is enough"]
        .assert_eq(&error.to_string());

    let nowhere = schema::apply("postgresql://u:secret@127.0.0.1:1/x", &base, &Silent).await.unwrap_err();
    assert_eq!(nowhere.to_string(), "cannot connect to Postgres at 127.0.0.1:1, database x");
    let unreadable =
        schema::apply("postgresql://u:secret@127.0.0.1:port/x", &base, &Silent).await.unwrap_err();
    assert!(!unreadable.to_string().contains("secret"));
    bed.cluster.stop().await;
}

#[tokio::test]
async fn a_database_that_others_have_set_up_is_left_as_it_is() {
    let bed = Bed::new().await;
    let superuser = bed.as_superuser().await;
    assert_eq!(ask(&superuser, "drop schema isobase cascade").await, "");
    let shape = "select count(*), sum(oid::bigint) from pg_class where relnamespace in \
                 ('auth'::regnamespace, 'storage'::regnamespace)";
    let before = ask(&superuser, shape).await;
    // As with a hosted database, where nobody has a superuser's URL.
    let base = BaseSchema { auto_expose: true, passwords: RolePasswords::default() };
    let applied = schema::apply(bed.cluster.postgres_url(), &base, &Silent).await.unwrap();
    assert!(!applied.migrations.is_empty());
    assert_eq!(ask(&superuser, shape).await, before);
    let again = schema::apply(bed.cluster.postgres_url(), &base, &Silent).await.unwrap();
    assert_eq!(again, SchemaApplied::default());
    bed.cluster.stop().await;
}

#[tokio::test]
async fn the_host_has_a_login_of_its_own_on_a_foreign_server() {
    let bed = Bed::new().await;
    for _again in 0..2 {
        let logins = foreign::prepare(bed.cluster.postgres_url()).await.unwrap();
        let client = connect(&logins.authenticator).await;
        assert_eq!(
            ask(&client, "select current_user, current_database()").await,
            "isobase_authenticator|postgres"
        );
        for role in ["anon", "authenticated", "service_role"] {
            assert_eq!(ask(&client, &format!("set role {role}; select current_user")).await, role);
        }
        for role in ["postgres", "supabase_admin", "supabase_auth_admin"] {
            let denied = format!("42501 permission denied to set role \"{role}\"");
            assert_eq!(ask(&client, &format!("set role {role}")).await, denied);
        }
        let caller = connect(&logins.caller).await;
        assert_eq!(ask(&caller, "set role authenticated; select current_user").await, "authenticated");
        let denied = "42501 permission denied to set role \"service_role\"";
        assert_eq!(ask(&caller, "set role service_role").await, denied);
    }
    bed.cluster.stop().await;
}

#[tokio::test]
async fn passwords_are_set_and_changed() {
    let bed = Bed::new().await;
    let url = |password: &str| {
        format!("postgresql://postgres:{password}@127.0.0.1:{}/postgres", bed.cluster.port())
    };
    assert_eq!(bed.cluster.tcp_url(), url("postgres"));
    assert_eq!(ask(&connect(bed.cluster.tcp_url()).await, "select current_user").await, "postgres");
    let mut base = bed.cluster.base_schema(true);
    base.passwords.postgres = Some("it's new".into());
    schema::apply(bed.cluster.superuser_url(), &base, &Silent).await.unwrap();
    assert_eq!(ask(&connect(&url("it%27s%20new")).await, "select 1").await, "1");
    assert!(tokio_postgres::connect(bed.cluster.tcp_url(), NoTls).await.is_err());
    bed.cluster.stop().await;
}
