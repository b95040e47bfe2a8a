//! Compiled code is kept on disk, and trusted only when it is what was written.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use isobase_engine::{Engine, Reuse};
use isobase_guests::COMPONENT;
use isobase_wasm::{WasmConfig, WasmEngine};

use crate::harness::{engine_with_cache, function, limits, text};

fn kept(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

async fn boots(folder: &Path) {
    let engine = engine_with_cache(Some(folder.to_owned()));
    let worker = engine.boot(function(COMPONENT, Reuse::Fresh, limits())).await.unwrap();
    assert_eq!(text(&*worker, "/hello").await, "hello");
}

#[tokio::test]
async fn code_is_compiled_once_and_damage_is_repaired() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("code");
    let engine = engine_with_cache(Some(folder.clone()));
    engine.precompile(COMPONENT.into()).await.unwrap();
    assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
    let [file] = &kept(&folder)[..] else { panic!("one file: {:?}", kept(&folder)) };
    let written = fs::metadata(file).unwrap().modified().unwrap();
    let good = fs::read(file).unwrap();

    boots(&folder).await;
    assert_eq!(fs::metadata(file).unwrap().modified().unwrap(), written, "it was compiled again");

    for damage in [cut, flip, foreign] {
        // The running engine has the old file mapped: another one takes its name.
        fs::remove_file(file).unwrap();
        fs::write(file, damage(good.clone())).unwrap();
        boots(&folder).await;
        let repaired = kept(&folder) == [file.clone()] && fs::read(file).unwrap() == good;
        assert!(repaired, "{:?}", kept(&folder));
    }
}

fn cut(mut code: Vec<u8>) -> Vec<u8> {
    code.truncate(code.len() / 2);
    code
}

fn flip(mut code: Vec<u8>) -> Vec<u8> {
    let middle = code.len() / 2;
    code[middle] ^= 1;
    code
}

fn foreign(_: Vec<u8>) -> Vec<u8> {
    b"something else".to_vec()
}

#[test]
fn a_folder_that_others_can_write_to_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let config = WasmConfig { cache_dir: Some(folder.path().to_owned()), ..WasmConfig::default() };
    let error = WasmEngine::new(config).err().unwrap().to_string();
    assert!(error.contains("chmod 700"), "{error}");
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_costs_time_alone() {
    let parent = tempfile::tempdir().unwrap();
    let file = parent.path().join("file");
    fs::write(&file, "").unwrap();
    boots(&file.join("code")).await;
}
