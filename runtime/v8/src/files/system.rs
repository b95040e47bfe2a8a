//! The disk as Deno's extensions want it: each call twice, at once and as a future that is ready.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use deno_fs::{FileSystem, FsDirEntry, FsFileType, FsReadDir, FsReadDirRc, OpenOptions};
use deno_io::fs::{File, FsResult, FsStat, FsStatFs};
use deno_permissions::{CheckedPath, CheckedPathBuf};
use parking_lot::Mutex;

use super::content::Content;
use super::disk::{Disk, Fault, Node, TEMPORARY, check_writable, join};
use super::open::OpenFile;

/// What a mask for the modes of new files would be; there are no modes.
const UMASK: u32 = 0o022;
const FOLDER_MODE: u32 = 0o040_755;
const FILE_MODE: u32 = 0o100_644;
const BLOCK_BYTES: u64 = 4096;

#[derive(Debug)]
pub(crate) struct IsolateFiles(pub(crate) Arc<Disk>);

impl IsolateFiles {
    fn key(&self, path: &Path) -> String {
        self.0.absolute(path)
    }

    fn open(&self, path: &Path, options: OpenOptions) -> FsResult<Rc<dyn File>> {
        let path = self.key(path);
        let changes = options.write || options.append || options.truncate;
        let makes = options.create || options.create_new;
        let content = match self.0.find(&path) {
            Err(Fault::NotFound) if makes => self.0.create(&path, options.create_new)?,
            Err(fault) => return Err(fault.into()),
            Ok(_) if options.create_new => return Err(Fault::Exists.into()),
            Ok(Node::Folder(_)) => return Err(Fault::IsFolder.into()),
            Ok(Node::File(content)) => content,
        };
        match &content {
            Content::Given(_) if changes => return Err(Fault::Denied.into()),
            Content::Written(written) if options.truncate => written.truncate(0)?,
            _ => {}
        }
        Ok(OpenFile::of(path.into(), content, options))
    }

    fn stat(&self, path: &Path) -> FsResult<FsStat> {
        Ok(status(&self.0.find(&self.key(path))?))
    }

    fn copy_file(&self, from: &str, to: &str) -> FsResult<()> {
        let Node::File(content) = self.0.find(from)? else { return Err(Fault::IsFolder.into()) };
        check_writable(to)?;
        let bytes = content.from(0);
        if let Content::Written(written) = self.0.create(to, false)? {
            written.truncate(0)?;
            written.write(Some(0), &bytes)?;
        }
        Ok(())
    }

    /// A folder with all that is in it, or a file.
    fn copy(&self, from: &str, to: &str) -> FsResult<()> {
        if let Node::File(_) = self.0.find(from)? {
            return self.copy_file(from, to);
        }
        if to.starts_with(&format!("{from}/")) {
            return Err(Fault::Invalid.into());
        }
        self.0.make_folder(to, true)?;
        for name in self.0.list(from)?.into_keys() {
            self.copy(&join(from, &name), &join(to, &name))?;
        }
        Ok(())
    }

    fn entries(&self, path: &Path) -> FsResult<Vec<FsDirEntry>> {
        let entries = self.0.list(&self.key(path))?.into_iter().map(|(name, node)| {
            let is_file = matches!(node, Node::File(_));
            FsDirEntry { name, is_file, is_directory: !is_file, is_symlink: false }
        });
        Ok(entries.collect())
    }

    fn real_path(&self, path: &Path) -> FsResult<PathBuf> {
        let path = self.key(path);
        self.0.find(&path)?;
        Ok(path.into())
    }

    fn remove_folder(&self, path: &Path) -> FsResult<()> {
        let path = self.key(path);
        match self.0.find(&path)? {
            Node::Folder(_) => Ok(self.0.remove(&path, false)?),
            Node::File(_) => Err(Fault::NotFolder.into()),
        }
    }

    fn truncate(&self, path: &Path, length: u64) -> FsResult<()> {
        match self.0.find(&self.key(path))? {
            Node::Folder(_) => Err(Fault::IsFolder.into()),
            Node::File(Content::Given(_)) => Err(Fault::Denied.into()),
            Node::File(Content::Written(written)) => Ok(written.truncate(length)?),
        }
    }

    fn set_time(&self, path: &Path, seconds: i64, nanos: u32) -> FsResult<()> {
        let path = self.key(path);
        let node = self.0.find(&path)?;
        check_writable(&path)?;
        if let Node::File(Content::Written(written)) = node {
            written.set_changed(seconds.saturating_mul(1000) + i64::from(nanos / 1_000_000));
        }
        Ok(())
    }

    /// Not a link, if it is there at all.
    fn read_link(&self, path: &Path) -> FsResult<PathBuf> {
        self.0.find(&self.key(path))?;
        Err(Fault::Invalid.into())
    }

    /// For what the disk has no notion of: modes, owners and links.
    fn denied(&self, path: &Path) -> FsResult<()> {
        self.0.find(&self.key(path))?;
        Err(Fault::Denied.into())
    }
}

/// What `stat` tells of `node`.
pub(super) fn status(node: &Node) -> FsStat {
    let (is_file, size, changed, mode) = match node {
        Node::Folder(made) => (false, 0, *made, FOLDER_MODE),
        Node::File(content) => (true, content.length(), content.changed(), FILE_MODE),
    };
    let id = match node {
        Node::File(Content::Written(written)) => Some(written.id),
        _ => Some(0),
    };
    FsStat {
        is_file,
        is_directory: !is_file,
        is_symlink: false,
        size,
        mtime: Some(changed),
        atime: Some(changed),
        birthtime: Some(changed),
        ctime: Some(changed),
        dev: 1,
        ino: id,
        mode,
        nlink: Some(1),
        uid: 0,
        gid: 0,
        rdev: 0,
        blksize: BLOCK_BYTES,
        blocks: Some(size.div_ceil(512)),
        is_block_device: false,
        is_char_device: false,
        is_fifo: false,
        is_socket: false,
    }
}

/// A folder's entries as they were when it was opened.
#[derive(Debug)]
struct Entries(Mutex<VecDeque<FsDirEntry>>);

#[async_trait::async_trait(?Send)]
impl FsReadDir for Entries {
    async fn next(&self) -> FsResult<Option<FsDirEntry>> {
        Ok(self.0.lock().pop_front())
    }
}

#[async_trait::async_trait(?Send)]
impl FileSystem for IsolateFiles {
    fn cwd(&self) -> FsResult<PathBuf> {
        Ok(self.0.folder().into())
    }
    fn tmp_dir(&self) -> FsResult<PathBuf> {
        Ok(TEMPORARY.into())
    }
    fn chdir(&self, path: &CheckedPath<'_>) -> FsResult<()> {
        Ok(self.0.set_folder(&self.key(path))?)
    }
    fn umask(&self, _mask: Option<u32>) -> FsResult<u32> {
        Ok(UMASK)
    }

    fn open_sync(&self, path: &CheckedPath<'_>, options: OpenOptions) -> FsResult<Rc<dyn File>> {
        self.open(path, options)
    }
    async fn open_async<'a>(&'a self, path: CheckedPathBuf, options: OpenOptions) -> FsResult<Rc<dyn File>> {
        self.open(&path, options)
    }

    fn mkdir_sync(&self, path: &CheckedPath<'_>, recursive: bool, _mode: Option<u32>) -> FsResult<()> {
        Ok(self.0.make_folder(&self.key(path), recursive)?)
    }
    async fn mkdir_async(&self, path: CheckedPathBuf, recursive: bool, _mode: Option<u32>) -> FsResult<()> {
        Ok(self.0.make_folder(&self.key(&path), recursive)?)
    }

    fn chmod_sync(&self, path: &CheckedPath<'_>, _mode: u32) -> FsResult<()> {
        self.denied(path)
    }
    async fn chmod_async(&self, path: CheckedPathBuf, _mode: u32) -> FsResult<()> {
        self.denied(&path)
    }
    fn chown_sync(&self, path: &CheckedPath<'_>, _uid: Option<u32>, _gid: Option<u32>) -> FsResult<()> {
        self.denied(path)
    }
    async fn chown_async(&self, path: CheckedPathBuf, _uid: Option<u32>, _gid: Option<u32>) -> FsResult<()> {
        self.denied(&path)
    }
    fn lchmod_sync(&self, path: &CheckedPath<'_>, _mode: u32) -> FsResult<()> {
        self.denied(path)
    }
    async fn lchmod_async(&self, path: CheckedPathBuf, _mode: u32) -> FsResult<()> {
        self.denied(&path)
    }
    fn lchown_sync(&self, path: &CheckedPath<'_>, _uid: Option<u32>, _gid: Option<u32>) -> FsResult<()> {
        self.denied(path)
    }
    async fn lchown_async(&self, path: CheckedPathBuf, _uid: Option<u32>, _gid: Option<u32>) -> FsResult<()> {
        self.denied(&path)
    }

    fn remove_sync(&self, path: &CheckedPath<'_>, recursive: bool) -> FsResult<()> {
        Ok(self.0.remove(&self.key(path), recursive)?)
    }
    async fn remove_async(&self, path: CheckedPathBuf, recursive: bool) -> FsResult<()> {
        Ok(self.0.remove(&self.key(&path), recursive)?)
    }

    fn copy_file_sync(&self, from: &CheckedPath<'_>, to: &CheckedPath<'_>) -> FsResult<()> {
        self.copy_file(&self.key(from), &self.key(to))
    }
    async fn copy_file_async(&self, from: CheckedPathBuf, to: CheckedPathBuf) -> FsResult<()> {
        self.copy_file(&self.key(&from), &self.key(&to))
    }
    fn cp_sync(&self, from: &CheckedPath<'_>, to: &CheckedPath<'_>) -> FsResult<()> {
        self.copy(&self.key(from), &self.key(to))
    }
    async fn cp_async(&self, from: CheckedPathBuf, to: CheckedPathBuf) -> FsResult<()> {
        self.copy(&self.key(&from), &self.key(&to))
    }

    fn stat_sync(&self, path: &CheckedPath<'_>) -> FsResult<FsStat> {
        self.stat(path)
    }
    async fn stat_async(&self, path: CheckedPathBuf) -> FsResult<FsStat> {
        self.stat(&path)
    }
    fn lstat_sync(&self, path: &CheckedPath<'_>) -> FsResult<FsStat> {
        self.stat(path)
    }
    async fn lstat_async(&self, path: CheckedPathBuf) -> FsResult<FsStat> {
        self.stat(&path)
    }
    fn statfs_sync(&self, path: &CheckedPath<'_>, _bigint: bool) -> FsResult<FsStatFs> {
        self.stat(path).map(|_| FsStatFs::default())
    }
    async fn statfs_async(&self, path: CheckedPathBuf, _bigint: bool) -> FsResult<FsStatFs> {
        self.stat(&path).map(|_| FsStatFs::default())
    }

    fn realpath_sync(&self, path: &CheckedPath<'_>) -> FsResult<PathBuf> {
        self.real_path(path)
    }
    async fn realpath_async(&self, path: CheckedPathBuf) -> FsResult<PathBuf> {
        self.real_path(&path)
    }

    fn read_dir_sync(&self, path: &CheckedPath<'_>) -> FsResult<Vec<FsDirEntry>> {
        self.entries(path)
    }
    async fn read_dir_async(&self, path: CheckedPathBuf) -> FsResult<FsReadDirRc> {
        let entries = Entries(Mutex::new(self.entries(&path)?.into()));
        Ok(deno_fs::sync::MaybeArc::new(entries))
    }

    fn rename_sync(&self, from: &CheckedPath<'_>, to: &CheckedPath<'_>) -> FsResult<()> {
        Ok(self.0.rename(&self.key(from), &self.key(to))?)
    }
    async fn rename_async(&self, from: CheckedPathBuf, to: CheckedPathBuf) -> FsResult<()> {
        Ok(self.0.rename(&self.key(&from), &self.key(&to))?)
    }
    fn rmdir_sync(&self, path: &CheckedPath<'_>) -> FsResult<()> {
        self.remove_folder(path)
    }
    async fn rmdir_async(&self, path: CheckedPathBuf) -> FsResult<()> {
        self.remove_folder(&path)
    }

    fn link_sync(&self, from: &CheckedPath<'_>, _to: &CheckedPath<'_>) -> FsResult<()> {
        self.denied(from)
    }
    async fn link_async(&self, from: CheckedPathBuf, _to: CheckedPathBuf) -> FsResult<()> {
        self.denied(&from)
    }
    fn symlink_sync(
        &self,
        _from: &CheckedPath<'_>,
        _to: &CheckedPath<'_>,
        _kind: Option<FsFileType>,
    ) -> FsResult<()> {
        Err(Fault::Denied.into())
    }
    async fn symlink_async(
        &self,
        _from: CheckedPathBuf,
        _to: CheckedPathBuf,
        _kind: Option<FsFileType>,
    ) -> FsResult<()> {
        Err(Fault::Denied.into())
    }
    fn read_link_sync(&self, path: &CheckedPath<'_>) -> FsResult<PathBuf> {
        self.read_link(path)
    }
    async fn read_link_async(&self, path: CheckedPathBuf) -> FsResult<PathBuf> {
        self.read_link(&path)
    }

    fn truncate_sync(&self, path: &CheckedPath<'_>, length: u64) -> FsResult<()> {
        self.truncate(path, length)
    }
    async fn truncate_async(&self, path: CheckedPathBuf, length: u64) -> FsResult<()> {
        self.truncate(&path, length)
    }
    fn utime_sync(&self, path: &CheckedPath<'_>, _: i64, _: u32, seconds: i64, nanos: u32) -> FsResult<()> {
        self.set_time(path, seconds, nanos)
    }
    async fn utime_async(
        &self,
        path: CheckedPathBuf,
        _: i64,
        _: u32,
        seconds: i64,
        nanos: u32,
    ) -> FsResult<()> {
        self.set_time(&path, seconds, nanos)
    }
    fn lutime_sync(&self, path: &CheckedPath<'_>, _: i64, _: u32, seconds: i64, nanos: u32) -> FsResult<()> {
        self.set_time(path, seconds, nanos)
    }
    async fn lutime_async(
        &self,
        path: CheckedPathBuf,
        _: i64,
        _: u32,
        seconds: i64,
        nanos: u32,
    ) -> FsResult<()> {
        self.set_time(&path, seconds, nanos)
    }

    fn exists_sync(&self, path: &CheckedPath<'_>) -> bool {
        self.0.find(&self.key(path)).is_ok()
    }
    async fn exists_async(&self, path: CheckedPathBuf) -> FsResult<bool> {
        Ok(self.0.find(&self.key(&path)).is_ok())
    }
}
