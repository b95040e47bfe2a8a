//! What a disk can do when nobody asks who or what: whole files, written and synced, or read.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;

#[derive(Debug)]
pub(crate) struct PlainFiles {
    /// On the disk of the project.
    pub(crate) folder: PathBuf,
    pub(crate) bytes: usize,
    pub(crate) threads: usize,
    pub(crate) act: Act,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Act {
    /// A new file, and `fdatasync`.
    Write,
    /// One and the same file.
    Read,
}

static NUMBER: AtomicU64 = AtomicU64::new(0);

impl PlainFiles {
    /// Files per second.
    pub(crate) async fn run(&self, length: Duration) -> anyhow::Result<f64> {
        fs::create_dir_all(&self.folder)?;
        let content = vec![b'x'; self.bytes];
        fs::write(self.folder.join("read"), &content)?;
        let begun = Instant::now();
        let end = begun + length;
        let threads: Vec<_> = (0..self.threads)
            .map(|_| {
                let (folder, content, act) = (self.folder.clone(), content.clone(), self.act);
                tokio::task::spawn_blocking(move || repeat(&folder, content, act, end))
            })
            .collect();
        let mut files = 0;
        for thread in threads {
            files += thread.await.context("a thread panicked")??;
        }
        Ok(f64::from(files) / begun.elapsed().as_secs_f64())
    }
}

fn repeat(folder: &Path, mut content: Vec<u8>, act: Act, end: Instant) -> std::io::Result<u32> {
    let mut files = 0;
    while Instant::now() < end {
        match act {
            Act::Write => {
                let path = folder.join(NUMBER.fetch_add(1, Ordering::Relaxed).to_string());
                let mut file = File::create(&path)?;
                file.write_all(&content)?;
                file.sync_data()?;
            }
            Act::Read => File::open(folder.join("read"))?.read_exact(&mut content)?,
        }
        files += 1;
    }
    Ok(files)
}
