//! What a version says about itself, as it is stored.

use std::time::Duration;

use isobase_base::project::{FunctionLimits, FunctionSettings, FunctionTriggers};
use isobase_base::{Capabilities, Egress, EgressEntry, Grant, Isolation};
use serde::{Deserialize, Serialize};

/// One version's settings. The first five members are those of Supabase's deploy call; the rest is
/// isobase's own, and absent from what other clients send.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Relative to the project's folder.
    pub entrypoint_path: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub import_map_path: Option<String>,
    #[serde(default)]
    pub static_patterns: Vec<String>,
    pub verify_jwt: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default)]
    pub limits: ManifestLimits,
    #[serde(default)]
    pub capabilities: ManifestGrants,
    /// What stands between it and the rest of the host. Absent: V8's sandbox.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub isolation: Option<ManifestIsolation>,
    /// What starts it besides requests. Absent: what the server's own settings say of the function.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub triggers: Option<FunctionTriggers>,
}

/// Limits that differ from the host's defaults. Milliseconds and bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestLimits {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wall_clock_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<usize>,
}

/// Grants that differ from "as the caller".
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestGrants {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database: Option<ManifestGrant>,
    /// Where it may connect: hosts, `host:port`, `*.suffix`, networks. Absent: the host's own rule.
    #[serde(skip_serializing_if = "Option::is_none", with = "egress", default)]
    pub egress: Option<Vec<EgressEntry>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<ManifestGrant>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub realtime: Option<ManifestGrant>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage: Option<ManifestGrant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ManifestGrant {
    None,
    Caller,
    Service,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ManifestIsolation {
    Isolate,
    Process,
}

impl Manifest {
    /// The manifest of a function of a project's settings.
    pub fn of(settings: &FunctionSettings, entrypoint_path: String, import_map_path: Option<String>) -> Self {
        Self {
            entrypoint_path,
            import_map_path,
            static_patterns: settings.static_files.clone(),
            verify_jwt: settings.verify_jwt,
            name: None,
            limits: ManifestLimits::from(&settings.limits),
            capabilities: ManifestGrants::from(&settings.capabilities),
            isolation: (settings.isolation == Isolation::Process).then_some(ManifestIsolation::Process),
            triggers: None,
        }
    }

    /// As the settings of a project would have said it.
    pub(crate) fn settings(&self) -> FunctionSettings {
        FunctionSettings {
            verify_jwt: self.verify_jwt,
            static_files: self.static_patterns.clone(),
            limits: self.limits.settings(),
            capabilities: self.capabilities.settings(),
            isolation: match self.isolation {
                Some(ManifestIsolation::Process) => Isolation::Process,
                Some(ManifestIsolation::Isolate) | None => Isolation::Isolate,
            },
            ..FunctionSettings::default()
        }
    }
}

impl ManifestLimits {
    fn settings(&self) -> FunctionLimits {
        FunctionLimits {
            memory_bytes_max: self.memory_bytes,
            cpu_max: self.cpu_ms.map(Duration::from_millis),
            wall_clock_max: self.wall_clock_ms.map(Duration::from_millis),
            idle_timeout: self.idle_ms.map(Duration::from_millis),
            concurrency_max: self.concurrency,
        }
    }
}

impl From<&FunctionLimits> for ManifestLimits {
    fn from(limits: &FunctionLimits) -> Self {
        let millis = |clock: Option<Duration>| clock.map(|clock| clock.as_millis() as u64);
        Self {
            memory_bytes: limits.memory_bytes_max,
            cpu_ms: millis(limits.cpu_max),
            wall_clock_ms: millis(limits.wall_clock_max),
            idle_ms: millis(limits.idle_timeout),
            concurrency: limits.concurrency_max,
        }
    }
}

impl ManifestGrants {
    fn settings(&self) -> Capabilities {
        let default = Capabilities::default();
        let grant = |own: Option<ManifestGrant>, default| own.map_or(default, Grant::from);
        Capabilities {
            database: grant(self.database, default.database),
            egress: match &self.egress {
                Some(entries) => Egress::Listed(entries.as_slice().into()),
                None => Egress::Host,
            },
            queue: grant(self.queue, default.queue),
            realtime: grant(self.realtime, default.realtime),
            storage: grant(self.storage, default.storage),
        }
    }
}

impl From<&Capabilities> for ManifestGrants {
    fn from(capabilities: &Capabilities) -> Self {
        let differing = |grant: Grant| (grant != Grant::Caller).then(|| ManifestGrant::from(grant));
        Self {
            database: differing(capabilities.database),
            egress: match &capabilities.egress {
                Egress::Listed(entries) => Some(entries.to_vec()),
                Egress::Host => None,
            },
            queue: differing(capabilities.queue),
            realtime: differing(capabilities.realtime),
            storage: differing(capabilities.storage),
        }
    }
}

impl From<ManifestGrant> for Grant {
    fn from(grant: ManifestGrant) -> Self {
        match grant {
            ManifestGrant::None => Self::None,
            ManifestGrant::Caller => Self::Caller,
            ManifestGrant::Service => Self::Service,
        }
    }
}

impl From<Grant> for ManifestGrant {
    fn from(grant: Grant) -> Self {
        match grant {
            Grant::None => Self::None,
            Grant::Caller => Self::Caller,
            Grant::Service => Self::Service,
        }
    }
}

/// Entries as the texts that people write.
mod egress {
    use isobase_base::EgressEntry;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(
        entries: &Option<Vec<EgressEntry>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let texts = entries.as_ref().map(|entries| entries.iter().map(EgressEntry::to_string));
        texts.map(Iterator::collect::<Vec<_>>).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Vec<EgressEntry>>, D::Error> {
        let Some(texts) = Option::<Vec<String>>::deserialize(deserializer)? else { return Ok(None) };
        let parse = |text: &String| {
            text.parse()
                .map_err(|_| D::Error::custom(format!("egress: {text:?} is no host, host:port or network")))
        };
        texts.iter().map(parse).collect::<Result<_, _>>().map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::Manifest;

    #[test]
    fn a_manifest_survives_being_stored() {
        let text = r#"{"entrypoint_path":"a.ts","static_patterns":[],"verify_jwt":false,"limits":{"cpu_ms":100},"capabilities":{"database":"service","egress":["api.example.com:443","10.0.0.0/8"]},"isolation":"process"}"#;
        let manifest: Manifest = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&manifest).unwrap(), text);
        let bad = text.replace("10.0.0.0/8", "http://x");
        assert!(serde_json::from_str::<Manifest>(&bad).unwrap_err().to_string().contains("egress"));
        let again = Manifest::of(&manifest.settings(), "a.ts".into(), None);
        assert_eq!(again, manifest);
    }
}
