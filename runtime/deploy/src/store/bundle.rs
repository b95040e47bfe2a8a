//! The files of a function as they were uploaded.

use std::path::{Component, Path, PathBuf};

use bytes::Bytes;
use isobase_base::limits::{DEPLOY_FILES_MAX, SOURCE_COMPONENT_BYTES_MAX, SOURCE_GRAPH_BYTES_MAX};
use serde::{Deserialize, Serialize};

/// Source files with paths relative to the project's folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bundle {
    pub files: Vec<BundleFile>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BundleFile {
    /// `supabase/functions/hello/index.ts`: slashes, never leaving the project.
    pub path: String,
    pub content: Bytes,
}

/// Why files are no bundle.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    #[error("the path {0:?} leaves the project's folder")]
    Outside(String),
    #[error("there are more than {DEPLOY_FILES_MAX} files")]
    TooMany,
    #[error("the files have more than {0} bytes together")]
    TooLarge(u64),
    #[error("the stored sources are damaged")]
    Damaged,
}

/// The first line of an encoded bundle; the contents follow in this order.
#[derive(Serialize, Deserialize)]
struct Header {
    files: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    path: String,
    bytes: usize,
}

impl Bundle {
    /// Adds a file as a client named it.
    ///
    /// # Errors
    /// When it would lie outside of the project, or is one too many.
    pub fn add(&mut self, path: &str, content: Bytes) -> Result<(), BundleError> {
        let path = relative(path).ok_or_else(|| BundleError::Outside(path.chars().take(200).collect()))?;
        if self.files.len() == DEPLOY_FILES_MAX {
            return Err(BundleError::TooMany);
        }
        let is_component = Path::new(&path).extension().is_some_and(|extension| extension == "wasm");
        let bytes_max = if is_component { SOURCE_COMPONENT_BYTES_MAX } else { SOURCE_GRAPH_BYTES_MAX };
        let bytes: usize = self.files.iter().map(|file| file.content.len()).sum();
        if (bytes + content.len()) as u64 > bytes_max {
            return Err(BundleError::TooLarge(bytes_max));
        }
        // A client may send a file twice, once for each import of it.
        self.files.retain(|file| file.path != path);
        self.files.push(BundleFile { path, content });
        Ok(())
    }

    pub fn file(&self, path: &str) -> Option<&BundleFile> {
        let path = relative(path)?;
        self.files.iter().find(|file| file.path == path)
    }

    /// Writes the files below `folder`.
    pub(crate) fn unpack(&self, folder: &Path) -> std::io::Result<()> {
        for file in &self.files {
            let path = folder.join(&file.path);
            std::fs::create_dir_all(path.parent().unwrap_or(folder))?;
            std::fs::write(path, &file.content)?;
        }
        Ok(())
    }

    pub(crate) fn encode(&self) -> Bytes {
        let entry = |file: &BundleFile| Entry { path: file.path.clone(), bytes: file.content.len() };
        let header = Header { files: self.files.iter().map(entry).collect() };
        let mut encoded = serde_json::to_vec(&header).expect("paths and numbers are JSON");
        encoded.push(b'\n');
        for file in &self.files {
            encoded.extend_from_slice(&file.content);
        }
        encoded.into()
    }

    pub(crate) fn decode(encoded: &Bytes) -> Result<Self, BundleError> {
        let end = encoded.iter().position(|&byte| byte == b'\n').ok_or(BundleError::Damaged)?;
        let header: Header = serde_json::from_slice(&encoded[..end]).map_err(|_| BundleError::Damaged)?;
        let mut at = end + 1;
        let mut files = Vec::with_capacity(header.files.len());
        for entry in header.files {
            let until = at.checked_add(entry.bytes).filter(|&until| until <= encoded.len());
            let content = encoded.slice(at..until.ok_or(BundleError::Damaged)?);
            at += entry.bytes;
            files.push(BundleFile { path: entry.path, content });
        }
        Ok(Self { files })
    }
}

/// `path` without a scheme, `.` and `..`; `None` if it leaves the project, or names nothing.
pub(crate) fn relative(path: &str) -> Option<String> {
    let path = path.strip_prefix("file://").unwrap_or(path).trim_start_matches('/');
    if path.contains(['\0', '\\']) {
        return None;
    }
    let mut inside = PathBuf::new();
    for component in Path::new(path).components() {
        match component {
            Component::Normal(name) => inside.push(name),
            Component::CurDir => {}
            Component::ParentDir => {
                if !inside.pop() {
                    return None;
                }
            }
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    inside.to_str().filter(|inside| !inside.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::{Bundle, BundleError, relative};
    use bytes::Bytes;

    #[test]
    fn paths_stay_inside_the_project() {
        for (given, expected) in [
            ("supabase/functions/a/index.ts", Some("supabase/functions/a/index.ts")),
            ("./supabase//functions/a/../_shared/x.ts", Some("supabase/functions/_shared/x.ts")),
            ("file:///src/index.ts", Some("src/index.ts")),
            ("../outside.ts", None),
            ("a/../../outside.ts", None),
            ("a\\b", None),
            ("", None),
            ("..", None),
        ] {
            assert_eq!(relative(given).as_deref(), expected, "{given}");
        }
    }

    #[test]
    fn a_bundle_survives_being_stored() {
        let mut bundle = Bundle::default();
        bundle.add("a.ts", Bytes::from_static(b"one\ntwo")).unwrap();
        bundle.add("b/c.bin", Bytes::from_static(&[0, 10, 255])).unwrap();
        bundle.add("./a.ts", Bytes::from_static(b"newer")).unwrap();
        let encoded = bundle.encode();
        assert_eq!(Bundle::decode(&encoded).unwrap(), bundle);
        assert_eq!(bundle.file("b/c.bin").unwrap().content.len(), 3);
        assert_eq!(bundle.files.len(), 2);
        let cut = encoded.slice(..encoded.len() - 1);
        assert_eq!(Bundle::decode(&cut), Err(BundleError::Damaged));
    }
}
