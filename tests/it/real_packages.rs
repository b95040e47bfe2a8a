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
