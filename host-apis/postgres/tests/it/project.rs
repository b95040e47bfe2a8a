//! The project's own SQL.

use expect_test::{Expect, expect};
use isobase_base::progress::Silent;
use isobase_postgres::project::{self, Applied, ProjectError, ProjectSql};

use crate::support::{Bed, Recorder, ask};

async fn apply(bed: &Bed) -> Result<Applied, ProjectError> {
    project::apply(bed.cluster.postgres_url(), &ProjectSql::new(bed.workdir.path()), &Silent).await
}

#[tokio::test]
async fn a_whole_project_and_nothing_twice() {
    let bed = Bed::new().await;
    bed.file("supabase/roles.sql", "create role editor;")
        .file(
            "supabase/migrations/20240101000000_todos.sql",
            "create table todos (id int, task text);\n-- one more\ncreate index on todos (id) ;\n",
        )
        .file(
            "supabase/migrations/20240102000000_view.sql",
            "create view open as select * from todos;\nselect set_config('search_path', '', false);",
        )
        .file("supabase/migrations/20240103000000_unqualified.sql", "alter table todos add done boolean;")
        .file("supabase/migrations/notes.md", "")
        .file("supabase/seed.sql", "insert into todos values (1, 'it''s; done');");
    let recorder = Recorder::default();
    let sql = ProjectSql::new(bed.workdir.path());
    let applied = project::apply(bed.cluster.postgres_url(), &sql, &recorder).await.unwrap();
    expect![[r#"
        Applied {
            roles: true,
            migrations: [
                "20240101000000_todos.sql",
                "20240102000000_view.sql",
                "20240103000000_unqualified.sql",
            ],
            seeds: [
                "supabase/seed.sql",
            ],
            seeds_recorded: [],
        }"#]]
    .assert_eq(&format!("{applied:#?}"));
    expect![[r#"
        note skipping supabase/migrations/notes.md: the name must be <digits>_<name>.sql
        step Applying supabase/roles.sql
        step Applying migration 20240101000000_todos.sql
        step Applying migration 20240102000000_view.sql
        step Applying migration 20240103000000_unqualified.sql
        step Seeding from supabase/seed.sql"#]]
    .assert_eq(&recorder.lines());
    let client = bed.as_postgres().await;
    let history = "select version, name, cardinality(statements), statements[2] \
                   from supabase_migrations.schema_migrations order by version";
    expect![[r#"
        20240101000000|todos|2|-- one more
        create index on todos (id)
        20240102000000|view|2|select set_config('search_path', '', false)
        20240103000000|unqualified|1|null"#]]
    .assert_eq(&ask(&client, history).await);
    assert_eq!(ask(&client, "select task from todos").await, "it's; done");
    let owner = "select tableowner from pg_tables where tablename = 'todos'";
    assert_eq!(ask(&client, owner).await, "postgres");

    assert_eq!(apply(&bed).await.unwrap(), Applied::default());
    bed.file("supabase/migrations/20240104000000_more.sql", "insert into todos values (2, 'new');");
    let applied = apply(&bed).await.unwrap();
    assert_eq!(applied, Applied { migrations: vec!["20240104000000_more.sql".into()], ..Applied::default() });
    bed.cluster.stop().await;
}

/// The shape of what `supabase db pull` writes, with all that needs more rights than making a table.
const PULLED: &str = r#"
SET statement_timeout = 0;
SET lock_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET client_min_messages = warning;
SET row_security = off;
CREATE SCHEMA IF NOT EXISTS "public";
COMMENT ON SCHEMA "public" IS 'standard public schema';
CREATE EXTENSION IF NOT EXISTS "pg_stat_statements" WITH SCHEMA "extensions";
CREATE EXTENSION IF NOT EXISTS "pgcrypto" WITH SCHEMA "extensions";
CREATE EXTENSION IF NOT EXISTS "uuid-ossp" WITH SCHEMA "extensions";
CREATE EXTENSION IF NOT EXISTS "citext" WITH SCHEMA "extensions";
CREATE TYPE "public"."mood" AS ENUM ('sad', 'happy');
ALTER TYPE "public"."mood" OWNER TO "postgres";
CREATE OR REPLACE FUNCTION "public"."greet"() RETURNS "text"
    LANGUAGE "plpgsql" SECURITY DEFINER
    AS $$
begin
  return 'hello; ' || auth.uid();
end;
$$;
ALTER FUNCTION "public"."greet"() OWNER TO "postgres";
CREATE TABLE IF NOT EXISTS "public"."notes" (
    "id" "uuid" DEFAULT "extensions"."uuid_generate_v4"() NOT NULL,
    "owner" "uuid" REFERENCES "auth"."users"("id") ON DELETE CASCADE,
    "title" "extensions"."citext"
);
ALTER TABLE "public"."notes" OWNER TO "postgres";
ALTER TABLE ONLY "public"."notes" ADD CONSTRAINT "notes_pkey" PRIMARY KEY ("id");
CREATE POLICY "own" ON "public"."notes" TO "authenticated" USING (("auth"."uid"() = "owner"));
ALTER TABLE "public"."notes" ENABLE ROW LEVEL SECURITY;
ALTER PUBLICATION "supabase_realtime" OWNER TO "postgres";
ALTER PUBLICATION "supabase_realtime" ADD TABLE ONLY "public"."notes";
GRANT USAGE ON SCHEMA "public" TO "postgres", "anon", "authenticated", "service_role";
GRANT ALL ON FUNCTION "public"."greet"() TO "anon", "authenticated", "service_role";
GRANT ALL ON TABLE "public"."notes" TO "anon", "authenticated", "service_role";
ALTER DEFAULT PRIVILEGES FOR ROLE "postgres" IN SCHEMA "public" GRANT ALL ON TABLES TO "service_role";
RESET ALL;
"#;

#[tokio::test]
async fn a_pulled_schema_applies() {
    let bed = Bed::new().await;
    bed.file("supabase/migrations/20240101000000_remote_schema.sql", PULLED).file(
        "supabase/seed.sql",
        "set session_replication_role = replica;\n\
         insert into auth.users (id, email) values ('11111111-1111-1111-1111-111111111111', 'a@b.c');\n\
         insert into notes (owner, title) select id, 'First' from auth.users;\n\
         alter role authenticator set pgrst.db_max_rows = '10';",
    );
    assert_eq!(apply(&bed).await.unwrap().seeds, ["supabase/seed.sql"]);
    let client = bed.as_postgres().await;
    assert_eq!(ask(&client, "select count(*) from notes where title = 'first'").await, "1");
    assert_eq!(ask(&client, "select tablename from pg_publication_tables").await, "notes");
    assert_eq!(ask(&client, "select count(*) from extensions.pg_stat_statements where false").await, "0");
    bed.cluster.stop().await;
}

#[tokio::test]
async fn no_project_is_fine() {
    let bed = Bed::new().await;
    assert_eq!(apply(&bed).await.unwrap(), Applied::default());
    bed.cluster.stop().await;
}

/// Applies one migration that fails; nothing of it may stay.
async fn check_error(bed: &Bed, sql: &str, expected: Expect) {
    let path = "supabase/migrations/1_bad.sql";
    bed.file(path, sql);
    let error = apply(bed).await.unwrap_err();
    expected.assert_eq(&error.to_string());
    let client = bed.as_postgres().await;
    assert_eq!(ask(&client, "select to_regclass('public.half')").await, "null");
    assert_eq!(ask(&client, "select count(*) from supabase_migrations.schema_migrations").await, "0");
}

#[tokio::test]
async fn errors_show_file_line_statement_and_place() {
    let bed = Bed::new().await;
    check_error(
        &bed,
        "create table half (id int);\n\n-- größer\ncreate tabel other (\n  id int\n);",
        expect![[r#"
        supabase/migrations/1_bad.sql:4:8: ERROR: syntax error at or near "tabel" (SQLSTATE 42601)
        At statement: 1
        create tabel other (
               ^"#]],
    )
    .await;
    check_error(
        &bed,
        "create table half (id int);\nselect\n\t'é', nmae from half;\n",
        expect![[r#"
        supabase/migrations/1_bad.sql:3:7: ERROR: column "nmae" does not exist (SQLSTATE 42703)
        At statement: 1
        	'é', nmae from half;
        	     ^"#]],
    )
    .await;
    check_error(
        &bed,
        "create table half (id int primary key);\ninsert into half values (1);\n/* again */ insert into half\n  values (1);\n",
        expect![[r#"
            supabase/migrations/1_bad.sql:3:13: ERROR: duplicate key value violates unique constraint "half_pkey" (SQLSTATE 23505)
            At statement: 2
            insert into half
              values (1);
            Detail: Key (id)=(1) already exists."#]],
    )
    .await;
    check_error(&bed, "create table half (id int);\ncreate extension if not exists vector;\n", expect![[r#"
        supabase/migrations/1_bad.sql:2:1: ERROR: extension "vector" is not available (SQLSTATE 0A000)
        At statement: 1
        create extension if not exists vector;
        Detail: Could not open extension control file "/usr/share/postgresql/15/extension/vector.control": No such file or directory.
        Hint: this Postgres has no extension vector. Install it for the server, or leave the statement out where it is missing: do $$ begin if exists (select from pg_available_extensions where name = 'vector') then create extension if not exists "vector"; end if; end $$;"#]]).await;
    bed.cluster.stop().await;
}

#[tokio::test]
async fn errors_say_what_to_do_where_we_know() {
    let bed = Bed::new().await;
    check_error(
        &bed,
        "create function trouble() returns void language plpgsql as $$\nbegin\n  perform nothing();\nend $$;\nselect trouble();",
        expect![[r#"
            supabase/migrations/1_bad.sql:5:1: ERROR: function nothing() does not exist (SQLSTATE 42883)
            At statement: 1
            select trouble();
            Context: PL/pgSQL function trouble() line 3 at PERFORM
            Hint: No function matches the given name and argument types. You might need to add explicit type casts."#]],
    )
    .await;
    check_error(
        &bed,
        "create table half (place extensions.nowhere);\n",
        expect![[r#"
        supabase/migrations/1_bad.sql:1:26: ERROR: type "extensions.nowhere" does not exist (SQLSTATE 42704)
        At statement: 0
        create table half (place extensions.nowhere);
                                 ^"#]],
    )
    .await;
    check_error(&bed, "create table half (place ltree);\n", expect![[r#"
        supabase/migrations/1_bad.sql:1:26: ERROR: type "ltree" does not exist (SQLSTATE 42704)
        At statement: 0
        create table half (place ltree);
                                 ^
        Hint: the type may be in a schema outside the search path; name it in full, as in extensions.ltree"#]]).await;
    check_error(&bed, "\\restrict abc\ncreate table half ();\n", expect![[r#"
        supabase/migrations/1_bad.sql:1:1: ERROR: syntax error at or near "\" (SQLSTATE 42601)
        At statement: 0
        \restrict abc
        ^
        Hint: lines that begin with a backslash are commands of psql, not SQL; remove them (pg_dump writes `\restrict` and `\unrestrict`)"#]]).await;
    check_error(&bed, "create table half (a int);\ncreate index concurrently on half (a);", expect![[r#"
        supabase/migrations/1_bad.sql:2:1: ERROR: CREATE INDEX CONCURRENTLY cannot run inside a transaction block (SQLSTATE 25001)
        At statement: 1
        create index concurrently on half (a);
        Hint: begin the file with the line `-- isobase:no-transaction` to run it outside a transaction"#]]).await;
    bed.cluster.stop().await;
}

#[tokio::test]
async fn what_cannot_run_in_a_transaction_can_ask_for_none() {
    let bed = Bed::new().await;
    bed.file("supabase/migrations/1_table.sql", "create table t (a int);").file(
        "supabase/migrations/2_index.sql",
        "-- isobase:no-transaction\ncreate index concurrently t_a on t (a);\nvacuum t;\n-- done\n",
    );
    assert_eq!(apply(&bed).await.unwrap().migrations.len(), 2);
    let client = bed.as_postgres().await;
    assert_eq!(ask(&client, "select indisvalid from pg_index where indexrelid = 't_a'::regclass").await, "t");

    bed.file(
        "supabase/migrations/3_half.sql",
        "-- isobase:no-transaction\ncreate table stays ();\nselect\n  broken;\n",
    );
    let error = apply(&bed).await.unwrap_err();
    expect![[r#"
        supabase/migrations/3_half.sql:4:3: ERROR: column "broken" does not exist (SQLSTATE 42703)
        At statement: 1
          broken;
          ^"#]]
    .assert_eq(&error.to_string());
    assert_eq!(ask(&client, "select to_regclass('stays')").await, "stays");
    bed.cluster.stop().await;
}

#[tokio::test]
async fn extensions_that_supabase_allows_are_made_by_the_superuser() {
    let bed = Bed::new().await;
    bed.file(
        "supabase/migrations/1_extensions.sql",
        "create table t (id int, updated_at timestamptz);\n\
         create extension if not exists moddatetime schema extensions; -- größer\n\
         create extension postgres_fdw\n  with schema extensions;\n\
         create trigger touch before update on t for each row execute function extensions.moddatetime(updated_at);\n\
         select 1 / 0;",
    );
    let error = apply(&bed).await.unwrap_err();
    assert!(error.to_string().contains("only a superuser may create extension moddatetime"), "{error}");

    let mut sql = ProjectSql::new(bed.workdir.path());
    sql.superuser_url = Some(bed.cluster.superuser_url().to_owned());
    let error = project::apply(bed.cluster.postgres_url(), &sql, &Silent).await.unwrap_err();
    expect![[r#"
        supabase/migrations/1_extensions.sql:6:1: ERROR: division by zero (SQLSTATE 22012)
        At statement: 4
        select 1 / 0;"#]]
    .assert_eq(&error.to_string());
    let path = "supabase/migrations/1_extensions.sql";
    let mended = std::fs::read_to_string(bed.workdir.path().join(path)).unwrap().replace("1 / 0", "1");
    bed.file(path, &mended);
    project::apply(bed.cluster.postgres_url(), &sql, &Silent).await.unwrap();
    let client = bed.as_postgres().await;
    let recorded = "select statements[3] from supabase_migrations.schema_migrations";
    assert_eq!(
        ask(&client, recorded).await,
        "-- größer\ncreate extension postgres_fdw\n  with schema extensions"
    );
    let owners = "select extname, extowner::regrole from pg_extension where extname in ('moddatetime', 'postgres_fdw') order by 1";
    assert_eq!(ask(&client, owners).await, "moddatetime|supabase_admin\npostgres_fdw|supabase_admin");

    // What Supabase does not allow stays forbidden.
    bed.file("supabase/migrations/2_files.sql", "create extension file_fdw;");
    let error = project::apply(bed.cluster.postgres_url(), &sql, &Silent).await.unwrap_err();
    assert!(error.to_string().contains("permission denied to create extension \"file_fdw\""), "{error}");
    bed.file(
        "supabase/migrations/2_files.sql",
        "create extension moddatetime schema nowhere;\ncreate extension earthdistance schema nowhere;",
    );
    let error = project::apply(bed.cluster.postgres_url(), &sql, &Silent).await.unwrap_err();
    expect![[r#"
        supabase/migrations/2_files.sql:2:1: ERROR: schema "nowhere" does not exist (SQLSTATE 3F000)
        At statement: 1
        create extension earthdistance schema nowhere;"#]]
    .assert_eq(&error.to_string());
    bed.cluster.stop().await;
}

#[tokio::test]
async fn extensions_that_the_host_stands_in_for_are_there_already() {
    let bed = Bed::new().await;
    bed.file(
        "supabase/migrations/1_cron.sql",
        "create extension if not exists \"pg_cron\" with schema pg_catalog;\n\
         create extension pg_cron;\n\
         select cron.schedule('nightly', '0 3 * * *', 'vacuum');\n",
    );
    assert_eq!(apply(&bed).await.unwrap().migrations.len(), 1);
    let client = bed.as_postgres().await;
    assert_eq!(
        ask(&client, "select jobname, username, database from cron.job").await,
        "nightly|postgres|postgres"
    );
    let recorded = "select cardinality(statements), statements[2] from supabase_migrations.schema_migrations";
    assert_eq!(ask(&client, recorded).await, "3|create extension pg_cron");
    bed.cluster.stop().await;
}

#[tokio::test]
async fn a_file_with_its_own_transaction_is_recorded() {
    let bed = Bed::new().await;
    bed.file("supabase/migrations/1_own.sql", "begin;\nbegin;\ncreate table t ();\ncommit;\n");
    let recorder = Recorder::default();
    let sql = ProjectSql::new(bed.workdir.path());
    project::apply(bed.cluster.postgres_url(), &sql, &recorder).await.unwrap();
    expect![[r#"
        step Applying migration 1_own.sql
        note supabase/migrations/1_own.sql: WARNING: there is already a transaction in progress"#]]
    .assert_eq(&recorder.lines());
    assert_eq!(apply(&bed).await.unwrap(), Applied::default());
    bed.cluster.stop().await;
}

#[tokio::test]
async fn a_changed_seed_is_recorded_and_not_run_again() {
    let bed = Bed::new().await;
    bed.file("supabase/migrations/1_t.sql", "create table t (a int);")
        .file("supabase/seed.sql", "insert into t values (1);");
    assert_eq!(apply(&bed).await.unwrap().seeds, ["supabase/seed.sql"]);
    bed.file("supabase/seed.sql", "insert into t values (2);");
    let applied = apply(&bed).await.unwrap();
    assert_eq!(applied, Applied { seeds_recorded: vec!["supabase/seed.sql".into()], ..Applied::default() });
    assert_eq!(apply(&bed).await.unwrap(), Applied::default());
    let client = bed.as_postgres().await;
    assert_eq!(ask(&client, "select a from t").await, "1");
    let hash = "select hash = encode(sha256('insert into t values (2);'), 'hex') from supabase_migrations.seed_files";
    assert_eq!(ask(&client, hash).await, "t");
    bed.cluster.stop().await;
}

#[tokio::test]
async fn a_failed_seed_leaves_nothing_and_is_tried_again() {
    let bed = Bed::new().await;
    bed.file("supabase/migrations/1_t.sql", "create table t (a int);")
        .file("supabase/seed.sql", "insert into t values (1);\ninsert into nowhere values (1);");
    let error = apply(&bed).await.unwrap_err();
    assert!(
        error.to_string().starts_with("supabase/seed.sql:2:13: ERROR: relation \"nowhere\" does not exist"),
        "{error}"
    );
    bed.file("supabase/seed.sql", "insert into t values (3);");
    assert_eq!(apply(&bed).await.unwrap().seeds, ["supabase/seed.sql"]);
    assert_eq!(ask(&bed.as_postgres().await, "select a from t").await, "3");
    bed.cluster.stop().await;
}

#[tokio::test]
async fn a_history_that_does_not_fit_stops() {
    let bed = Bed::new().await;
    bed.file("supabase/migrations/2_b.sql", "create table b ();");
    apply(&bed).await.unwrap();
    bed.file("supabase/migrations/1_a.sql", "create table a ();");
    assert!(matches!(apply(&bed).await, Err(ProjectError::OlderThanApplied { .. })));
    let all = ProjectSql { include_all: true, ..ProjectSql::new(bed.workdir.path()) };
    let applied = project::apply(bed.cluster.postgres_url(), &all, &Silent).await.unwrap();
    assert_eq!(applied.migrations, ["1_a.sql"]);
    std::fs::remove_file(bed.workdir.path().join("supabase/migrations/2_b.sql")).unwrap();
    assert!(matches!(apply(&bed).await, Err(ProjectError::MissingLocally { versions }) if versions == ["2"]));
    bed.cluster.stop().await;
}

#[tokio::test]
async fn hosts_that_migrate_together_do_it_once() {
    let bed = Bed::new().await;
    bed.file(
        "supabase/migrations/1_slow.sql",
        "create table t (a int); select pg_sleep(0.2); insert into t values (1);",
    );
    let (one, two) = tokio::join!(apply(&bed), apply(&bed));
    let (one, two) = (one.unwrap().migrations.len(), two.unwrap().migrations.len());
    assert_eq!(one + two, 1);
    assert_eq!(ask(&bed.as_postgres().await, "select count(*) from t").await, "1");
    bed.cluster.stop().await;
}
