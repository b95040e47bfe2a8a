//! The startup images in the cache folder, and beside them the scripts that are evaluated when they are first
//! touched.
//!
//! The binary writes them the first time it runs, under names that cover everything they depend on; a build
//! script could not run the operations that an image refers to without compiling the whole platform twice.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::Path;

use deno_core::v8;
use isobase_base::{hex, limits};
use sha2::{Digest, Sha256};

use crate::scripts::{self, Scripts};
use crate::snapshot::{self, Snapshots};
use crate::{extensions, platform, sources};

const CHECKSUM_BYTES: usize = 32;

/// Why there is no snapshot.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    #[error("the platform's scripts do not run: {0}")]
    Evaluate(String),
}

/// What an isolate has evaluated when it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Platform {
    /// The web's. Node's modules are there, to be evaluated when they are touched.
    Web,
    /// With those of Node's modules that nearly every package touches (`js/node/warm.js`).
    Node,
}

impl Platform {
    /// The better one for a function.
    pub(crate) fn of(needs_node: bool) -> Self {
        if needs_node { Self::Node } else { Self::Web }
    }
}

/// What isolates start from. Lives as long as the process: isolates refer to it.
#[derive(Clone, Copy)]
pub(crate) struct Image {
    /// What an isolate that starts from it is for.
    pub(crate) platform: Platform,
    pub(crate) snapshot: &'static [u8],
    pub(crate) scripts: Scripts,
}

/// Both images; that of Node is read when it is first asked for.
pub(crate) struct Images {
    web: Image,
    node: Option<Image>,
    parts: Parts,
}

/// Where the parts of a file are.
enum Parts {
    /// Kept open: all must be of one file, whoever puts another in its place.
    InFile(File),
    /// As they were made, since the file could not be written.
    Here(Vec<Box<[u8]>>),
}

impl Parts {
    fn read(&mut self, at: u64) -> Option<Box<[u8]>> {
        match self {
            Self::InFile(file) => read_part(file, at),
            Self::Here(parts) => parts.get(usize::try_from(at).ok()?).cloned(),
        }
    }
}

impl Images {
    /// The images of this build, from `cache_dir` if they are there, else made and kept there.
    ///
    /// V8 must be initialised.
    pub(crate) fn ensure(cache_dir: &Path) -> Result<Self, SnapshotError> {
        let id = build_id();
        let mut unkept = None;
        let scripts = scripts_in(&cache_dir.join(format!("v8-{id}.scripts")), &mut unkept)?;
        let images = cache_dir.join(format!("v8-{id}.snapshots"));
        let (parts, snapshot) = parts_or(&images, &mut unkept, || {
            let Snapshots { web, node } = snapshot::create(scripts)?;
            Ok(vec![web, node])
        })?;
        if let Some(error) = unkept {
            tracing::warn!(
                folder = %cache_dir.display(),
                %error,
                "startup images cannot be kept in the cache folder, so each start makes them again and takes \
                 seconds longer; check that it is writable and that its disk is not full"
            );
        }
        let web = Image { platform: Platform::Web, snapshot: Box::leak(snapshot), scripts };
        Ok(Self { web, node: None, parts })
    }

    /// The web's takes the place of one that cannot be read: it lacks nothing, it is slower.
    pub(crate) fn of(&mut self, platform: Platform) -> Image {
        if platform == Platform::Web {
            return self.web;
        }
        *self.node.get_or_insert_with(|| match self.parts.read(1) {
            Some(snapshot) => Image { platform, snapshot: Box::leak(snapshot), ..self.web },
            None => Image { platform, ..self.web },
        })
    }
}

fn scripts_in(path: &Path, unkept: &mut Option<io::Error>) -> Result<Scripts, SnapshotError> {
    let (_, packed) = parts_or(path, unkept, || Ok(vec![scripts::make()?.into_boxed_slice()]))?;
    let unreadable = || SnapshotError::Evaluate("the file of scripts cannot be read".to_owned());
    scripts::unpack(packed).ok_or_else(unreadable)
}

/// The parts of the file at `path` and the first of them, made if it is not there or not whole. Where the file
/// cannot be written they serve this process alone, and `unkept` tells why.
fn parts_or(
    path: &Path,
    unkept: &mut Option<io::Error>,
    make: impl FnOnce() -> Result<Vec<Box<[u8]>>, String>,
) -> Result<(Parts, Box<[u8]>), SnapshotError> {
    let read = || {
        let mut file = File::open(path).ok()?;
        let first = read_part(&mut file, 0)?;
        Some((Parts::InFile(file), first))
    };
    if let Some(kept) = read() {
        return Ok(kept);
    }
    let parts = make().map_err(SnapshotError::Evaluate)?;
    *unkept = keep(path, &parts).err().or(unkept.take());
    let kept = if unkept.is_none() { read() } else { None };
    let mut parts = Parts::Here(parts);
    let first = parts.read(0).unwrap_or_default();
    Ok(kept.unwrap_or((parts, first)))
}

/// Covers all that the images depend on: V8, its flags, the operations' order and the scripts.
fn build_id() -> String {
    let mut hash = Sha256::new();
    let mut add = |text: &str| {
        hash.update(text.len().to_le_bytes());
        hash.update(text.as_bytes());
    };
    add(env!("CARGO_PKG_VERSION"));
    add(env!("ISOBASE_V8_SOURCES"));
    add(v8::V8::get_version());
    add(platform::FLAGS);
    add(if cfg!(debug_assertions) { "debug" } else { "release" });
    for extension in extensions::for_listing() {
        add(extension.name);
        extension.ops.iter().for_each(|op| add(op.name));
    }
    for (specifier, text) in sources::all() {
        add(specifier);
        add(text);
    }
    add(sources::BOOTSTRAP);
    add(sources::EXERCISE);
    add(sources::NODE_WARM);
    hex(&hash.finalize()[..12])
}

/// Part number `at` of a file of parts, each after its length in eight bytes and before its checksum. `None`
/// when there is none, or not a whole one.
fn read_part(file: &mut File, at: u64) -> Option<Box<[u8]>> {
    let whole = (|| {
        file.rewind()?;
        for _ in 0..at {
            let length = read_length(file)? + CHECKSUM_BYTES as u64;
            io::copy(&mut file.take(length), &mut io::sink())?;
        }
        let length = read_length(file)?;
        let mut content = Vec::new();
        file.take(length).read_to_end(&mut content)?;
        let mut checksum = [0; CHECKSUM_BYTES];
        file.read_exact(&mut checksum)?;
        io::Result::Ok((Sha256::digest(&content)[..] == checksum).then_some(content))
    })();
    if let Ok(Some(content)) = whole {
        return Some(content.into_boxed_slice());
    }
    tracing::warn!(part = at, "a startup image in the cache folder is damaged");
    None
}

fn read_length(file: &mut File) -> io::Result<u64> {
    let mut length = [0; 8];
    file.read_exact(&mut length)?;
    Ok(u64::from_le_bytes(length))
}

/// Under another name first: a reader sees a whole file or none.
fn keep(path: &Path, parts: &[Box<[u8]>]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let temporary =
        folder.join(format!(".snapshot-{}-{:?}", std::process::id(), std::thread::current().id()));
    let written = fs::create_dir_all(folder).and_then(|()| File::create(&temporary)).and_then(|mut file| {
        for part in parts {
            file.write_all(&(part.len() as u64).to_le_bytes())?;
            file.write_all(part)?;
            file.write_all(&Sha256::digest(part))?;
        }
        file.sync_all()?;
        fs::rename(&temporary, path)
    });
    match &written {
        Ok(()) => forget_oldest(path),
        // The error that matters is the one above; this only tidies up.
        Err(_) => drop(fs::remove_file(&temporary)),
    }
    written
}

/// Removes what builds that are gone left of the kind of `path`. Whatever cannot be read or removed is left
/// alone.
fn forget_oldest(path: &Path) {
    let Some(Ok(entries)) = path.parent().map(fs::read_dir) else { return };
    let images = entries.flatten().filter(|entry| entry.path().extension() == path.extension());
    let mut images: Vec<_> =
        images.filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path()))).collect();
    images.sort_unstable_by(|one, other| other.cmp(one));
    for (_, path) in images.into_iter().skip(limits::V8_SNAPSHOTS_MAX) {
        let _ = fs::remove_file(path);
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use super::{Parts, keep, parts_or, read_part};

    #[test]
    fn damage_is_noticed() {
        let folder = std::env::temp_dir().join(format!("isobase-snapshot-test-{}", std::process::id()));
        let path = folder.join("images");
        keep(&path, &[b"an image"[..].into(), b"another"[..].into()]).unwrap();
        let check = |at: u64, expected: Option<&[u8]>| {
            assert_eq!(read_part(&mut File::open(&path).unwrap(), at).as_deref(), expected);
        };
        check(0, Some(b"an image"));
        check(1, Some(b"another"));
        check(2, None);

        let whole = fs::read(&path).unwrap();
        let mut bytes = whole.clone();
        bytes[10] ^= 1;
        fs::write(&path, &bytes).unwrap();
        check(0, None);
        check(1, Some(b"another"));

        fs::write(&path, &whole[..whole.len() - 5]).unwrap();
        check(0, Some(b"an image"));
        check(1, None);
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_folder_that_cannot_be_written_costs_the_file_alone() {
        let folder = std::env::temp_dir().join(format!("isobase-images-test-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        // Nothing can be made below a file, whoever asks.
        fs::write(folder.join("file"), "").unwrap();
        let check = |path: &str, is_kept: bool| {
            let mut unkept = None;
            let make = || Ok(vec![b"an image"[..].into(), b"another"[..].into()]);
            let (mut parts, first) = parts_or(&folder.join(path), &mut unkept, make).unwrap();
            assert_eq!(*first, b"an image"[..]);
            assert_eq!(unkept.is_none(), is_kept, "{path}: {unkept:?}");
            assert_eq!(matches!(parts, Parts::InFile(_)), is_kept);
            assert_eq!(parts.read(0).as_deref(), Some(&b"an image"[..]));
            assert_eq!(parts.read(1).as_deref(), Some(&b"another"[..]));
            assert_eq!(parts.read(2), None);
        };
        check("file/images", false);
        check("images", true);
        fs::remove_dir_all(&folder).unwrap();
    }
}
