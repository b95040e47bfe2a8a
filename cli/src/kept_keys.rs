//! Keys that a host makes for itself at its first start: `.isobase/keys.json`, readable by its owner
//! only. Delete the file to have new ones made; every client needs the new ones then.

use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use isobase_base::hex;
use isobase_base::project::state_folder;
use rand::RngCore;
use rand::rngs::OsRng;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
pub(crate) struct KeptKeys {
    pub(crate) jwt_secret: String,
    pub(crate) publishable_key: String,
    pub(crate) secret_key: String,
    /// `sbp_` and 40 hex digits, as the Supabase CLI wants it.
    pub(crate) access_token: String,
    pub(crate) database_password: String,
}

impl KeptKeys {
    pub(crate) fn load_or_make(workdir: &Path) -> anyhow::Result<Self> {
        let folder = state_folder(workdir);
        let path = folder.join("keys.json");
        match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).with_context(|| {
                format!("{} is damaged; restore it, or delete it to have new keys made", path.display())
            }),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let made = Self::make();
                fs::create_dir_all(&folder)
                    .and_then(|()| made.write(&path))
                    .with_context(|| format!("could not write {}", path.display()))?;
                Ok(made)
            }
            Err(error) => Err(error).with_context(|| format!("could not read {}", path.display())),
        }
    }

    fn make() -> Self {
        Self {
            jwt_secret: URL_SAFE_NO_PAD.encode(random::<48>()),
            publishable_key: format!("sb_publishable_{}", URL_SAFE_NO_PAD.encode(random::<24>())),
            secret_key: format!("sb_secret_{}", URL_SAFE_NO_PAD.encode(random::<24>())),
            access_token: format!("sbp_{}", hex(&random::<20>())),
            database_password: URL_SAFE_NO_PAD.encode(random::<24>()),
        }
    }

    /// Whole or not at all: a crash must not leave a host with half its keys.
    fn write(&self, path: &Path) -> std::io::Result<()> {
        let unfinished = path.with_extension("tmp");
        let mut options = fs::OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
        file.write_all(&serde_json::to_vec_pretty(self)?)?;
        file.sync_all()?;
        fs::rename(&unfinished, path)
    }
}

fn random<const BYTES: usize>() -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    OsRng.fill_bytes(&mut bytes);
    bytes
}
