//! Which messages a reader gets, and which queues a message: groups and topics.

use expect_test::expect;
use tokio_postgres::Client;

use crate::queue::check;
use crate::support::{Bed, ask};

#[tokio::test]
async fn groups_are_read_in_order() {
    let bed = Bed::new().await;
    let client = bed.as_postgres().await;
    let other = bed.as_postgres().await;
    check(
        &client,
        &[
            "select pgmq.create('q')",
            "select pgmq.create_fifo_index('q')",
            "select pgmq.send('q', to_jsonb(g), jsonb_build_object('x-pgmq-group', g)) \
             from unnest(array['a', 'a', 'b', 'c', 'b', 'a']) as g",
            "begin",
            "select msg_id, message from pgmq.read_grouped('q', 30, 4)",
        ],
        expect![[r#"
            select pgmq.create('q')
              -> 
            select pgmq.create_fifo_index('q')
              -> 
            select pgmq.send('q', to_jsonb(g), jsonb_build_object('x-pgmq-group', g)) from unnest(array['a', 'a', 'b', 'c', 'b', 'a']) as g
              -> 1
                 2
                 3
                 4
                 5
                 6
            begin
              -> 
            select msg_id, message from pgmq.read_grouped('q', 30, 4)
              -> 1|"a"
                 2|"a"
                 6|"a"
                 3|"b"
        "#]],
    )
    .await;
    // While the first reader has not committed, the second gets only groups that are free.
    assert_eq!(ask(&other, "select msg_id, message from pgmq.read_grouped('q', 30, 4)").await, "4|\"c\"");
    check_layouts(&client).await;
    bed.cluster.stop().await;
}

/// Of six messages in three groups, while a reader has some of them.
async fn check_layouts(client: &Client) {
    check(
        client,
        &[
            "rollback",
            "select pgmq.set_vt('q', 4, 0) is null",
            "begin",
            "select msg_id, message from pgmq.read_grouped_rr('q', 30, 5)",
            "rollback",
            "select msg_id, message from pgmq.read_grouped_head('q', 30, 2)",
            // Behind an invisible head nothing is read.
            "select msg_id, message from pgmq.read_grouped('q', 30, 10)",
            "select pgmq.delete('q', 1)",
            "select msg_id, message from pgmq.read_grouped('q', 30, 10)",
            "select msg_id from pgmq.read_grouped_with_poll('q', 30, 1, 0)",
            "select msg_id from pgmq.read_grouped_rr_with_poll('q', 30, 1, 0)",
        ],
        expect![[r#"
            rollback
              -> 
            select pgmq.set_vt('q', 4, 0) is null
              -> f
            begin
              -> 
            select msg_id, message from pgmq.read_grouped_rr('q', 30, 5)
              -> 1|"a"
                 3|"b"
                 4|"c"
                 2|"a"
                 5|"b"
            rollback
              -> 
            select msg_id, message from pgmq.read_grouped_head('q', 30, 2)
              -> 1|"a"
                 3|"b"
            select msg_id, message from pgmq.read_grouped('q', 30, 10)
              -> 4|"c"
            select pgmq.delete('q', 1)
              -> t
            select msg_id, message from pgmq.read_grouped('q', 30, 10)
              -> 2|"a"
                 6|"a"
            select msg_id from pgmq.read_grouped_with_poll('q', 30, 1, 0)
              -> 
            select msg_id from pgmq.read_grouped_rr_with_poll('q', 30, 1, 0)
              -> 
        "#]],
    )
    .await;
}

#[tokio::test]
async fn topics_fan_out() {
    let bed = Bed::new().await;
    let client = bed.as_postgres().await;
    check(
        &client,
        &[
            "select pgmq.create('all'), pgmq.create('errors')",
            "select pgmq.bind_topic('logs.#', 'all'), pgmq.bind_topic('logs.*.error', 'errors')",
            "select pgmq.bind_topic('logs.#', 'all')",
            "select pgmq.bind_topic('logs.#', 'nowhere')",
            "select pgmq.bind_topic('a.*#', 'all')",
            "select pattern, queue_name from pgmq.test_routing('logs.api.error')",
            "select pattern, queue_name from pgmq.test_routing('logs')",
            "select pattern, queue_name from pgmq.test_routing('logs.api.error.twice')",
            "select pgmq.test_routing('a..b')",
            "select pgmq.send_topic('logs.api.error', '{}')",
            "select pgmq.send_topic('logs.api.error', '{}', '{\"h\": 1}', 5)",
            "select pgmq.send_topic('other', '{}')",
            "select * from pgmq.send_batch_topic('logs.x', array['1', '2']::jsonb[])",
            "select pgmq.unbind_topic('logs.#', 'all'), pgmq.unbind_topic('logs.#', 'all')",
            "select pgmq.drop_queue('errors')",
            "select count(*) from pgmq.list_topic_bindings()",
        ],
        expect![[r#"
            select pgmq.create('all'), pgmq.create('errors')
              -> |
            select pgmq.bind_topic('logs.#', 'all'), pgmq.bind_topic('logs.*.error', 'errors')
              -> |
            select pgmq.bind_topic('logs.#', 'all')
              -> 
            select pgmq.bind_topic('logs.#', 'nowhere')
              -> 42P01 Queue "nowhere" does not exist. Create it first using pgmq.create()
            select pgmq.bind_topic('a.*#', 'all')
              -> 22023 pattern cannot have adjacent wildcards; got "a.*#"
            select pattern, queue_name from pgmq.test_routing('logs.api.error')
              -> logs.*.error|errors
                 logs.#|all
            select pattern, queue_name from pgmq.test_routing('logs')
              -> 
            select pattern, queue_name from pgmq.test_routing('logs.api.error.twice')
              -> logs.#|all
            select pgmq.test_routing('a..b')
              -> 22023 routing_key is words of letters, digits, "_" and "-", joined by dots; got "a..b"
            select pgmq.send_topic('logs.api.error', '{}')
              -> 2
            select pgmq.send_topic('logs.api.error', '{}', '{"h": 1}', 5)
              -> 2
            select pgmq.send_topic('other', '{}')
              -> 0
            select * from pgmq.send_batch_topic('logs.x', array['1', '2']::jsonb[])
              -> all|3
                 all|4
            select pgmq.unbind_topic('logs.#', 'all'), pgmq.unbind_topic('logs.#', 'all')
              -> t|f
            select pgmq.drop_queue('errors')
              -> t
            select count(*) from pgmq.list_topic_bindings()
              -> 0
        "#]],
    )
    .await;
    bed.cluster.stop().await;
}
