//! This host's sign of life. Each claim names its lease; a host that does not renew in time counts as
//! dead, and what it had claimed goes to the others. Time decides, not a session: a lock whose
//! connection broke unseen would leave two hosts that both believe to have it.

use std::time::Instant;

use isobase_base::limits;
use parking_lot::Mutex;

use super::CronError;
use super::store::Store;

pub(super) struct Lease {
    store: Store,
    state: Mutex<State>,
}

#[derive(Clone, Copy)]
struct State {
    id: i64,
    /// By this host's own clock, which no one sets.
    valid_until: Instant,
}

/// What renewing found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Renewal {
    Renewed,
    /// It had ended: what was claimed under it belongs to others now. There is a new one.
    Lost,
}

impl Lease {
    /// Takes a lease. A host that is alone on its database knows all others to be dead.
    pub(super) async fn take(store: Store, is_alone: bool) -> Result<Self, CronError> {
        if is_alone {
            store.session().await?.execute("delete from isobase.cron_leases", &[]).await?;
        }
        let state = Self::fresh(&store).await?;
        Ok(Self { store, state: Mutex::new(state) })
    }

    async fn fresh(store: &Store) -> Result<State, CronError> {
        const SQL: &str = "insert into isobase.cron_leases (expires_at) \
            values (clock_timestamp() + make_interval(secs => $1)) returning lease";
        let asked = Instant::now();
        let session = store.session().await?;
        let id = session.query_one(SQL, &[&limits::CRON_LEASE.as_secs_f64()]).await?.get(0);
        Ok(State { id, valid_until: asked + limits::CRON_LEASE - limits::CRON_LEASE_MARGIN })
    }

    /// The lease, if it is still good for beginning something.
    pub(super) fn id(&self) -> Option<i64> {
        let state = *self.state.lock();
        (Instant::now() < state.valid_until).then_some(state.id)
    }

    pub(super) fn holds(&self, id: i64) -> bool {
        self.id() == Some(id)
    }

    pub(super) async fn renew(&self) -> Result<Renewal, CronError> {
        const RENEW: &str = "update isobase.cron_leases \
            set expires_at = clock_timestamp() + make_interval(secs => $2) where lease = $1";
        let asked = Instant::now();
        let id = self.state.lock().id;
        let session = self.store.session().await?;
        if session.execute(RENEW, &[&id, &limits::CRON_LEASE.as_secs_f64()]).await? == 1 {
            self.state.lock().valid_until = asked + limits::CRON_LEASE - limits::CRON_LEASE_MARGIN;
            return Ok(Renewal::Renewed);
        }
        let fresh = Self::fresh(&self.store).await?;
        *self.state.lock() = fresh;
        Ok(Renewal::Lost)
    }

    /// Ends the leases of hosts that have not renewed theirs.
    pub(super) async fn bury_the_dead(&self) -> Result<(), CronError> {
        let session = self.store.session().await?;
        session.execute("delete from isobase.cron_leases where expires_at < clock_timestamp()", &[]).await?;
        Ok(())
    }

    /// Ends this one, so that others need not wait for it.
    pub(super) async fn give_up(&self) -> Result<(), CronError> {
        let id = self.state.lock().id;
        let session = self.store.session().await?;
        session.execute("delete from isobase.cron_leases where lease = $1", &[&id]).await?;
        Ok(())
    }
}
