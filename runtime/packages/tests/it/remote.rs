//! Modules behind URLs.

use expect_test::expect;
use isobase_http::Stance;
use isobase_packages::{LockFile, Origin, Packages};
use url::Url;

use crate::installing::{blocking, host};
use crate::registry::Registry;

async fn fetch(
    packages: &Packages,
    lock: Option<&str>,
    url: &str,
) -> Result<(String, Option<String>), String> {
    let packages = packages.clone();
    let lock = lock.map(|text| LockFile { shown: "deno.lock".into(), text: text.into() });
    let url = Url::parse(url).unwrap();
    blocking(move || {
        let mut session =
            packages.session(&[], Origin::Uploaded, lock.as_ref()).map_err(|error| error.to_string())?;
        let found = session.remote(&url).map_err(|error| error.to_string())?;
        let text = String::from_utf8(found.content.to_vec()).unwrap();
        Ok((format!("{} {:?} {text}", found.url.path(), found.content_type), session.lock()))
    })
    .await
}

#[tokio::test]
async fn a_lock_binds_a_url_to_its_content() {
    let registry = Registry::start();
    registry.file("/x@1.2.ts", "application/typescript", "export const x = 1;").redirect("/x", "/x@1.2.ts");
    let first = host(&registry, Stance::Development);
    let url = format!("{}x", registry.url);
    let (found, lock) = fetch(&first.packages, None, &url).await.unwrap();
    expect![[r#"/x@1.2.ts Some("application/typescript") export const x = 1;"#]].assert_eq(&found);
    let lock = lock.unwrap();
    registry.file("/x@1.2.ts", "application/typescript", "export const x = 2;");
    registry.asked();
    // What is kept fits the lock.
    fetch(&first.packages, Some(&lock), &url).await.unwrap();
    assert_eq!(registry.asked(), [] as [&str; 0]);
    let second = host(&registry, Stance::Development);
    let error = fetch(&second.packages, Some(&lock), &url).await.unwrap_err();
    assert!(error.contains("is not what was published"), "{error}");
    registry.go_down();
    fetch(&first.packages, Some(&lock), &url).await.unwrap();
}

#[tokio::test]
async fn addresses_in_sources_obey_the_rule_of_functions() {
    let registry = Registry::start();
    registry.file("/x.js", "text/javascript", "1");
    let other = Registry::start();
    let host = host(&other, Stance::Production);
    let error = fetch(&host.packages, None, &format!("{}x.js", registry.url)).await.unwrap_err();
    assert!(error.contains("is in a private or reserved network"), "{error}");
    assert_eq!(registry.asked(), [] as [&str; 0]);
}
