// What globalThis shows to a function: the web platform. Names that nearly every request needs are
// evaluated while the snapshot is written; the rest loads at first use.
(function () {
const { core, primordials } = __bootstrap;
const { ObjectFreeze, SafeArrayIterator, TypeError } = primordials;

const load = core.loadExtScript;
const abortSignal = load("ext:deno_web/03_abort_signal.js");
const base64 = load("ext:deno_web/05_base64.js");
const crypto = load("ext:deno_crypto/00_crypto.js");
const domException = load("ext:deno_web/01_dom_exception.js");
const encoding = load("ext:deno_web/08_text_encoding.js");
const event = load("ext:deno_web/02_event.js");
const fetching = load("ext:deno_fetch/26_fetch.js");
const file = load("ext:deno_web/09_file.js");
const formData = load("ext:deno_fetch/21_formdata.js");
const headers = load("ext:deno_fetch/20_headers.js");
const messagePort = load("ext:deno_web/13_message_port.js");
const performance = load("ext:deno_web/15_performance.js");
const request = load("ext:deno_fetch/23_request.js");
const response = load("ext:deno_fetch/23_response.js");
const streams = load("ext:deno_web/06_streams.js");
const timers = load("ext:deno_web/02_timers.js");
const url = load("ext:deno_web/00_url.js");
const urlPattern = load("ext:deno_web/01_urlpattern.js");
const webidl = load("ext:deno_webidl/00_webidl.js");
const { Navigator, navigator } = load("ext:isobase_runtime/navigator.js");

const ai = () => load("ext:isobase_runtime/ai.js");
const caches = () => load("ext:isobase_runtime/caches.js");
const broadcastChannel = () => load("ext:deno_web/01_broadcast_channel.js");
const compression = () => load("ext:deno_web/14_compression.js");
const eventSource = () => load("ext:deno_fetch/27_eventsource.js");
const fileReader = () => load("ext:deno_web/10_filereader.js");
const geometry = () => load("ext:deno_web/17_geometry.js");
const imageData = () => load("ext:deno_web/16_image_data.js");
const nodeBuffer = core.createLazyLoader("node:buffer");
const nodeProcess = core.createLazyLoader("node:process");
const nodeTimers = core.createLazyLoader("node:timers");
const webSocket = core.createLazyLoader("ext:deno_websocket/01_websocket.js");

const globals = {
  __proto__: null,
  atob: core.propWritable(base64.atob),
  btoa: core.propWritable(base64.btoa),
  clearInterval: core.propWritable(timers.clearInterval),
  clearTimeout: core.propWritable(timers.clearTimeout),
  crypto: core.propGetterOnly(() => crypto.crypto),
  fetch: core.propWritable(fetching.fetch),
  global: core.propWritable(globalThis),
  navigator: core.propGetterOnly(() => navigator),
  performance: core.propWritable(performance.performance),
  reportError: core.propWritable(event.reportError),
  self: core.propGetterOnly(() => globalThis),
  setInterval: core.propWritable(timers.setInterval),
  setTimeout: core.propWritable(timers.setTimeout),
  structuredClone: core.propWritable(messagePort.structuredClone),
  [webidl.brand]: core.propNonEnumerable(webidl.brand),
};

/** Puts `names` of an evaluated module on the table. */
function expose(module, ...names) {
  for (const name of new SafeArrayIterator(names)) {
    if (module[name] === undefined) throw new TypeError(`the platform has no ${name}`);
    globals[name] = core.propNonEnumerable(module[name]);
  }
}

/** Puts `names` of a module on the table that is evaluated when one of them is first read. */
function exposeLazily(loader, ...names) {
  for (const name of new SafeArrayIterator(names)) {
    globals[name] = core.propNonEnumerableLazyLoaded((module) => module[name], loader);
  }
}

expose(abortSignal, "AbortController", "AbortSignal");
expose(crypto, "Crypto", "CryptoKey", "SubtleCrypto");
expose(domException, "DOMException", "QuotaExceededError");
expose(encoding, "TextDecoder", "TextDecoderStream", "TextEncoder", "TextEncoderStream");
expose(
  event,
  "CloseEvent", "CustomEvent", "ErrorEvent", "Event", "EventTarget", "MessageEvent", "ProgressEvent",
  "PromiseRejectionEvent",
);
expose(file, "Blob", "File");
expose(formData, "FormData");
expose(headers, "Headers");
expose(messagePort, "MessageChannel", "MessagePort");
expose(
  performance,
  "Performance", "PerformanceEntry", "PerformanceMark", "PerformanceMeasure", "PerformanceObserver",
  "PerformanceObserverEntryList",
);
expose(request, "Request");
expose(response, "Response");
expose(
  streams,
  "ByteLengthQueuingStrategy", "CountQueuingStrategy", "ReadableByteStreamController", "ReadableStream",
  "ReadableStreamBYOBReader", "ReadableStreamBYOBRequest", "ReadableStreamDefaultController",
  "ReadableStreamDefaultReader", "TransformStream", "TransformStreamDefaultController", "WritableStream",
  "WritableStreamDefaultController", "WritableStreamDefaultWriter",
);
expose(url, "URL", "URLSearchParams");
expose(urlPattern, "URLPattern");
expose({ Navigator }, "Navigator");
globals.Supabase = core.propNonEnumerableLazyLoaded(
  ({ Session }) => ObjectFreeze({ __proto__: null, ai: ObjectFreeze({ __proto__: null, Session }) }),
  ai,
);
exposeLazily(broadcastChannel, "BroadcastChannel");
exposeLazily(caches, "caches");
exposeLazily(compression, "CompressionStream", "DecompressionStream");
exposeLazily(eventSource, "EventSource");
exposeLazily(fileReader, "FileReader");
exposeLazily(
  geometry,
  "DOMMatrix", "DOMMatrixReadOnly", "DOMPoint", "DOMPointReadOnly", "DOMQuad", "DOMRect", "DOMRectReadOnly",
);
exposeLazily(imageData, "ImageData");
exposeLazily(webSocket, "WebSocket");

// Node's, which every package may use without importing them. Deno shows them to all code too.
for (
  const { 0: name, 1: loader, 2: key } of new SafeArrayIterator([
    ["Buffer", nodeBuffer, "Buffer"],
    ["clearImmediate", nodeTimers, "clearImmediate"],
    ["process", nodeProcess, "default"],
    ["setImmediate", nodeTimers, "setImmediate"],
  ])
) {
  globals[name] = core.propNonEnumerableLazyLoaded((module) => module[key], loader);
}

/** For functions with packages: timers are objects there, with `unref()`, that are numbers where one is asked. */
const nodeGlobals = {
  __proto__: null,
  clearInterval: core.propWritableLazyLoaded((module) => module.clearInterval, nodeTimers),
  clearTimeout: core.propWritableLazyLoaded((module) => module.clearTimeout, nodeTimers),
  setInterval: core.propWritableLazyLoaded((module) => module.setInterval, nodeTimers),
  setTimeout: core.propWritableLazyLoaded((module) => module.setTimeout, nodeTimers),
};

return { globals, loadProcess: () => nodeProcess().default, nodeGlobals };
})();
