//! The tree of one isolate's files, by absolute path.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::Bound;
use std::path::{Component, Path};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use deno_io::fs::FsError;
use isobase_base::limits;
use isobase_engine::Program;
use parking_lot::Mutex;

use super::content::{Content, Written, now};
use crate::memory::MemoryMeter;

/// The one folder that a function can write to.
pub(super) const TEMPORARY: &str = "/tmp";

/// Why a call on the disk fails; each is an error of the system by its usual number.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fault {
    NotFound,
    /// Only `/tmp` can be changed, and neither owners nor modes nor links exist.
    Denied,
    Exists,
    IsFolder,
    NotFolder,
    NotEmpty,
    NoSpace,
    TooLarge,
    NotOpenForThat,
    Invalid,
}

impl From<Fault> for FsError {
    fn from(fault: Fault) -> Self {
        let number = match fault {
            Fault::NotFound => libc::ENOENT,
            Fault::Denied => libc::EACCES,
            Fault::Exists => libc::EEXIST,
            Fault::IsFolder => libc::EISDIR,
            Fault::NotFolder => libc::ENOTDIR,
            Fault::NotEmpty => libc::ENOTEMPTY,
            Fault::NoSpace => libc::ENOSPC,
            Fault::TooLarge => libc::EFBIG,
            Fault::NotOpenForThat => libc::EBADF,
            Fault::Invalid => libc::EINVAL,
        };
        Self::Io(io::Error::from_raw_os_error(number))
    }
}

/// What `/tmp` may still hold.
#[derive(Debug)]
pub(super) struct Room {
    held: AtomicU64,
    memory: Arc<MemoryMeter>,
}

impl Room {
    pub(super) fn take(&self, bytes: u64) -> bool {
        let held = self.held.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if held > limits::FUNCTION_TEMPORARY_BYTES_MAX || !self.memory.try_take(bytes) {
            self.held.fetch_sub(bytes, Ordering::Relaxed);
            return false;
        }
        true
    }

    pub(super) fn give_back(&self, bytes: u64) {
        self.held.fetch_sub(bytes, Ordering::Relaxed);
        self.memory.release(bytes);
    }
}

/// Something that a path leads to.
#[derive(Clone, Debug)]
pub(super) enum Node {
    /// With the time it was made.
    Folder(i64),
    File(Content),
}

/// All files of an isolate; empty but for `/tmp` until it has a function.
#[derive(Debug)]
pub(crate) struct Disk {
    state: Mutex<State>,
    room: Arc<Room>,
    ids: AtomicU64,
}

#[derive(Debug)]
struct State {
    program: Arc<Program>,
    /// Where relative paths begin.
    folder: String,
    temporary: BTreeMap<String, Node>,
}

impl Disk {
    pub(crate) fn new(memory: &Arc<MemoryMeter>) -> Arc<Self> {
        let room = Arc::new(Room { held: AtomicU64::new(0), memory: memory.clone() });
        let temporary = BTreeMap::from([(TEMPORARY.to_owned(), Node::Folder(now()))]);
        let state = State { program: Arc::default(), folder: "/".to_owned(), temporary };
        Arc::new(Self { state: Mutex::new(state), room, ids: AtomicU64::new(1) })
    }

    /// Gives the isolate its function's files. `main` is the path of its main module, beside which
    /// relative paths begin.
    pub(crate) fn fill(&self, program: &Arc<Program>, main: &str) {
        let mut state = self.state.lock();
        state.program = program.clone();
        state.folder = parent(main).to_owned();
    }

    pub(crate) fn folder(&self) -> String {
        self.state.lock().folder.clone()
    }

    pub(super) fn set_folder(&self, path: &str) -> Result<(), Fault> {
        match self.find(path)? {
            Node::Folder(_) => self.state.lock().folder = path.to_owned(),
            Node::File(_) => return Err(Fault::NotFolder),
        }
        Ok(())
    }

    /// `path` as the disk knows it: absolute, without `.` and `..`, without a slash at the end.
    pub(crate) fn absolute(&self, path: &Path) -> String {
        let joined = Path::new(&self.folder()).join(path);
        let mut parts: Vec<String> = Vec::new();
        for component in joined.components() {
            match component {
                Component::Normal(part) => parts.push(part.to_string_lossy().into_owned()),
                Component::ParentDir => _ = parts.pop(),
                Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
            }
        }
        format!("/{}", parts.join("/"))
    }

    pub(super) fn find(&self, path: &str) -> Result<Node, Fault> {
        self.state.lock().find(path)
    }

    pub(super) fn list(&self, path: &str) -> Result<BTreeMap<String, Node>, Fault> {
        let state = self.state.lock();
        if let Node::File(_) = state.find(path)? {
            return Err(Fault::NotFolder);
        }
        let names = state.names_in(path);
        let found = names.into_iter().map(|name| {
            let node = state.find(&join(path, &name))?;
            Ok((name, node))
        });
        found.collect()
    }

    /// Makes an empty file unless there is one; `only_new` insists that there was none.
    pub(super) fn create(&self, path: &str, only_new: bool) -> Result<Content, Fault> {
        let mut state = self.state.lock();
        match state.find(path) {
            Ok(_) if only_new => return Err(Fault::Exists),
            Ok(Node::Folder(_)) => return Err(Fault::IsFolder),
            Ok(Node::File(content)) => return Ok(content),
            Err(_) => state.check_new(path)?,
        }
        let written = Written::new(self.ids.fetch_add(1, Ordering::Relaxed), self.room.clone());
        let content = Content::Written(written);
        state.temporary.insert(path.to_owned(), Node::File(content.clone()));
        Ok(content)
    }

    pub(super) fn make_folder(&self, path: &str, recursive: bool) -> Result<(), Fault> {
        let mut state = self.state.lock();
        match state.find(path) {
            Ok(Node::Folder(_)) if recursive => return Ok(()),
            Ok(_) => return Err(Fault::Exists),
            Err(_) => {}
        }
        if recursive && path != "/" && state.find(parent(path)).is_err() {
            drop(state);
            self.make_folder(parent(path), true)?;
            state = self.state.lock();
        }
        state.check_new(path)?;
        state.temporary.insert(path.to_owned(), Node::Folder(now()));
        Ok(())
    }

    pub(super) fn remove(&self, path: &str, recursive: bool) -> Result<(), Fault> {
        let mut state = self.state.lock();
        let node = state.find(path)?;
        check_writable(path)?;
        if let Node::Folder(_) = node
            && !state.names_in(path).is_empty()
        {
            if !recursive {
                return Err(Fault::NotEmpty);
            }
            let below = format!("{path}/");
            state.temporary.retain(|key, _| !key.starts_with(&below));
        }
        state.temporary.remove(path);
        Ok(())
    }

    pub(super) fn rename(&self, from: &str, to: &str) -> Result<(), Fault> {
        let mut state = self.state.lock();
        let node = state.find(from)?;
        check_writable(from)?;
        check_writable(to)?;
        match (&node, state.find(to)) {
            _ if from == to => return Ok(()),
            (Node::File(_), Ok(Node::Folder(_))) => return Err(Fault::IsFolder),
            (Node::Folder(_), Ok(Node::File(_))) => return Err(Fault::NotFolder),
            (Node::Folder(_), Ok(Node::Folder(_))) if !state.names_in(to).is_empty() => {
                return Err(Fault::NotEmpty);
            }
            (Node::Folder(_), _) if to.starts_with(&format!("{from}/")) => return Err(Fault::Invalid),
            (_, Ok(_)) => {}
            (_, Err(_)) => state.check_parent(to)?,
        }
        let below = format!("{from}/");
        let moved: Vec<String> =
            state.temporary.keys().filter(|key| *key == from || key.starts_with(&below)).cloned().collect();
        for key in moved {
            if let Some(node) = state.temporary.remove(&key) {
                state.temporary.insert(format!("{to}{}", &key[from.len()..]), node);
            }
        }
        Ok(())
    }
}

impl State {
    fn find(&self, path: &str) -> Result<Node, Fault> {
        if let Some(node) = self.temporary.get(path) {
            return Ok(node.clone());
        }
        if let Some(bytes) = self.program.files.get(path) {
            return Ok(Node::File(Content::Given(bytes.clone())));
        }
        let is_folder = path == "/" || below(&self.program.files, path).next().is_some();
        if is_folder { Ok(Node::Folder(0)) } else { Err(self.why_not(path)) }
    }

    /// A path that leads through a file is another fault than one that leads nowhere.
    fn why_not(&self, path: &str) -> Fault {
        let mut above = parent(path);
        while above != "/" {
            let is_file = self.program.files.contains_key(above)
                || matches!(self.temporary.get(above), Some(Node::File(_)));
            if is_file {
                return Fault::NotFolder;
            }
            above = parent(above);
        }
        Fault::NotFound
    }

    fn names_in(&self, path: &str) -> BTreeSet<String> {
        let start = if path == "/" { 1 } else { path.len() + 1 };
        let name = |key: &String| key[start..].split('/').next().unwrap_or_default().to_owned();
        below(&self.program.files, path)
            .map(|(key, _)| name(key))
            .chain(below(&self.temporary, path).map(|(key, _)| name(key)))
            .collect()
    }

    fn check_new(&self, path: &str) -> Result<(), Fault> {
        check_writable(path)?;
        self.check_parent(path)?;
        if self.temporary.len() >= limits::FUNCTION_TEMPORARY_FILES_MAX {
            return Err(Fault::NoSpace);
        }
        Ok(())
    }

    fn check_parent(&self, path: &str) -> Result<(), Fault> {
        match self.find(parent(path))? {
            Node::Folder(_) => Ok(()),
            Node::File(_) => Err(Fault::NotFolder),
        }
    }
}

/// What lies in `folder` at any depth.
fn below<'a, T>(tree: &'a BTreeMap<String, T>, folder: &str) -> impl Iterator<Item = (&'a String, &'a T)> {
    let start = if folder == "/" { folder.to_owned() } else { format!("{folder}/") };
    let range = (Bound::Excluded(start.clone()), Bound::Unbounded);
    tree.range::<String, _>(range).take_while(move |(key, _)| key.starts_with(&start))
}

/// Whether `path` may be made, changed or removed.
pub(super) fn check_writable(path: &str) -> Result<(), Fault> {
    let is_below = path.strip_prefix(TEMPORARY).is_some_and(|rest| rest.len() > 1 && rest.starts_with('/'));
    if is_below { Ok(()) } else { Err(Fault::Denied) }
}

fn parent(path: &str) -> &str {
    match path.rfind('/') {
        Some(at) if at > 0 => &path[..at],
        _ => "/",
    }
}

pub(super) fn join(folder: &str, name: &str) -> String {
    if folder == "/" { format!("/{name}") } else { format!("{folder}/{name}") }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use bytes::Bytes;
    use isobase_engine::Program;

    use super::{Content, Disk, Node};
    use crate::memory::MemoryMeter;

    fn disk(limit: u64) -> Arc<Disk> {
        let disk = Disk::new(&MemoryMeter::new(limit));
        let files = [("/fn/a.txt", "a"), ("/fn/deep/b.txt", "bb"), ("/fn-more/c.txt", "")];
        let files = files.map(|(path, text)| (path.to_owned(), Bytes::from_static(text.as_bytes())));
        disk.fill(&Arc::new(Program { files: files.into(), ..Program::default() }), "/fn/index.ts");
        disk
    }

    fn names(disk: &Disk, path: &str) -> Vec<String> {
        disk.list(path).unwrap().into_keys().collect()
    }

    #[test]
    fn paths_begin_beside_the_main_module() {
        let disk = disk(100);
        assert_eq!(disk.absolute(Path::new("./deep/../a.txt")), "/fn/a.txt");
        assert_eq!(disk.absolute(Path::new("/../../etc//passwd/")), "/etc/passwd");
    }

    #[test]
    fn the_functions_own_files_cannot_be_changed() {
        let disk = disk(100);
        assert_eq!(names(&disk, "/"), ["fn", "fn-more", "tmp"]);
        assert_eq!(names(&disk, "/fn"), ["a.txt", "deep"]);
        for path in ["/fn/new", "/new", "/tmp"] {
            assert!(disk.make_folder(&format!("{path}x"), true).is_err());
            assert!(disk.remove(path, true).is_err());
        }
        assert!(disk.rename("/fn/a.txt", "/tmp/a").is_err());
        assert!(disk.create("/fn/a.txt", true).is_err());
    }

    #[test]
    fn what_is_written_counts_until_it_is_gone() {
        let disk = disk(100);
        let write = |path: &str, bytes: usize| match disk.create(path, false) {
            Ok(Content::Written(file)) => file.write(Some(0), &vec![1; bytes]).is_ok(),
            _ => false,
        };
        assert!(write("/tmp/one", 80));
        assert!(!write("/tmp/two", 30));
        disk.remove("/tmp/one", false).unwrap();
        assert!(write("/tmp/two", 30));
    }

    #[test]
    fn folders_move_with_what_is_in_them() {
        let disk = disk(100);
        disk.make_folder("/tmp/a/b", true).unwrap();
        disk.create("/tmp/a/b/file", true).unwrap();
        disk.rename("/tmp/a", "/tmp/c").unwrap();
        assert!(matches!(disk.find("/tmp/c/b/file"), Ok(Node::File(_))));
        assert!(disk.find("/tmp/a").is_err());
        assert!(disk.remove("/tmp/c", false).is_err());
        disk.remove("/tmp/c", true).unwrap();
        assert!(names(&disk, "/tmp").is_empty());
    }
}
