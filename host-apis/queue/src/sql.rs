//! The statements. One text for each queue, so that connections keep them prepared; no functions of
//! pgmq, which would plan a statement of their own each time.

use crate::name::QueueName;

/// `$1`: a JSON array of `{"d": delay in seconds, "h": headers, "m": message}`. Ids in its order.
pub(crate) fn insert(queue: &QueueName) -> String {
    format!(
        "insert into {} (vt, message, headers) \
         select clock_timestamp() + make_interval(secs => (element ->> 'd')::float8), element -> 'm', element -> 'h' \
         from jsonb_array_elements($1::jsonb) with ordinality as given (element, place) \
         order by place returning msg_id",
        queue.table()
    )
}

/// Hides visible messages and gives id, how often it was read, when it was sent, headers and message of each,
/// the oldest first. `$1`: seconds to hide what is read. `$2`: how many.
pub fn read(queue: &QueueName) -> String {
    format!(
        "with due as materialized ( \
           select msg_id from {table} where vt <= clock_timestamp() \
           order by msg_id limit $2 for update skip locked \
         ), taken as ( \
           update {table} as queue \
           set vt = clock_timestamp() + make_interval(secs => $1), read_ct = queue.read_ct + 1 \
           from due where queue.msg_id = due.msg_id \
           returning queue.msg_id, queue.read_ct, queue.enqueued_at, queue.headers, queue.message \
         ) \
         select msg_id, read_ct, {ENQUEUED_AT}, headers::text, coalesce(message, 'null')::text \
         from taken order by msg_id",
        table = queue.table()
    )
}

/// RFC 3339.
const ENQUEUED_AT: &str = r#"to_char(enqueued_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"#;

/// `$1`: ids as an array literal, here and below.
pub(crate) fn delete(queue: &QueueName) -> String {
    format!("delete from {} where msg_id = any ($1::bigint[]) returning msg_id", queue.table())
}

pub(crate) fn archive(queue: &QueueName) -> String {
    format!(
        "with gone as ( \
           delete from {} where msg_id = any ($1::bigint[]) \
           returning msg_id, read_ct, enqueued_at, vt, message, headers \
         ) \
         insert into {} (msg_id, read_ct, enqueued_at, vt, message, headers) \
         select msg_id, read_ct, enqueued_at, vt, message, headers from gone returning msg_id",
        queue.table(),
        queue.archive()
    )
}

/// `$2`: seconds from now until it can be read again.
pub(crate) fn extend(queue: &QueueName) -> String {
    format!(
        "update {} set vt = clock_timestamp() + make_interval(secs => $2) \
         where msg_id = any ($1::bigint[]) returning msg_id",
        queue.table()
    )
}

pub(crate) fn metrics(queue: &QueueName) -> String {
    let table = queue.table();
    format!(
        "select count(*), count(*) filter (where vt <= clock_timestamp()), \
           coalesce(pg_sequence_last_value(pg_get_serial_sequence('{}', 'msg_id')::regclass), 0), \
           extract(epoch from clock_timestamp() - max(enqueued_at))::int8, \
           extract(epoch from clock_timestamp() - min(enqueued_at))::int8 \
         from {table}",
        table.replace('\'', "''")
    )
}
