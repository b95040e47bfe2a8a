// Drives the quickstart project through supabase-js as an application would. Exits with 1 on the first failed check.
import assert from "node:assert/strict";
import { createClient } from "@supabase/supabase-js";

const { API_URL, PUBLISHABLE_KEY, ANON_KEY, SERVICE_ROLE_KEY, ALICE_TOKEN, BOB_TOKEN } = process.env;

const client = (key, token) =>
  createClient(API_URL, key, token ? { accessToken: async () => token } : undefined);
const anon = client(PUBLISHABLE_KEY);
const legacy = client(ANON_KEY);
const service = client(SERVICE_ROLE_KEY);
const alice = client(PUBLISHABLE_KEY, ALICE_TOKEN);
const bob = client(ANON_KEY, BOB_TOKEN);

const ok = ({ data, error }) => {
  assert.equal(error, null, JSON.stringify(error));
  return data;
};
const titles = (rows) => rows.map((row) => row.title);

// Different callers, different rows.
const everything = (supabase) => supabase.from("todos").select("title").order("id").then(ok).then(titles);
assert.deepEqual(await everything(anon), ["Read the README", "Share this list"]);
assert.deepEqual(await everything(legacy), ["Read the README", "Share this list"]);
assert.deepEqual(await everything(alice), ["Read the README", "Write a function", "Share this list"]);
assert.deepEqual(await everything(bob), ["Read the README", "Deploy on Friday", "Share this list"]);
assert.equal((await everything(service)).length, 4);

// Insert, read back, count, update, upsert, delete.
const inserted = ok(await alice.from("todos").insert([{ title: "a" }, { title: "b" }]).select());
assert.deepEqual(titles(inserted), ["a", "b"]);
const { count } = await alice.from("todos").select("*", { count: "exact", head: true });
assert.equal(count, 5);
const single = ok(await alice.from("todos").select("title, done").eq("id", inserted[0].id).single());
assert.deepEqual(single, { title: "a", done: false });
assert.equal(ok(await alice.from("todos").select().eq("id", -1).maybeSingle()), null);
const updated = ok(await alice.from("todos").update({ done: true }).eq("id", inserted[0].id).select("done"));
assert.deepEqual(updated, [{ done: true }]);
const upserted = ok(
  await service.from("todos").upsert({ ...inserted[1], title: "b2" }, { onConflict: "id" }).select("title").single(),
);
assert.equal(upserted.title, "b2");
assert.equal((await alice.from("todos").delete().eq("id", inserted[0].id)).status, 204);
assert.deepEqual(ok(await bob.from("todos").delete().eq("id", inserted[1].id).select()), [], "not Bob's to delete");

// Filters and paging.
const open = ok(await alice.from("todos").select("title").or("done.is.false,title.ilike.read%").order("title").range(0, 1));
assert.equal(open.length, 2);
assert.equal(ok(await alice.from("todos").select("id").in("title", ["b2", "Write a function"]).not("done", "is", true)).length, 2);

// A function of the database, and errors in the shape that clients read.
assert.equal(ok(await alice.rpc("open_todos")), 3);
const forbidden = await alice.from("todos").insert({ title: "x", owner: "22222222-2222-2222-2222-222222222222" });
assert.equal(forbidden.status, 403);
assert.equal(forbidden.error.code, "42501");
const unknown = await anon.from("nothing_here").select();
assert.equal(unknown.status, 404);
assert.equal(unknown.error.code, "PGRST205");

// Functions.
assert.deepEqual(ok(await anon.functions.invoke("hello", { body: { name: "supabase-js" } })), { message: "Hello supabase-js!" });
const fromFunction = ok(await alice.functions.invoke("todos", { method: "GET" }));
assert.equal(fromFunction.role, "authenticated");
assert.deepEqual(titles(fromFunction.todos), await everything(alice));
const fromRust = ok(await alice.functions.invoke("todos-rust", { method: "GET" }));
assert.equal(fromRust.role, "authenticated");
assert.deepEqual(titles(fromRust.todos), await everything(alice));
const missing = await anon.functions.invoke("missing");
assert.equal(missing.error.context.status, 404);

console.log("all checks passed");
