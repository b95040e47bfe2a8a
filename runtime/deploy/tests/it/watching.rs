//! Saves in all the ways editors, tools and people make them.

use crate::stand::{exists, project};

#[tokio::test]
async fn a_save_is_published_to_the_functions_it_concerns() {
    let stand = project(&[
        ("f/index.ts", "import '../_shared/x.ts';\n"),
        ("g/index.ts", "export const g = 1;\n"),
        ("_shared/x.ts", "export const x: string = 'one';\n"),
    ])
    .open()
    .await;
    let specifiers: Vec<_> = stand.modules("f").iter().map(|module| module.specifier.clone()).collect();
    assert_eq!(specifiers, ["file:///f/index.ts", "file:///_shared/x.ts"]);
    stand.write("_shared/x.ts", "export const x: string = 'two';\n");
    stand.shows("f", "two").await;
    assert_eq!(stand.function("f").unwrap().unwrap().version.0, 2);
    assert_eq!(stand.count("g"), 1, "g does not import it");
    assert_eq!(stand.sources().status().iter().map(|status| status.version).collect::<Vec<_>>(), [2, 1]);
}

#[tokio::test]
async fn a_save_by_rename_and_many_saves_in_a_row() {
    let stand = project(&[("f/index.ts", "export const n = 0;\n")]).open().await;
    for n in 1..=20 {
        stand.write_by_rename("f/index.ts", &format!("export const n = {n};\n"));
        stand.shows("f", &format!("n = {n};")).await;
    }
    for n in 100..200 {
        stand.write("f/index.ts", format!("export const n = {n};\n"));
    }
    stand.shows("f", "n = 199;").await;
}

#[tokio::test]
async fn a_save_without_a_change_is_no_new_version() {
    let stand = project(&[("f/index.ts", "export const a = 1;\n")]).open().await;
    stand.write("f/index.ts", "export const a = 1;\n");
    stand.write("f/unrelated.txt", "x");
    stand.write("f/index.ts", "export const a = 2;\n");
    stand.shows("f", "a = 2").await;
    assert!(stand.count("f") == 2, "{}", stand.count("f"));
}

#[tokio::test]
async fn a_broken_save_is_published_and_the_next_good_one_heals() {
    let stand =
        project(&[("f/index.ts", "import './a.ts';\n"), ("f/a.ts", "export const a = 1;\n")]).open().await;
    stand.write("f/a.ts", "export const = ;\n");
    stand.shows("f", "supabase/functions/f/a.ts:1:14").await;
    stand.write("f/a.ts", "export const a = 'healed';\n");
    stand.shows("f", "healed").await;
    std::fs::remove_file(stand.path("f/a.ts")).unwrap();
    stand.shows("f", "there is no file supabase/functions/f/a.ts").await;
    stand.write("f/a.ts", "export const a = 'back';\n");
    stand.shows("f", "back").await;
}

#[tokio::test]
async fn a_file_that_is_missing_is_watched_for_wherever_it_may_appear() {
    let stand = project(&[("f/index.ts", "import '../_shared/deep/er/x.ts';\n")]).open().await;
    assert!(stand.fault("f").contains("there is no file supabase/functions/_shared/deep/er/x.ts"));
    stand.write("_shared/deep/er/x.ts", "export const x = 'appeared';\n");
    stand.shows("f", "appeared").await;
    stand.write("_shared/deep/er/x.ts", "export const x = 'watched now';\n");
    stand.shows("f", "watched now").await;
}

#[tokio::test]
async fn functions_come_and_go() {
    let stand = project(&[]).open().await;
    stand.write("new/index.ts", "export const a = 'first';\n");
    stand.shows("new", "first").await;
    stand.write("new/index.ts", "export const a = 'second';\n");
    stand.shows("new", "second").await;
    std::fs::rename(stand.path("new"), stand.path("renamed")).unwrap();
    stand.gone("new").await;
    stand.shows("renamed", "second").await;
    stand.write("renamed/index.ts", "export const a = 'third';\n");
    stand.shows("renamed", "third").await;
    std::fs::remove_file(stand.path("renamed/index.ts")).unwrap();
    stand.gone("renamed").await;
    stand.write("renamed/index.js", "export const a = 'fourth';\n");
    stand.shows("renamed", "fourth").await;
    std::fs::remove_dir_all(stand.path("renamed")).unwrap();
    stand.gone("renamed").await;
    stand.write("renamed/index.ts", "export const a = 'again';\n");
    stand.shows("renamed", "again").await;
}

#[tokio::test]
async fn the_functions_folder_itself_may_come_later() {
    let stand = project(&[]);
    std::fs::remove_dir(stand.path("")).unwrap();
    let stand = stand.open().await;
    assert!(!exists(&stand.path("")));
    stand.write("f/index.ts", "export const a = 'late';\n");
    stand.shows("f", "late").await;
    std::fs::remove_dir_all(stand.path("")).unwrap();
    stand.gone("f").await;
    stand.write("f/index.ts", "export const a = 'later';\n");
    stand.shows("f", "later").await;
}

#[cfg(unix)]
#[tokio::test]
async fn links_are_followed_and_their_targets_watched() {
    let stand = project(&[
        ("f/index.ts", "import './linked.ts';\nimport '../_shared/x.ts';\n"),
        ("/packages/one/linked.ts", "export const l = 'file one';\n"),
        ("/packages/shared/x.ts", "export const x = 'folder one';\n"),
        ("/packages/other/x.ts", "export const x = 'folder two';\n"),
    ]);
    let link =
        |target: &str, at: &str| std::os::unix::fs::symlink(stand.path(target), stand.path(at)).unwrap();
    link("/packages/one/linked.ts", "f/linked.ts");
    link("/packages/shared", "_shared");
    let stand = stand.open().await;
    let modules = stand.modules("f");
    let specifiers: Vec<_> = modules.iter().map(|module| module.specifier.as_str()).collect();
    assert_eq!(specifiers, ["file:///f/index.ts", "file:///f/linked.ts", "file:///_shared/x.ts"]);
    stand.write("/packages/one/linked.ts", "export const l = 'file two';\n");
    stand.shows("f", "file two").await;
    stand.write("/packages/shared/x.ts", "export const x = 'folder saved';\n");
    stand.shows("f", "folder saved").await;
    std::os::unix::fs::symlink(stand.path("/packages/other"), stand.path("_new")).unwrap();
    std::fs::rename(stand.path("_new"), stand.path("_shared")).unwrap();
    stand.shows("f", "folder two").await;
    stand.write("/packages/other/x.ts", "export const x = 'relinked';\n");
    stand.shows("f", "relinked").await;
}

#[tokio::test]
async fn import_maps_are_watched() {
    let stand = project(&[
        ("f/index.ts", "import 'lib';\n"),
        ("_shared/one.ts", "export const a = 'one';\n"),
        ("_shared/two.ts", "export const a = 'two';\n"),
    ])
    .open()
    .await;
    assert!(stand.fault("f").contains("no import map says what it stands for"));
    stand.write("f/deno.json", "{ \"imports\": { \"lib\": \"../_shared/one.ts\" } }");
    stand.shows("f", "one").await;
    stand.write("f/deno.json", "{ \"imports\": { \"lib\": \"../_shared/two.ts\" } }");
    stand.shows("f", "two").await;
    stand.write("f/deno.json", "{ \"imports\": ");
    stand.shows("f", "supabase/functions/f/deno.json: EOF").await;
}

#[tokio::test]
async fn dropped_sources_publish_nothing_more() {
    let mut stand = project(&[("f/index.ts", "export const a = 1;\n")]).open().await;
    stand.close();
    stand.write("f/index.ts", "export const a = 2;\n");
    let stand = stand.open().await;
    assert_eq!(stand.count("f"), 2, "one for each time it was opened");
}
