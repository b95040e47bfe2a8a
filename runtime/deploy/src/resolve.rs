//! What a specifier means, and how files are called inside the isolate.

use std::path::{Component, Path, PathBuf};

use url::Url;

use crate::import_map::{Address, ImportMap};

/// The folders that names are relative to.
pub(crate) struct Folders {
    pub(crate) project: PathBuf,
    pub(crate) functions: PathBuf,
}

/// What an import leads to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Resolved {
    File(PathBuf),
    /// `https:…` or `http:…`
    Remote(Url),
    /// `npm:…`
    Npm(String),
    /// `jsr:…`
    Jsr(String),
    /// `node:…`: Node's own.
    Node(String),
    /// `isobase:host/…`: the engine provides it.
    Host(String),
    /// Type declarations, which are nothing at run time.
    Types,
    /// A kind of import that cannot be loaded; the text says why, the second what to do.
    Unsupported(String, &'static str),
}

/// The folder that stands for the project's root in specifiers of files beside the functions.
/// No function can have this name.
const PROJECT_FOLDER: &str = "_project";

/// Where a specifier is written.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Referrer<'a> {
    File(&'a Path),
    Remote(&'a Url),
}

/// Resolves `specifier` as written in `referrer`.
pub(crate) fn resolve(specifier: &str, referrer: Referrer<'_>, map: &ImportMap) -> Resolved {
    let folder = match referrer {
        Referrer::File(path) => path,
        Referrer::Remote(_) => Path::new(""),
    };
    match (map.lookup(specifier, folder), referrer) {
        (Some(Address::File(path)), _) => file(path),
        (Some(Address::Url(url)), _) => external(&url, specifier),
        (None, Referrer::File(path)) if is_relative(specifier) => {
            let written = specifier.split(['?', '#']).next().unwrap_or(specifier);
            file(absolute(path.parent().unwrap_or(path), written))
        }
        (None, Referrer::Remote(url)) if is_relative(specifier) => match url.join(specifier) {
            Ok(url) => external(url.as_str(), specifier),
            Err(_) => external(specifier, specifier),
        },
        (None, _) => match map.dependency(specifier) {
            Some(url) => external(&url, specifier),
            None => external(specifier, specifier),
        },
    }
}

fn file(path: PathBuf) -> Resolved {
    if is_declaration(&path.to_string_lossy()) { Resolved::Types } else { Resolved::File(path) }
}

fn external(url: &str, written: &str) -> Resolved {
    if is_declaration(url.split(['?', '#']).next().unwrap_or(url)) {
        return Resolved::Types;
    }
    let scheme = url.split_once(':').map(|(scheme, _)| scheme);
    match scheme {
        Some("isobase") if url.starts_with("isobase:host/") => Resolved::Host(url.to_owned()),
        Some("npm") => Resolved::Npm(url.to_owned()),
        Some("jsr") => Resolved::Jsr(url.to_owned()),
        Some("node") => node(url),
        Some("http" | "https") => match Url::parse(url) {
            Ok(url) => Resolved::Remote(url),
            Err(_) => {
                Resolved::Unsupported(format!("{url:?} is no URL"), "write it as a browser would show it")
            }
        },
        Some("data") => Resolved::Unsupported(
            format!("`data:` imports are not supported: {:?}", url.chars().take(40).collect::<String>()),
            "copy the module beside the function, for example into functions/_shared, and import it by its path",
        ),
        Some("file") => Resolved::Unsupported(
            format!("{url:?} names a file of the machine"),
            "import it by a relative path",
        ),
        _ if isobase_packages::builtin(url).is_some() => node(url),
        _ => Resolved::Unsupported(
            format!("{written:?} is not a path and no import map says what it stands for"),
            "begin relative imports with ./ or ../, or add the name to imports in the function's deno.json",
        ),
    }
}

/// `url` is `node:x`, or the bare name of a module of Node.
fn node(url: &str) -> Resolved {
    match isobase_packages::builtin(url) {
        Some(name) => Resolved::Node(name),
        None => Resolved::Unsupported(format!("Node has no module {url:?}"), "look at its name again"),
    }
}

fn is_declaration(path: &str) -> bool {
    [".d.ts", ".d.mts", ".d.cts"].iter().any(|end| path.ends_with(end))
}

/// Whether a specifier is a path: `./x`, `../x`, `/x`.
pub(crate) fn is_relative(specifier: &str) -> bool {
    specifier.starts_with("./") || specifier.starts_with("../") || specifier.starts_with('/')
}

/// `path` seen from `folder`, with `.` and `..` resolved by name alone: links keep their names.
pub(crate) fn absolute(folder: &Path, path: &str) -> PathBuf {
    let path = path.strip_prefix("file://").unwrap_or(path);
    let mut joined = PathBuf::new();
    for component in folder.join(path).components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                joined.pop();
            }
            other => joined.push(other),
        }
    }
    joined
}

impl Folders {
    /// What the isolate calls a file: `file:///hello/index.ts`, and `file:///_project/…` for files
    /// beside the functions. `None` for files outside of the project. Never a path of the host.
    pub(crate) fn specifier(&self, path: &Path) -> Option<String> {
        let (lead, inside) = match path.strip_prefix(&self.functions) {
            Ok(inside) => (None, inside),
            Err(_) => (Some(PROJECT_FOLDER), path.strip_prefix(&self.project).ok()?),
        };
        let mut url = Url::parse("file:///").expect("a constant");
        let names = inside.components().map(|component| component.as_os_str().to_string_lossy());
        url.path_segments_mut().expect("file URLs have paths").clear().extend(lead).extend(names);
        Some(url.into())
    }

    /// Where the function finds a file on its disk: the path of its specifier, as it is.
    pub(crate) fn disk_path(&self, path: &Path) -> Option<String> {
        let inside = match path.strip_prefix(&self.functions) {
            Ok(inside) => inside.to_path_buf(),
            Err(_) => Path::new(PROJECT_FOLDER).join(path.strip_prefix(&self.project).ok()?),
        };
        inside.to_str().map(|inside| format!("/{inside}"))
    }

    /// What a person calls a file: relative to the project.
    pub(crate) fn shown(&self, path: &Path) -> String {
        path.strip_prefix(&self.project).unwrap_or(path).display().to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::{Folders, Referrer, Resolved, resolve};
    use crate::import_map::ImportMap;
    use expect_test::expect;
    use std::path::Path;

    #[test]
    fn specifiers_by_kind() {
        let map = ImportMap::default();
        let mut shown = String::new();
        for specifier in [
            "./a.ts",
            "../_shared/b.ts?v=1",
            "../../../../../x.ts",
            "./types.d.ts",
            "jsr:@supabase/functions-js/edge-runtime.d.ts",
            "https://esm.sh/x/types.d.ts?dts",
            "isobase:host/database",
            "isobase:other",
            "npm:zod@3",
            "node:fs",
            "fs/promises",
            "node:nothing",
            "https://deno.land/x/y.ts",
            "file:///etc/passwd",
            "zod",
        ] {
            let referrer = Referrer::File(Path::new("/p/supabase/functions/f/index.ts"));
            let resolved = match resolve(specifier, referrer, &map) {
                Resolved::File(path) => path.display().to_string(),
                Resolved::Remote(url) => format!("remote {url}"),
                Resolved::Npm(text) | Resolved::Jsr(text) => format!("package {text}"),
                Resolved::Node(name) => format!("node {name}"),
                Resolved::Host(url) => format!("host {url}"),
                Resolved::Types => "types".into(),
                Resolved::Unsupported(message, _) => format!("! {message}"),
            };
            shown += &format!("{specifier} -> {resolved}\n");
        }
        expect![[r#"
            ./a.ts -> /p/supabase/functions/f/a.ts
            ../_shared/b.ts?v=1 -> /p/supabase/functions/_shared/b.ts
            ../../../../../x.ts -> /x.ts
            ./types.d.ts -> types
            jsr:@supabase/functions-js/edge-runtime.d.ts -> types
            https://esm.sh/x/types.d.ts?dts -> types
            isobase:host/database -> host isobase:host/database
            isobase:other -> ! "isobase:other" is not a path and no import map says what it stands for
            npm:zod@3 -> package npm:zod@3
            node:fs -> node node:fs
            fs/promises -> node node:fs/promises
            node:nothing -> ! Node has no module "node:nothing"
            https://deno.land/x/y.ts -> remote https://deno.land/x/y.ts
            file:///etc/passwd -> ! "file:///etc/passwd" names a file of the machine
            zod -> ! "zod" is not a path and no import map says what it stands for
        "#]]
        .assert_eq(&shown);
    }

    #[test]
    fn names_inside_the_isolate_hold_no_path_of_the_host() {
        let folders = Folders { project: "/p".into(), functions: "/p/supabase/functions".into() };
        let specifier = |path: &str| folders.specifier(Path::new(path));
        assert_eq!(specifier("/p/supabase/functions/f/a b.ts").unwrap(), "file:///f/a%20b.ts");
        assert_eq!(specifier("/p/supabase/functions/_shared/x.ts").unwrap(), "file:///_shared/x.ts");
        assert_eq!(specifier("/p/packages/x.ts").unwrap(), "file:///_project/packages/x.ts");
        assert_eq!(specifier("/etc/passwd"), None);
        assert_eq!(folders.shown(Path::new("/p/supabase/functions/f/a.ts")), "supabase/functions/f/a.ts");
    }
}
