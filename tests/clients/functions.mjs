// The unmodified functions-js against a running project: what its own specs hold, told anew. Each line of the
// output is `passed <name>` or `failed <name>: <why>`; `functions_js.rs` compares them with what it expects.
import assert from "node:assert/strict";
import {
  FunctionRegion,
  FunctionsClient,
  FunctionsError,
  FunctionsFetchError,
  FunctionsHttpError,
  FunctionsRelayError,
} from "@supabase/functions-js";

const { FUNCTIONS_URL: url, ANON_TOKEN: token, WRONG_TOKEN: wrong } = process.env;
const bearer = (of) => ({ Authorization: `Bearer ${of}` });
const client = (options = {}) => new FunctionsClient(url, options);
const signedIn = (options = {}) => client({ headers: bearer(token), ...options });

/** Data of an answer without an error. */
function ok({ data, error }) {
  assert.equal(error, null);
  return data;
}

/** What `mirror` saw. */
const seen = async (...given) => ok(await signedIn().invoke("mirror", ...given));
const header = (mirrored, name) => mirrored.headers[name];

/** The error of an answer that is one. */
function refused({ data, error }, kind) {
  assert.equal(data, null);
  assert.ok(error instanceof kind, `${error?.name}: ${error?.message}`);
  return error;
}

const scenarios = {
  // Whose token counts.
  "a token among the client's headers": async () => assert.equal(ok(await signedIn().invoke("hello")), "hello, caller"),
  "a token set later": async () => {
    const later = client();
    later.setAuth(token);
    assert.equal(ok(await later.invoke("hello")), "hello, caller");
  },
  "a token set later wins over the client's": async () => {
    const later = client({ headers: bearer(wrong) });
    later.setAuth(token);
    assert.equal(ok(await later.invoke("hello")), "hello, caller");
    later.setAuth(wrong);
    assert.equal(refused(await later.invoke("hello"), FunctionsError).context.status, 401);
  },
  "a token of one call": async () => {
    assert.equal(ok(await client().invoke("hello", { headers: bearer(token) })), "hello, caller");
  },
  "a token of one call wins over the client's": async () => {
    assert.equal(ok(await client({ headers: bearer(wrong) }).invoke("hello", { headers: bearer(token) })), "hello, caller");
    const { error } = await signedIn().invoke("hello", { headers: bearer(wrong) });
    assert.equal(error.context.status, 401);
  },
  "a wrong token is refused with a reason to read": async () => {
    const error = refused(await client({ headers: bearer(wrong) }).invoke("hello"), FunctionsHttpError);
    assert.equal(error.context.status, 401);
    assert.equal((await error.context.json()).message, "Invalid JWT");
  },
  "a wrong token is the relay's error": async () => {
    refused(await client({ headers: bearer(wrong) }).invoke("hello"), FunctionsRelayError);
  },
  "no token": async () => {
    const error = refused(await client().invoke("hello"), FunctionsHttpError);
    assert.equal((await error.context.json()).message, "Missing authorization header");
  },

  // A fetch of the caller's own.
  "a custom fetch": async () => {
    const customFetch = (_, init) => fetch(`${url}/hello`, { ...init, method: "POST", headers: bearer(token) });
    assert.equal(ok(await client({ customFetch }).invoke("")), "hello, caller");
  },
  "a custom fetch with another method": async () => {
    const customFetch = () => fetch(`${url}/hello`, { method: "GET", headers: bearer(token) });
    assert.equal(ok(await client({ headers: bearer(wrong), customFetch }).invoke("hello")), "hello, caller");
  },

  // What reaches a function.
  "the request's line": async () => {
    const mirrored = await seen({});
    assert.equal(mirrored.method, "POST");
    assert.equal(new URL(mirrored.url).pathname, "/mirror");
    assert.equal(mirrored.body, "");
  },
  "headers of the client and of the call": async () => {
    const both = client({ headers: { ...bearer(token), CustomHeader: "of the client", Other: "client" } });
    const mirrored = ok(await both.invoke("mirror", { headers: { "x-mine": "of the call", Other: "call" } }));
    assert.equal(header(mirrored, "customheader"), "of the client");
    assert.equal(header(mirrored, "x-mine"), "of the call");
    assert.equal(header(mirrored, "other"), "call");
  },
  "query parameters": async () => {
    const query = new URLSearchParams({ one: "a b", two: "\u00e9&=", num: "11" });
    const mirrored = ok(await signedIn().invoke(`mirror?${query}`));
    assert.equal(new URL(mirrored.url).search, `?${query}`);
  },
  "a path below the function": async () => {
    const mirrored = ok(await signedIn().invoke("mirror/a/b"));
    assert.equal(new URL(mirrored.url).pathname, "/mirror/a/b");
  },
  "every method": async () => {
    for (const method of ["GET", "POST", "PUT", "PATCH", "DELETE"]) {
      assert.equal((await seen({ method })).method, method);
    }
  },

  // Regions: one machine has none, the function is told all the same.
  "a region of the call": async () => {
    const mirrored = await seen({ region: FunctionRegion.ApNortheast1 });
    assert.equal(header(mirrored, "x-region"), "ap-northeast-1");
    assert.equal(new URL(mirrored.url).searchParams.get("forceFunctionRegion"), "ap-northeast-1");
  },
  "a region of the client, and one of the call that wins": async () => {
    const there = signedIn({ region: FunctionRegion.ApSoutheast1 });
    assert.equal(header(ok(await there.invoke("mirror")), "x-region"), "ap-southeast-1");
    const mirrored = ok(await there.invoke("mirror", { region: FunctionRegion.EuWest1 }));
    assert.equal(header(mirrored, "x-region"), "eu-west-1");
    assert.equal(header(ok(await there.invoke("mirror", { region: FunctionRegion.Any })), "x-region"), undefined);
  },

  // Bodies, by what they are.
  "a body of JSON": async () => {
    const body = { one: "1", num: 11, flag: false, none: null, deep: [{ a: "\u{1f600}" }] };
    const mirrored = await seen({ body });
    assert.equal(header(mirrored, "content-type"), "application/json");
    assert.deepEqual(JSON.parse(mirrored.body), body);
  },
  "a body of JSON with a type of its own": async () => {
    const mirrored = await seen({ body: { a: 1 }, headers: { "content-type": "application/vnd.api+json" } });
    assert.equal(header(mirrored, "content-type"), "application/vnd.api+json");
    assert.equal(mirrored.body, '{"a":1}');
  },
  "a body of text": async () => {
    const mirrored = await seen({ body: "plain \u00e9" });
    assert.match(header(mirrored, "content-type"), /^text\/plain/);
    assert.equal(mirrored.body, "plain \u00e9");
  },
  "a form": async () => {
    const body = new FormData();
    for (const [name, value] of [["a", "1"], ["b", "two words"], ["a", "3"]]) body.append(name, value);
    body.append("file", new Blob(["content"], { type: "text/plain" }), "name.txt");
    const mirrored = await seen({ body, headers: { "response-type": "form" } });
    assert.match(header(mirrored, "content-type"), /^multipart\/form-data; boundary=/);
    assert.deepEqual(mirrored.body, [["a", "1"], ["b", "two words"], ["a", "3"], ["file", "name.txt text/plain content"]]);
  },
  "an ArrayBuffer": async () => {
    const mirrored = await seen({ body: new Uint8Array([0, 255, 10]).buffer, headers: { "response-type": "bytes" } });
    assert.equal(header(mirrored, "content-type"), "application/octet-stream");
    assert.deepEqual(mirrored.body, [0, 255, 10]);
  },
  "a Blob": async () => {
    const mirrored = await seen({ body: new Blob([new Uint8Array([0, 255])]), headers: { "response-type": "bytes" } });
    assert.equal(header(mirrored, "content-type"), "application/octet-stream");
    assert.deepEqual(mirrored.body, [0, 255]);
  },

  // Answers, by their content type.
  "an answer of JSON": async () => assert.deepEqual(ok(await signedIn().invoke("answers/json")), { foo: "bar" }),
  "an answer of JSON in another spelling": async () => {
    assert.deepEqual(ok(await signedIn().invoke("answers/spelt")), { foo: "bar" });
  },
  "an answer of bytes is a Blob": async () => {
    const blob = ok(await signedIn().invoke("answers/bytes"));
    assert.deepEqual([...new Uint8Array(await blob.arrayBuffer())], [1, 2, 3]);
  },
  "an answer of events is the response": async () => {
    const response = ok(await signedIn().invoke("answers/events"));
    assert.equal(await response.text(), "data: one\n\ndata: two\n\n");
  },
  "an answer that is a form": async () => {
    assert.equal(ok(await signedIn().invoke("answers/form")).get("field"), "value");
  },
  "an answer without a type is text": async () => assert.equal(ok(await signedIn().invoke("answers/untyped")), "untyped"),
  "an answer without a body": async () => assert.equal(ok(await signedIn().invoke("answers/none")), ""),
  "the response goes with its data": async () => {
    const { response } = await signedIn().invoke("answers/json");
    assert.equal(response.status, 200);
    assert.equal(response.headers.get("x-extra"), "there");
  },

  // Errors.
  "an error status keeps its body": async () => {
    const error = refused(await signedIn().invoke("answers/teapot"), FunctionsHttpError);
    assert.equal(error.context.status, 418);
    assert.deepEqual(await error.context.json(), { why: "tea" });
  },
  "a function that throws": async () => {
    const error = refused(await signedIn().invoke("answers/throw"), FunctionsHttpError);
    assert.equal(error.context.status, 500);
    assert.equal(error.context.headers.get("sb-error-code"), "WORKER_ERROR");
  },
  "a relay's error that a function passes on": async () => {
    refused(await signedIn().invoke("answers/relay"), FunctionsRelayError);
  },
  "an unknown function": async () => {
    const error = refused(await signedIn().invoke("missing"), FunctionsHttpError);
    assert.equal(error.context.status, 404);
  },
  "a function that wants to be upgraded": async () => {
    refused(await signedIn().invoke("upgrade"), FunctionsHttpError);
  },
  "nobody there": async () => {
    refused(await new FunctionsClient("http://127.0.0.1:9").invoke("hello"), FunctionsFetchError);
  },

  // Time.
  "a slow function": async () => assert.equal(ok(await signedIn().invoke("slow")), "late, but there"),
  "a timeout that is too short": async () => {
    refused(await signedIn().invoke("slow", { timeout: 200 }), FunctionsFetchError);
  },
  "a timeout that is long enough": async () => {
    assert.equal(ok(await signedIn().invoke("slow", { timeout: 20_000 })), "late, but there");
  },
  "a signal that is sooner than the timeout": async () => {
    const abort = new AbortController();
    const answer = signedIn().invoke("slow", { timeout: 20_000, signal: abort.signal });
    setTimeout(() => abort.abort(), 100);
    refused(await answer, FunctionsFetchError);
  },
};

await Promise.all(Object.entries(scenarios).map(async ([name, play]) => {
  try {
    await play();
    console.log(`passed ${name}`);
  } catch (error) {
    console.log(`failed ${name}: ${String(error?.message ?? error).replaceAll("\n", " ")}`);
  }
}));
