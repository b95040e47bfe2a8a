//! What of the base schema may change from one start to the next: default privileges and passwords.
//! `isobase.settings` remembers what was last applied, so an unchanged start costs one query.

use std::fmt::Write as _;

use isobase_base::hex;
use postgres_protocol::password::scram_sha_256;
use sha2::{Digest, Sha256};
use tokio_postgres::Client;

use super::{BaseSchema, CALLER, RolePasswords};

/// Row names in `isobase.settings`.
const AUTO_EXPOSE: &str = "auto_expose_new_tables";
const PASSWORDS: &str = "passwords_digest";

pub(super) async fn up_to_date(client: &Client, base: &BaseSchema) -> Result<bool, tokio_postgres::Error> {
    let rows = client.query("select name, value from isobase.settings", &[]).await?;
    let holds = |name: &str, wanted: &str| {
        rows.iter().any(|row| row.get::<_, &str>(0) == name && row.get::<_, &str>(1) == wanted)
    };
    Ok(holds(AUTO_EXPOSE, &base.auto_expose.to_string()) && holds(PASSWORDS, &base.passwords.digest()))
}

/// Applies all settings, in one transaction.
pub(super) async fn apply(client: &mut Client, base: &BaseSchema) -> Result<(), tokio_postgres::Error> {
    let transaction = client.transaction().await?;
    transaction.batch_execute(&privileges(base.auto_expose)).await?;
    transaction.batch_execute(&base.passwords.statements()).await?;
    for (name, value) in [(AUTO_EXPOSE, base.auto_expose.to_string()), (PASSWORDS, base.passwords.digest())] {
        transaction
            .execute(
                "insert into isobase.settings (name, value) values ($1, $2) \
                 on conflict (name) do update set value = excluded.value",
                &[&name, &value],
            )
            .await?;
    }
    transaction.commit().await
}

/// Default privileges of what is made in schema `public` from now on, by each role that makes things
/// there and that we may speak for. What exists keeps its grants.
fn privileges(auto_expose: bool) -> String {
    let (verb, preposition) = if auto_expose { ("grant", "to") } else { ("revoke", "from") };
    format!(
        "do $$ \
         declare maker text; kind text; \
         begin \
           for maker in select rolname from pg_roles \
             where rolname in (current_user, 'postgres', 'supabase_admin') \
               and pg_has_role(current_user, oid, 'member') \
           loop \
             foreach kind in array array['tables', 'sequences', 'functions'] loop \
               execute format('alter default privileges for role %I in schema public {verb} all on %s \
                 {preposition} anon, authenticated, service_role', maker, kind); \
             end loop; \
             execute format('alter default privileges for role %I in schema public grant all on tables to postgres', maker); \
             execute format('alter default privileges for role %I in schema public grant all on sequences to postgres', maker); \
             execute format('alter default privileges for role %I in schema public grant all on functions to postgres', maker); \
           end loop; \
         end $$"
    )
}

impl RolePasswords {
    fn each(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let all = [
            ("postgres", &self.postgres),
            ("authenticator", &self.authenticator),
            (CALLER, &self.isobase_caller),
        ];
        all.into_iter().filter_map(|(role, password)| Some((role, password.as_deref()?)))
    }

    /// `alter role` statements with the passwords already hashed: neither the wire nor the server's
    /// log ever holds a password.
    fn statements(&self) -> String {
        self.each().fold(String::new(), |mut sql, (role, password)| {
            let _ = write!(sql, "alter role {role} password '{}';", scram_sha_256(password.as_bytes()));
            sql
        })
    }

    /// Tells whether the passwords are those applied last. Only the host's own schema holds it.
    fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for (role, password) in self.each() {
            hash.update(role);
            hash.update([0]);
            hash.update(password);
            hash.update([0]);
        }
        hex(&hash.finalize())
    }
}
