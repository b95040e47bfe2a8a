//! `package.json`, as far as finding modules needs it.

use std::path::Path;

use isobase_base::limits::PACKAGE_SETTINGS_BYTES_MAX;
use serde_json::{Map, Value};

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct PackageJson {
    pub(crate) name: Option<String>,
    pub(crate) main: Option<String>,
    pub(crate) kind: Option<ModuleKind>,
    pub(crate) exports: Option<Value>,
    pub(crate) imports: Option<Map<String, Value>>,
}

/// `type`: what a `.js` file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModuleKind {
    Module,
    CommonJs,
}

impl PackageJson {
    /// `None` where there is none; one that cannot be read says nothing.
    pub(crate) fn read(path: &Path) -> Option<Self> {
        let metadata = std::fs::metadata(path).ok()?;
        if !metadata.is_file() || metadata.len() > PACKAGE_SETTINGS_BYTES_MAX {
            return None;
        }
        let text = std::fs::read(path).ok()?;
        Some(Self::parse(&text))
    }

    fn parse(text: &[u8]) -> Self {
        let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
        let Ok(Value::Object(mut object)) = serde_json::from_slice(text) else { return Self::default() };
        let string = |key: &str| match object.get(key) {
            Some(Value::String(text)) if !text.is_empty() => Some(text.clone()),
            _ => None,
        };
        let (name, main, kind) = (string("name"), string("main"), string("type"));
        let kind = match kind.as_deref() {
            Some("module") => Some(ModuleKind::Module),
            Some("commonjs") => Some(ModuleKind::CommonJs),
            _ => None,
        };
        let exports = object.remove("exports").filter(|exports| !exports.is_null());
        let imports = match object.remove("imports") {
            Some(Value::Object(imports)) => Some(imports),
            _ => None,
        };
        Self { name, main, kind, exports, imports }
    }
}
