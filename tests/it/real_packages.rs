//! Packages that people use in edge functions, as they are in npm's registry, each with a real call. Where the
//! registry cannot be reached, the test says so and ends.

use serde_json::json;

use crate::app::Project;
use crate::edge_runtime::connections::talk;

/// Name of the function, its imports, and what must be `true`.
const CALLS: &[(&str, &str, &str)] = &[
    ("zod", "import { z } from 'npm:zod@4';", "z.object({ a: z.number() }).parse({ a: 1 }).a === 1"),
    (
        "supabase",
        "import { createClient } from 'npm:@supabase/supabase-js@2';",
        "(await createClient(Deno.env.get('SUPABASE_URL'), Deno.env.get('SUPABASE_ANON_KEY')).from('nothing').select()).error.code === 'PGRST205'",
    ),
    (
        "jsr",
        "import { createClient } from 'jsr:@supabase/supabase-js@2';\nimport 'jsr:@supabase/functions-js/edge-runtime.d.ts';",
        "typeof createClient === 'function'",
    ),
    (
        "hono",
        "import { Hono } from 'npm:hono@4';",
        "(await (await new Hono().get('/x', (c) => c.text('hi')).request('/x')).text()) === 'hi'",
    ),
    (
        "jose",
        "import * as jose from 'npm:jose@6';\nconst key = new TextEncoder().encode('a secret of at least 32 bytes...');",
        "(await jose.jwtVerify(await new jose.SignJWT({ a: 1 }).setProtectedHeader({ alg: 'HS256' }).sign(key), key)).payload.a === 1",
    ),
    (
        "jsonwebtoken",
        "import jwt from 'npm:jsonwebtoken@9';",
        "jwt.verify(jwt.sign({ a: 1 }, 'x'), 'x').a === 1",
    ),
    (
        "openai",
        "import OpenAI from 'npm:openai@6';\nconst client = new OpenAI({ apiKey: 'x', baseURL: 'http://127.0.0.1:9', maxRetries: 0 });",
        "await client.models.list().then(() => false, (error) => error.constructor.name === 'APIConnectionError')",
    ),
    (
        "stripe",
        "import Stripe from 'npm:stripe@19';\nconst { webhooks } = new Stripe('sk_test_x');\nconst payload = '{\"id\":\"evt_1\"}';",
        "(await webhooks.constructEventAsync(payload, await webhooks.generateTestHeaderStringAsync({ payload, secret: 'x' }), 'x')).id === 'evt_1'",
    ),
    (
        "postgres",
        "import { drizzle } from 'npm:drizzle-orm@0.45/postgres-js';\nimport { sql } from 'npm:drizzle-orm@0.45';\nimport postgres from 'npm:postgres@3';",
        "(await drizzle(postgres(Deno.env.get('SUPABASE_DB_URL'), { idle_timeout: 1 })).execute(sql`select 1 + 1 as two`))[0].two === 2",
    ),
    (
        "pg",
        "import pg from 'npm:pg@8';\nconst client = new pg.Client(Deno.env.get('SUPABASE_DB_URL'));\nawait client.connect();",
        "(await client.query('select $1::int as n', [7])).rows[0].n === 7",
    ),
    (
        "nodemailer",
        "import nodemailer from 'npm:nodemailer@7';",
        "JSON.parse((await nodemailer.createTransport({ jsonTransport: true }).sendMail({ to: 'a@b.c', subject: 's' })).message).subject === 's'",
    ),
    ("cheerio", "import * as cheerio from 'npm:cheerio@1';", "cheerio.load('<p>x</p>')('p').text() === 'x'"),
    ("lodash", "import _ from 'npm:lodash@4';", "_.chunk([1, 2, 3], 2).length === 2"),
    (
        "sentry",
        "import * as Sentry from 'npm:@sentry/deno@10';\nSentry.init({});",
        "typeof Sentry.captureException === 'function'",
    ),
    ("ws", "import { WebSocketServer } from 'npm:ws@8';", "typeof WebSocketServer === 'function'"),
    (
        "oak",
        "import { Application, Router } from 'npm:@oakserver/oak@14';\nconst router = new Router();\nrouter.get('/hi/:name', (context) => { context.response.body = `hi ${context.params.name}`; });\nconst oak = new Application();\noak.use(router.routes());",
        "(await (await oak.handle(new Request('http://x/hi/ada'))).text()) === 'hi ada'",
    ),
    (
        "kysely",
        "import { Kysely, PostgresDialect, sql } from 'npm:kysely@0.28';\nimport pg from 'npm:pg@8';\nconst database = new Kysely({ dialect: new PostgresDialect({ pool: new pg.Pool({ connectionString: Deno.env.get('SUPABASE_DB_URL'), max: 1 }) }) });",
        "(await sql`select ${3}::int + 4 as n`.execute(database)).rows[0].n === 7 && database.selectFrom('a').selectAll().where('b', '=', 1).compile().sql === 'select * from \"a\" where \"b\" = $1'",
    ),
    (
        "ioredis",
        "import Redis from 'npm:ioredis@5';\nconst redis = new Redis('redis://127.0.0.1:9', { lazyConnect: true, retryStrategy: null });\nredis.on('error', () => {});",
        "await redis.connect().then(() => false, (error) => error.message.includes('Connection is closed'))",
    ),
    (
        "upstash-redis",
        "import { Redis } from 'npm:@upstash/redis@1';\nconst redis = new Redis({ url: 'https://x.invalid', token: 'x', retry: false });",
        "await redis.get('a').then(() => false, (error) => error instanceof Error)",
    ),
    (
        "aws4fetch",
        "import { AwsClient } from 'npm:aws4fetch@1';\nconst aws = new AwsClient({ accessKeyId: 'x', secretAccessKey: 'y', region: 'eu-central-1', service: 's3' });",
        "(await aws.sign('https://bucket.s3.amazonaws.com/a')).headers.get('authorization').startsWith('AWS4-HMAC-SHA256 Credential=x/')",
    ),
    (
        "aws-s3",
        "import { GetObjectCommand, S3Client } from 'npm:@aws-sdk/client-s3@3';\nimport { getSignedUrl } from 'npm:@aws-sdk/s3-request-presigner@3';\nconst s3 = new S3Client({ region: 'eu-central-1', credentials: { accessKeyId: 'x', secretAccessKey: 'y' } });",
        "new URL(await getSignedUrl(s3, new GetObjectCommand({ Bucket: 'b', Key: 'k' }))).searchParams.get('X-Amz-Signature').length === 64",
    ),
    (
        "langchain",
        "import { PromptTemplate } from 'npm:@langchain/core@1/prompts';\nimport { RunnableLambda } from 'npm:@langchain/core@1/runnables';",
        "(await PromptTemplate.fromTemplate('hi {name}').pipe(RunnableLambda.from((prompt) => prompt.toString())).invoke({ name: 'ada' })).includes('hi ada')",
    ),
    ("uuid", "import { v4, v7, validate } from 'npm:uuid@13';", "validate(v4()) && v7().charAt(14) === '7'"),
    (
        "date-fns",
        "import { addDays, format } from 'npm:date-fns@4';",
        "format(addDays(new Date(2024, 1, 28), 1), 'yyyy-MM-dd') === '2024-02-29'",
    ),
    ("marked", "import { marked } from 'npm:marked@16';", "marked('# x').trim() === '<h1>x</h1>'"),
    (
        "satori",
        "import satori from 'npm:satori@0.18';",
        "(await satori({ type: 'div', props: { style: { width: 10, height: 10, backgroundColor: 'red' } } }, { width: 20, height: 20, fonts: [] })).startsWith('<svg width=\"20\"')",
    ),
    (
        "puppeteer",
        "import puppeteer from 'npm:puppeteer-core@24';",
        "await puppeteer.connect({ browserWSEndpoint: 'ws://127.0.0.1:9' }).then(() => false, (error) => error.name !== 'TypeError')",
    ),
];

const EXPRESS: &str = "import express from 'npm:express@5';
const app = express();
app.use(express.json());
app.post('/express/echo', (request, response) => response.status(201).json(request.body));
app.listen(3000);
";

/// A WebSocket server of npm, on Node's.
const SOCKETS: &str = "import { createServer } from 'node:http';
import { WebSocketServer } from 'npm:ws@8';
const sockets = new WebSocketServer({ noServer: true });
sockets.on('connection', (socket) => {
  socket.send('welcome');
  socket.on('message', (data) => String(data) === 'bye' ? socket.close(4001, 'as asked') : socket.send(String(data).toUpperCase()));
});
createServer((_, response) => response.end('plain'))
  .on('upgrade', (request, socket, head) => sockets.handleUpgrade(request, socket, head, (one) => sockets.emit('connection', one, request)))
  .listen(8080);
";

#[tokio::test]
#[allow(clippy::print_stderr, reason = "a test that proves nothing says so")]
async fn packages_of_the_registry_work() {
    let project = Project::empty();
    for (slug, imports, expression) in CALLS {
        project.configure(&format!("[functions.{slug}]\nverify_jwt = false"));
        let handler = format!(
            "Deno.serve(async () => {{ try {{ return Response.json({expression}); }} \
             catch (error) {{ return new Response(error.stack); }} }});"
        );
        project.function(slug, &format!("{imports}\n{handler}\n"));
    }
    project.configure("[functions.express]\nverify_jwt = false\n[functions.sockets]\nverify_jwt = false");
    project.function("express", EXPRESS);
    project.function("sockets", SOCKETS);
    let app = project.start().await;
    if app.project.log().contains("could not be fetched from the registry") {
        eprintln!("skipped: the registry of packages cannot be reached from here");
        return;
    }
    let mut wrong = String::new();
    for (slug, ..) in CALLS {
        let told = app.call("GET", &format!("/functions/v1/{slug}")).send().await.text();
        if told != "true" {
            wrong.push_str(&format!("{slug}: {told}\n"));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    // The first request of an isolate has a body: its parts must not overtake each other.
    let echoed = app.call("POST", "/functions/v1/express/echo").json(&json!({ "a": [1] })).send().await;
    assert_eq!((echoed.status.as_u16(), echoed.json()), (201, json!({ "a": [1] })), "{}", app.project.log());
    assert_eq!(app.call("GET", "/functions/v1/sockets").send().await.text(), "plain");
    talk(&app, "sockets").await;
}
