//! Settings as tables: a file in, values, warnings or faults out.

mod host_apis;

use std::path::Path;

use expect_test::{Expect, expect};

use super::reading::read;
use super::{Project, Variables};

fn variables(pairs: &[(&str, &str)]) -> Variables {
    pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Shows the lines of the settings' debug text that contain one of `fields`, then warnings; or the
/// faults.
fn check(text: &str, pairs: &[(&str, &str)], fields: &[&str], expected: Expect) {
    let result = read(text, "supabase/config.toml", Path::new("/p/supabase"), "folder", &variables(pairs));
    expected.assert_eq(&match result {
        Ok(read) => {
            let settings = format!("{:#?}", read.settings);
            let shown = settings.lines().map(str::trim).filter(|line| {
                let name = line.split(':').next().unwrap_or(line);
                fields.contains(&name)
            });
            let warnings = read.warnings.iter().map(|warning| format!("warning: {warning}"));
            let unused = read.unused_keys.iter().map(|key| format!("unused: {key}"));
            let lines = shown.map(str::to_owned).chain(warnings).chain(unused);
            lines.map(|line| line + "\n").collect::<String>()
        }
        Err(error) => format!("{error}\n"),
    });
}

#[test]
fn an_empty_file_has_the_defaults_of_the_supabase_cli() {
    let read =
        read("", "supabase/config.toml", Path::new("/p/supabase"), "folder", &Variables::new()).unwrap();
    expect![[r#"
        Settings {
            project_id: "folder",
            api: Api {
                enabled: true,
                port: 54321,
                schemas: [
                    "public",
                    "graphql_public",
                ],
                extra_search_path: [
                    "public",
                    "extensions",
                ],
                max_rows: 1000,
                auto_expose_new_tables: true,
            },
            database: DatabaseSettings {
                port: 54322,
                major_version: 17,
                root_key: None,
                migrations: Migrations {
                    enabled: true,
                    schema_paths: [],
                },
                seed: Seed {
                    enabled: true,
                    sql_paths: [
                        "./seed.sql",
                    ],
                },
            },
            auth: Auth {
                enabled: true,
                site_url: "http://127.0.0.1:3000",
                jwt_expiry: 3600s,
                jwt_issuer: None,
                signing_keys_path: None,
                publishable_key: "default",
                secret_key: "default",
                jwt_secret: "default",
                anon_key: "default",
                service_role_key: "default",
            },
            edge_runtime: EdgeRuntime {
                enabled: true,
                policy: PerWorker,
                inspector_port: 8083,
                secrets: [],
            },
            storage: StorageSettings {
                enabled: true,
                file_size_limit: 52428800,
                keep_deleted: 3600s,
                buckets: {},
            },
            functions: {},
            queues: {},
        }
    "#]]
    .assert_debug_eq(&read.settings);
}

#[test]
fn values_variables_and_overrides() {
    check(
        r#"
project_id = "env(ID)"
[api]
port = "env(PORT)"
max_rows = 0x10
[db.seed]
enabled = true
sql_paths = ["a.sql", "env(EXTRA)"]
[auth]
site_url = "https://example.com"
jwt_expiry = 1_200
"#,
        &[
            ("ID", "shop"),
            ("PORT", "8000"),
            ("EXTRA", "b.sql"),
            ("SUPABASE_DB_SEED_ENABLED", "false"),
            ("SUPABASE_API_SCHEMAS", "api, private"),
            ("SUPABASE_AUTH_SITE_URL", "https://other.example"),
        ],
        &[
            "project_id",
            "port",
            "max_rows",
            "site_url",
            "jwt_expiry",
            "\"a.sql\",",
            "\"b.sql\",",
            "\"api\",",
            "\"private\",",
            "enabled",
        ],
        expect![[r#"
            project_id: "shop",
            enabled: true,
            port: 8000,
            "api",
            "private",
            max_rows: 16,
            port: 54322,
            enabled: true,
            enabled: false,
            "a.sql",
            "b.sql",
            enabled: true,
            site_url: "https://other.example",
            jwt_expiry: 1200s,
            enabled: true,
            enabled: true,
        "#]],
    );
}

#[test]
fn functions_with_limits_and_capabilities() {
    check(
        r#"
[functions.hello-world]
verify_jwt = false
import_map = "./functions/hello-world/deno.json"
entrypoint = "functions/../wasm/hello.wasm"
isolation = "process"
capabilities = { database = "service", egress = ["api.example.com", "10.0.0.0/8:5432"] }
limits = { memory = "64MB", cpu = "500ms", wall_clock = "1m", idle = "10s", concurrency = 4 }
[functions.hello-world.env]
GREETING = "env(GREETING)"
"#,
        &[("GREETING", "hi")],
        &[
            "verify_jwt",
            "import_map",
            "entrypoint",
            "Some(",
            "\"/p/supabase/functions/hello-world/deno.json\",",
            "\"/p/supabase/wasm/hello.wasm\",",
            "memory_bytes_max",
            "67108864,",
            "500ms,",
            "60s,",
            "10s,",
            "4,",
            "database",
            "egress",
            "10.0.0.0/8,",
            "5432,",
            "isolation",
            "\"GREETING\",",
        ],
        expect![[r#"
            database: DatabaseSettings {
            verify_jwt: false,
            import_map: Some(
            "/p/supabase/functions/hello-world/deno.json",
            entrypoint: Some(
            "/p/supabase/wasm/hello.wasm",
            memory_bytes_max: Some(
            67108864,
            500ms,
            60s,
            10s,
            4,
            database: Service,
            egress: Listed(
            10.0.0.0/8,
            5432,
            isolation: Process,
            "GREETING",
        "#]],
    );
}

#[test]
fn unknown_keys_warn_and_foreign_ones_are_told_apart() {
    check(
        r#"
prject_id = "x"
[api]
prot = 1
[studio]
enabled = true
[auth.email]
enable_signup = true
[auth]
jwt_issuer = "env(NOT_SET)"
[remotes.prod]
project_id = "abcdefghijklmnopqrst"
[functions.f]
verify = true
"#,
        &[],
        &["project_id", "jwt_issuer"],
        expect![[r#"
            project_id: "folder",
            jwt_issuer: None,
            warning: supabase/config.toml:4: unknown key api.prot; it is ignored
            warning: supabase/config.toml:10: auth.jwt_issuer names the variable NOT_SET, which is not set
            warning: supabase/config.toml:14: unknown key functions.f.verify; it is ignored
            warning: supabase/config.toml:2: unknown key prject_id; it is ignored
            unused: auth.email
            unused: remotes
            unused: studio
        "#]],
    );
}

#[test]
fn every_bad_value_is_told_at_once() {
    check(
        r#"
[api]
port = 70000
schemas = "public"
enabled = "yes"
[db]
major_version = "seventeen"
seed = 1
[auth]
jwt_secret = "short"
secret_key = "encrypted:abc"
[edge_runtime]
policy = "often"
[functions."2fast"]
[functions.f]
limits = { memory = "1KB", cpu = "soon", concurrency = 0 }
capabilities = { database = "admin", egress = ["https://example.com"] }
static_files = ["a", 1]
"#,
        &[("SUPABASE_AUTH_JWT_EXPIRY", "-1")],
        &[],
        expect![[r#"
            supabase/config.toml:5: api.enabled: expected true or false, found "yes"
            supabase/config.toml:3: api.port: expected a number from 1 to 65535, found 70000
            supabase/config.toml:4: api.schemas: expected a list of strings, found a string
            supabase/config.toml:7: db.major_version: expected a number from 13 to 99, found "seventeen"
            supabase/config.toml:8: db.seed: expected a table, found an integer
            SUPABASE_AUTH_JWT_EXPIRY: auth.jwt_expiry: expected a number from 1 to 604800, found "-1"
            supabase/config.toml:11: auth.secret_key: values encrypted by dotenvx cannot be read; use env(NAME) instead
            supabase/config.toml:10: auth.jwt_secret: expected at least 16 characters, found fewer
            supabase/config.toml:13: edge_runtime.policy: expected "per_worker" or "oneshot", found "often"
            supabase/config.toml:14: functions.2fast: function name "2fast" is not valid: start with a letter, then letters, digits, '_' or '-', at most 48 characters
            supabase/config.toml:18: functions.f.static_files: expected a list of strings, found an integer
            supabase/config.toml:16: functions.f.limits.memory: expected a size such as "256MB", from 16 MB to 4096 MB, found "1KB"
            supabase/config.toml:16: functions.f.limits.cpu: expected a duration such as "2s" or "1m30s", from 1ms to 86400s, found "soon"
            supabase/config.toml:16: functions.f.limits.concurrency: expected a number from 1 to 10000, found 0
            supabase/config.toml:17: functions.f.capabilities.database: expected "caller", "service" or "none", found "admin"
            supabase/config.toml:17: functions.f.capabilities.egress: expected a host, host:port, *.suffix, an address or a network such as 10.0.0.0/8, found "https://example.com"
        "#]],
    );
}

#[test]
fn bad_toml_names_line_and_column() {
    check(
        "[api]\nport = \n",
        &[],
        &[],
        expect![[r#"
        supabase/config.toml:2:8: string values must be quoted, expected literal string
    "#]],
    );
}

#[test]
fn dotenv_files_are_read_in_the_clis_order() {
    let root = std::env::temp_dir().join(format!("isobase-project-{}", std::process::id()));
    let folder = root.join("supabase");
    std::fs::create_dir_all(folder.join("functions")).unwrap();
    let write = |name: &str, text: &str| std::fs::write(root.join(name), text).unwrap();
    write(
        "supabase/config.toml",
        "project_id = \"env(ID)\"\n[edge_runtime.secrets]\nA = \"env(A)\"\nB = \"b\"\nSUPABASE_URL = \"no\"\n",
    );
    write("supabase/.env", "ID=from-supabase-env\n");
    write("supabase/.env.local", "ID=from-supabase-env-local\n");
    write("supabase/.env.staging", "ID=from-supabase-env-staging\n");
    write(".env.staging.local", "ID=from-root\nA=from-root\n");
    write("supabase/functions/.env", "B=from-functions\nC=\"c\"\nSUPABASE_DB_URL=no\n");
    let id = |pairs: &[(&str, &str)]| Project::load(&root, &variables(pairs)).unwrap().settings.project_id;
    assert_eq!(id(&[]), "from-supabase-env-local");
    assert_eq!(id(&[("SUPABASE_ENV", "test")]), "from-supabase-env");
    assert_eq!(id(&[("ID", "from-process")]), "from-process");
    let staging = Project::load(&root, &variables(&[("SUPABASE_ENV", "staging")])).unwrap();
    assert_eq!(staging.settings.project_id, "from-supabase-env-local");
    let environment = staging.functions_environment().unwrap();
    assert_eq!(
        environment,
        variables(&[("A", "from-root"), ("B", "from-functions"), ("C", "c")]),
        "the host's names are left out"
    );
    write("supabase/functions/.env", "oops\n");
    let error = staging.functions_environment().unwrap_err().to_string();
    assert!(error.ends_with("supabase/functions/.env:1: expected NAME=value"), "{error}");
    std::fs::remove_dir_all(&root).unwrap();
    let missing = Project::load(&root, &Variables::new()).unwrap_err().to_string();
    assert!(missing.contains("isobase init"), "{missing}");
}
