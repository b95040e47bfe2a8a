// Runs one file of the Web Platform Tests inside of a function and tells how its subtests went.
// `SETTINGS` stands before this text: { url, isWindow, title, harness, script, milliseconds }.
//
// What the tests may overwrite is taken beforehand.
const { stringify } = JSON;
const { Request: Asked, Response: Answer, setTimeout: later, Promise: Later, URL: Address } = globalThis;

/** `location` as the tests read it. */
function locationOf(url) {
  const { href, origin, protocol, host, hostname, port, pathname, search, hash } = new Address(url);
  return { href, origin, protocol, host, hostname, port, pathname, search, hash, toString: () => href };
}

/** Addresses without a base are those of the test: a function has no address of its own. */
function absolute(url, base) {
  if (url instanceof Asked || (typeof url === "object" && !(url instanceof Address))) return url;
  return Address.canParse(url, base) ? new Address(url, base).href : url;
}

function relativeTo(base) {
  globalThis.fetch = new Proxy(fetch, {
    apply: (target, self, given) =>
      given.length === 0 ? Reflect.apply(target, self, given) : target(absolute(given[0], base), ...given.slice(1)),
  });
  // A check of interfaces wants them as they are.
  if (base.includes("idlharness")) return;
  const construct = (target, [url, ...rest], made) => Reflect.construct(target, [absolute(url, base), ...rest], made);
  for (const name of ["EventSource", "Request", "WebSocket"]) {
    const value = new Proxy(globalThis[name], {
      construct: (target, given, made) => given.length === 0
        ? Reflect.construct(target, given, made)
        : construct(target, given, made),
    });
    Object.defineProperty(globalThis, name, { value, writable: true, configurable: true });
  }
  const redirect = Response.redirect;
  Response.redirect = (url, ...rest) => Reflect.apply(redirect, Response, [absolute(url, base), ...rest]);
}

/** Names may hold halves of characters, which no file can. */
const told = (test) => [String(test.name).toWellFormed(), test.status, String(test.message ?? "").toWellFormed()];

function run({ url, isWindow, title, harness, script, milliseconds }) {
  globalThis.location = locationOf(url);
  globalThis.GLOBAL = { isWindow: () => isWindow, isWorker: () => !isWindow, isShadowRealm: () => false };
  if (title) globalThis.META_TITLE = title;
  // The global object is one already; the suite's check of interfaces asks for the name.
  globalThis.Window = Object.getPrototypeOf(globalThis).constructor;
  if (isWindow) globalThis.window = globalThis;
  relativeTo(url);
  (0, eval)(harness);
  return new Later((resolve) => {
    let thrown = null;
    add_completion_callback((tests, { status, message }) => {
      const fault = thrown ?? (status === 0 ? null : `harness status ${status}: ${message}`);
      resolve({ fault, subtests: tests.map(told) });
    });
    const giveUp = globalThis.timeout;
    later(() => giveUp(), milliseconds);
    // Without a test there is nothing to time out.
    later(() => resolve({ fault: thrown ?? "it never ended", subtests: [] }), milliseconds + 1000);
    try {
      (0, eval)(script);
    } catch (error) {
      thrown = `threw ${error?.stack ?? error}`.toWellFormed();
    }
  });
}

Deno.serve(async () => new Answer(stringify(await run(SETTINGS))));
