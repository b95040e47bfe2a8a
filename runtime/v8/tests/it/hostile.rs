//! Functions that try to reach the host through Node's modules. Each attempt must fail inside the function, and
//! leave the host and its neighbours as they were.

use crate::support::{answer, check_table, outcome};

/// Says `refused` if `attempt` throws, rejects or is told of by an `error` event.
const TOLD: &str = "
    const told = async (attempt) => {
        try {
            const made = attempt();
            if (typeof made?.once !== 'function') return `done: ${String(await made).slice(0, 200)}`;
            return await new Promise((resolve) => {
                setTimeout(resolve, 3000, 'nothing came of it');
                made.once('error', () => resolve('refused'));
                for (const name of ['connect', 'listening', 'spawn', 'online']) made.once(name, () => resolve(name));
            });
        } catch (error) { return 'refused'; }
    };";

async fn check(attempts: &[(&str, &str)]) {
    let table: Vec<(&str, String)> = attempts
        .iter()
        .map(|(imports, attempt)| (*imports, format!("{TOLD} return await told(() => {attempt});")))
        .collect();
    let mut through = String::new();
    for (imports, body) in &table {
        let told = outcome("hostile", imports, body).await;
        // An error that nobody in the function handles ends its isolate, which is as good.
        let is_refused = told == "refused" || told.starts_with("500 WORKER_ERROR");
        if !is_refused {
            through.push_str(&format!("{}\n    {told}\n", body.trim_start_matches(TOLD)));
        }
    }
    assert!(through.is_empty(), "{through}");
    assert_eq!(answer("neighbour", "Deno.serve(() => new Response('well'))").await, "200 well");
}

#[tokio::test]
async fn descriptors_of_the_host() {
    let net = "import net from 'node:net';";
    let fs = "import fs from 'node:fs';";
    check(&[
        (net, "new net.Socket({ fd: 3 })"),
        (net, "new net.Socket({ fd: 1 }).write('x')"),
        (net, "net.createServer().listen({ fd: 3 })"),
        ("", "{ const { TCP } = process.binding('tcp_wrap'); const code = new TCP(0).open(3); if (code < 0) throw code; return code; }"),
        ("", "{ const { Pipe } = process.binding('pipe_wrap'); const code = new Pipe(0).open(3); if (code < 0) throw code; return code; }"),
        ("import tty from 'node:tty';", "new tty.WriteStream(1)"),
        ("import tty from 'node:tty';", "new tty.ReadStream(0)"),
        (fs, "fs.closeSync(3)"),
        (fs, "fs.readSync(3, Buffer.alloc(1))"),
        (fs, "fs.writeSync(5, 'x')"),
        (fs, "fs.fstatSync(4)"),
        (fs, "fs.createReadStream('', { fd: 3 }).read() ?? Promise.reject('empty')"),
        ("import dgram from 'node:dgram';", "dgram.createSocket('udp4').bind({ fd: 3 })"),
    ])
    .await;
}

#[tokio::test]
async fn sockets_that_are_not_its_own() {
    let net = "import net from 'node:net';";
    check(&[
        (net, "net.connect({ path: '/var/run/docker.sock' })"),
        (net, "net.connect({ path: '\\0abstract' })"),
        (net, "net.createServer().listen(0)"),
        (net, "net.createServer().listen('/tmp/socket')"),
        ("import http from 'node:http';", "{ http.createServer().listen(1); return http.createServer().listen(0); }"),
        ("import http from 'node:http';", "http.get({ socketPath: '/var/run/docker.sock', path: '/' })"),
        ("import tls from 'node:tls';", "tls.createServer({}).listen(0)"),
        ("import dgram from 'node:dgram';", "dgram.createSocket('udp4').bind(0)"),
        ("import dgram from 'node:dgram';", "new Promise((resolve, reject) => dgram.createSocket('udp4').send('x', 9, '127.0.0.1', (error) => error ? reject(error) : resolve()))"),
        ("", "Deno.listenTls({ port: 0 })"),
        ("", "Deno.listen({ transport: 'unix', path: '/tmp/socket' })"),
    ])
    .await;
}

#[tokio::test]
async fn the_process_and_its_neighbours() {
    check(&[
        ("", "process.abort()"),
        ("", "process.exit(1)"),
        ("", "process.kill(process.pid, 'SIGKILL')"),
        ("", "process.kill(1, 0)"),
        ("", "process.setuid(0)"),
        ("", "process.setegid(0)"),
        ("", "{ process.title = 'mine'; }"),
        ("", "process.loadEnvFile('/tmp/x')"),
        ("", "process.dlopen({}, '/lib/x86_64-linux-gnu/libc.so.6')"),
        ("import os from 'node:os';", "os.setPriority(0, -20)"),
        ("import { spawn } from 'node:child_process';", "spawn('true')"),
        (
            "import { exec } from 'node:child_process';",
            "new Promise((resolve, reject) => exec('true', (error) => error ? reject(error) : resolve()))",
        ),
        ("import { fork } from 'node:child_process';", "fork('/x.js')"),
        ("import { Worker } from 'node:worker_threads';", "new Worker('1', { eval: true })"),
        ("import cluster from 'node:cluster';", "cluster.fork()"),
        ("", "new Deno.Command('true').output()"),
        ("import { createRequire } from 'node:module';", "createRequire(import.meta.url)('/etc/passwd')"),
        ("import module from 'node:module';", "module.registerHooks({})"),
    ])
    .await;
}

#[tokio::test]
async fn v8_and_its_inspector() {
    check(&[
        ("import v8 from 'node:v8';", "v8.setHeapSnapshotNearHeapLimit(1)"),
        ("import v8 from 'node:v8';", "v8.writeHeapSnapshot('/tmp/x')"),
        ("import v8 from 'node:v8';", "v8.getHeapSnapshot()"),
        ("import v8 from 'node:v8';", "v8.setFlagsFromString('--allow-natives-syntax')"),
        ("import inspector from 'node:inspector';", "inspector.open(0)"),
        ("import inspector from 'node:inspector';", "new inspector.Session().connect()"),
        ("import { WASI } from 'node:wasi';", "new WASI({ version: 'preview1', preopens: { '/': '/' } })"),
    ])
    .await;
}

const DISK: &[(&str, &str, &str, &str)] = &[
    (
        "files of the host",
        "import fs from 'node:fs';",
        "const found = []; for (const path of ['/etc/passwd', '/proc/self/environ', '/proc/self/maps', '/dev/null', '/sys/kernel', '/root', '../../../../etc/passwd', '/tmp/../etc/passwd', '/proc/self/fd/1', '/home']) {
            for (const attempt of [() => fs.readFileSync(path), () => fs.statSync(path), () => fs.readdirSync(path), () => Deno.readTextFileSync(path), () => fs.openSync(path, 'r+'), () => fs.writeFileSync(path, '')]) {
                try { attempt(); found.push(path + attempt); } catch { /* as it should be */ }
            } } return found.join('\\n');",
        "",
    ),
    (
        "what is at the root",
        "import fs from 'node:fs';",
        "return fs.readdirSync('/').join();",
        "tmp",
    ),
    (
        "environment",
        "",
        "return Object.keys(process.env).filter((name) => ['PATH', 'HOME', 'USER', 'PWD', 'CARGO_MANIFEST_DIR'].includes(name)).join();",
        "",
    ),
    (
        "crafted code",
        "import vm from 'node:vm';",
        "const script = new vm.Script('1', { cachedData: Buffer.alloc(64), produceCachedData: true }); return [script.cachedDataRejected ?? false, script.cachedData === undefined].join();",
        "false,true",
    ),
    (
        "what a context of node:vm holds",
        "import vm from 'node:vm';",
        "return vm.runInNewContext('[typeof Deno, typeof __bootstrap, typeof __isobase, typeof fetch, typeof process].join()');",
        "undefined,undefined,undefined,undefined,undefined",
    ),
    (
        "signals are nobody's",
        "",
        "process.on('SIGTERM', () => {}); process.once('SIGINT', () => {}); return 'ignored';",
        "ignored",
    ),
    (
        "dynamic imports of internals",
        "",
        "const told = []; for (const name of ['ext:core/mod.js', 'ext:core/ops', 'ext:deno_node/internal_binding/mod.ts']) told.push(await import(name).then(() => 'got ' + name, () => 'refused')); return told.join();",
        "refused,refused,refused",
    ),
];

#[tokio::test]
async fn the_hosts_disk_and_environment() {
    check_table("hostile", DISK).await;
}
