//! A file that a function has open.

use std::borrow::Cow;
use std::cell::Cell;
use std::io::SeekFrom;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::rc::Rc;

use deno_core::{BufMutView, BufView, ResourceHandleFd, WriteOutcome};
use deno_fs::OpenOptions;
use deno_io::fs::{File, FsResult, FsStat};

use super::content::Content;
use super::disk::{Fault, Node};
use super::system::status;

/// There is no descriptor of the host behind it, so nothing that wants one can have it.
pub(super) struct OpenFile {
    path: PathBuf,
    content: Content,
    position: Cell<u64>,
    options: OpenOptions,
}

impl OpenFile {
    pub(super) fn of(path: PathBuf, content: Content, options: OpenOptions) -> Rc<dyn File> {
        Rc::new(Self { path, content, position: Cell::new(0), options })
    }

    fn read_here(&self, into: &mut [u8]) -> FsResult<usize> {
        let count = self.read_at(into, self.position.get())?;
        self.position.set(self.position.get() + count as u64);
        Ok(count)
    }

    fn read_at(&self, into: &mut [u8], position: u64) -> FsResult<usize> {
        if !self.options.read {
            return Err(Fault::NotOpenForThat.into());
        }
        Ok(self.content.read(position, into))
    }

    fn write_here(&self, bytes: &[u8]) -> FsResult<usize> {
        self.position.set(self.write_at(bytes, self.position.get())?);
        Ok(bytes.len())
    }

    /// Gives the position behind what was written.
    fn write_at(&self, bytes: &[u8], position: u64) -> FsResult<u64> {
        let Content::Written(written) = &self.content else { return Err(Fault::NotOpenForThat.into()) };
        if !self.options.write && !self.options.append {
            return Err(Fault::NotOpenForThat.into());
        }
        let at = (!self.options.append).then_some(position);
        Ok(written.write(at, bytes)?)
    }

    fn read_rest(&self) -> FsResult<Cow<'static, [u8]>> {
        if !self.options.read {
            return Err(Fault::NotOpenForThat.into());
        }
        let bytes = self.content.from(self.position.get());
        self.position.set(self.position.get() + bytes.len() as u64);
        Ok(bytes.into())
    }

    fn seek(&self, to: SeekFrom) -> FsResult<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(offset) => self.content.length().checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.get().checked_add_signed(offset),
        };
        self.position.set(position.ok_or(Fault::Invalid)?);
        Ok(self.position.get())
    }

    fn truncate(&self, length: u64) -> FsResult<()> {
        match &self.content {
            Content::Written(written) if self.options.write || self.options.append => {
                Ok(written.truncate(length)?)
            }
            _ => Err(Fault::NotOpenForThat.into()),
        }
    }

    fn set_time(&self, seconds: i64, nanos: u32) -> FsResult<()> {
        match &self.content {
            Content::Written(written) => {
                written.set_changed(seconds.saturating_mul(1000) + i64::from(nanos / 1_000_000));
                Ok(())
            }
            Content::Given(_) => Err(Fault::Denied.into()),
        }
    }
}

#[async_trait::async_trait(?Send)]
impl File for OpenFile {
    fn maybe_path(&self) -> Option<&Path> {
        Some(&self.path)
    }

    fn read_sync(self: Rc<Self>, buffer: &mut [u8]) -> FsResult<usize> {
        self.read_here(buffer)
    }
    async fn read_byob(self: Rc<Self>, mut buffer: BufMutView) -> FsResult<(usize, BufMutView)> {
        let count = self.read_here(&mut buffer)?;
        Ok((count, buffer))
    }
    fn write_sync(self: Rc<Self>, bytes: &[u8]) -> FsResult<usize> {
        self.write_here(bytes)
    }
    async fn write(self: Rc<Self>, bytes: BufView) -> FsResult<WriteOutcome> {
        let nwritten = self.write_here(&bytes)?;
        Ok(WriteOutcome::Full { nwritten })
    }
    fn write_all_sync(self: Rc<Self>, bytes: &[u8]) -> FsResult<()> {
        self.write_here(bytes).map(drop)
    }
    async fn write_all(self: Rc<Self>, bytes: BufView) -> FsResult<()> {
        self.write_here(&bytes).map(drop)
    }
    fn read_all_sync(self: Rc<Self>) -> FsResult<Cow<'static, [u8]>> {
        self.read_rest()
    }
    async fn read_all_async(self: Rc<Self>) -> FsResult<Cow<'static, [u8]>> {
        self.read_rest()
    }

    // A mode that a file is made with is accepted and forgotten; changing one by path is refused.
    fn chmod_sync(self: Rc<Self>, _mode: u32) -> FsResult<()> {
        Ok(())
    }
    async fn chmod_async(self: Rc<Self>, _mode: u32) -> FsResult<()> {
        Ok(())
    }
    fn chown_sync(self: Rc<Self>, _uid: Option<u32>, _gid: Option<u32>) -> FsResult<()> {
        Err(Fault::Denied.into())
    }
    async fn chown_async(self: Rc<Self>, _uid: Option<u32>, _gid: Option<u32>) -> FsResult<()> {
        Err(Fault::Denied.into())
    }

    fn seek_sync(self: Rc<Self>, to: SeekFrom) -> FsResult<u64> {
        self.seek(to)
    }
    async fn seek_async(self: Rc<Self>, to: SeekFrom) -> FsResult<u64> {
        self.seek(to)
    }

    // Memory is as durable as it gets.
    fn datasync_sync(self: Rc<Self>) -> FsResult<()> {
        Ok(())
    }
    async fn datasync_async(self: Rc<Self>) -> FsResult<()> {
        Ok(())
    }
    fn sync_sync(self: Rc<Self>) -> FsResult<()> {
        Ok(())
    }
    async fn sync_async(self: Rc<Self>) -> FsResult<()> {
        Ok(())
    }

    fn stat_sync(self: Rc<Self>) -> FsResult<FsStat> {
        Ok(status(&Node::File(self.content.clone())))
    }
    async fn stat_async(self: Rc<Self>) -> FsResult<FsStat> {
        self.stat_sync()
    }

    // Nobody else has this disk, so a lock is always had.
    fn lock_sync(self: Rc<Self>, _exclusive: bool) -> FsResult<()> {
        Ok(())
    }
    async fn lock_async(self: Rc<Self>, _exclusive: bool) -> FsResult<()> {
        Ok(())
    }
    fn try_lock_sync(self: Rc<Self>, _exclusive: bool) -> FsResult<bool> {
        Ok(true)
    }
    async fn try_lock_async(self: Rc<Self>, _exclusive: bool) -> FsResult<bool> {
        Ok(true)
    }
    fn unlock_sync(self: Rc<Self>) -> FsResult<()> {
        Ok(())
    }
    async fn unlock_async(self: Rc<Self>) -> FsResult<()> {
        Ok(())
    }

    fn truncate_sync(self: Rc<Self>, length: u64) -> FsResult<()> {
        self.truncate(length)
    }
    async fn truncate_async(self: Rc<Self>, length: u64) -> FsResult<()> {
        self.truncate(length)
    }
    fn utime_sync(self: Rc<Self>, _: i64, _: u32, seconds: i64, nanos: u32) -> FsResult<()> {
        self.set_time(seconds, nanos)
    }
    async fn utime_async(self: Rc<Self>, _: i64, _: u32, seconds: i64, nanos: u32) -> FsResult<()> {
        self.set_time(seconds, nanos)
    }

    fn read_at_sync(self: Rc<Self>, buffer: &mut [u8], position: u64) -> FsResult<usize> {
        self.read_at(buffer, position)
    }
    async fn read_at_async(
        self: Rc<Self>,
        mut buffer: BufMutView,
        position: u64,
    ) -> FsResult<(usize, BufMutView)> {
        let count = self.read_at(&mut buffer, position)?;
        Ok((count, buffer))
    }
    fn write_at_sync(self: Rc<Self>, bytes: &[u8], position: u64) -> FsResult<usize> {
        self.write_at(bytes, position)?;
        Ok(bytes.len())
    }

    fn as_stdio(self: Rc<Self>) -> FsResult<Stdio> {
        Err(Fault::Denied.into())
    }
    fn backing_fd(self: Rc<Self>) -> Option<ResourceHandleFd> {
        None
    }
    fn try_clone_inner(self: Rc<Self>) -> FsResult<Rc<dyn File>> {
        Ok(self)
    }
}
