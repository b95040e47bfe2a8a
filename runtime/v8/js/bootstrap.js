// Runs once, while the snapshot is written: evaluates the platform and leaves one object,
// `globalThis.__isobase`, whose functions the host takes when an isolate starts.
"use strict";
(function () {
const { core, internals, primordials } = globalThis.__bootstrap;
const {
  ArrayPrototypeIndexOf, Error, ErrorPrototype, FunctionPrototype, FunctionPrototypeBind,
  FunctionPrototypeToString, ObjectDefineProperties, ObjectDefineProperty, ObjectFreeze, ObjectKeys,
  ObjectPrototypeIsPrototypeOf, ObjectSetPrototypeOf, PromisePrototypeThen, StringPrototypeIncludes,
  StringPrototypeSlice, StringPrototypeStartsWith,
} = primordials;
const { op_isobase_log, op_isobase_v8_version, op_set_format_exception_callback } = core.ops;

/** No more of a line is copied into the host, which cuts it to its own bound in bytes. */
const LINE_LENGTH_MAX = 10_000;

core.setBuildInfo("x86_64-unknown-linux-gnu"); // Node's modules ask.
delete Intl.v8BreakIterator; // Not a standard.

keepOperations();
// Before anything takes the operations of fetch, of messages and of what computes.
core.loadExtScript("ext:isobase_runtime/own_fetch.js");
core.loadExtScript("ext:isobase_runtime/messages.js");
core.loadExtScript("ext:isobase_runtime/native.js");
const event = core.loadExtScript("ext:deno_web/02_event.js");
const consoleModule = core.loadExtScript("ext:deno_web/01_console.js");
const { URL } = core.loadExtScript("ext:deno_web/00_url.js");
const performance = core.loadExtScript("ext:deno_web/15_performance.js");
const { Window } = core.loadExtScript("ext:deno_web/04_global_interfaces.js");
core.loadExtScript("ext:isobase_runtime/errors.js");
const serve = core.loadExtScript("ext:isobase_runtime/serve.js");
const { globals, loadProcess, nodeGlobals } = core.loadExtScript("ext:isobase_runtime/globals.js");
const { Deno, version } = core.loadExtScript("ext:isobase_runtime/deno.js");
const { setEnvironment } = core.loadExtScript("ext:isobase_runtime/environment.js");
const { setUserAgent } = core.loadExtScript("ext:isobase_runtime/navigator.js");
const { pathFromURL, SymbolMetadata } = core.loadExtScript("ext:deno_web/00_infra.js");

ObjectDefineProperties(Symbol, {
  metadata: { __proto__: null, value: SymbolMetadata, enumerable: false, writable: false, configurable: false },
});

/**
 * Stubs of asynchronous operations call them by `operation.call(...)`: by what a function has put in the place
 * of `Function.prototype.call`, and which would get hold of the operation. So each gets a `call` of its own.
 */
function keepOperations() {
  const { call } = FunctionPrototype;
  let operation;
  FunctionPrototype.call = function () {
    operation = this;
    throw new Error("not called");
  };
  const names = ObjectKeys(core.ops);
  for (let i = 0; i < names.length; i++) {
    const stub = core.ops[names[i]];
    // Stubs are scripts, other operations are not: those would be called.
    if (typeof stub !== "function" || StringPrototypeIncludes(FunctionPrototypeToString(stub), "[native code]")) continue;
    operation = undefined;
    PromisePrototypeThen(stub(), undefined, () => {});
    if (operation === undefined) throw new Error(`${names[i]} is called in another way than it was`);
    ObjectDefineProperty(operation, "call", {
      __proto__: null, value: call, writable: false, enumerable: false, configurable: false,
    });
  }
  FunctionPrototype.call = call;
}

/** One line of the guest's console. Levels are the console's: 0 debug ... 3 error. */
function log(message, level) {
  const line = message.length > LINE_LENGTH_MAX ? StringPrototypeSlice(message, 0, LINE_LENGTH_MAX) : message;
  op_isobase_log(serve.currentInvocation() ?? 0, level, line);
}

/** How a thrown value that is not an Error reads in a log. */
function formatException(error) {
  if (core.isNativeError(error) || ObjectPrototypeIsPrototypeOf(ErrorPrototype, error)) return null;
  return `Uncaught ${consoleModule.inspectArgs([error])}`;
}

function unhandledRejection(promise, reason) {
  const rejection = new event.PromiseRejectionEvent("unhandledrejection", { cancelable: true, promise, reason });
  globalThis.dispatchEvent(rejection);
  return rejection.defaultPrevented;
}

function handledRejection(promise, reason) {
  globalThis.dispatchEvent(new event.PromiseRejectionEvent("rejectionhandled", { promise, reason }));
}

consoleModule.setNoColorFns(() => true, () => true);
core.setUnhandledPromiseRejectionHandler(unhandledRejection);
core.setHandledPromiseRejectionHandler(handledRejection);
internals.log = (_level, ...args) => log(consoleModule.inspectArgs(args), 3);
core.defineGlobalProperties(globalThis, globals);

/** In each isolate, before it is given a function. */
function start(runtimeVersion, userAgent, hasNode) {
  version.deno = runtimeVersion;
  version.v8 = op_isobase_v8_version();
  setUserAgent(userAgent);
  core.setReportExceptionCallback(event.reportException);
  op_set_format_exception_callback(formatException);
  core.setWasmStreamingCallback((source, rid) => {
    return core.loadExtScript("ext:deno_fetch/26_fetch.js").handleWasmStreaming(source, rid);
  });
  const console = new consoleModule.Console((message, level) => log(trimNewline(message), level));
  core.defineGlobalProperties(globalThis, { __proto__: null, console: core.propNonEnumerable(console) });
  ObjectSetPrototypeOf(globalThis, Window.prototype);
  event.setEventTargetData(globalThis);
  event.saveGlobalThisReference(globalThis);
  event.defineEventHandler(globalThis, "error");
  event.defineEventHandler(globalThis, "load");
  event.defineEventHandler(globalThis, "beforeunload");
  event.defineEventHandler(globalThis, "unload");
  event.defineEventHandler(globalThis, "drain");
  event.defineEventHandler(globalThis, "unhandledrejection");
  performance.setTimeOrigin();
  const opNames = ObjectKeys(core.ops);
  for (let i = 0; i < opNames.length; i++) delete core.ops[opNames[i]];
  delete globalThis.__bootstrap;
  delete globalThis.__isobase;
  delete globalThis.bootstrap;
  core.defineGlobalProperties(globalThis, {
    __proto__: null,
    Deno: core.propNonEnumerable(Deno),
    EdgeRuntime: core.propNonEnumerable(ObjectFreeze({ __proto__: null, waitUntil: serve.waitUntil })),
  });
  nodeArguments = {
    __proto__: null,
    argv0: "isobase",
    denoArgs: Deno.args,
    denoVersion: version,
    nodeDebug: "",
    runningOnMainThread: true,
    usesLocalNodeModulesDir: false,
  };
  internals.__nodeBootstrapArgs = nodeArguments;
  if (hasNode) startNode();
}

/** What Node's modules ask about their process; they see it when they are evaluated. */
let nodeArguments;

/** Node's globals and its process, as far as they do not depend on the function. */
function startNode() {
  core.defineGlobalProperties(globalThis, nodeGlobals);
  const { argv0, denoArgs, denoVersion, nodeDebug, runningOnMainThread } = nodeArguments;
  const process = loadProcess();
  // In the image it was evaluated before there was a process to tell of; else it has just been told.
  internals.__bootstrapNodeProcess(argv0, denoArgs, denoVersion, nodeDebug, false, runningOnMainThread);
  finishNode = (mainModule, nodeDebug) => {
    if (StringPrototypeStartsWith(mainModule, "file:")) process.argv[1] = pathFromURL(new URL(mainModule));
    if (nodeDebug) core.loadExtScript("ext:deno_node/internal/util/debuglog.ts").initializeDebugEnv(nodeDebug);
  };
}

/** Tells Node's process, where there is one already, of its function. */
let finishNode;

function trimNewline(text) {
  return text.length > 0 && text[text.length - 1] === "\n" ? StringPrototypeSlice(text, 0, -1) : text;
}

/** Gives the isolate its function's variables, and Node's modules what they ask about their process. */
function configure(environment, mainModule, isInspected) {
  setEnvironment(environment);
  Deno.mainModule = mainModule;
  nodeArguments.nodeDebug = environment.NODE_DEBUG;
  finishNode?.(mainModule, environment.NODE_DEBUG);
  if (isInspected) tellDebuggers(globalThis.console);
}

/** What the function logs is shown by debuggers too. */
function tellDebuggers(console) {
  const names = ObjectKeys(core.v8Console);
  for (let i = 0; i < names.length; i++) {
    const name = names[i], own = console[name];
    if (typeof own !== "function") continue;
    // Native, so that debuggers show the line that called and not one of ours.
    console[name] = FunctionPrototypeBind(core.callConsole, console, core.v8Console[name], own);
  }
}

const LIFECYCLE = ["load", "beforeunload", "drain", "unload"];

/** Tells the function about its life: `load`, `beforeunload` (with a reason), `drain` or `unload`. */
function lifecycle(name, reason) {
  if (ArrayPrototypeIndexOf(LIFECYCLE, name) === -1) throw new Error(`no event ${name}`);
  const happening = name === "beforeunload"
    ? new event.CustomEvent(name, { cancelable: true, detail: { reason } })
    : new event.Event(name);
  globalThis.dispatchEvent(happening);
}

globalThis.__isobase = {
  __proto__: null,
  adoptDefaultExport: serve.adoptDefaultExport,
  cancel: serve.cancel,
  configure,
  dispatch: serve.dispatch,
  forget: serve.forget,
  lifecycle,
  start,
};
})();
