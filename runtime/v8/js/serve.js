// From a request of the host to the function's handler and back.
//
// The host calls `dispatch(id, method)` once per request. Everything else about the request is
// asked for only when the handler looks at it; a static response goes back in one call. `id` names
// the invocation in every operation, and travels along the chain of promises in the async context,
// so that code three awaits deep still knows whose request it serves.
(function () {
const { core, internals, primordials } = __bootstrap;
const {
  op_isobase_body_stream, op_isobase_body_take, op_isobase_body_take_text, op_isobase_fail,
  op_isobase_keep, op_isobase_let_go, op_isobase_log_error, op_isobase_registered,
  op_isobase_remote_address, op_isobase_request_header, op_isobase_request_headers, op_isobase_request_url,
  op_isobase_respond_bytes, op_isobase_respond_empty, op_isobase_respond_stream, op_isobase_respond_text,
  op_isobase_watch_cancel,
} = core.ops;
const {
  ArrayPrototypePush, MapPrototypeDelete, MapPrototypeGet, MapPrototypeSet, ObjectPrototypeIsPrototypeOf,
  Promise, PromisePrototypeThen, PromiseResolve, SafeMap, SymbolAsyncDispose, SymbolFor, TypeError,
  TypedArrayPrototypeGetByteLength,
} = primordials;
const { getAsyncContext, setAsyncContext } = core;

const { InnerBody } = core.loadExtScript("ext:deno_fetch/22_body.js");
const {
  getInnerResponse, Response, responseBodyUsed, ResponsePrototype, serveFastBodyKey, serveFastConsumedKey,
  serveFastContentTypeKey, serveFastHeaderKindKey, serveFastStatusKey, SERVE_FAST_HEADER_CONTENT_TYPE,
  SERVE_FAST_HEADER_DEFAULT_TEXT, toInnerResponse, wireHeaderList,
} = core.loadExtScript("ext:deno_fetch/23_response.js");
const { cacheRequestHeaders, fromInnerRequest, requestHeadersExposed } = core.loadExtScript(
  "ext:deno_fetch/23_request.js",
);
const { deliver, isDelivery } = core.loadExtScript("ext:isobase_runtime/queue.js");
const {
  getReadableStreamResourceBacking, readableStreamForRid, ReadableStreamPrototype, resourceForReadableStream,
} = core.loadExtScript("ext:deno_web/06_streams.js");

/** The key of the invocation in the async context; `cpu.rs` looks for it by this name. */
const kInvocation = SymbolFor("isobase.invocation");
/** Second argument of `op_isobase_fail`; the same numbers as in Rust. */
const FAILED_THROWN = 0;
const FAILED_INVALID_RESPONSE = 1;
const DEFAULT_CONTENT_TYPE = "text/plain;charset=UTF-8";

/** `handler(request, info)`, once the function has registered one. */
let handler = null;
/** Makes a response of what the handler threw; `null` leaves it to the host. */
let onError = null;
/** Callbacks of requests whose signal somebody looks at, by invocation. */
const cancellations = new SafeMap();

/** The invocation whose code runs now, or `undefined` outside of any request. */
function currentInvocation() {
  return getAsyncContext()?.[kInvocation];
}

/** What the Request class of fetch wants to know about a request, looked up when asked. */
class InnerRequest {
  #id;
  #url;
  #headerList;
  #body;
  // Declared, since an assignment would find setters that the function gave to all objects.
  method;
  redirectMode = "follow";
  redirectCount = 0;
  clientRid = null;
  blobUrlEntry = null;

  constructor(id, method) {
    this.#id = id;
    this.method = method;
  }

  get id() {
    return this.#id;
  }

  url() {
    return this.#url ??= op_isobase_request_url(this.#id);
  }

  currentUrl() {
    return this.url();
  }

  get headerList() {
    if (this.#headerList === undefined) {
      const flat = op_isobase_request_headers(this.#id);
      const list = [];
      for (let i = 0; i < flat.length; i += 2) {
        ArrayPrototypePush(list, [flat[i], flat[i + 1]]);
      }
      this.#headerList = list;
    }
    return this.#headerList;
  }

  header(name) {
    return op_isobase_request_header(this.#id, name);
  }

  get body() {
    if (this.#body === undefined) this.#body = this.#openBody();
    return this.#body;
  }

  #openBody() {
    if (this.method === "GET" || this.method === "HEAD") return null;
    const bytes = op_isobase_body_take(this.#id);
    if (bytes === undefined) return null;
    if (bytes !== null) {
      const body = new InnerBody({ body: bytes, consumed: false });
      body.length = TypedArrayPrototypeGetByteLength(bytes);
      return body;
    }
    return new InnerBody(readableStreamForRid(op_isobase_body_stream(this.#id), true));
  }

  /** The whole body as text if it is at hand and nobody has touched it; else `null`. */
  consumeTextBody() {
    if (this.#body !== undefined) return null;
    const text = op_isobase_body_take_text(this.#id);
    if (text !== null) this.#body = new InnerBody({ body: text, consumed: true });
    return text;
  }

  onCancel(callback) {
    if (op_isobase_watch_cancel(this.#id)) callback();
    else MapPrototypeSet(cancellations, this.#id, callback);
  }
}

/** The handler's second argument. */
class ServeHandlerInfo {
  #inner;
  constructor(inner) {
    this.#inner = inner;
  }
  get remoteAddr() {
    return { transport: "tcp", hostname: op_isobase_remote_address(this.#inner.id), port: 0 };
  }
}

/** One request. Called by the host; never throws. */
function dispatch(id, method) {
  const previous = getAsyncContext();
  setAsyncContext({ __proto__: null, [kInvocation]: id });
  let inner;
  try {
    inner = new InnerRequest(id, method);
    const request = fromInnerRequest(inner, "immutable");
    const result = handler(request, new ServeHandlerInfo(inner));
    if (ObjectPrototypeIsPrototypeOf(ResponsePrototype, result)) {
      settle(inner, request, result);
    } else {
      PromisePrototypeThen(
        PromiseResolve(result),
        (response) => settle(inner, request, response),
        (error) => recover(inner, request, error),
      );
    }
  } catch (error) {
    if (inner === undefined) op_isobase_fail(id, FAILED_THROWN, error);
    else recover(inner, undefined, error);
  } finally {
    setAsyncContext(previous);
  }
}

/** What the handler threw becomes a response if the function knows how, else the host's answer. */
function recover(inner, request, error) {
  if (onError === null) {
    op_isobase_fail(inner.id, FAILED_THROWN, error);
    return;
  }
  const failed = (second) => op_isobase_fail(inner.id, FAILED_THROWN, second);
  try {
    PromisePrototypeThen(
      PromiseResolve(onError(error)),
      (response) => settle(inner, request, response),
      failed,
    );
  } catch (second) {
    failed(second);
  }
}

/** Sends what the handler returned. */
function settle(inner, request, response) {
  const id = inner.id;
  try {
    const why = refusal(response);
    if (why !== null) {
      op_isobase_fail(id, FAILED_INVALID_RESPONSE, why);
      return;
    }
    if (request !== undefined && requestHeadersExposed(request)) cacheRequestHeaders(request);
    if (!sendStatic(id, response)) send(id, response);
  } catch (error) {
    op_isobase_fail(id, FAILED_INVALID_RESPONSE, error);
  }
}

/** Why `response` cannot be sent, or `null`. */
function refusal(response) {
  if (!ObjectPrototypeIsPrototypeOf(ResponsePrototype, response)) {
    return `the handler returned ${describe(response)} instead of a Response`;
  }
  const inner = getInnerResponse(response);
  if (inner === undefined) return "the handler returned an object that only looks like a Response";
  if (inner.type === "error") return "the handler returned Response.error()";
  if (responseBodyUsed(response)) return "the handler returned a Response whose body was already read";
  return null;
}

function describe(value) {
  if (value === null) return "null";
  return typeof value === "object" ? "an object" : `a value of type ${typeof value}`;
}

/** A body at hand and at most a content type: one call, no header list. */
function sendStatic(id, response) {
  const status = response[serveFastStatusKey];
  const body = response[serveFastBodyKey];
  if (status === 0 || body === null) return false;
  try {
    response[serveFastConsumedKey] = true;
  } catch {
    // The function froze it; it is sent once all the same.
  }
  const kind = response[serveFastHeaderKindKey];
  let contentType;
  if (kind === SERVE_FAST_HEADER_DEFAULT_TEXT) contentType = DEFAULT_CONTENT_TYPE;
  else if (kind === SERVE_FAST_HEADER_CONTENT_TYPE) contentType = response[serveFastContentTypeKey];
  if (typeof body === "string") op_isobase_respond_text(id, status, contentType, body);
  else op_isobase_respond_bytes(id, status, contentType, body);
  return true;
}

function send(id, response) {
  const inner = toInnerResponse(response);
  const headers = wireHeaderList(inner);
  const content = inner.body?.streamOrStatic;
  if (content === null || content === undefined) {
    op_isobase_respond_empty(id, inner.status, headers);
    return;
  }
  if (!ObjectPrototypeIsPrototypeOf(ReadableStreamPrototype, content)) {
    content.consumed = true;
    if (typeof content.body === "string") op_isobase_respond_text(id, inner.status, headers, content.body);
    else op_isobase_respond_bytes(id, inner.status, headers, content.body);
    return;
  }
  // A stream that the host itself feeds (a fetched response, the request) never enters JavaScript.
  const backing = getReadableStreamResourceBacking(content);
  const rid = backing ? backing.rid : resourceForReadableStream(content, undefined, (error) => {
    op_isobase_log_error(id, error);
  });
  op_isobase_respond_stream(id, inner.status, headers, rid, backing ? backing.autoClose : true);
}

/** The host dropped the request: the client went away or the time was over. */
function cancel(id) {
  const callback = MapPrototypeGet(cancellations, id);
  if (callback === undefined) return;
  MapPrototypeDelete(cancellations, id);
  callback();
}

/** The invocation is over and somebody watched its signal; forget what was kept for it. */
function forget(id) {
  MapPrototypeDelete(cancellations, id);
}

/** Takes requests with `callback` while `act` runs: in the image, before there is a function. */
function exercise(callback, act) {
  handler = callback;
  try {
    act();
  } finally {
    handler = null;
  }
}

function register(newHandler, newOnError) {
  if (typeof newHandler !== "function") {
    throw new TypeError(`A handler function must be provided, received ${describe(newHandler)}`);
  }
  handler = newHandler;
  onError = newOnError ?? null;
  op_isobase_registered();
}

/**
 * `Deno.serve(handler)`, `Deno.serve(options)` or `Deno.serve(options, handler)`. The host listens;
 * address options are accepted and have no effect.
 */
function serve(first, second) {
  const options = typeof first === "function" ? (second ?? {}) : (first ?? {});
  const callback = typeof first === "function" ? first : (second ?? options.handler);
  register(callback, options.onError);
  const addr = { transport: "tcp", hostname: options.hostname ?? "0.0.0.0", port: options.port ?? 8000 };
  options.onListen?.(addr);
  let stop;
  const finished = new Promise((resolve) => {
    stop = resolve;
  });
  const server = {
    addr,
    finished,
    shutdown() {
      stop();
      return finished;
    },
    ref() {},
    unref() {},
    [SymbolAsyncDispose]() {
      return server.shutdown();
    },
  };
  return server;
}

/**
 * `export default { fetch(request) {}, queue(batch, env, ctx) {} }`, one of them or both: called with the
 * main module's namespace.
 */
function adoptDefaultExport(namespace) {
  if (handler !== null) return;
  const exported = namespace.default;
  if (exported === null || exported === undefined) return;
  const fetches = typeof exported.fetch === "function";
  if (typeof exported.queue === "function") {
    register((request, info) => {
      if (isDelivery(request)) {
        return deliver((...batch) => exported.queue(...batch), request, currentInvocation(), waitUntil);
      }
      return fetches ? exported.fetch(request, info) : new Response(null, { status: 404 });
    }, exported.onError);
  } else if (fetches) {
    register((request, info) => exported.fetch(request, info), exported.onError);
  }
}

/** `EdgeRuntime.waitUntil(promise)`: the isolate lives until it settles, within the limits. */
function waitUntil(promise) {
  const id = currentInvocation();
  if (id === undefined || !op_isobase_keep(id)) return PromiseResolve(promise);
  const letGo = () => op_isobase_let_go(id);
  PromisePrototypeThen(PromiseResolve(promise), letGo, (error) => {
    op_isobase_log_error(id, error);
    letGo();
  });
  return promise;
}

internals.currentInvocation = currentInvocation;

return { adoptDefaultExport, cancel, currentInvocation, dispatch, exercise, forget, register, serve, waitUntil };
})();
