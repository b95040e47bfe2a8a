//! Seed files: which there are, and the record of those run, `supabase_migrations.seed_files`.

use std::collections::BTreeSet;
use std::path::Path;

use isobase_base::progress::Progress;
use tokio_postgres::Client;

use super::ProjectError;
use super::file::{self, SqlFile};

/// The seed files in the order of the patterns, each once; within one pattern sorted.
pub(super) fn files(
    workdir: &Path,
    patterns: &[String],
    progress: &dyn Progress,
) -> Result<Vec<String>, ProjectError> {
    let mut known = BTreeSet::new();
    let mut files = Vec::new();
    for pattern in patterns {
        let pattern = pattern.strip_prefix("./").unwrap_or(pattern);
        let found = matching(workdir, &format!("supabase/{pattern}"))?;
        // The default file need not be there.
        if found.is_empty() && pattern != "seed.sql" {
            progress.note(&format!("no files matched the seed pattern supabase/{pattern}"));
        }
        files.extend(found.into_iter().filter(|path| known.insert(path.clone())));
    }
    Ok(files)
}

pub(super) async fn create_table(client: &Client) -> Result<(), ProjectError> {
    client
        .batch_execute(
            "set lock_timeout = '4s'; \
             create schema if not exists supabase_migrations; \
             create table if not exists supabase_migrations.seed_files (path text not null primary key, hash text not null); \
             reset lock_timeout",
        )
        .await?;
    Ok(())
}

/// Records a file without running it.
pub(super) async fn record(client: &Client, file: &SqlFile) -> Result<(), ProjectError> {
    client.batch_execute(&upsert(file)).await?;
    Ok(())
}

/// The statement that records a file, as text: it goes at the end of the file's own.
pub(super) fn upsert(file: &SqlFile) -> String {
    format!(
        "insert into supabase_migrations.seed_files (path, hash) values ({}, {}) \
         on conflict (path) do update set hash = excluded.hash",
        super::run::literal(&file.path),
        super::run::literal(file.hash()),
    )
}

/// Expands a path whose parts may be patterns.
fn matching(workdir: &Path, pattern: &str) -> Result<Vec<String>, ProjectError> {
    let parts: Vec<&str> = pattern.split('/').collect();
    let (last, folders) = parts.split_last().expect("splitting gives at least one part");
    let mut reached = vec![String::new()];
    for part in folders {
        reached = reached.iter().flat_map(|folder| subfolders(workdir, folder, part)).collect();
    }
    let mut found = Vec::new();
    for folder in reached {
        let names = file::names(&workdir.join(&folder))
            .map_err(|source| ProjectError::File { path: folder.clone(), source })?;
        let matches = names.into_iter().filter(|name| matches(last.as_bytes(), name.as_bytes()));
        found.extend(matches.map(|name| format!("{folder}{name}")));
    }
    found.sort();
    Ok(found)
}

/// The folders in `folder` that `part` names, each with a `/` at its end.
fn subfolders(workdir: &Path, folder: &str, part: &str) -> Vec<String> {
    if !part.contains(['*', '?', '[']) {
        let named = format!("{folder}{part}/");
        return if workdir.join(&named).is_dir() { vec![named] } else { Vec::new() };
    }
    let Ok(entries) = std::fs::read_dir(workdir.join(folder)) else { return Vec::new() };
    entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| matches(part.as_bytes(), name.as_bytes()))
        .map(|name| format!("{folder}{name}/"))
        .filter(|named| workdir.join(named).is_dir())
        .collect()
}

/// Shell patterns as the CLI knows them (Go's `path.Match`): `*`, `?`, `[a-z]`, `[^a-z]`, `\x`.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern.first(), name.first()) {
        (None, None) => true,
        (Some(b'*'), _) => matches(&pattern[1..], name) || (!name.is_empty() && matches(pattern, &name[1..])),
        (Some(b'?'), Some(_)) => matches(&pattern[1..], &name[1..]),
        (Some(b'['), Some(&byte)) => match class(&pattern[1..], byte) {
            Some((true, rest)) => matches(rest, &name[1..]),
            Some((false, _)) | None => false,
        },
        (Some(b'\\'), Some(byte)) if pattern.get(1) == Some(byte) => matches(&pattern[2..], &name[1..]),
        (Some(expected), Some(byte)) => expected == byte && matches(&pattern[1..], &name[1..]),
        (Some(_), None) | (None, Some(_)) => false,
    }
}

/// Whether a class (after its `[`) holds `byte`, and the pattern after its `]`.
fn class(pattern: &[u8], byte: u8) -> Option<(bool, &[u8])> {
    let end = pattern.iter().skip(1).position(|byte| *byte == b']')? + 1;
    let (inside, rest) = (&pattern[..end], &pattern[end + 1..]);
    let (negated, inside) = match inside.first() {
        Some(b'^') => (true, &inside[1..]),
        _ => (false, inside),
    };
    let mut holds = false;
    let mut at = 0;
    while at < inside.len() {
        if inside.get(at + 1) == Some(&b'-') && at + 2 < inside.len() {
            holds |= (inside[at]..=inside[at + 2]).contains(&byte);
            at += 3;
        } else {
            holds |= inside[at] == byte;
            at += 1;
        }
    }
    Some((holds != negated, rest))
}

#[cfg(test)]
mod tests {
    use isobase_base::progress::Silent;

    use super::{files, matches};

    #[test]
    fn patterns() {
        for (pattern, name, expected) in [
            ("*.sql", "a.sql", true),
            ("*.sql", "a.sqlx", false),
            ("seed_?.sql", "seed_1.sql", true),
            ("seed_?.sql", "seed_.sql", false),
            ("[0-9]*.sql", "1_a.sql", true),
            ("[^0-9]*.sql", "1_a.sql", false),
            ("a*b*c", "aXXbYYc", true),
            ("a\\*", "a*", true),
            ("a\\*", "ab", false),
            ("", "", true),
            ("[a", "a", false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn files_come_in_the_order_of_patterns_and_once() {
        let workdir = tempfile::tempdir().unwrap();
        let seeds = workdir.path().join("supabase/seeds");
        std::fs::create_dir_all(&seeds).unwrap();
        for name in ["b.sql", "a.sql", "last.sql", "notes.md"] {
            std::fs::write(seeds.join(name), "").unwrap();
        }
        let patterns = ["./seeds/last.sql", "seeds/*.sql", "seed.sql"].map(String::from);
        let found = files(workdir.path(), &patterns, &Silent).unwrap();
        assert_eq!(found, ["supabase/seeds/last.sql", "supabase/seeds/a.sql", "supabase/seeds/b.sql"]);
    }
}
