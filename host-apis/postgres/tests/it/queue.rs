//! The queue's SQL: what pgmq's callers rely on.

use std::future::poll_fn;

use expect_test::{Expect, expect};
use isobase_base::progress::Silent;
use isobase_postgres::project::{self, ProjectSql};
use tokio_postgres::{AsyncMessage, Client, NoTls};

use crate::support::{Bed, PATIENCE, ask};

/// Asks for each line of `sql` and compares all answers.
pub(crate) async fn check(client: &Client, sql: &[&str], expected: Expect) {
    let mut answers = String::new();
    for statement in sql {
        let answer = ask(client, statement).await;
        answers.push_str(&format!("{statement}\n  -> {}\n", answer.replace('\n', "\n     ")));
    }
    expected.assert_eq(&answers);
}

#[tokio::test]
async fn messages_are_sent_read_and_settled() {
    let bed = Bed::new().await;
    let client = bed.as_postgres().await;
    check_sending_and_reading(&client).await;
    check_settling(&client).await;
    bed.cluster.stop().await;
}

async fn check_sending_and_reading(client: &Client) {
    check(
        client,
        &[
            "select pgmq.create('Jobs')",
            "select pgmq.create('Jobs')",
            "select pgmq.send('Jobs', '{\"n\": 1}')",
            "select pgmq.send('Jobs', '{\"n\": 2}', '{\"h\": true}'::jsonb)",
            "select pgmq.send('Jobs', '{\"n\": 3}', 60)",
            "select pgmq.send('Jobs', '{\"n\": 4}', clock_timestamp() - interval '1 s')",
            "select pgmq.send(queue_name => 'Jobs', msg => '{\"n\": 5}', headers => null, delay => 0)",
            "select pgmq.send_batch('Jobs', array['6', '7']::jsonb[], array['{\"h\": 6}', null]::jsonb[])",
            "select pgmq.send_batch('Jobs', array['8', '9']::jsonb[], array['{}']::jsonb[])",
            "select msg_id, read_ct, vt > clock_timestamp(), message, headers from pgmq.read('Jobs', 30, 3)",
            "select msg_id from pgmq.read('Jobs', 30, 10, '{\"n\": 5}')",
            "select msg_id from pgmq.read(queue_name => 'Jobs', vt => 0, qty => 10)",
            "select msg_id, read_ct from pgmq.read('Jobs', 30, 10)",
        ],
        expect![[r#"
            select pgmq.create('Jobs')
              -> 
            select pgmq.create('Jobs')
              -> 
            select pgmq.send('Jobs', '{"n": 1}')
              -> 1
            select pgmq.send('Jobs', '{"n": 2}', '{"h": true}'::jsonb)
              -> 2
            select pgmq.send('Jobs', '{"n": 3}', 60)
              -> 3
            select pgmq.send('Jobs', '{"n": 4}', clock_timestamp() - interval '1 s')
              -> 4
            select pgmq.send(queue_name => 'Jobs', msg => '{"n": 5}', headers => null, delay => 0)
              -> 5
            select pgmq.send_batch('Jobs', array['6', '7']::jsonb[], array['{"h": 6}', null]::jsonb[])
              -> 6
                 7
            select pgmq.send_batch('Jobs', array['8', '9']::jsonb[], array['{}']::jsonb[])
              -> 22023 there are 2 messages and 1 headers
            select msg_id, read_ct, vt > clock_timestamp(), message, headers from pgmq.read('Jobs', 30, 3)
              -> 1|1|t|{"n": 1}|null
                 2|1|t|{"n": 2}|{"h": true}
                 4|1|t|{"n": 4}|null
            select msg_id from pgmq.read('Jobs', 30, 10, '{"n": 5}')
              -> 5
            select msg_id from pgmq.read(queue_name => 'Jobs', vt => 0, qty => 10)
              -> 6
                 7
            select msg_id, read_ct from pgmq.read('Jobs', 30, 10)
              -> 6|2
                 7|2
        "#]],
    )
    .await;
}

/// Of the seven messages that were sent.
async fn check_settling(client: &Client) {
    check(
        client,
        &[
            "select msg_id from pgmq.set_vt('Jobs', 1, 0)",
            "select msg_id, read_ct from pgmq.pop('Jobs')",
            "select msg_id from pgmq.set_vt('Jobs', array[2, 4], 0)",
            "select msg_id from pgmq.pop('Jobs', 5)",
            "select pgmq.delete('Jobs', 5), pgmq.delete('Jobs', 5)",
            "select pgmq.archive('Jobs', 6), pgmq.archive('Jobs', 6)",
            "select pgmq.archive('Jobs', array[7, 99])",
            "select msg_id, read_ct, message, headers, archived_at is not null from pgmq.a_jobs",
            "select pgmq.delete('Jobs', array[3, 4])",
            "select queue_name, queue_length, newest_msg_age_sec, total_messages, queue_visible_length from pgmq.metrics('Jobs')",
            "select msg_id from pgmq.read_with_poll('Jobs', 30, 1, 0)",
            "select pgmq.send('Jobs', '1'), pgmq.send('Jobs', null)",
            "select queue_name, queue_length, queue_visible_length from pgmq.metrics_all()",
            "select pgmq.purge_queue('Jobs')",
            "select queue_name, is_partitioned, is_unlogged from pgmq.list_queues()",
            "select pgmq.drop_queue('Jobs'), to_regclass('pgmq.q_jobs')",
            "select pgmq.drop_queue('Jobs')",
            "select pgmq.send('Jobs', '1')",
        ],
        expect![[r#"
            select msg_id from pgmq.set_vt('Jobs', 1, 0)
              -> 1
            select msg_id, read_ct from pgmq.pop('Jobs')
              -> 1|1
            select msg_id from pgmq.set_vt('Jobs', array[2, 4], 0)
              -> 2
                 4
            select msg_id from pgmq.pop('Jobs', 5)
              -> 2
                 4
            select pgmq.delete('Jobs', 5), pgmq.delete('Jobs', 5)
              -> t|f
            select pgmq.archive('Jobs', 6), pgmq.archive('Jobs', 6)
              -> t|f
            select pgmq.archive('Jobs', array[7, 99])
              -> 7
            select msg_id, read_ct, message, headers, archived_at is not null from pgmq.a_jobs
              -> 6|2|6|{"h": 6}|t
                 7|2|7|null|t
            select pgmq.delete('Jobs', array[3, 4])
              -> 3
            select queue_name, queue_length, newest_msg_age_sec, total_messages, queue_visible_length from pgmq.metrics('Jobs')
              -> Jobs|0|null|7|0
            select msg_id from pgmq.read_with_poll('Jobs', 30, 1, 0)
              -> 
            select pgmq.send('Jobs', '1'), pgmq.send('Jobs', null)
              -> 8|9
            select queue_name, queue_length, queue_visible_length from pgmq.metrics_all()
              -> Jobs|2|2
            select pgmq.purge_queue('Jobs')
              -> 2
            select queue_name, is_partitioned, is_unlogged from pgmq.list_queues()
              -> Jobs|f|f
            select pgmq.drop_queue('Jobs'), to_regclass('pgmq.q_jobs')
              -> t|null
            select pgmq.drop_queue('Jobs')
              -> f
            select pgmq.send('Jobs', '1')
              -> 42P01 relation "pgmq.q_jobs" does not exist
        "#]],
    )
    .await;
}

#[tokio::test]
async fn untyped_parameters_of_old_drivers_resolve() {
    let bed = Bed::new().await;
    let client = bed.as_postgres().await;
    check(
        &client,
        &[
            "select pgmq.create('q')",
            "prepare sending as select pgmq.send($1, $2)",
            "execute sending('q', '{}')",
            "prepare reading as select msg_id from pgmq.read($1, $2, $3)",
            "execute reading('q', 0, 1)",
            "prepare conditional as select msg_id from pgmq.read($1, $2, $3, $4)",
            "execute conditional('q', 0, 1, '{}')",
            "prepare popping as select msg_id from pgmq.pop($1)",
            "execute popping('q')",
            "prepare moving as select msg_id from pgmq.set_vt($1, 1, $2)",
            "grant execute on function pgmq.read(text, int, int), pgmq.pop(text) to anon",
        ],
        expect![[r#"
            select pgmq.create('q')
              -> 
            prepare sending as select pgmq.send($1, $2)
              -> 
            execute sending('q', '{}')
              -> 1
            prepare reading as select msg_id from pgmq.read($1, $2, $3)
              -> 
            execute reading('q', 0, 1)
              -> 1
            prepare conditional as select msg_id from pgmq.read($1, $2, $3, $4)
              -> 
            execute conditional('q', 0, 1, '{}')
              -> 1
            prepare popping as select msg_id from pgmq.pop($1)
              -> 
            execute popping('q')
              -> 1
            prepare moving as select msg_id from pgmq.set_vt($1, 1, $2)
              -> 
            grant execute on function pgmq.read(text, int, int), pgmq.pop(text) to anon
              -> 
        "#]],
    )
    .await;
    bed.cluster.stop().await;
}

#[tokio::test]
async fn names_are_checked() {
    let bed = Bed::new().await;
    let client = bed.as_postgres().await;
    let long = format!("select pgmq.create('{}')", "x".repeat(48));
    let longest = format!("select pgmq.create('{}')", "x".repeat(47));
    check(
        &client,
        &[
            &long,
            &longest,
            "select pgmq.create('a;b')",
            "select pgmq.create('a--b')",
            "select pgmq.create('a$b')",
            "select pgmq.create('a''b')",
            "select pgmq.create('')",
            "select pgmq.create('a-b c\"d')",
            "select pgmq.send('a-b c\"d', '1')",
            "select pgmq.create_partitioned('parts')",
            "select pgmq.create_unlogged('fleeting')",
            "select relpersistence from pg_class where relname in ('q_fleeting', 'a_fleeting') order by relname",
        ],
        expect![[r#"
            select pgmq.create('xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx')
              -> 42622 queue name is too long, maximum length is 47 characters
            select pgmq.create('xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx')
              -> 
            select pgmq.create('a;b')
              -> 42602 queue name contains invalid characters: $, ;, --, or '
            select pgmq.create('a--b')
              -> 42602 queue name contains invalid characters: $, ;, --, or '
            select pgmq.create('a$b')
              -> 42602 queue name contains invalid characters: $, ;, --, or '
            select pgmq.create('a''b')
              -> 42602 queue name contains invalid characters: $, ;, --, or '
            select pgmq.create('')
              -> 22023 a queue needs a name
            select pgmq.create('a-b c"d')
              -> 
            select pgmq.send('a-b c"d', '1')
              -> 1
            select pgmq.create_partitioned('parts')
              -> 0A000 partitioned queues need the extension pg_partman, which this server does not have
            select pgmq.create_unlogged('fleeting')
              -> 
            select relpersistence from pg_class where relname in ('q_fleeting', 'a_fleeting') order by relname
              -> p
                 u
        "#]],
    )
    .await;
    bed.cluster.stop().await;
}

#[tokio::test]
async fn inserts_are_announced_once_a_statement() {
    let bed = Bed::new().await;
    let (client, mut connection) = tokio_postgres::connect(bed.cluster.postgres_url(), NoTls).await.unwrap();
    let mut heard = Vec::new();
    let talk = async {
        for sql in [
            "select pgmq.create('q')",
            "select pgmq.enable_notify_insert('q', 60000)",
            "listen isobase_q_q; listen \"pgmq.q_q.INSERT\"; listen done",
            "select pgmq.send_batch('q', array['1', '2', '3']::jsonb[])",
            "insert into pgmq.q_q (vt, message) select now(), '1' from generate_series(1, 100)",
            "select pgmq.disable_notify_insert('q')",
            "select pgmq.send('q', '1')",
            "notify done",
        ] {
            let answer = ask(&client, sql).await;
            assert!(!answer.contains(' '), "{sql}: {answer}");
        }
        std::future::pending::<()>().await;
    };
    let listen = async {
        while let Some(message) = poll_fn(|context| connection.poll_message(context)).await {
            if let AsyncMessage::Notification(notification) = message.unwrap() {
                heard.push(notification.channel().to_owned());
                if notification.channel() == "done" {
                    return;
                }
            }
        }
    };
    tokio::select! {
        () = talk => {}
        heard = tokio::time::timeout(PATIENCE, listen) => heard.unwrap(),
    }
    let wake = "isobase_q_q";
    assert_eq!(heard, [wake, "pgmq.q_q.INSERT", wake, wake, "done"]);
    drop((client, connection));
    bed.cluster.stop().await;
}

#[tokio::test]
async fn row_level_security_and_grants_decide() {
    let bed = Bed::new().await;
    let owner = bed.as_postgres().await;
    let client = bed.as_authenticator().await;
    for sql in [
        "select pgmq.create('mine')",
        "alter table pgmq.q_mine enable row level security",
        "create policy own on pgmq.q_mine to authenticated using (message ->> 'owner' = auth.uid()::text) \
         with check (message ->> 'owner' = auth.uid()::text)",
        "grant select, insert, update, delete on pgmq.q_mine to authenticated",
        "grant select, insert on pgmq.a_mine to authenticated",
    ] {
        assert_eq!(ask(&owner, sql).await, "", "{sql}");
    }
    let own = "11111111-1111-1111-1111-111111111111";
    let act = |role: &str, sql: &str| {
        format!(
            "begin; set local role {role}; set local request.jwt.claims = '{{\"sub\":\"{own}\"}}'; {sql}; commit"
        )
    };
    let send = |owner: &str| format!("select pgmq_public.send('mine', '{{\"owner\": \"{owner}\"}}')");
    assert_eq!(ask(&client, &act("authenticated", &send(own))).await, "1");
    let denied = ask(&client, &act("authenticated", &send("other"))).await;
    assert_eq!(denied, r#"42501 new row violates row-level security policy for table "q_mine""#);
    ask(&client, "rollback").await;
    let denied = ask(&client, &act("anon", &send(own))).await;
    assert_eq!(denied, "42501 permission denied for table q_mine");
    ask(&client, "rollback").await;
    assert_eq!(ask(&client, &act("service_role", &send("other"))).await, "3");
    let read = "select msg_id from pgmq_public.read(queue_name => 'mine', sleep_seconds => 0, n => 5)";
    assert_eq!(ask(&client, &act("authenticated", read)).await, "1");
    assert_eq!(ask(&client, &act("service_role", read)).await, "1\n3");
    let archive = "select pgmq_public.archive(queue_name => 'mine', message_id => 1)";
    assert_eq!(ask(&client, &act("authenticated", &archive.replace("=> 1", "=> 3"))).await, "f");
    let delete = "select pgmq_public.delete('mine', 3)";
    assert_eq!(ask(&client, &act("authenticated", delete)).await, "f");
    assert_eq!(ask(&client, &act("service_role", delete)).await, "t");
    assert_eq!(ask(&client, &act("service_role", "select msg_id from pgmq_public.pop('mine')")).await, "1");
    let batch = "select pgmq_public.send_batch('mine', array['1', '2']::jsonb[], 30)";
    assert_eq!(ask(&client, &act("service_role", batch)).await, "4\n5");
    bed.cluster.stop().await;
}

#[tokio::test]
async fn a_project_may_create_the_extension() {
    let bed = Bed::new().await;
    bed.file(
        "supabase/migrations/1_queue.sql",
        "create extension if not exists pgmq;\nCREATE EXTENSION IF NOT EXISTS \"pgmq\" WITH SCHEMA \"pgmq\";\n\
         create extension pgmq with schema pgmq version '1.4.4' cascade;\ncreate extension pgmq cascade;\n\
         select pgmq.create('mails');\n",
    );
    // Without a superuser's URL, as on a foreign server.
    let sql = ProjectSql::new(bed.workdir.path());
    project::apply(bed.cluster.postgres_url(), &sql, &Silent).await.unwrap();
    let client = bed.as_postgres().await;
    let history = "select cardinality(statements), statements[2] from supabase_migrations.schema_migrations";
    assert_eq!(ask(&client, history).await, "5|CREATE EXTENSION IF NOT EXISTS \"pgmq\" WITH SCHEMA \"pgmq\"");
    assert_eq!(
        ask(&client, "select tableowner from pg_tables where tablename = 'q_mails'").await,
        "postgres"
    );
    bed.cluster.stop().await;
}
