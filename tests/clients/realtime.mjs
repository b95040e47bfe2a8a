// Drives realtime broadcast through supabase-js as an application would. Exits with 1 on the first failed check.
// Says "restart me" once, and goes on when a line comes back.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { createClient } from "@supabase/supabase-js";

const { API_URL, PUBLISHABLE_KEY, ANON_KEY, SECRET_KEY, SERVICE_ROLE_KEY, JWT_SECRET, ALICE_TOKEN } = process.env;

setTimeout(() => {
  console.error("a message never came");
  process.exit(1);
}, 100_000).unref();

const clients = [];
const client = (key, realtime = {}, more = {}) => {
  clients.push(createClient(API_URL, key, { realtime: { timeout: 5000, ...realtime }, ...more }));
  return clients.at(-1);
};

/** Resolves with the first status that is final; rejects nothing. */
const joined = (channel) =>
  new Promise((resolve) => {
    channel.subscribe((status, error) => resolve({ status, error: error?.message ?? "" }));
  });
const join = async (channel) => {
  const { status, error } = await joined(channel);
  assert.equal(status, "SUBSCRIBED", error);
  return channel;
};

/** The messages of one event, to be awaited one by one. */
const inbox = (channel, event) => {
  const [come, wanted] = [[], []];
  channel.on("broadcast", { event }, (message) => {
    const next = wanted.shift();
    if (next) next(message);
    else come.push(message);
  });
  return {
    next: () => come.length ? Promise.resolve(come.shift()) : new Promise((resolve) => wanted.push(resolve)),
    waiting: () => come.length,
  };
};

// Between two clients, JSON and bytes, in both versions of the protocol.
const anon = client(PUBLISHABLE_KEY);
const other = client(ANON_KEY);
const old = client(PUBLISHABLE_KEY, { vsn: "1.0.0" });
const sender = anon.channel("room:1");
const receiver = other.channel("room:1");
const elder = old.channel("room:1");
const own = inbox(sender, "*");
const [got, gotOld] = [inbox(receiver, "greeting"), inbox(elder, "greeting")];
const bytes = inbox(receiver, "bytes");
await Promise.all([sender, receiver, elder].map(join));
const greeting = { text: "Grüße 👋", list: [1, null, { deep: true }] };
assert.equal(await sender.send({ type: "broadcast", event: "greeting", payload: greeting }), "ok");
for (const box of [got, gotOld]) {
  const { type, event, payload } = await box.next();
  assert.deepEqual({ type, event, payload }, { type: "broadcast", event: "greeting", payload: greeting });
}
await sender.send({ type: "broadcast", event: "bytes", payload: new Uint8Array([0, 1, 255]).buffer });
assert.deepEqual(new Uint8Array((await bytes.next()).payload), new Uint8Array([0, 1, 255]));
await elder.send({ type: "broadcast", event: "greeting", payload: { from: "1.0.0" } });
assert.deepEqual((await got.next()).payload, { from: "1.0.0" });
assert.deepEqual((await own.next()).payload, { from: "1.0.0" }, "the sender heard nothing of its own before");

// Order holds.
for (let index = 0; index < 200; index++) sender.send({ type: "broadcast", event: "greeting", payload: { index } });
for (let index = 0; index < 200; index++) assert.equal((await got.next()).payload.index, index);

// self and ack.
const mirror = anon.channel("mirror", { config: { broadcast: { self: true, ack: true } } });
const mirrored = inbox(mirror, "m");
await join(mirror);
assert.equal(await mirror.send({ type: "broadcast", event: "m", payload: { a: 1 } }), "ok");
assert.deepEqual((await mirrored.next()).payload, { a: 1 });
const large = "x".repeat(3_100_000);
assert.equal(await mirror.send({ type: "broadcast", event: "m", payload: { large } }), "error");
assert.equal(mirrored.waiting(), 0);

// By HTTP: without a subscription, and on purpose.
const aside = anon.channel("room:1");
const unjoined = client(PUBLISHABLE_KEY).channel("room:1");
assert.equal(await unjoined.send({ type: "broadcast", event: "greeting", payload: { by: "rest" } }), "ok");
assert.deepEqual((await got.next()).payload, { by: "rest" });
assert.deepEqual(await unjoined.httpSend("greeting", { by: "http" }), { success: true });
assert.deepEqual((await got.next()).payload, { by: "http" });
assert.deepEqual(await unjoined.httpSend("bytes", new Uint8Array([7]).buffer), { success: true });
assert.deepEqual(new Uint8Array((await bytes.next()).payload), new Uint8Array([7]));
assert.equal(aside.topic, receiver.topic);

// Private channels: service_role's alone, and apart from public ones of the same name.
const guarded = { config: { private: true } };
const refused = await joined(other.channel("room:2", guarded));
assert.equal(refused.status, "CHANNEL_ERROR");
assert.match(refused.error, /Unauthorized/);
const service = client(SERVICE_ROLE_KEY);
const hidden = service.channel("room:1", guarded);
const secrets = inbox(hidden, "greeting");
await join(hidden);
await client(SECRET_KEY).channel("room:1", guarded).httpSend("greeting", { for: "few" });
assert.deepEqual((await secrets.next()).payload, { for: "few" });
await assert.rejects(client(PUBLISHABLE_KEY).channel("room:1", guarded).httpSend("greeting", {}), /Unauthorized/);
assert.equal(got.waiting() + secrets.waiting(), 0);

// What is not here is refused, clearly.
for (const [listen, words] of [
  [["postgres_changes", { event: "*", schema: "public" }], /postgres_changes/],
  [["presence", { event: "sync" }], /presence/],
]) {
  const asked = client(PUBLISHABLE_KEY).channel("changes").on(...listen, () => {});
  const { status, error } = await joined(asked);
  assert.equal(status, "CHANNEL_ERROR");
  assert.match(error, words);
}

// Tokens: a user's, a false one, one that ends while the channel is open.
const alice = client(PUBLISHABLE_KEY, {}, { accessToken: async () => ALICE_TOKEN });
const hers = alice.channel("room:1");
await join(hers);
await hers.send({ type: "broadcast", event: "greeting", payload: { from: "alice" } });
assert.deepEqual((await got.next()).payload, { from: "alice" });
const forger = client(PUBLISHABLE_KEY);
await forger.realtime.setAuth(`${ALICE_TOKEN.slice(0, -4)}AAAA`);
const forged = await joined(forger.channel("room:1"));
assert.equal(forged.status, "CHANNEL_ERROR");
assert.match(forged.error, /JwtSignatureError/);
// It has ended, but for the half minute of clock difference that all tokens are allowed.
const end = { sub: "u", role: "authenticated", exp: Math.floor(Date.now() / 1000) - 25 };
const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
const signed = `${part({ alg: "HS256", typ: "JWT" })}.${part(end)}`;
const DYING_TOKEN = `${signed}.${createHmac("sha256", JWT_SECRET).update(signed).digest("base64url")}`;
const dying = client(PUBLISHABLE_KEY);
await dying.realtime.setAuth(DYING_TOKEN);
const brief = dying.channel("brief");
const told = new Promise((resolve) => brief.on("system", {}, resolve));
const closed = new Promise((resolve) => brief.subscribe((status) => status === "CLOSED" && resolve()));
assert.match((await told).message, /Token has expired \d+ seconds ago/);
await closed;
const stranger = new WebSocket(`${API_URL.replace("http", "ws")}/realtime/v1/websocket?apikey=wrong&vsn=2.0.0`);
const [event] = await once(stranger, "error");
assert.equal(event.type, "error");

// Leaving: nothing comes any more, and the topic can be joined again.
assert.equal(await other.removeChannel(receiver), "ok");
const again = other.channel("room:1");
const gotAgain = inbox(again, "greeting");
await join(again);
await sender.send({ type: "broadcast", event: "greeting", payload: { n: 2 } });
assert.deepEqual((await gotAgain.next()).payload, { n: 2 });
assert.equal(got.waiting(), 0);

// SQL publishes, after its commit; a message to a private channel stays there.
const sql = async (statement) => {
  const { error } = await anon.functions.invoke(`script/sql-service?q=${encodeURIComponent(statement)}`, { method: "GET" });
  assert.equal(error, null);
};
await sql(`select realtime.send('{"by":"sql"}', 'greeting', 'room:1', true)`);
await sql(`select realtime.send('{"by":"sql"}', 'greeting', 'room:1', false)`);
const { payload: bySql, meta } = await gotAgain.next();
assert.deepEqual(bySql, { by: "sql", id: meta.id });
assert.equal((await secrets.next()).payload.by, "sql");

// Functions publish, in both engines.
for (const name of ["guests/publish", "script/publish"]) {
  const path = `${name}?topic=room:1&event=greeting&payload=${encodeURIComponent(JSON.stringify({ name }))}`;
  const { error } = await anon.functions.invoke(path, { method: "GET" });
  assert.equal(error, null);
  assert.deepEqual((await gotAgain.next()).payload, { name });
}

// A restart of the server: clients come back by themselves.
console.log("restart me");
await once(process.stdin, "data");
while (sender.state !== "joined" || again.state !== "joined") await new Promise((resolve) => setTimeout(resolve, 20));
await sender.send({ type: "broadcast", event: "greeting", payload: { after: "restart" } });
assert.deepEqual((await gotAgain.next()).payload, { after: "restart" });

console.log("all checks passed");
process.exit(0);
