//! A Postgres of the test's own, in a temporary folder, gone when the test process is.
//!
//! Postgres refuses to run as root, so as root everything is done as the system user `postgres`.
//! A shell owns the server and waits for the end of its standard input: however the test process
//! ends, the pipe closes, the server is stopped and the folder removed.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, OnceLock};

/// Where Debian and the PGDG packages keep server binaries, newest first; `ISOBASE_PG_BIN` wins.
const BIN_FOLDERS: [&str; 4] = [
    "/usr/lib/postgresql/18/bin",
    "/usr/lib/postgresql/17/bin",
    "/usr/lib/postgresql/16/bin",
    "/usr/lib/postgresql/15/bin",
];

const RUN: &str = r#"
set -e
"$BIN/initdb" -D "$DIR/data" -U supabase_admin --auth-local=trust --auth-host=scram-sha-256 --locale=C.UTF-8 -E UTF8 >"$DIR/initdb.log" 2>&1
cat >>"$DIR/data/postgresql.conf" <<CONF
listen_addresses = '127.0.0.1'
port = $PORT
unix_socket_directories = '$DIR'
max_connections = 300
fsync = off
CONF
"$BIN/pg_ctl" -D "$DIR/data" -l "$DIR/log" -w start </dev/null >/dev/null 2>&1 || { cat "$DIR/log" >&2; exit 1; }
echo ready
while read -r action; do
    case "$action" in
        stop) "$BIN/pg_ctl" -D "$DIR/data" -m fast -w stop </dev/null >/dev/null 2>&1 ;;
        start) "$BIN/pg_ctl" -D "$DIR/data" -l "$DIR/log" -w start </dev/null >/dev/null 2>&1 ;;
    esac
    echo done
done
"$BIN/pg_ctl" -D "$DIR/data" -m immediate stop </dev/null >/dev/null 2>&1 || true
rm -rf "$DIR"
"#;

const SCHEMA: &str = "
create role anon nologin;
create role authenticated nologin;
create role service_role nologin bypassrls;
create role web_editor nologin;
create role authenticator login noinherit password 'secret';
grant anon, authenticated, service_role, web_editor to authenticator;
create role isobase_caller login noinherit password 'secret';
grant anon, authenticated to isobase_caller;
create table items (id int primary key, owner uuid not null, title text);
insert into items
    select i, case when i % 10 = 0 then '22222222-2222-2222-2222-222222222222'::uuid
        else '11111111-1111-1111-1111-111111111111'::uuid end, 'title ' || i
    from generate_series(1, 100000) i;
alter table items enable row level security;
create policy own on items to authenticated
    using (owner = (current_setting('request.jwt.claims', true)::json ->> 'sub')::uuid);
grant select, insert, update, delete on items to authenticated, service_role;
create function leave_setting() returns void language sql as
    $$ select set_config('app.left', 'behind', false) $$;
create function leave_role() returns void language sql as
    $$ select set_config('role', 'service_role', false) $$;
create function all_items() returns bigint language plpgsql as
    $$ begin execute 'set local role service_role'; return (select count(*) from items); end $$;
create function leave_search_path() returns void language sql as
    $$ select set_config('search_path', 'pg_catalog', false) $$;
create function lose_plans() returns void language plpgsql as $$ begin execute 'deallocate all'; end $$;
create function leave_table() returns void language plpgsql as
    $$ begin create temp table items as select 666 as id; grant select on items to public; end $$;
create procedure commit_half_way() language plpgsql as
    $$ begin insert into notes (body) values ('half'); commit; insert into notes (body) values ('way'); end $$;
create table parents (id int primary key);
create table children (parent int references parents deferrable initially deferred);
grant all on parents, children to authenticated;
create table notes (id bigint generated always as identity, author text default current_user, body text);
grant all on notes to anon, authenticated, service_role;
create type mood as enum ('glad', 'sad');
create domain email as text check (value like '%@%');
vacuum analyze items;
";

pub(crate) struct Cluster {
    folder: PathBuf,
    port: u16,
    bin: PathBuf,
    control: Mutex<Control>,
}

struct Control {
    _shell: Child,
    input: ChildStdin,
    output: BufReader<std::process::ChildStdout>,
}

impl Cluster {
    /// The one that all tests share.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// One of its own, for tests that stop it.
    pub(crate) fn start() -> Self {
        let bin = server_binaries();
        let folder = tempfile::Builder::new().prefix("isobase-database-").tempdir().unwrap().keep();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = as_server_user();
        if nix::unistd::geteuid().is_root() {
            assert!(Command::new("chown").arg("postgres").arg(&folder).status().unwrap().success());
        }
        let mut shell = command
            .args(["sh", "-c", RUN])
            .envs([("BIN", bin.as_path()), ("DIR", folder.as_path())])
            .env("PORT", port.to_string())
            .current_dir("/")
            // Not in the test's group: Ctrl-C or a timeout must end the test and not its caretaker.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = shell.stdin.take().unwrap();
        let output = BufReader::new(shell.stdout.take().unwrap());
        let mut control = Control { _shell: shell, input, output };
        assert_eq!(control.line(), "ready", "postgres did not start");
        let cluster = Self { folder, port, bin, control: Mutex::new(control) };
        cluster.admin(SCHEMA);
        cluster
    }

    /// As the role that requests log in as, over TCP.
    pub(crate) fn url(&self) -> String {
        self.url_at(self.port)
    }

    /// The same through something that listens on `port`.
    pub(crate) fn url_at(&self, port: u16) -> String {
        format!("postgres://authenticator:secret@127.0.0.1:{port}/postgres")
    }

    pub(crate) fn socket_url(&self) -> String {
        format!("postgres:///postgres?user=authenticator&port={}&host={}", self.port, self.folder.display())
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    #[allow(dead_code, reason = "the benchmark writes its script here")]
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn binary(&self, name: &str) -> Command {
        Command::new(self.bin.join(name))
    }

    pub(crate) fn stop_server(&self) {
        self.control.lock().unwrap().ask("stop");
    }

    pub(crate) fn start_server(&self) {
        self.control.lock().unwrap().ask("start");
    }

    /// Runs `sql` as superuser and returns its output without decoration.
    pub(crate) fn admin(&self, sql: &str) -> String {
        let mut psql = self
            .binary("psql")
            .args([
                "-X",
                "-q",
                "-A",
                "-t",
                "-v",
                "ON_ERROR_STOP=1",
                "-U",
                "supabase_admin",
                "-d",
                "postgres",
                "-p",
            ])
            .arg(self.port.to_string())
            .arg("-h")
            .arg(&self.folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        psql.stdin.take().unwrap().write_all(sql.as_bytes()).unwrap();
        let output = psql.wait_with_output().unwrap();
        assert!(output.status.success(), "{sql}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

impl Control {
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }

    fn ask(&mut self, action: &str) {
        writeln!(self.input, "{action}").unwrap();
        assert_eq!(self.line(), "done");
    }
}

fn as_server_user() -> Command {
    if nix::unistd::geteuid().is_root() {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
        command
    } else {
        Command::new("env")
    }
}

fn server_binaries() -> PathBuf {
    let configured = std::env::var_os("ISOBASE_PG_BIN").map(PathBuf::from);
    let known = BIN_FOLDERS.iter().map(PathBuf::from);
    configured
        .into_iter()
        .chain(known)
        .find(|folder| folder.join("initdb").exists())
        .expect("the tests need a Postgres server: apt-get install postgresql, or set ISOBASE_PG_BIN")
}
