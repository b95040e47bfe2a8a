//! The project's own SQL, applied as the Supabase CLI applies it and recorded where the CLI records
//! it, so that either tool can go on where the other stopped.
//!
//! 1. `supabase/roles.sql`, once;
//! 2. `supabase/migrations/<digits>_<name>.sql`, those not yet in
//!    `supabase_migrations.schema_migrations`, in the order of their names;
//! 3. the seed files, those not yet in `supabase_migrations.seed_files`. A seed file that changed
//!    since is not run again; only its hash is brought up to date, as the CLI does.
//!
//! Each file is sent to the server whole, with its history row at the end: one implicit transaction,
//! in which the server itself finds the statements. What [`split`] makes of the file only goes into
//! the history and into error texts; it cannot change what is executed. A file that begins with
//! `-- isobase:no-transaction` is instead sent statement by statement, for what Postgres refuses in
//! a transaction (`create index concurrently`, `vacuum`).

mod error;
mod extension;
mod file;
mod history;
mod run;
mod seed;
mod split;

use std::path::PathBuf;

use isobase_base::progress::Progress;

use crate::connect::{self, Session};
use crate::schema;

pub use error::{ProjectError, StatementError};
use extension::Superuser;
use file::SqlFile;
use history::History;

/// Which SQL a project has and what of it is to be applied. Not printable: a URL holds a password.
#[derive(Clone)]
pub struct ProjectSql {
    /// The project directory, in which `supabase` is. Paths in the history start here.
    pub workdir: PathBuf,
    /// `[db.migrations] enabled`.
    pub migrations_enabled: bool,
    /// `[db.seed] enabled`.
    pub seed_enabled: bool,
    /// `[db.seed] sql_paths`: patterns below `supabase` (`*`, `?` and `[…]` within a name).
    pub seed_paths: Vec<String>,
    /// Where `create extension` may be done by a superuser, as Supabase allows for most extensions:
    /// [`crate::Cluster::superuser_url`] in a managed cluster. Without it Postgres' own rules hold.
    pub superuser_url: Option<String>,
    /// Also apply migrations older than the newest applied one: `--include-all`.
    pub include_all: bool,
}

impl ProjectSql {
    /// The defaults of `config.toml`: migrations, and `supabase/seed.sql`.
    pub fn new(workdir: impl Into<PathBuf>) -> Self {
        Self {
            workdir: workdir.into(),
            migrations_enabled: true,
            seed_enabled: true,
            seed_paths: vec!["seed.sql".into()],
            superuser_url: None,
            include_all: false,
        }
    }
}

/// What [`apply`] did. Paths are relative to the project directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Whether `roles.sql` was run.
    pub roles: bool,
    /// File names of the migrations applied.
    pub migrations: Vec<String>,
    /// Seed files that were run.
    pub seeds: Vec<String>,
    /// Seed files that had changed since they were run: recorded, not run.
    pub seeds_recorded: Vec<String>,
}

/// Applies what is pending, as the role that `url` logs in as: `postgres` in a managed cluster.
///
/// Not cancel-safe: a dropped call may have applied some files. Each is whole (except those that
/// asked for no transaction), and the next call goes on. Hosts that call it at once wait for each
/// other.
pub async fn apply(url: &str, sql: &ProjectSql, progress: &dyn Progress) -> Result<Applied, ProjectError> {
    let session = connect::open(url).await?;
    let client = &session.client;
    let mut history = History::read(client).await?;
    let mut plan = plan(sql, &history, progress)?;
    if plan.is_empty() {
        return Ok(Applied::default());
    }
    schema::lock(client).await.map_err(ProjectError::of_lock)?;
    // Another host may have been here while we waited.
    let now = History::read(client).await?;
    if now != history {
        history = now;
        plan = self::plan(sql, &history, &isobase_base::progress::Silent)?;
    }

    let mut superuser = Superuser::new(sql.superuser_url.as_deref());
    let mut applied = Applied::default();
    if let Some(roles) = plan.roles {
        progress.step("Applying supabase/roles.sql");
        seed::create_table(client).await?;
        run::seed(client, &mut superuser, &roles).await?;
        report(&session, &roles, progress);
        applied.roles = true;
    }
    if !plan.migrations.is_empty() {
        history::create_table(client).await?;
    }
    for file in plan.migrations {
        progress.step(&format!("Applying migration {}", file.file_name()));
        run::migration(client, &mut superuser, &file).await?;
        report(&session, &file, progress);
        applied.migrations.push(file.file_name().to_owned());
    }
    if !(plan.seeds.is_empty() && plan.changed_seeds.is_empty()) {
        seed::create_table(client).await?;
    }
    for file in plan.seeds {
        progress.step(&format!("Seeding from {}", file.path));
        run::seed(client, &mut superuser, &file).await?;
        report(&session, &file, progress);
        applied.seeds.push(file.path);
    }
    for file in plan.changed_seeds {
        progress.note(&format!("{} changed since it was run; it is not run again", file.path));
        seed::record(client, &file).await?;
        applied.seeds_recorded.push(file.path);
    }
    Ok(applied)
}

/// Hands on what the server warned of while a file ran.
fn report(session: &Session, file: &SqlFile, progress: &dyn Progress) {
    for warning in session.warnings() {
        progress.note(&format!("{}: {warning}", file.path));
    }
}

/// What is to be done, read from the files and the history.
#[derive(Default)]
struct Plan {
    roles: Option<SqlFile>,
    migrations: Vec<SqlFile>,
    seeds: Vec<SqlFile>,
    changed_seeds: Vec<SqlFile>,
}

impl Plan {
    fn is_empty(&self) -> bool {
        self.roles.is_none()
            && self.migrations.is_empty()
            && self.seeds.is_empty()
            && self.changed_seeds.is_empty()
    }
}

fn plan(sql: &ProjectSql, history: &History, progress: &dyn Progress) -> Result<Plan, ProjectError> {
    let mut plan = Plan::default();
    let roles = "supabase/roles.sql";
    if sql.workdir.join(roles).is_file() {
        let file = SqlFile::read(&sql.workdir, roles)?;
        match history.seed_hash(roles) {
            None => plan.roles = Some(file),
            Some(hash) if hash == file.hash() => {}
            Some(_older) => plan.changed_seeds.push(file),
        }
    }
    if sql.migrations_enabled {
        let local = file::migrations(&sql.workdir, progress)?;
        for path in history.pending(local, sql.include_all)? {
            plan.migrations.push(SqlFile::read(&sql.workdir, &path)?);
        }
    }
    if sql.seed_enabled {
        for path in seed::files(&sql.workdir, &sql.seed_paths, progress)? {
            let file = SqlFile::read(&sql.workdir, &path)?;
            match history.seed_hash(&path) {
                None => plan.seeds.push(file),
                Some(hash) if hash == file.hash() => {}
                Some(_older) => plan.changed_seeds.push(file),
            }
        }
    }
    Ok(plan)
}
