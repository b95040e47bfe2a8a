//! Who has joined what, and handing messages out.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use isobase_base::observe::{Observation, Observer, RealtimeEvent};
use isobase_base::{Grant, Principal, limits};
use parking_lot::{Mutex, RwLock};
use tokio_util::sync::CancellationToken;

use crate::broadcaster::Broadcaster;
use crate::message::{Frames, Message};
use crate::outbox::Outbox;
use crate::protocol::Version;
use crate::rate::Rate;
use crate::topic::{Topic, Visibility};

/// All topics of one host. Cheap to clone; all clones share them.
#[derive(Clone)]
pub struct Hub {
    inner: Arc<Inner>,
}

struct Inner {
    topics: RwLock<HashMap<Key, Arc<RwLock<Members>>>>,
    member_ids: AtomicU64,
    joins: Mutex<Rate>,
    published: Mutex<Rate>,
    closing: CancellationToken,
    observer: Observer,
}

type Key = (Topic, Visibility);
type Members = HashMap<MemberId, Member>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct MemberId(u64);

struct Member {
    outbox: Arc<Outbox>,
    version: Version,
}

/// A channel's place in a topic; dropping it leaves.
pub(crate) struct Membership {
    hub: Hub,
    key: Key,
    id: MemberId,
}

impl Hub {
    pub fn new(observer: Observer) -> Self {
        let now = Instant::now();
        let inner = Inner {
            topics: RwLock::default(),
            member_ids: AtomicU64::default(),
            joins: Mutex::new(Rate::per_second(limits::REALTIME_JOINS_PER_SECOND_MAX, now)),
            published: Mutex::new(Rate::per_second(limits::REALTIME_PUBLISHED_PER_SECOND_MAX, now)),
            closing: CancellationToken::new(),
            observer,
        };
        Self { inner: Arc::new(inner) }
    }

    /// Publishing as one invocation of a function may.
    pub fn broadcaster(&self, principal: Principal, grant: Grant) -> Broadcaster {
        Broadcaster::new(self.clone(), principal, grant)
    }

    /// Closes all sockets in order; their clients come back by themselves, to this host's successor.
    pub fn close(&self) {
        self.inner.closing.cancel();
    }

    pub(crate) fn closing(&self) -> CancellationToken {
        self.inner.closing.clone()
    }

    pub(crate) fn observe(&self, event: RealtimeEvent) {
        self.inner.observer.record(Observation::Realtime { event });
    }

    /// Whether one more join keeps within the rate of the host.
    pub(crate) fn admits_join(&self) -> bool {
        self.inner.joins.lock().admits(1, Instant::now())
    }

    /// What requests and functions may still publish.
    pub(crate) fn published(&self) -> &Mutex<Rate> {
        &self.inner.published
    }

    /// `None` when there are too many topics.
    pub(crate) fn join(
        &self,
        topic: Topic,
        visibility: Visibility,
        outbox: Arc<Outbox>,
        version: Version,
    ) -> Option<Membership> {
        let key = (topic, visibility);
        let id = MemberId(self.inner.member_ids.fetch_add(1, Ordering::Relaxed));
        // The table stays locked until the member is in: a topic without members is removed.
        let mut topics = self.inner.topics.write();
        if topics.len() >= limits::REALTIME_TOPICS_MAX && !topics.contains_key(&key) {
            return None;
        }
        topics.entry(key.clone()).or_default().write().insert(id, Member { outbox, version });
        drop(topics);
        self.observe(RealtimeEvent::Joined);
        Some(Membership { hub: self.clone(), key, id })
    }

    fn leave(&self, key: &Key, id: MemberId) {
        let mut topics = self.inner.topics.write();
        let Some(members) = topics.get(key) else { return };
        let is_empty = {
            let mut members = members.write();
            members.remove(&id);
            members.is_empty()
        };
        if is_empty {
            topics.remove(key);
        }
    }

    /// Hands `message` to all members but `except`. Never waits: sockets have bounded queues.
    pub(crate) fn publish(
        &self,
        topic: &Topic,
        visibility: Visibility,
        message: &Message,
        except: Option<MemberId>,
    ) {
        let members = self.inner.topics.read().get(&(topic.clone(), visibility)).cloned();
        let mut deliveries = 0;
        if let Some(members) = members {
            let mut frames = Frames::new(topic, message);
            for (id, member) in members.read().iter() {
                if except != Some(*id)
                    && let Some(frame) = frames.of(member.version)
                {
                    member.outbox.push(frame);
                    deliveries += 1;
                }
            }
        }
        self.observe(RealtimeEvent::Broadcast { deliveries });
    }
}

impl Membership {
    pub(crate) fn id(&self) -> MemberId {
        self.id
    }

    pub(crate) fn topic(&self) -> &Topic {
        &self.key.0
    }

    pub(crate) fn visibility(&self) -> Visibility {
        self.key.1
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.hub.leave(&self.key, self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::Hub;
    use crate::message::{Event, Message, Payload};
    use crate::outbox::{Ending, Next, Outbox};
    use crate::protocol::Version;
    use crate::topic::{Topic, Visibility};
    use futures::FutureExt;
    use isobase_base::limits;
    use std::sync::Arc;

    fn message(payload: Payload) -> Message {
        Message::Event(Event::new("e", payload).unwrap())
    }

    fn waiting(outbox: &Outbox) -> Option<Next> {
        outbox.next().now_or_never()
    }

    #[test]
    fn members_get_what_they_can_read_and_did_not_send_themselves() {
        let hub = Hub::new(Default::default());
        let topic = Topic::named("room").unwrap();
        let join = |visibility, version| {
            let outbox = Arc::<Outbox>::default();
            (hub.join(topic.clone(), visibility, outbox.clone(), version).unwrap(), outbox)
        };
        let (_one, one) = join(Visibility::Public, Version::Second);
        let (_other, other) = join(Visibility::Public, Version::Second);
        let (_old, old) = join(Visibility::Public, Version::First);
        let (sender, own) = join(Visibility::Public, Version::Second);
        let (_guarded, guarded) = join(Visibility::Private, Version::Second);

        let json = message(Payload::Json("1".into()));
        hub.publish(&topic, Visibility::Public, &json, Some(sender.id()));
        let (Some(Next::Write(first)), Some(Next::Write(second))) = (waiting(&one), waiting(&other)) else {
            panic!("both get it")
        };
        assert_eq!(first.as_ptr(), second.as_ptr(), "it was written once");
        assert!(waiting(&old).is_some());
        assert!(waiting(&own).is_none() && waiting(&guarded).is_none());

        hub.publish(&topic, Visibility::Public, &message(Payload::Binary("x".into())), None);
        assert!(waiting(&own).is_some());
        assert!(waiting(&old).is_none(), "version 1.0.0 has no bytes");
    }

    #[tokio::test]
    async fn a_slow_member_does_not_hold_up_the_others() {
        let hub = Hub::new(Default::default());
        let topic = Topic::named("room").unwrap();
        let (slow, quick) = (Arc::<Outbox>::default(), Arc::<Outbox>::default());
        let _slow = hub.join(topic.clone(), Visibility::Public, slow.clone(), Version::Second).unwrap();
        let _quick = hub.join(topic.clone(), Visibility::Public, quick.clone(), Version::Second).unwrap();
        let message = message(Payload::Json("1".into()));
        for _ in 0..=limits::REALTIME_SOCKET_MESSAGES_MAX {
            hub.publish(&topic, Visibility::Public, &message, None);
            assert!(matches!(quick.next().await, Next::Write(_)));
        }
        assert_eq!(slow.next().await, Next::End(Ending::TooSlow));
    }

    #[test]
    fn a_topic_that_everybody_left_is_forgotten() {
        let hub = Hub::new(Default::default());
        let topic = Topic::named("room").unwrap();
        let join = || hub.join(topic.clone(), Visibility::Public, Arc::default(), Version::First).unwrap();
        let (one, other) = (join(), join());
        drop(one);
        assert_eq!(hub.inner.topics.read().len(), 1);
        drop(other);
        assert_eq!(hub.inner.topics.read().len(), 0);
    }
}
