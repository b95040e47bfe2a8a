//! A Postgres for the tests of `isobase:host/database`, in a folder of its own.
//!
//! Postgres refuses to run as root, so as root it is run as the system user `postgres`. The shell
//! that starts it waits on its standard input: when the test process ends, however it does, the pipe
//! closes and the server is stopped.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use isobase_base::observe::Observer;
use isobase_database::{Database, DatabaseConfig};
use tokio::runtime::Runtime;

const RUN: &str = r#"
set -e
export PATH="$PATH:$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -1)"
trap 'pg_ctl -D "$DIR/data" -m immediate stop >/dev/null 2>&1; rm -rf "$DIR"' EXIT
initdb -D "$DIR/data" -U admin --auth=trust --locale=C.UTF-8 -E UTF8 >"$DIR/initdb.log" 2>&1
pg_ctl -D "$DIR/data" -l "$DIR/log" -w -o "-c listen_addresses=127.0.0.1 -p $PORT -k $DIR -c fsync=off" start </dev/null >/dev/null 2>&1
psql -q -h "$DIR" -p "$PORT" -U admin postgres -v ON_ERROR_STOP=1 -c "$SCHEMA" >"$DIR/schema.log" 2>&1 || { cat "$DIR/schema.log" >&2; exit 1; }
echo ready
cat >/dev/null
"#;

const SCHEMA: &str = "
create role anon nologin;
create role authenticated nologin;
create role service_role nologin bypassrls;
create role authenticator login noinherit;
grant anon, authenticated, service_role to authenticator;
create table notes (id int primary key, owner text not null, title text);
insert into notes select i, case when i % 2 = 0 then 'ada' else 'bob' end, 'note ' || i from generate_series(1, 100) i;
alter table notes enable row level security;
create policy own on notes to authenticated
    using (owner = current_setting('request.jwt.claims', true)::json ->> 'sub');
grant select, insert, update, delete on notes to authenticated, service_role;
";

struct Cluster {
    port: u16,
    /// Stops the server when it is dropped with the process.
    _shell: Child,
}

fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| {
        let folder = tempfile::Builder::new().prefix("isobase-v8-").tempdir().unwrap().keep();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let is_root =
            Command::new("chown").arg("postgres").arg(&folder).status().is_ok_and(|status| status.success());
        let mut command = if is_root { Command::new("setpriv") } else { Command::new("sh") };
        if is_root {
            command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "sh"]);
        }
        let mut shell = command
            .args(["-c", RUN])
            .env("DIR", &folder)
            .env("PORT", port.to_string())
            .env("SCHEMA", SCHEMA)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(shell.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n", "postgres did not start");
        Cluster { port, _shell: shell }
    })
}

/// One pool for all tests; its connections live on a runtime of its own, as in the product.
pub(crate) fn database() -> Database {
    static RUNTIME: OnceLock<(Runtime, Database)> = OnceLock::new();
    let (_, database) = RUNTIME.get_or_init(|| {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let url = format!("postgres://authenticator@127.0.0.1:{}/postgres", cluster().port);
        // Not on this thread: a test's own runtime may be entered here.
        let handle = runtime.handle().clone();
        let open = move || {
            handle.block_on(async move {
                let config = DatabaseConfig::from_url(&url).unwrap();
                Database::open(config, Observer::default()).await.unwrap()
            })
        };
        let database = std::thread::spawn(open).join().unwrap();
        (runtime, database)
    });
    database.clone()
}
