//! Node's modules, one that is really used at a time.

use crate::support::{check_table, function, outcome, outcome_code, outcome_of};

const MODULES: &[(&str, &str, &str, &str)] = &[
    (
        "assert",
        "import assert from 'node:assert';",
        "try { assert.deepStrictEqual({ a: 1 }, { a: 2 }); } catch (error) { return error.code; }",
        "ERR_ASSERTION",
    ),
    (
        "async_hooks",
        "import { AsyncLocalStorage } from 'node:async_hooks';",
        "const storage = new AsyncLocalStorage();
         const seen = (name) => storage.run(name, async () => {
            await new Promise((resolve) => setTimeout(resolve, 2));
            await null;
            return storage.getStore();
         });
         return (await Promise.all([seen('one'), seen('two')])).join();",
        "one,two",
    ),
    ("buffer", "import { Buffer } from 'node:buffer';", "return Buffer.from('h\u{e9}llo').toString('base64');", "aMOpbGxv"),
    (
        "child_process",
        "import { spawn, execSync } from 'node:child_process';",
        "const told = [typeof spawn];
         try { execSync('true'); } catch (error) { told.push(error.name); }
         return told.join();",
        "function,Error",
    ),
    ("console", "import { Console } from 'node:console';", "return typeof Console;", "function"),
    (
        "compression",
        "import zlib from 'node:zlib'; import { promisify } from 'node:util';",
        "const text = 'x'.repeat(100_000), told = [];
         for (const [pack, unpack] of [['gzip', 'gunzip'], ['deflateRaw', 'inflateRaw'], ['brotliCompress', 'brotliDecompress'], ['zstdCompress', 'zstdDecompress']]) {
            const packed = await promisify(zlib[pack])(text);
            told.push(packed.length < 1000 && String(await promisify(zlib[unpack])(packed)) === text && String(zlib[unpack + 'Sync'](zlib[pack + 'Sync'](text))) === text);
         }
         // What each holds is free again once it is closed.
         for (let i = 0; i < 100; i++) zlib.brotliCompressSync('x');
         return told.join();",
        "true,true,true,true",
    ),
    ("constants", "import constants from 'node:constants';", "return constants.O_RDONLY;", "0"),
    (
        "crypto",
        "import { createHash, createHmac, randomBytes, createCipheriv, createDecipheriv, scryptSync } from 'node:crypto';",
        "const key = randomBytes(32), iv = randomBytes(12);
         const cipher = createCipheriv('aes-256-gcm', key, iv);
         const sealed = Buffer.concat([cipher.update('secret'), cipher.final()]);
         const decipher = createDecipheriv('aes-256-gcm', key, iv).setAuthTag(cipher.getAuthTag());
         return [createHash('sha256').update('abc').digest('hex').slice(0, 8),
            createHmac('sha1', 'k').update('v').digest('base64').length,
            decipher.update(sealed, undefined, 'utf8') + decipher.final('utf8'),
            scryptSync('p', 's', 16).length].join();",
        "ba7816bf,28,secret,16",
    ),
    (
        "crypto keys",
        "import { generateKeyPair, sign, verify } from 'node:crypto'; import { promisify } from 'node:util';",
        "const { publicKey, privateKey } = await promisify(generateKeyPair)('ec', { namedCurve: 'P-256' });
         return verify('sha256', Buffer.from('text'), publicKey, sign('sha256', Buffer.from('text'), privateKey));",
        "true",
    ),
    (
        "crypto keys of passwords",
        "import crypto from 'node:crypto'; import { promisify } from 'node:util';",
        "const keys = [crypto.pbkdf2Sync('p', 's', 2, 20, 'sha1'), await promisify(crypto.pbkdf2)('p', 's', 2, 20, 'sha1'),
            crypto.scryptSync('p', 's', 20), await promisify(crypto.scrypt)('p', 's', 20)];
         const many = await Promise.all(Array.from({ length: 40 }, () => promisify(crypto.scrypt)('p', 's', 20, { N: 1024 })));
         if (!many.every((key) => key.equals(many[0]))) return 'differ';
         return [keys[0].equals(keys[1]), keys[2].equals(keys[3]), keys[2].length,
            crypto.createSecretKey(Buffer.alloc(5000, 1)).export().length, crypto.generateKeySync('hmac', { length: 16384 }).symmetricKeySize,
            crypto.checkPrimeSync(13n), crypto.generatePrimeSync(64).byteLength, crypto.getDiffieHellman('modp14').generateKeys().length].join();",
        "true,true,20,5000,2048,true,8,256",
    ),
    (
        "diagnostics_channel",
        "import { channel } from 'node:diagnostics_channel';",
        "const seen = []; const one = channel('one'); one.subscribe((message) => seen.push(message)); one.publish(7); return seen.join();",
        "7",
    ),
    (
        "events",
        "import { EventEmitter, once } from 'node:events';",
        "const emitter = new EventEmitter(); setTimeout(() => emitter.emit('ready', 42), 1); return (await once(emitter, 'ready'))[0];",
        "42",
    ),
    (
        "fs",
        "import fs from 'node:fs';",
        "fs.mkdirSync('/tmp/a/b', { recursive: true });
         fs.writeFileSync('/tmp/a/b/c.txt', 'text');
         fs.appendFileSync('/tmp/a/b/c.txt', '!');
         return [fs.readFileSync('/tmp/a/b/c.txt', 'utf8'), fs.readdirSync('/tmp/a').join(), fs.existsSync('/tmp/x'), fs.statSync('/tmp/a/b/c.txt').size].join();",
        "text!,b,false,5",
    ),
    (
        "fs streams",
        "import fs from 'node:fs'; import { pipeline } from 'node:stream/promises'; import { Readable } from 'node:stream';",
        "await pipeline(Readable.from(['one ', 'two']), fs.createWriteStream('/tmp/out'));
         let text = ''; for await (const chunk of fs.createReadStream('/tmp/out')) text += chunk; return text;",
        "one two",
    ),
    (
        "fs/promises",
        "import { mkdtemp, writeFile, readFile, rm, stat, open } from 'node:fs/promises'; import { join } from 'node:path'; import { tmpdir } from 'node:os';",
        "const folder = await mkdtemp(join(tmpdir(), 'x-')); await writeFile(join(folder, 'f'), 'hello');
         const handle = await open(join(folder, 'f')); const { bytesRead } = await handle.read(Buffer.alloc(3), 0, 3, 1); await handle.close();
         const text = await readFile(join(folder, 'f'), 'utf8'); await rm(folder, { recursive: true });
         return [text, bytesRead, await stat(folder).catch((error) => error.code)].join();",
        "hello,3,ENOENT",
    ),
    ("http", "import http from 'node:http';", "return [http.STATUS_CODES[404], http.METHODS.includes('GET'), typeof http.Agent].join();", "Not Found,true,function"),
    ("http2", "import http2 from 'node:http2';", "return http2.constants.HTTP2_HEADER_STATUS;", ":status"),
    ("https", "import https from 'node:https';", "return typeof https.globalAgent.addRequest;", "function"),
    (
        "module",
        "import { createRequire, builtinModules, isBuiltin } from 'node:module';",
        "const require = createRequire(import.meta.url); return [require('path').basename('/a/b'), builtinModules.includes('fs'), isBuiltin('node:sqlite'), isBuiltin('sqlite')].join();",
        "b,true,true,false",
    ),
    ("net", "import net from 'node:net';", "return [net.isIP('::1'), net.isIPv4('1.2.3.4')].join();", "6,true"),
    (
        "os",
        "import os from 'node:os';",
        "return [os.hostname(), os.platform(), os.EOL.length, os.cpus().length, os.tmpdir(), os.homedir(), os.userInfo().username].join();",
        "localhost,linux,1,1,/tmp,/tmp,isobase",
    ),
    ("path", "import path from 'path';", "return path.posix.join('/a', '../b', 'c.txt');", "/b/c.txt"),
    ("perf_hooks", "import { performance, monitorEventLoopDelay } from 'node:perf_hooks';", "return typeof performance.now() + typeof monitorEventLoopDelay;", "numberfunction"),
    (
        "process",
        "import process, { nextTick } from 'node:process';",
        "const order = []; nextTick(() => order.push('tick')); order.push('now'); await new Promise(setImmediate);
         return [order.join('-'), process.platform, process.version.startsWith('v'), process.cwd(), typeof process.hrtime.bigint(), process.argv.length, process.stdout.isTTY ?? false].join();",
        "now-tick,linux,true,/node,bigint,2,false",
    ),
    ("punycode", "import punycode from 'node:punycode';", "return punycode.toASCII('m\u{fc}nchen.de');", "xn--mnchen-3ya.de"),
    ("querystring", "import qs from 'node:querystring';", "return qs.stringify({ a: ['1', '2'], b: 'x y' });", "a=1&a=2&b=x%20y"),
    (
        "readline",
        "import readline from 'node:readline'; import { Readable } from 'node:stream';",
        "const lines = []; for await (const line of readline.createInterface({ input: Readable.from(['a\\nb\\n', 'c']) })) lines.push(line); return lines.join();",
        "a,b,c",
    ),
    (
        "sqlite",
        "import { DatabaseSync } from 'node:sqlite';",
        "try { new DatabaseSync(':memory:'); } catch (error) { return error.name; }",
        "NotSupported",
    ),
    (
        "stream",
        "import { Readable, Transform, Writable } from 'node:stream'; import { pipeline } from 'node:stream/promises';",
        "let out = ''; await pipeline(Readable.from(['a', 'b']), new Transform({ transform(chunk, _e, next) { next(null, String(chunk).toUpperCase()); } }),
            new Writable({ write(chunk, _e, next) { out += chunk; next(); } })); return out;",
        "AB",
    ),
    (
        "stream/web",
        "import { ReadableStream as Web } from 'node:stream/web'; import { Readable } from 'node:stream'; import { text } from 'node:stream/consumers';",
        "return [Web === ReadableStream, await text(Readable.fromWeb(new Response('body').body))].join();",
        "true,body",
    ),
    (
        "string_decoder",
        "import { StringDecoder } from 'node:string_decoder';",
        "const decoder = new StringDecoder('utf8'); return decoder.write(Buffer.from([0xe2, 0x82])) + decoder.write(Buffer.from([0xac]));",
        "\u{20ac}",
    ),
    (
        "timers",
        "import { setTimeout as sleep } from 'node:timers/promises'; import timers from 'node:timers';",
        "const timer = timers.setTimeout(() => {}, 1e6); timer.unref(); timers.clearTimeout(timer); return await sleep(1, 'woke');",
        "woke",
    ),
    ("tls", "import tls from 'node:tls';", "return tls.rootCertificates.length > 50;", "true"),
    ("tty", "import tty from 'node:tty';", "return tty.isatty(1);", "false"),
    (
        "url",
        "import { fileURLToPath, pathToFileURL, parse } from 'node:url';",
        "return [fileURLToPath('file:///a%20b'), pathToFileURL('/x y').href, parse('http://h:1/p?q').port].join();",
        "/a b,file:///x%20y,1",
    ),
    (
        "util",
        "import util from 'node:util';",
        "const later = util.promisify((value, done) => setTimeout(() => done(null, value * 2), 1));
         return [await later(21), util.inspect({ a: new Map([[1, 2]]) }), util.format('%s-%d', 'x', 3), util.types.isPromise(later(1))].join('|');",
        "42|{ a: Map(1) { 1 => 2 } }|x-3|true",
    ),
    ("v8", "import v8 from 'node:v8';", "return v8.deserialize(v8.serialize({ a: [1, 2n] })).a[1] + '' + (v8.getHeapStatistics().total_heap_size > 0);", "2true"),
    (
        "vm",
        "import vm from 'node:vm';",
        "return [vm.runInThisContext('1 + 1'), new vm.Script('x * 2').runInContext(vm.createContext({ x: 21 }))].join();",
        "2,42",
    ),
    (
        "worker_threads",
        "import { isMainThread, Worker, MessageChannel } from 'node:worker_threads';",
        "const told = [isMainThread, typeof MessageChannel];
         try { new Worker('1', { eval: true }); told.push('started'); } catch (error) { told.push(error instanceof Error); }
         return told.join();",
        "true,function,true",
    ),
    (
        "zlib",
        "import zlib from 'node:zlib'; import { promisify } from 'node:util';",
        "const text = 'text '.repeat(1000); const packed = await promisify(zlib.gzip)(text);
         return [packed.length < 100, zlib.gunzipSync(packed).toString() === text, zlib.brotliDecompressSync(zlib.brotliCompressSync(text)).toString() === text,
            zlib.crc32('hello')].join();",
        "true,true,true,907060870",
    ),
    ("dns", "import dns from 'node:dns';", "return (await dns.promises.lookup('127.0.0.1')).address;", "127.0.0.1"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_module_does_its_work() {
    check_table("node", MODULES).await;
}

#[tokio::test]
async fn nodes_globals_are_there_without_imports() {
    let body = "return [typeof process.env, Buffer.from('a').toString('hex'), global === globalThis,
        await new Promise((resolve) => setImmediate(resolve, 'soon')), process.env.SHOWN, typeof setTimeout(() => {}, 0)].join();";
    let plain = function("globals", &outcome_code("", body)).env("SHOWN", "yes");
    assert_eq!(outcome_of(plain).await, "object,61,true,soon,yes,number");
    let with_packages = function("globals", &outcome_code("", body)).env("SHOWN", "yes").needs_node();
    assert_eq!(outcome_of(with_packages).await, "object,61,true,soon,yes,object");
}

#[tokio::test]
async fn standard_output_is_the_log() {
    let body = "process.stdout.write('from '); process.stdout.write('node\\n'); process.stderr.write('bad\\n'); return 'done';";
    assert_eq!(outcome("stdout", "", body).await, "done");
    assert_eq!(crate::support::logged("stdout"), ["info from node", "error bad"]);
}

#[tokio::test]
async fn a_missing_module_is_named() {
    let told = outcome("missing", "import 'node:nothing';", "").await;
    assert!(told.contains("node:nothing"), "{told}");
}
