//! What starts a function besides requests, in the form that travels with a deployed version.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::queue;
use super::section::variable_named_by;
use super::{FunctionSchedule, QueueSettings, Settings, WebhookSettings};
use crate::FunctionSlug;
use crate::limits::{CRON_RETRIES_MAX, QUEUE_CONSUMERS_MAX, WEBHOOK_TOLERANCE_SETTING_MAX};

/// Schedules, queues and the sender of webhooks that one function declares.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FunctionTriggers {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub schedules: Vec<FunctionSchedule>,
    /// The queues whose messages it is handed, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub queues: BTreeMap<String, QueueSettings>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<WebhookSettings>,
}

/// The functions that have a live version, with what it declares. `None` where the version says
/// nothing, as those do that Supabase's CLI deployed: the server's own settings hold for them.
pub type LiveTriggers = BTreeMap<FunctionSlug, Option<Arc<FunctionTriggers>>>;

/// Triggers that a host does not take.
#[derive(Debug, thiserror::Error)]
#[error("{key}: {problem}")]
pub struct InvalidTriggers {
    pub key: String,
    pub problem: String,
}

impl Settings {
    /// What each enabled function declares, and each that a queue names.
    pub fn triggers(&self) -> BTreeMap<FunctionSlug, FunctionTriggers> {
        let mut all: BTreeMap<_, FunctionTriggers> = BTreeMap::new();
        for slug in self.declared_functions() {
            let function = &self.functions[slug.as_str()];
            let own = all.entry(slug).or_default();
            own.schedules.clone_from(&function.schedules);
            own.webhook.clone_from(&function.webhook);
        }
        for (name, queue) in &self.queues {
            let own = all.entry(queue.function.clone()).or_default();
            own.queues.insert(name.clone(), queue.clone());
        }
        all
    }
}

impl FunctionTriggers {
    /// Whether a version of `slug` may declare them. The times of schedules are checked by whoever runs
    /// them.
    pub fn check(&self, slug: &FunctionSlug) -> Result<(), InvalidTriggers> {
        for (index, schedule) in self.schedules.iter().enumerate() {
            let invalid = |problem: &str| invalid(format!("schedules[{index}]"), problem);
            if u64::from(schedule.max_retries) > CRON_RETRIES_MAX {
                return Err(invalid(&format!("max_retries is at most {CRON_RETRIES_MAX}")));
            }
            if serde_json::from_str::<serde::de::IgnoredAny>(&schedule.payload).is_err() {
                return Err(invalid("payload is not JSON"));
            }
        }
        if self.queues.len() > QUEUE_CONSUMERS_MAX {
            return Err(invalid("queues".into(), &format!("at most {QUEUE_CONSUMERS_MAX}")));
        }
        for (name, settings) in &self.queues {
            queue::check(name, settings, slug)
                .map_err(|problem| invalid(format!("queues.{name}"), &problem))?;
        }
        match &self.webhook {
            Some(webhook) => check_webhook(webhook),
            None => Ok(()),
        }
    }
}

impl WebhookSettings {
    /// The `NAME` where the secret is `env(NAME)`; `None` where it is the secret itself.
    pub fn secret_variable(&self) -> Option<&str> {
        variable_named_by(&self.secret)
    }
}

fn invalid(key: String, problem: &str) -> InvalidTriggers {
    InvalidTriggers { key, problem: problem.into() }
}

/// A secret itself must not lie in a manifest, which is stored and listed in the clear.
fn check_webhook(webhook: &WebhookSettings) -> Result<(), InvalidTriggers> {
    let problem = match (webhook.secret_variable(), webhook.tolerance) {
        (Some(""), _) | (None, _) => {
            "is not env(NAME); name a variable, and give it its value with: isobase secrets set NAME=…"
        }
        (_, Some(tolerance)) if tolerance > WEBHOOK_TOLERANCE_SETTING_MAX => {
            return Err(invalid(
                "webhook.tolerance".into(),
                &format!("at most {WEBHOOK_TOLERANCE_SETTING_MAX:?}"),
            ));
        }
        _ => return Ok(()),
    };
    Err(invalid("webhook.secret".into(), problem))
}

/// Durations as whole milliseconds.
pub(super) mod milliseconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(in crate::project) fn serialize<S: Serializer>(
        duration: &Duration,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(duration.as_millis() as u64)
    }

    pub(in crate::project) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_millis)
    }

    /// Or none.
    pub(in crate::project) mod optional {
        use std::time::Duration;

        use serde::{Deserialize, Deserializer, Serialize, Serializer};

        pub(in crate::project) fn serialize<S: Serializer>(
            duration: &Option<Duration>,
            serializer: S,
        ) -> Result<S::Ok, S::Error> {
            duration.map(|duration| duration.as_millis() as u64).serialize(serializer)
        }

        pub(in crate::project) fn deserialize<'de, D: Deserializer<'de>>(
            deserializer: D,
        ) -> Result<Option<Duration>, D::Error> {
            Ok(Option::<u64>::deserialize(deserializer)?.map(Duration::from_millis))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::FunctionTriggers;
    use crate::FunctionSlug;

    const GOOD: &str = r#"{"schedules":[{"cron":"* * * * *","timezone":"UTC","misfire":"skip","overlap":"queue","max_retries":3,"payload":"null"}],"queues":{"mails":{"function":"send","max_batch_size":10,"max_batch_timeout":0,"visibility_timeout":30000,"max_retries":3,"retry_backoff":1000,"dead_letter_queue":null,"max_concurrency":10}},"webhook":{"provider":"stripe","secret":"env(STRIPE)","header":null,"prefix":null,"encoding":"hex","tolerance":null,"mode":"inbox"}}"#;

    #[test]
    fn triggers_survive_being_stored() {
        let triggers: FunctionTriggers = serde_json::from_str(GOOD).unwrap();
        assert_eq!(serde_json::to_string(&triggers).unwrap(), GOOD);
        triggers.check(&FunctionSlug::parse("send").unwrap()).unwrap();
        assert_eq!(serde_json::to_string(&FunctionTriggers::default()).unwrap(), "{}");
    }

    #[test]
    fn what_is_out_of_bounds_is_refused_with_its_place() {
        let slug = FunctionSlug::parse("send").unwrap();
        for (good, bad, place) in [
            ("env(STRIPE)", "whsec_in_the_clear", "webhook.secret"),
            (r#""tolerance":null"#, r#""tolerance":99999999999"#, "webhook.tolerance"),
            (r#""max_batch_size":10"#, r#""max_batch_size":0"#, "queues.mails: max_batch_size"),
            (
                r#""visibility_timeout":30000"#,
                r#""visibility_timeout":1"#,
                "queues.mails: visibility_timeout",
            ),
            (r#""function":"send""#, r#""function":"other""#, "queues.mails: names the function other"),
            (r#"{"mails":"#, r#"{"No such":"#, "queues.No such"),
            (r#""payload":"null""#, r#""payload":"{""#, "schedules[0]: payload"),
        ] {
            let text = GOOD.replacen(good, bad, 1);
            let triggers: FunctionTriggers = serde_json::from_str(&text).unwrap();
            let told = triggers.check(&slug).unwrap_err().to_string();
            assert!(told.starts_with(place), "{told}");
            assert!(!told.contains("whsec"), "{told}");
        }
    }
}
