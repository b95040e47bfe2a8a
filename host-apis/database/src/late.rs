//! Bodies that are read after their head was handed out: each by a task that has the connection.

use tokio_util::sync::CancellationToken;

use crate::Door;
use crate::connection::Flight;
use crate::harvest::{BrokenOff, Late};
use crate::pool::Lease;
use crate::spool::SpoolError;

/// Reads what is left of `flight`, until its end, the request's deadline, or when nobody reads the body any
/// more; then the statement is cancelled. The connection is free as soon as the server has sent all.
pub(crate) fn read_on(door: &Door, lease: Lease, flight: Flight, late: Late) {
    let pool = door.core.pool_for(door.grant, &door.context.principal);
    let (deadline, request_id) = (door.context.deadline, door.context.request_id);
    pool.spawn("database result", async move {
        let Late { mut writer, rest } = late;
        let (mut lease, mut flight) = (lease, flight);
        let reader_left: CancellationToken = writer.reader_left();
        let reading = rest.read(&mut lease, &mut flight, &mut writer);
        let reading = tokio::time::timeout_at(deadline.into(), reading);
        let outcome = reader_left.run_until_cancelled(reading).await;
        drop(lease);
        let why = match outcome {
            Some(Ok(Ok(()))) => return writer.finish(),
            None | Some(Ok(Err(BrokenOff::BySpool(SpoolError::Left)))) => return,
            Some(Ok(Err(BrokenOff::BySpool(error)))) => error.to_string(),
            Some(Ok(Err(BrokenOff::BySource(trouble)))) => crate::Error::from(trouble).to_string(),
            Some(Err(_elapsed)) => "the request's time was over".to_owned(),
        };
        tracing::warn!(%request_id, error = %why, "a response broke off: its result did");
        writer.break_off(why);
    });
}
