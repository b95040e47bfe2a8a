//! Node's clients under the egress policy, and Node's servers as a function's handler.

use std::sync::Arc;

use isobase_base::{Capabilities, Egress};
use isobase_engine::{Engine, Function};
use isobase_http::{Network, Stance, Surroundings};
use isobase_v8::{V8Config, V8Engine};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use isobase_base::task::{self, TaskKind};

use crate::support::{FunctionBuilder, context, function, get, outcome_code, post, read};

/// Answers an HTTP request, and echoes anything else.
async fn server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serve = async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            task::spawn(TaskKind::Request, "test connection", async move {
                let mut question = vec![0; 4096];
                while let Ok(count @ 1..) = connection.read(&mut question).await {
                    let answer: &[u8] = match &question[..count] {
                        [b'G', b'E', b'T', b' ', ..] => b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nthere",
                        other => other,
                    };
                    if connection.write_all(answer).await.is_err() {
                        return;
                    }
                }
            });
        }
    };
    task::spawn(TaskKind::Request, "test server", serve);
    port
}

async fn run(builder: FunctionBuilder, stance: Stance, egress: Egress, closed_ports: Vec<u16>) -> String {
    let engine = V8Engine::new(V8Config {
        prewarmed: 0,
        network: Network::new(stance, Surroundings { gateway: None, closed_ports }),
        ..V8Config::new(env!("CARGO_TARGET_TMPDIR").into())
    })
    .unwrap();
    let plain = builder.build();
    let function = Function::clone(&plain);
    let capabilities = Capabilities { egress, ..plain.capabilities.clone() };
    let worker = engine.boot(Arc::new(Function { capabilities, ..function })).await.unwrap();
    read(worker.invoke(get("/"), context()).await).await
}

const CLIENTS: &str = "
    import http from 'node:http'; import net from 'node:net'; import https from 'node:https'; import tls from 'node:tls';
    const text = (request) => new Promise((resolve, reject) => {
        request.on('error', reject);
        request.on('response', async (response) => { let body = ''; for await (const chunk of response) body += chunk; resolve(response.statusCode + body); });
    });
    const echo = (socket) => new Promise((resolve, reject) => {
        socket.on('error', reject); socket.once('data', (data) => { resolve(String(data)); socket.destroy(); }); socket.write('echo');
    });
    // A name is refused where it is looked up, in Node's own way.
    const told = (promise) => promise.catch((error) => `${error.code === 'EPERM' ? 'NotCapable' : (error.errors?.[0] ?? error).name}`);
    async function asked(host, port) {
        return [await told(text(http.get({ host, port, path: '/', agent: false }))), await told((async () => echo(net.connect(port, host)))()),
            await told(text(https.get({ host, port, path: '/' }))), await told(new Promise((resolve, reject) => tls.connect({ host, port }).on('error', reject)))].join();
    }";

#[tokio::test]
async fn clients_reach_what_the_policy_lets_them() {
    let port = server().await;
    let code = outcome_code(
        "import http from 'node:http'; import net from 'node:net';",
        &format!(
            "const text = await new Promise((resolve, reject) => http.get('http://127.0.0.1:{port}/', async (response) => {{
                let body = ''; for await (const chunk of response) body += chunk; resolve(response.statusCode + body); }}).on('error', reject));
             const echo = await new Promise((resolve, reject) => {{ const socket = net.connect({port}, 'localhost', () => socket.write('echo'));
                socket.once('data', (data) => {{ socket.destroy(); resolve(String(data)); }}).on('error', reject); }});
             return [text, echo].join();"
        ),
    );
    let told = run(function("clients", &code), Stance::Development, Egress::Host, vec![]).await;
    assert_eq!(told, "200 200there,echo");
}

async fn refused(stance: Stance, egress: Egress, closed_ports: Vec<u16>, host: &str, port: u16) {
    let code = outcome_code(CLIENTS, &format!("return await asked('{host}', {port});"));
    let told = run(function("refused", &code), stance, egress, closed_ports).await;
    assert_eq!(told, "200 NotCapable,NotCapable,NotCapable,NotCapable", "{host}:{port}");
}

#[tokio::test]
async fn clients_do_not_reach_what_it_closes() {
    let port = server().await;
    refused(Stance::Production, Egress::Host, vec![], "127.0.0.1", port).await;
    refused(Stance::Production, Egress::Host, vec![], "localhost", port).await;
    refused(Stance::Production, Egress::Host, vec![], "2130706433", port).await;
    refused(Stance::Production, Egress::Host, vec![], "169.254.169.254", 80).await;
    refused(Stance::Development, Egress::Host, vec![port], "127.0.0.1", port).await;
    let listed = || Egress::Listed(["api.example.com".parse().unwrap()].into());
    refused(Stance::Development, listed(), vec![], "127.0.0.1", port).await;
    refused(Stance::Development, listed(), vec![], "example.org", 80).await;
}

const APP: &str = "
    import http from 'node:http';
    const server = http.createServer(async (request, response) => {
        if (request.url === '/stream') { response.write('one '); setTimeout(() => response.end('two'), 2); return; }
        if (request.url === '/empty') { response.writeHead(204).end(); return; }
        let body = ''; for await (const chunk of request) body += chunk;
        response.setHeader('x-method', request.method); response.setHeader('set-cookie', ['a=1', 'b=2']);
        response.statusCode = 201;
        response.end(JSON.stringify({ url: request.url, body, host: request.headers.host, version: request.httpVersion }));
    }).listen(3000, () => console.log('listening on', server.address().port));";

#[tokio::test]
async fn a_server_of_nodes_is_the_functions_handler() {
    let worker = function("app", APP).boot().await.unwrap();
    let answer = worker.invoke(post("/a?b=c", "question"), context()).await.unwrap();
    assert_eq!(answer.status(), 201);
    assert_eq!(answer.headers()["x-method"], "POST");
    assert_eq!(answer.headers().get_all("set-cookie").iter().count(), 2);
    let told = read(Ok(answer)).await;
    assert_eq!(told, r#"201 {"url":"/a?b=c","body":"question","host":"localhost:54321","version":"1.1"}"#);
    assert_eq!(read(worker.invoke(get("/stream"), context()).await).await, "200 one two");
    assert_eq!(read(worker.invoke(get("/empty"), context()).await).await, "204 ");
    assert_eq!(crate::support::logged("app"), ["info listening on 8000"]);
}

#[tokio::test]
async fn many_requests_at_once_do_not_mix() {
    let code = "import http from 'node:http'; http.createServer((request, response) => setTimeout(() => response.end(request.url), 5 * Math.random())).listen(0);";
    let worker = function("many", code).boot().await.unwrap();
    let paths: Vec<String> = (0..40).map(|number| format!("/{number}")).collect();
    let answers = paths.iter().map(|path| async { read(worker.invoke(get(path), context()).await).await });
    for (path, answer) in paths.iter().zip(futures::future::join_all(answers).await) {
        assert_eq!(answer, format!("200 {path}"));
    }
}
