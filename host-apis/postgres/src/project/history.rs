//! `supabase_migrations`, the CLI's record of what was applied, and the comparison of local files
//! with it.

use std::collections::BTreeMap;

use tokio_postgres::Client;

use super::ProjectError;
use super::file::version_and_name;

/// What the database says was applied.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct History {
    /// In the order of text, as the CLI compares them.
    versions: Vec<String>,
    /// Path to hash.
    seeds: BTreeMap<String, String>,
}

impl History {
    pub(super) async fn read(client: &Client) -> Result<Self, ProjectError> {
        let present = client
            .query_one(
                "select to_regclass('supabase_migrations.schema_migrations') is not null, \
                 to_regclass('supabase_migrations.seed_files') is not null",
                &[],
            )
            .await?;
        let mut history = Self::default();
        if present.get(0) {
            let sql = "select version from supabase_migrations.schema_migrations";
            history.versions = client.query(sql, &[]).await?.iter().map(|row| row.get(0)).collect();
            history.versions.sort();
        }
        if present.get(1) {
            let sql = "select path, hash from supabase_migrations.seed_files";
            history.seeds =
                client.query(sql, &[]).await?.iter().map(|row| (row.get(0), row.get(1))).collect();
        }
        Ok(history)
    }

    pub(super) fn seed_hash(&self, path: &str) -> Option<&str> {
        self.seeds.get(path).map(String::as_str)
    }

    /// Which of `local`, paths in the order of their names, are to be applied.
    ///
    /// Applied versions without a file, and new files older than the newest applied version, are
    /// errors with the CLI's messages; `include_all` permits the latter.
    pub(super) fn pending(&self, local: Vec<String>, include_all: bool) -> Result<Vec<String>, ProjectError> {
        let version = |path: &str| {
            let name = path.rsplit('/').next().unwrap_or(path);
            version_and_name(name).map(|(version, _name)| version.to_owned()).unwrap_or_default()
        };
        let local: Vec<(String, String)> = local.into_iter().map(|path| (version(&path), path)).collect();
        let missing: Vec<String> = self
            .versions
            .iter()
            .filter(|applied| !local.iter().any(|(version, _path)| version == *applied))
            .cloned()
            .collect();
        if !missing.is_empty() {
            return Err(ProjectError::MissingLocally { versions: missing });
        }
        let newest = self.versions.last();
        let (late, pending): (Vec<_>, Vec<_>) = local
            .into_iter()
            .filter(|(version, _path)| !self.versions.contains(version))
            .partition(|(version, _path)| newest.is_some_and(|newest| version < newest));
        if !late.is_empty() && !include_all {
            return Err(ProjectError::OlderThanApplied {
                paths: late.into_iter().map(|(_version, path)| path).collect(),
            });
        }
        Ok(late.into_iter().chain(pending).map(|(_version, path)| path).collect())
    }
}

/// Makes the table as the CLI does, in one implicit transaction.
pub(super) async fn create_table(client: &Client) -> Result<(), ProjectError> {
    client
        .batch_execute(
            "set lock_timeout = '4s'; \
             create schema if not exists supabase_migrations; \
             create table if not exists supabase_migrations.schema_migrations (version text not null primary key); \
             alter table supabase_migrations.schema_migrations add column if not exists statements text[]; \
             alter table supabase_migrations.schema_migrations add column if not exists name text",
        )
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::History;
    use crate::project::ProjectError;

    fn pending(applied: &[&str], local: &[&str], include_all: bool) -> Result<Vec<String>, ProjectError> {
        let history = History {
            versions: applied.iter().map(|version| (*version).to_owned()).collect(),
            ..History::default()
        };
        let local = local.iter().map(|name| format!("supabase/migrations/{name}")).collect();
        history.pending(local, include_all)
    }

    #[test]
    fn only_what_is_new_is_pending() {
        let found = pending(&["1", "2"], &["1_a.sql", "2_b.sql", "3_c.sql", "4_d.sql"], false).unwrap();
        assert_eq!(found, ["supabase/migrations/3_c.sql", "supabase/migrations/4_d.sql"]);
        assert!(pending(&[], &[], false).unwrap().is_empty());
        assert!(pending(&["1"], &["1_a.sql"], false).unwrap().is_empty());
    }

    #[test]
    fn a_late_file_stops_unless_all_are_wanted() {
        let late = pending(&["1", "3"], &["1_a.sql", "2_b.sql", "3_c.sql", "4_d.sql"], false).unwrap_err();
        expect_test::expect![[r"
            Found local migration files to be inserted before the last migration on remote database.

            Rerun the command with --include-all flag to apply these migrations:
            supabase/migrations/2_b.sql"]]
        .assert_eq(&late.to_string());
        let all = pending(&["1", "3"], &["1_a.sql", "2_b.sql", "3_c.sql", "4_d.sql"], true).unwrap();
        assert_eq!(all, ["supabase/migrations/2_b.sql", "supabase/migrations/4_d.sql"]);
    }

    #[test]
    fn an_applied_version_without_a_file_stops() {
        let missing = pending(&["1", "2"], &["2_b.sql"], true).unwrap_err();
        expect_test::expect![[r"
            Remote migration versions not found in local migrations directory.

            Make sure your local git repo is up-to-date. If the error persists, repair the migration history:
            supabase migration repair --status reverted 1"]]
        .assert_eq(&missing.to_string());
    }
}
