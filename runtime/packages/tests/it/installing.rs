//! From requirements to files, and back to a lock.

use expect_test::{Expect, expect};
use isobase_base::project::Variables;
use isobase_http::{Network, Stance, Surroundings};
use isobase_packages::{
    Asked, Found, Installed, LockFile, Origin, Packages, PackagesConfig, Session, SettingsFile,
};
use tempfile::TempDir;

use crate::registry::Registry;

/// A host with a cache of its own.
pub(crate) struct Host {
    pub(crate) packages: Packages,
    pub(crate) cache: TempDir,
}

pub(crate) fn host(registry: &Registry, stance: Stance) -> Host {
    let cache = tempfile::tempdir().unwrap();
    host_with(registry, stance, cache)
}

fn host_with(registry: &Registry, stance: Stance, cache: TempDir) -> Host {
    let config = PackagesConfig {
        cache_folder: cache.path().to_owned(),
        variables: Variables::from([("NPM_CONFIG_REGISTRY".into(), registry.url.clone())]),
        network: Network::new(stance, Surroundings::default()),
    };
    Host { packages: Packages::new(config), cache }
}

/// Runs `work` where it may block.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

type Outcome = Result<(Installed, Option<String>), String>;

async fn install(host: &Host, lock: Option<&str>, wanted: &[&str]) -> Outcome {
    install_with(host, &[], Origin::Local, lock, wanted).await
}

async fn install_with(
    host: &Host,
    settings: &[SettingsFile],
    origin: Origin,
    lock: Option<&str>,
    wanted: &[&str],
) -> Outcome {
    let packages = host.packages.clone();
    let settings = settings.to_vec();
    let lock = lock.map(|text| LockFile { shown: "deno.lock".into(), text: text.into() });
    let wanted: Vec<String> = wanted.iter().map(|&wanted| wanted.into()).collect();
    blocking(move || {
        let mut session: Session =
            packages.session(&settings, origin, lock.as_ref()).map_err(|error| error.to_string())?;
        let installed = session.install(&wanted).map_err(|error| error.error.to_string())?;
        Ok((installed, session.lock()))
    })
    .await
}

fn graph() -> Registry {
    let registry = Registry::start();
    registry
        .publish(&[("package.json", r#"{"name":"b","version":"1.0.0"}"#), ("index.js", "exports.b = 1")])
        .publish(&[("package.json", r#"{"name":"b","version":"1.5.0"}"#), ("index.js", "exports.b = 15")])
        .publish(&[("package.json", r#"{"name":"b","version":"2.0.0","exports":{".":{"import":"./m.mjs","require":"./c.cjs"}}}"#), ("m.mjs", ""), ("c.cjs", "")])
        .publish(&[("package.json", r#"{"name":"a","version":"1.0.0","main":"lib","dependencies":{"b":"^1.0.0","@s/c":"*"}}"#), ("lib/index.js", "require('b')"), ("lib/data.json", "{}")])
        .publish(&[("package.json", r##"{"name":"@s/c","version":"0.1.0","type":"module","imports":{"#in":"./in.js","#fs":"node:fs"},"exports":{".":"./index.js","./deep/*":"./d/*.js"},"peerDependencies":{"b":"*"},"optionalDependencies":{"native":"1"}}"##), ("index.js", ""), ("in.js", ""), ("d/x.js", "")])
        .publish(&[("package.json", r#"{"name":"native","version":"1.0.0","os":["linux"],"cpu":["x64"]}"#), ("n.node", "")]);
    registry
}

fn shown(installed: &Installed, wanted: &[(&str, Option<&str>, Asked)]) -> String {
    let lines = wanted.iter().map(|(requirement, subpath, asked)| {
        match installed.entry(requirement, *subpath, *asked) {
            Ok(file) => format!("{requirement} {asked:?} -> {}\n", installed.specifier(&file)),
            Err(error) => format!("{requirement} {asked:?} ! {error}\n"),
        }
    });
    lines.collect()
}

#[tokio::test]
async fn each_package_has_one_folder_and_nodes_lookup_finds_its_files() {
    let host = host(&graph(), Stance::Development);
    let (installed, _) = install(&host, None, &["a@1", "b@2", "b@1"]).await.unwrap();
    let wanted = [
        ("a@1", None, Asked::Import),
        ("a@1", Some("lib/data"), Asked::Require),
        ("a@1", Some("../../x"), Asked::Require),
        ("b@2", None, Asked::Import),
        ("b@2", None, Asked::Require),
        ("b@2", Some("m.mjs"), Asked::Import),
        ("b@1", None, Asked::Import),
    ];
    expect![[r#"
        a@1 Import -> file:///node_modules/a/lib/index.js
        a@1 Require -> file:///node_modules/a/lib/data.json
        a@1 Require ! a@1.0.0 has no file "../../x"
        b@2 Import -> file:///node_modules/.versions/b@2.0.0/node_modules/b/m.mjs
        b@2 Require -> file:///node_modules/.versions/b@2.0.0/node_modules/b/c.cjs
        b@2 Import ! b@2.0.0 exports no "./m.mjs"
        b@1 Import -> file:///node_modules/b/index.js
    "#]]
    .assert_eq(&shown(&installed, &wanted));
    let a = installed.entry("a@1", None, Asked::Import).unwrap();
    let meant = |specifier: &str, asked| match installed.resolve(specifier, &a, asked) {
        Ok(Found::File(file)) => installed.specifier(&file),
        Ok(Found::Builtin(name)) => name,
        Err(error) => format!("! {error}"),
    };
    assert_eq!(meant("b", Asked::Require), "file:///node_modules/b/index.js");
    assert_eq!(meant("./data", Asked::Require), "file:///node_modules/a/lib/data.json");
    assert_eq!(meant("..", Asked::Require), "file:///node_modules/a/lib/index.js");
    assert_eq!(meant("fs/promises", Asked::Require), "node:fs/promises");
    assert_eq!(meant("@s/c", Asked::Import), "file:///node_modules/@s/c/index.js");
    assert_eq!(meant("@s/c/deep/x", Asked::Import), "file:///node_modules/@s/c/d/x.js");
    assert!(meant("node:none", Asked::Require).starts_with("! there is no module"));
    assert!(meant("missing", Asked::Require).contains("a@1.0.0 does not depend on a package missing"));
    let Ok(Found::File(c)) = installed.resolve("@s/c", &a, Asked::Import) else { panic!("it is there") };
    let own = |specifier: &str| match installed.resolve(specifier, &c, Asked::Import).unwrap() {
        Found::File(file) => installed.specifier(&file),
        Found::Builtin(name) => name,
    };
    assert_eq!(own("#in"), "file:///node_modules/@s/c/in.js");
    assert_eq!(own("#fs"), "node:fs");
    assert_eq!(own("@s/c/deep/x"), "file:///node_modules/@s/c/d/x.js");
    assert_eq!(installed.resolve("native", &c, Asked::Import).ok(), None, "made for one kind of machine");
}

#[tokio::test]
async fn a_lock_binds_and_needs_no_registry() {
    let registry = graph();
    let host = host(&registry, Stance::Development);
    let (_, lock) = install(&host, None, &["a@1"]).await.unwrap();
    let lock = lock.unwrap();
    assert!(!registry.asked().is_empty());
    registry.publish(&[("package.json", r#"{"name":"b","version":"1.9.0"}"#), ("index.js", "")]);
    let (_, again) = install(&host, Some(&lock), &["a@1"]).await.unwrap();
    assert_eq!(again.as_deref(), Some(lock.as_str()));
    assert_eq!(registry.asked(), [] as [&str; 0], "what is locked and cached asks nobody");
    assert!(lock.contains(r#""b@1.5.0""#), "{lock}");
    // One that knows only the lock fetches exactly what is locked.
    let fresh = self::host(&registry, Stance::Development);
    let (installed, _) = install(&fresh, Some(&lock), &["a@1"]).await.unwrap();
    let a = installed.entry("a@1", None, Asked::Import).unwrap();
    let Ok(Found::File(b)) = installed.resolve("b", &a, Asked::Require) else { panic!("it is there") };
    assert_eq!(installed.package(&b), "b@1.5.0");
    assert_eq!(registry.asked(), ["/@s/c/-/c-0.1.0.tgz", "/a/-/a-1.0.0.tgz", "/b/-/b-1.5.0.tgz"]);
    registry.go_down();
    install(&fresh, Some(&lock), &["a@1"]).await.unwrap();
    let other = install(&fresh, Some(&lock), &["b@2"]).await.err().unwrap();
    expect![[
        r#"b could not be fetched from the registry that NPM_CONFIG_REGISTRY names: the answer was 503"#
    ]]
    .assert_eq(&other);
    let broken = install(&fresh, Some("{"), &["a@1"]).await.err().unwrap();
    assert!(broken.starts_with("deno.lock is no lock file that can be read"), "{broken}");
}

#[tokio::test]
async fn packages_may_bring_others_themselves() {
    let registry = graph();
    registry.publish(&[
        ("package.json", r#"{"name":"whole","version":"1.0.0","dependencies":{"inner":"1"},"bundleDependencies":["inner"]}"#),
        ("lib/index.js", ""),
        ("index.js", ""),
        ("node_modules/inner/package.json", r#"{"name":"inner","version":"1.0.0","main":"main.js"}"#),
        ("node_modules/inner/main.js", ""),
    ]);
    let host = host(&registry, Stance::Development);
    let (installed, _) = install(&host, None, &["whole@1"]).await.unwrap();
    let whole = installed.entry("whole@1", Some("lib"), Asked::Require).unwrap();
    let Ok(Found::File(inner)) = installed.resolve("inner", &whole, Asked::Require) else { panic!("there") };
    assert_eq!(installed.specifier(&inner), "file:///node_modules/whole/node_modules/inner/main.js");
}

#[tokio::test]
async fn lock_files_of_older_deno_are_read() {
    let registry = graph();
    let (a, b, c) = (("a", "1.0.0"), ("b", "1.0.0"), ("@s/c", "0.1.0"));
    let [a, b, c] = [a, b, c].map(|(name, version)| registry.integrity(name, version));
    let lock = serde_json::json!({
        "version": "4",
        "specifiers": { "npm:a@1": "1.0.0" },
        "npm": {
            "a@1.0.0": { "integrity": a, "dependencies": ["@s/c", "b"] },
            "b@1.0.0": { "integrity": b },
            "@s/c@0.1.0": { "integrity": c, "dependencies": ["b"] },
        },
    });
    let host = host(&registry, Stance::Development);
    let (installed, lock) = install(&host, Some(&lock.to_string()), &["a@1"]).await.unwrap();
    let a = installed.entry("a@1", None, Asked::Import).unwrap();
    let Ok(Found::File(b)) = installed.resolve("b", &a, Asked::Require) else { panic!("it is there") };
    assert_eq!(installed.package(&b), "b@1.0.0");
    assert!(lock.unwrap().contains(r#""version": "5""#));
}

#[tokio::test]
async fn a_version_published_a_moment_ago_is_found() {
    let registry = graph();
    let host = host(&registry, Stance::Development);
    install(&host, None, &["b@1"]).await.unwrap();
    registry.publish(&[("package.json", r#"{"name":"b","version":"3.0.0"}"#), ("index.js", "")]);
    let (installed, _) = install(&host, None, &["b@3"]).await.unwrap();
    assert!(installed.entry("b@3", None, Asked::Import).is_ok());
}

async fn fails(host: &Host, wanted: &str, expected: Expect) {
    let error = install(host, None, &[wanted]).await.err().expect("it cannot be installed");
    expected.assert_eq(&error);
}

#[tokio::test]
async fn what_is_wrong_is_said() {
    let registry = graph();
    registry
        .publish(&[("package.json", r#"{"name":"lost","version":"1.0.0","dependencies":{"nowhere":"1"}}"#)]);
    let host = host(&registry, Stance::Development);
    fails(
        &host,
        "nothing@1",
        expect!["there is no package nothing at the registry that NPM_CONFIG_REGISTRY names"],
    )
    .await;
    fails(
        &host,
        "b@7",
        expect![[r#"no version of b matches "7"; there are 2.0.0, 1.5.0, 1.0.0 and the tags latest"#]],
    )
    .await;
    fails(
        &host,
        "b@beta",
        expect![[r#"no version of b matches "beta"; there are 2.0.0, 1.5.0, 1.0.0 and the tags latest"#]],
    )
    .await;
    fails(
        &host,
        "lost@1",
        expect!["there is no package nowhere at the registry that NPM_CONFIG_REGISTRY names"],
    )
    .await;
    registry.damage("a");
    let error = install(&host, None, &["a@1"]).await.err().unwrap();
    assert!(error.starts_with("a@1.0.0 is not what was published: its hash is sha512-"), "{error}");
}

#[tokio::test]
async fn scopes_have_registries_with_tokens_that_go_nowhere_else() {
    let (public, private) = (graph(), Registry::start());
    private.publish(&[
        ("package.json", r#"{"name":"@my/x","version":"1.0.0","dependencies":{"b":"1"}}"#),
        ("index.js", ""),
    ]);
    private.demand("open-sesame");
    let host = host(&public, Stance::Development);
    let authority = private.url.trim_start_matches("http:");
    let settings = |token: &str| {
        let text = format!("@my:registry={}\n{authority}:_authToken={token}\n", private.url);
        [SettingsFile { shown: ".npmrc".into(), text }]
    };
    let wanted = ["@my/x@1"];
    let wrong = install_with(&host, &settings("wrong"), Origin::Local, None, &wanted).await.err().unwrap();
    expect!["@my/x could not be fetched from the registry that `@my:registry` in .npmrc names: the answer was 401; the credentials may be missing or wrong"].assert_eq(&wrong);
    install_with(&host, &settings("open-sesame"), Origin::Local, None, &wanted).await.unwrap();
    assert_eq!(private.asked(), ["/@my%2fx", "/@my%2fx", "/@my/x/-/x-1.0.0.tgz"]);
    assert_eq!(public.asked(), ["/b", "/b/-/b-1.5.0.tgz"]);
    // In production, settings that somebody sent do not lead into the private network.
    let closed = self::host(&public, Stance::Production);
    let refused = install_with(&closed, &settings("open-sesame"), Origin::Uploaded, None, &wanted).await;
    let refused = refused.err().unwrap();
    assert!(refused.contains("is in a private or reserved network"), "{refused}");
    install(&closed, None, &["b@1"]).await.expect("the operator's own registry may be there");
}

#[tokio::test]
async fn hosts_share_a_cache() {
    let registry = graph();
    let first = host(&registry, Stance::Development);
    let mut builds = Vec::new();
    for _ in 0..8 {
        let host = Host { packages: first.packages.clone(), cache: tempfile::tempdir().unwrap() };
        builds.push(async move { install(&host, None, &["a@1"]).await.map(|_| ()) });
    }
    for outcome in futures::future::join_all(builds).await {
        outcome.unwrap();
    }
    let content = first.cache.path().join("packages/content");
    let names: Vec<_> = std::fs::read_dir(content).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 3, "{names:?}");
    assert!(
        names.iter().all(|name| name.to_string_lossy().starts_with("sha512-")),
        "nothing half done: {names:?}"
    );
}
