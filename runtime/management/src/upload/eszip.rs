//! Reads the archives that Supabase's CLI makes with Docker: `EZBR`, then brotli, then eszip version 2.
//!
//! The format is that of denoland/eszip, `src/v2.rs`: a magic word, since 2.2 an options section, a
//! section that lists modules, since 2.1 one of npm packages, then the modules' texts. Only what a
//! function's sources are made of is taken: local modules, as they were written where the archive holds
//! that, else as they were transpiled.

use std::io::Read;

use bytes::Bytes;
use isobase_base::limits::SOURCE_GRAPH_BYTES_MAX;
use isobase_deploy::{Bundle, BundleError};
use serde::Deserialize;
use sha2::{Digest, Sha256};

const WRAPPER: &[u8] = b"EZBR";
const MAGICS: [(&[u8; 8], Version); 4] = [
    (b"ESZIP_V2", Version::V2),
    (b"ESZIP2.1", Version::V2_1),
    (b"ESZIP2.2", Version::V2_2),
    (b"ESZIP2.3", Version::V2_2),
];
/// Modules of the archive, as its list may name at most.
const MODULES_MAX: usize = 20_000;
/// Compressed archives are read up to this, in bytes: npm packages inside are passed over, not kept.
const ARCHIVE_BYTES_MAX: u64 = 4 * SOURCE_GRAPH_BYTES_MAX;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Version {
    V2,
    V2_1,
    V2_2,
}

/// Why bytes are no archive of a function.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EszipError {
    #[error("the eszip is damaged: {0}")]
    Damaged(&'static str),
    #[error("the eszip unpacks to more than {ARCHIVE_BYTES_MAX} bytes")]
    TooLarge,
    #[error("the eszip uses npm packages ({0}), which are not supported yet; deploy with --use-api instead")]
    Npm(String),
    #[error(transparent)]
    Bundle(#[from] BundleError),
}

/// A module as the list names it.
struct Entry {
    specifier: String,
    source: Span,
    source_map: Span,
}

#[derive(Clone, Copy)]
struct Span {
    offset: usize,
    bytes: usize,
}

/// What is read of a source map.
#[derive(Deserialize)]
struct SourceMap {
    #[serde(rename = "sourcesContent", default)]
    contents: Vec<Option<String>>,
}

pub(crate) fn is_eszip(bytes: &[u8]) -> bool {
    bytes.starts_with(WRAPPER) || MAGICS.iter().any(|(magic, _)| bytes.starts_with(*magic))
}

/// The local modules of an archive.
pub(crate) fn unzip(bytes: &Bytes) -> Result<Bundle, EszipError> {
    let Some(compressed) = bytes.strip_prefix(WRAPPER) else { return read(bytes) };
    let mut archive = Vec::new();
    let mut reader = brotli::Decompressor::new(compressed, 64 * 1024).take(ARCHIVE_BYTES_MAX + 1);
    reader.read_to_end(&mut archive).map_err(|_| EszipError::Damaged("the compression is broken"))?;
    if archive.len() as u64 > ARCHIVE_BYTES_MAX {
        return Err(EszipError::TooLarge);
    }
    read(&archive)
}

fn read(archive: &[u8]) -> Result<Bundle, EszipError> {
    let mut rest = Cursor { left: archive };
    let magic = rest.take(8)?;
    let known = MAGICS.iter().find(|(known, _)| magic == known.as_slice());
    let (_, version) = known.ok_or(EszipError::Damaged("the version is not known"))?;
    let mut checksum = Checksum { is_sha256: true, bytes: 32 };
    if *version >= Version::V2_2 {
        let options = rest.counted()?;
        checksum = Checksum::of(options);
        rest.take(checksum.bytes)?;
    }
    let list = rest.counted()?;
    checksum.check(list, rest.take(checksum.bytes)?)?;
    let List { entries, redirects, npm } = List::read(list)?;
    if let Some(package) = npm {
        return Err(EszipError::Npm(package));
    }
    if *version >= Version::V2_1 {
        rest.counted()?;
        rest.take(checksum.bytes)?;
    }
    let sources = rest.counted()?;
    let source_maps = rest.counted()?;
    let mut bundle = Bundle::default();
    for entry in entries {
        let Some(path) = entry.specifier.strip_prefix("file://") else { continue };
        let text = checksum.section(sources, entry.source)?;
        let map = checksum.section(source_maps, entry.source_map)?;
        let written = serde_json::from_slice::<SourceMap>(map).ok();
        let written = written.and_then(|map| map.contents.into_iter().next().flatten());
        let content = written.map_or_else(|| Bytes::copy_from_slice(text), Bytes::from);
        bundle.add(path, content)?;
    }
    // A second name of a file: the same text under both, since what it imports is written relative to
    // the module that it stands for.
    for (name, target) in redirects {
        let (Some(name), Some(target)) = (name.strip_prefix("file://"), target.strip_prefix("file://"))
        else {
            continue;
        };
        if let Some(content) = bundle.file(target).map(|file| file.content.clone()) {
            bundle.add(name, content)?;
        }
    }
    Ok(bundle)
}

/// What the archive lists.
#[derive(Default)]
struct List {
    entries: Vec<Entry>,
    /// Names of modules, and the module each stands for.
    redirects: Vec<(String, String)>,
    /// An npm package, if there is one.
    npm: Option<String>,
}

impl List {
    fn read(list: &[u8]) -> Result<Self, EszipError> {
        let (mut rest, mut list) = (Cursor { left: list }, Self::default());
        while !rest.left.is_empty() {
            let specifier = rest.name()?;
            match rest.take(1)? {
                [0] => {
                    let (source, source_map) = (rest.span()?, rest.span()?);
                    let _kind = rest.take(1)?;
                    list.entries.push(Entry { specifier, source, source_map });
                }
                [1] => list.redirects.push((specifier, rest.name()?)),
                [2] => {
                    let _package = rest.number()?;
                    list.npm.get_or_insert(specifier);
                }
                _ => return Err(EszipError::Damaged("an entry of unknown kind")),
            }
            if list.entries.len() + list.redirects.len() > MODULES_MAX {
                return Err(EszipError::Damaged("too many modules"));
            }
        }
        Ok(list)
    }
}

/// How sections prove that they are whole. Only SHA-256 is checked.
#[derive(Clone, Copy)]
struct Checksum {
    is_sha256: bool,
    bytes: usize,
}

impl Checksum {
    /// Options are pairs of bytes: 0 the kind (1: SHA-256), 1 the size.
    fn of(options: &[u8]) -> Self {
        let value = |name: u8| {
            let pair = options.chunks_exact(2).find(|pair| pair[0] == name);
            pair.map_or(0, |pair| pair[1])
        };
        Self { is_sha256: value(0) == 1, bytes: value(1).into() }
    }

    fn check(self, content: &[u8], expected: &[u8]) -> Result<(), EszipError> {
        if self.is_sha256 && self.bytes == 32 && Sha256::digest(content).as_slice() != expected {
            return Err(EszipError::Damaged("a checksum does not match"));
        }
        Ok(())
    }

    fn section(self, sections: &[u8], span: Span) -> Result<&[u8], EszipError> {
        if span.bytes == 0 {
            return Ok(&[]);
        }
        let mut at = Cursor { left: sections.get(span.offset..).ok_or(SHORT)? };
        let content = at.take(span.bytes)?;
        self.check(content, at.take(self.bytes)?)?;
        Ok(content)
    }
}

struct Cursor<'a> {
    left: &'a [u8],
}

const SHORT: EszipError = EszipError::Damaged("it ends too early");

impl<'a> Cursor<'a> {
    fn take(&mut self, bytes: usize) -> Result<&'a [u8], EszipError> {
        let (taken, left) = self.left.split_at_checked(bytes).ok_or(SHORT)?;
        self.left = left;
        Ok(taken)
    }

    fn number(&mut self) -> Result<usize, EszipError> {
        let bytes = self.take(4)?;
        Ok(u32::from_be_bytes(bytes.try_into().map_err(|_| SHORT)?) as usize)
    }

    /// Bytes with their number before them.
    fn counted(&mut self) -> Result<&'a [u8], EszipError> {
        let bytes = self.number()?;
        self.take(bytes)
    }

    fn name(&mut self) -> Result<String, EszipError> {
        let name = std::str::from_utf8(self.counted()?);
        Ok(name.map_err(|_| EszipError::Damaged("a name is not UTF-8"))?.to_owned())
    }

    fn span(&mut self) -> Result<Span, EszipError> {
        Ok(Span { offset: self.number()?, bytes: self.number()? })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::{EszipError, WRAPPER, is_eszip, unzip};
    use bytes::Bytes;
    use sha2::{Digest, Sha256};

    /// Writes version 2.2 with SHA-256, as the format says.
    fn archive(modules: &[(&str, &str, &str)]) -> Vec<u8> {
        let number = |number: usize| u32::try_from(number).unwrap().to_be_bytes();
        let sealed = |content: &[u8]| [content, Sha256::digest(content).as_slice()].concat();
        let (mut list, mut sources, mut maps) = (Vec::new(), Vec::new(), Vec::new());
        for (specifier, source, map) in modules {
            list.extend([&number(specifier.len()), specifier.as_bytes(), &[0]].concat());
            for (text, into) in [(source, &mut sources), (map, &mut maps)] {
                list.extend([number(into.len()), number(text.len())].concat());
                into.extend(sealed(text.as_bytes()));
            }
            list.push(0);
        }
        let options = [0, 1, 1, 32];
        let mut bytes = b"ESZIP2.2".to_vec();
        for section in [&options[..], &list, &[]] {
            bytes.extend(number(section.len()));
            bytes.extend(sealed(section));
        }
        for section in [sources, maps] {
            bytes.extend(number(section.len()));
            bytes.extend(section);
        }
        bytes
    }

    fn wrapped(archive: &[u8]) -> Bytes {
        let mut bytes = WRAPPER.to_vec();
        let mut writer = brotli::CompressorWriter::new(&mut bytes, 4096, 5, 20);
        writer.write_all(archive).unwrap();
        drop(writer);
        bytes.into()
    }

    #[test]
    fn local_modules_come_out_as_they_were_written() {
        let map = r#"{"version":3,"sources":["x"],"sourcesContent":["let a: number = 1;"],"mappings":""}"#;
        let archive = archive(&[
            ("file:///src/index.ts", "let a = 1;", map),
            ("file:///src/plain.js", "export {};", ""),
            ("https://elsewhere.example/mod.ts", "export {};", ""),
        ]);
        for bytes in [wrapped(&archive), archive.into()] {
            assert!(is_eszip(&bytes));
            let bundle = unzip(&bytes).unwrap();
            assert_eq!(bundle.files.len(), 2);
            assert_eq!(bundle.file("src/index.ts").unwrap().content, "let a: number = 1;");
            assert_eq!(bundle.file("file:///src/plain.js").unwrap().content, "export {};");
        }
    }

    #[test]
    fn damage_is_told_and_never_panics() {
        let archive = archive(&[("file:///src/index.ts", "let a = 1;", "")]);
        for end in 0..archive.len() {
            assert!(unzip(&archive[..end].to_vec().into()).is_err(), "cut at {end}");
        }
        for at in 8..archive.len() {
            let mut flipped = archive.clone();
            flipped[at] ^= 0x55;
            // Either it is noticed, or what was flipped is not part of what is read.
            if let Ok(bundle) = unzip(&flipped.into()) {
                assert!(bundle.files.len() <= 1);
            }
        }
        assert_eq!(
            unzip(&Bytes::from_static(b"EZBRnot brotli")),
            Err(EszipError::Damaged("the compression is broken"))
        );
    }
}
