//! One flush: what a statement costs on the wire, seen from a proxy between host and server.

use std::sync::Arc;

use isobase_base::Principal;
use isobase_database::{AccessMode, DatabaseConfig, Parameter, Session, Statement};
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::cluster::Cluster;
use crate::support::{PATIENCE, alice, open, text, texts_of};

/// Who spoke last on the wire, and how often the host began to speak: its turns.
#[derive(Default)]
struct Turns {
    host_spoke_last: bool,
    count: usize,
}

impl Turns {
    fn host_speaks(&mut self) {
        self.count += usize::from(!self.host_spoke_last);
        self.host_spoke_last = true;
    }
}

/// Forwards one connection after another to the server and counts the host's turns.
async fn proxy(turns: Arc<Mutex<Turns>>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    isobase_base::task::spawn(isobase_base::task::TaskKind::Request, "proxy", async move {
        while let Ok((host, _)) = listener.accept().await {
            let turns = Arc::clone(&turns);
            isobase_base::task::spawn(isobase_base::task::TaskKind::Request, "proxied", forward(host, turns));
        }
    });
    port
}

async fn forward(mut host: TcpStream, turns: Arc<Mutex<Turns>>) {
    let mut server = TcpStream::connect(("127.0.0.1", Cluster::shared().port())).await.unwrap();
    let (mut from_host, mut from_server) = (vec![0; 65_536], vec![0; 65_536]);
    loop {
        tokio::select! {
            Ok(count) = host.read(&mut from_host) => {
                if count == 0 { return; }
                turns.lock().host_speaks();
                server.write_all(&from_host[..count]).await.unwrap();
            }
            Ok(count) = server.read(&mut from_server) => {
                if count == 0 { return; }
                turns.lock().host_spoke_last = false;
                host.write_all(&from_server[..count]).await.unwrap();
            }
            else => return,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_takes_one_round_trip_even_the_first_time() {
    let turns = Arc::new(Mutex::new(Turns::default()));
    let port = proxy(Arc::clone(&turns)).await;
    let mut config = DatabaseConfig::from_url(&Cluster::shared().url_at(port)).unwrap();
    config.connections_max = 1;
    let database = open(config).await;
    let door = alice(&database);
    // The listening connection and the reading of roles go through the proxy too.
    crate::support::until("listening has begun", async || door.generation("pgrst") > 0).await;
    let quiet = tokio::time::timeout(PATIENCE, async {
        let mut before = turns.lock().count;
        loop {
            tokio::time::sleep(std::time::Duration::from_millis(300)).await;
            let now = turns.lock().count;
            if now == before {
                return;
            }
            before = now;
        }
    });
    quiet.await.unwrap();
    let session = Session {
        access_mode: AccessMode::ReadOnly,
        settings: vec![("search_path".to_owned(), "public".to_owned())],
        ..Session::default()
    };
    for (what, sql) in [
        ("cold", "select id, title from items where id = $1"),
        ("warm", "select id, title from items where id = $1"),
        ("write", "insert into notes (body) values ($1::int::text)"),
    ] {
        let access_mode = if what == "write" { AccessMode::ReadWrite } else { AccessMode::ReadOnly };
        let session = Session { access_mode, ..session.clone() };
        let before = turns.lock().count;
        let table = door.query(&session, Statement::new(sql, vec![Parameter::Int32(7)])).await.unwrap();
        assert_eq!(turns.lock().count - before, 1, "{what}");
        assert_eq!(table.affected, 1, "{what}");
        if what != "write" {
            assert_eq!(text(&table.rows[0][1]), "title 7");
        }
    }
    let several = [
        "select $1::int",
        "update notes set body = body where $1::int = 0",
        "explain (format json) select $1::int",
    ];
    let several = several.map(|sql| Statement::new(sql, vec![Parameter::Int32(7)]));
    for what in ["cold", "warm"] {
        let before = turns.lock().count;
        let documents = door.query_documents(&Session::default(), &several).await.unwrap();
        assert_eq!(turns.lock().count - before, 1, "several, {what}");
        assert_eq!(texts_of(documents).await[0].as_deref(), Some("7"));
    }
    let before = turns.lock().count;
    let mut transaction = crate::support::door(&database, Principal::anon()).transaction(Session::default());
    assert_eq!(turns.lock().count, before, "nothing is sent before the first statement");
    transaction.query(Statement::from("insert into notes (body) values ('a')")).await.unwrap();
    transaction.query(Statement::from("insert into notes (body) values ('b')")).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(turns.lock().count - before, 3);
}
