// Run once, while an image is written: what most functions do first. V8 compiles a function when it is called
// for the first time, and what was called here comes compiled to each isolate. Nothing of it may stay behind but
// that code: no objects that are watched until they are collected (streams, clones of requests), since V8 makes
// no image with them, and no timer, whose clock starts again with each isolate. The host sends requests for `dispatch` and looks at the answers.
(async function () {
"use strict";
const { core } = globalThis.__bootstrap;
const { dispatch, exercise } = core.loadExtScript("ext:isobase_runtime/serve.js");
const { inspectArgs } = core.loadExtScript("ext:deno_web/01_console.js");

function must(holds, what) {
  if (!holds) throw new Error(`the platform does not do what it should: ${what}`);
}

function addresses() {
  const url = new URL("http://127.0.0.1:54321/functions/v1/hello?name=you#end");
  url.protocol = "https:";
  url.pathname = "/rest/v1";
  url.searchParams.set("select", "*");
  url.searchParams.append("id", "eq.1");
  url.search = "?limit=1";
  must(new URL("auth/v1", url).href === "https://127.0.0.1:54321/rest/auth/v1", "URL");
  must(url.host + url.hostname + url.port + url.origin + url.hash + url.search !== String(url), "parts of URLs");
  const parameters = new URLSearchParams({ a: "1" });
  for (const [name, value] of parameters) must(parameters.get(name) === value, "URLSearchParams");
  must(String(parameters) === "a=1" && parameters.has("a"), "URLSearchParams");
}

function headers() {
  const headers = new Headers({ "Content-Type": "application/json" });
  headers.set("authorization", "Bearer none");
  headers.append("accept", "*/*");
  headers.delete("accept");
  for (const [name, value] of new Headers(headers)) must(headers.get(name) === value, "Headers");
  for (const [name] of new Headers([["a", "b"]]).entries()) must(name === "a", "Headers");
  must(headers.has("authorization"), "Headers");
}

async function bodies() {
  must(await new Response("text").text() === "text", "Response");
  must((await Response.json({ a: 1 }).json()).a === 1, "Response.json");
  must((await new Response(new TextEncoder().encode("text")).arrayBuffer()).byteLength === 4, "Response");
  const init = { method: "POST", body: "{}", headers: { "content-type": "application/json" } };
  const request = new Request("http://127.0.0.1/", init);
  must(request.headers.get("content-type") === "application/json", "Request");
  must(await request.text() === "{}", "Request");
  must(new TextDecoder().decode(new TextEncoder().encode("text")) === "text", "TextDecoder");
  must(atob(btoa("text")) === "text", "base64");
}

function events() {
  const controller = new AbortController();
  let heard = 0;
  controller.signal.addEventListener("abort", () => heard++);
  controller.abort();
  const target = new EventTarget();
  const listener = () => heard++;
  target.addEventListener("message", listener);
  target.dispatchEvent(new CustomEvent("message", { cancelable: true, detail: {} }));
  target.dispatchEvent(new Event("message"));
  target.removeEventListener("message", listener);
  must(heard === 3, "events");
  must(inspectArgs(["a", 1, { b: [true, null] }, new Error("c")]).length > 0, "console");
}

/** The same numbers as in `snapshot.rs`. */
async function requests() {
  const cors = { "Access-Control-Allow-Origin": "*", "content-type": "application/json" };
  exercise(() => new Response("hello"), () => dispatch(1, "GET"));
  exercise(async (request) => Response.json(await request.json()), () => dispatch(2, "POST"));
  const answer = async (request) => {
    const url = new URL(request.url);
    must(request.headers.get("authorization") !== null && request.method === "POST", "the request");
    must([...request.headers].length === 2 && url.pathname === "/", "the request");
    const { name } = JSON.parse(await request.text());
    return new Response(JSON.stringify({ name }), { status: 201, headers: cors });
  };
  exercise(answer, () => dispatch(3, "POST"));
  exercise(() => new Response(null, { status: 204, headers: cors }), () => dispatch(4, "OPTIONS"));
}

addresses();
headers();
await bodies();
events();
await requests();
})();
