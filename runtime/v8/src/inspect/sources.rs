//! How a debugger learns of the TypeScript behind a script: by a source map at the end of its text.
//!
//! The map that a build made names files as the function sees them (`file:///hello/index.ts`). An editor
//! knows them by their place on the machine, so the map says that, wherever the same text lies there.

use std::path::PathBuf;

use base64::Engine as _;
use serde_json::Value;
use url::Url;

/// The folder that stands for the project's root in a function's URLs.
const PROJECT_FOLDER: &str = "/_project/";

/// Where the sources of functions lie on this machine.
#[derive(Clone, Debug, Default)]
pub struct SourceFolders {
    /// What a function sees as `file:///`.
    pub functions: PathBuf,
    /// What it sees as `file:///_project/`.
    pub project: PathBuf,
}

impl SourceFolders {
    /// The URL of the file on this machine that a function knows as `source`, if it holds `text`.
    fn locate(&self, source: &str, text: &str) -> Option<String> {
        let url = Url::parse(source).ok().filter(|url| url.scheme() == "file")?;
        let (folder, inside) = match url.path().strip_prefix(PROJECT_FOLDER) {
            Some(inside) => (&self.project, inside),
            None => (&self.functions, url.path().strip_prefix('/')?),
        };
        // Decoded by the same rules that made it, and free of dots, which parsing has resolved.
        let inside = Url::parse(&format!("file:///{inside}")).ok()?.to_file_path().ok()?;
        let path = folder.join(inside.strip_prefix("/").ok()?);
        let is_same = std::fs::read(&path).is_ok_and(|bytes| bytes == text.as_bytes());
        if is_same { Url::from_file_path(path).ok().map(Into::into) } else { None }
    }
}

/// `code` with its map appended as a comment that debuggers read. Line numbers stay as they are.
pub(crate) fn with_source_map(code: &str, map: &[u8], folders: &SourceFolders) -> String {
    let map = located(map, folders).unwrap_or_else(|| map.to_vec());
    let map = base64::engine::general_purpose::STANDARD.encode(map);
    format!("{code}\n//# sourceMappingURL=data:application/json;base64,{map}")
}

/// The map with sources named by their place on this machine, as far as they are known here.
fn located(map: &[u8], folders: &SourceFolders) -> Option<Vec<u8>> {
    let mut map: Value = serde_json::from_slice(map).ok()?;
    let texts = map.get("sourcesContent")?.as_array()?.clone();
    let sources = map.get_mut("sources")?.as_array_mut()?;
    for (source, text) in sources.iter_mut().zip(&texts) {
        let found =
            source.as_str().zip(text.as_str()).and_then(|(source, text)| folders.locate(source, text));
        if let Some(found) = found {
            *source = found.into();
        }
    }
    serde_json::to_vec(&map).ok()
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use serde_json::{Value, json};

    use super::{SourceFolders, with_source_map};

    #[test]
    fn a_map_names_files_where_the_same_text_lies() {
        let folder = tempfile::tempdir().unwrap();
        let (functions, project) = (folder.path().join("supabase/functions"), folder.path().to_owned());
        std::fs::create_dir_all(functions.join("hello")).unwrap();
        std::fs::write(functions.join("hello/a b.ts"), "same").unwrap();
        std::fs::write(functions.join("hello/old.ts"), "saved since").unwrap();
        std::fs::write(project.join("shared.ts"), "same").unwrap();
        let map = json!({
            "version": 3,
            "sources": ["file:///hello/a%20b.ts", "file:///hello/old.ts", "file:///_project/shared.ts", "https://x/y.ts"],
            "sourcesContent": ["same", "as built", "same", "same"],
            "mappings": "AAAA",
        });
        let folders = SourceFolders { functions, project };
        let text = with_source_map("code();", map.to_string().as_bytes(), &folders);
        let (code, map) = text.split_once("\n//# sourceMappingURL=data:application/json;base64,").unwrap();
        assert_eq!(code, "code();");
        let map = base64::engine::general_purpose::STANDARD.decode(map).unwrap();
        let map: Value = serde_json::from_slice(&map).unwrap();
        let root = folder.path().display();
        let expected = json!([
            format!("file://{root}/supabase/functions/hello/a%20b.ts"),
            "file:///hello/old.ts",
            format!("file://{root}/shared.ts"),
            "https://x/y.ts",
        ]);
        assert_eq!(map["sources"], expected);
        assert_eq!(map["mappings"], "AAAA");
    }
}
