//! An archive of npm (tar in gzip) to files in a folder.
//!
//! Archives are anybody's. Only plain files are taken: no links, no devices, no modes, no owners, and no
//! path that leaves the folder. Nothing in them is ever run.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use flate2::read::MultiGzDecoder;
use isobase_base::limits::{PACKAGE_FILES_MAX, PACKAGE_UNPACKED_BYTES_MAX};
use tar::{Archive, EntryType};

/// Writes the files of `archive` below `folder`, without the first folder of their paths. The text of the
/// error says what is wrong with the archive.
pub(crate) fn unpack(archive: &[u8], folder: &Path) -> io::Result<()> {
    let bounded = MultiGzDecoder::new(archive).take(PACKAGE_UNPACKED_BYTES_MAX + 1);
    let mut archive = Archive::new(bounded);
    let (mut files, mut bytes) = (0, 0);
    for entry in archive.entries()? {
        let mut entry = entry?;
        if !matches!(entry.header().entry_type(), EntryType::Regular | EntryType::Continuous) {
            continue;
        }
        let path = entry.path()?.into_owned();
        let Some(inside) = inside(&path)? else { continue };
        files += 1;
        bytes += entry.size();
        if files > PACKAGE_FILES_MAX || bytes > PACKAGE_UNPACKED_BYTES_MAX {
            return Err(io::Error::other(format!(
                "it has more than {PACKAGE_FILES_MAX} files or {PACKAGE_UNPACKED_BYTES_MAX} bytes"
            )));
        }
        let path = folder.join(inside);
        std::fs::create_dir_all(path.parent().unwrap_or(folder))?;
        io::copy(&mut entry, &mut File::create(path)?)?;
    }
    if files == 0 {
        return Err(io::Error::other("it is empty"));
    }
    Ok(())
}

/// `path` without its first folder; `None` where nothing is left.
fn inside(path: &Path) -> io::Result<Option<PathBuf>> {
    let mut inside = PathBuf::new();
    let components = path.components().filter(|component| *component != Component::CurDir);
    for component in components.skip(1) {
        match component {
            Component::Normal(name) => inside.push(name),
            Component::CurDir | Component::ParentDir | Component::RootDir | Component::Prefix(_) => {
                return Err(io::Error::other(format!("{} leaves the package's folder", path.display())));
            }
        }
    }
    let leads_out = path.is_absolute() || path.components().any(|part| part == Component::ParentDir);
    if leads_out {
        return Err(io::Error::other(format!("{} leaves the package's folder", path.display())));
    }
    Ok((!inside.as_os_str().is_empty()).then_some(inside))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use tar::{Builder, EntryType, Header};

    use super::unpack;

    fn archive(entries: &[(&str, EntryType, &str)]) -> Vec<u8> {
        let mut builder = Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        for (path, kind, text) in entries {
            let mut header = Header::new_gnu();
            // As a hostile archive would be written: the builder's own checks are left out.
            header.as_gnu_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
            header.set_entry_type(*kind);
            header.set_size(text.len() as u64);
            header.set_mode(0o4777);
            if kind.is_symlink() || kind.is_hard_link() {
                header.set_link_name("/etc/passwd").unwrap();
            }
            header.set_cksum();
            builder.append(&header, text.as_bytes()).unwrap();
        }
        builder.into_inner().unwrap().finish().unwrap()
    }

    #[test]
    fn only_plain_files_inside_of_the_folder() {
        let file = EntryType::Regular;
        let folder = tempfile::tempdir().unwrap();
        let good = archive(&[
            ("package/package.json", file, "{}"),
            ("package/./lib/a.js", file, "1"),
            ("package/link.js", EntryType::Symlink, ""),
            ("package/hard.js", EntryType::Link, ""),
            ("package/folder/", EntryType::Directory, ""),
            ("loose", file, "x"),
        ]);
        unpack(&good, folder.path()).unwrap();
        assert_eq!(std::fs::read_to_string(folder.path().join("lib/a.js")).unwrap(), "1");
        let mut names: Vec<_> =
            std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["lib", "package.json"]);
        for bad in ["package/../../x", "/package/x", "../package/x", "package/a/../../../x"] {
            let error = unpack(&archive(&[(bad, file, "x")]), folder.path()).unwrap_err();
            assert!(error.to_string().contains("leaves"), "{bad}: {error}");
        }
        assert!(!Path::new("/package").exists());
        assert!(unpack(&archive(&[]), folder.path()).unwrap_err().to_string().contains("empty"));
        assert!(unpack(b"no archive", folder.path()).is_err());
    }
}
