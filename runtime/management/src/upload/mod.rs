//! What clients send of a function's code.

mod eszip;
pub(crate) mod form;

use isobase_base::project::FunctionTriggers;
use isobase_deploy::{ManifestGrants, ManifestIsolation, ManifestLimits};
use serde::Deserialize;

pub(crate) use eszip::{is_eszip, unzip};

/// The form's `metadata`. Supabase's CLI sends the first five members, ours the rest as well.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Metadata {
    pub(crate) entrypoint_path: String,
    #[serde(default)]
    pub(crate) import_map_path: Option<String>,
    #[serde(default)]
    pub(crate) static_patterns: Vec<String>,
    #[serde(default)]
    pub(crate) verify_jwt: Option<bool>,
    #[serde(default)]
    pub(crate) name: Option<String>,
    #[serde(default)]
    pub(crate) limits: ManifestLimits,
    #[serde(default)]
    pub(crate) capabilities: ManifestGrants,
    #[serde(default)]
    pub(crate) isolation: Option<ManifestIsolation>,
    #[serde(default)]
    pub(crate) triggers: Option<FunctionTriggers>,
}
