// CommonJS: `require` over the function's own modules, which are all at hand. Nothing is searched for on
// a disk; what a name means was settled when the function was built, and the host knows (`resolve.rs`).
(function () {
const { core, primordials } = __bootstrap;
const {
  op_import_sync, op_isobase_commonjs_compile_module, op_isobase_commonjs_compile_text,
  op_isobase_commonjs_kind, op_isobase_commonjs_main, op_isobase_commonjs_resolve, op_isobase_commonjs_text,
} = core.ops;
const {
  ArrayPrototypeIncludes, ArrayPrototypeIndexOf, ArrayPrototypeJoin, ArrayPrototypePush,
  ArrayPrototypeSplice, Error, JSONParse, ObjectCreate, ObjectDefineProperty, ObjectFreeze, ObjectHasOwn,
  ReflectApply, SafeArrayIterator, SafeMap, MapPrototypeGet, MapPrototypeSet, String,
  StringPrototypeCharCodeAt, StringPrototypeIncludes, StringPrototypeLastIndexOf, StringPrototypeSlice,
  StringPrototypeStartsWith, SyntaxError, TypeError,
} = primordials;
const { pathFromURL } = core.loadExtScript("ext:deno_web/00_infra.js");
const { URL } = core.loadExtScript("ext:deno_web/00_url.js");

/** Kinds of modules; the same numbers as in Rust. */
const SCRIPT = 1;
const COMMONJS = 2;
const JSON_FILE = 3;
const WASM = 4;

const NODE = "node:";
/** Those whose exports are not the default export of an ES module. */
const SCRIPTS = {
  __proto__: null,
  url: "ext:deno_node/url.ts",
  util: "ext:deno_node/util.ts",
  sys: "ext:deno_node/util.ts",
  worker_threads: "ext:deno_node/worker_threads.ts",
  zlib: "ext:deno_node/zlib.js",
};
const builtinModules = ObjectFreeze([
  "_http_agent", "_http_common", "_http_outgoing", "_http_server", "_stream_duplex", "_stream_passthrough",
  "_stream_readable", "_stream_transform", "_stream_writable", "_tls_common", "_tls_wrap", "assert",
  "assert/strict", "async_hooks", "buffer", "child_process", "cluster", "console", "constants", "crypto",
  "dgram", "diagnostics_channel", "dns", "dns/promises", "domain", "events", "fs", "fs/promises", "http",
  "http2", "https", "inspector", "inspector/promises", "module", "net", "os", "path", "path/posix",
  "path/win32", "perf_hooks", "process", "punycode", "querystring", "readline", "readline/promises", "repl",
  "stream", "stream/consumers", "stream/promises", "stream/web", "string_decoder", "sys", "timers",
  "timers/promises", "tls", "trace_events", "tty", "url", "util", "util/types", "v8", "vm", "wasi",
  "worker_threads", "zlib", "node:sqlite", "node:test", "node:test/reporters",
]);

const builtins = new SafeMap();

/** What `require("fs")` gives. */
function loadBuiltin(name) {
  const known = MapPrototypeGet(builtins, name);
  if (known !== undefined) return known;
  const bare = StringPrototypeSlice(name, NODE.length);
  let exports;
  if (bare === "module") exports = Module;
  else if (SCRIPTS[bare] !== undefined) exports = core.loadExtScript(SCRIPTS[bare]);
  else {
    const namespace = core.createLazyLoader(name)();
    exports = namespace.default ?? namespace;
  }
  MapPrototypeSet(builtins, name, exports);
  return exports;
}

function isBuiltin(name) {
  if (typeof name !== "string") return false;
  if (ArrayPrototypeIncludes(builtinModules, name)) return true;
  return StringPrototypeStartsWith(name, NODE) &&
    ArrayPrototypeIncludes(builtinModules, StringPrototypeSlice(name, NODE.length));
}

function getBuiltinModule(name) {
  if (!isBuiltin(name)) return undefined;
  return loadBuiltin(StringPrototypeStartsWith(name, NODE) ? name : NODE + name);
}

/** Specifiers by the paths that were made of them: a URL costs as much as all else that `require` does. */
const specifiers = new SafeMap();

function pathOf(specifier) {
  if (!StringPrototypeStartsWith(specifier, "file:")) return specifier;
  const path = isPlain(specifier) ? StringPrototypeSlice(specifier, "file://".length) : pathFromURL(new URL(specifier));
  MapPrototypeSet(specifiers, path, specifier);
  return path;
}

/** Whether the path of a `file:` URL stands in it as it is. */
function isPlain(specifier) {
  return StringPrototypeStartsWith(specifier, "file:///") && !StringPrototypeIncludes(specifier, "%") &&
    !StringPrototypeIncludes(specifier, "?") && !StringPrototypeIncludes(specifier, "#");
}

function specifierOf(path) {
  const known = MapPrototypeGet(specifiers, path);
  if (known !== undefined) return known;
  const url = new URL("file:///");
  url.pathname = path;
  return url.href;
}

function dirname(path) {
  const at = StringPrototypeLastIndexOf(path, "/");
  return at > 0 ? StringPrototypeSlice(path, 0, at) : at === 0 ? "/" : ".";
}

function failure(ErrorClass, code, message) {
  const error = new ErrorClass(message);
  error.code = code;
  return error;
}

function Module(id = "", parent) {
  this.id = id;
  this.path = dirname(id);
  ObjectDefineProperty(this, "exports", {
    __proto__: null, value: {}, writable: true, enumerable: true, configurable: true,
  });
  this.filename = null;
  this.loaded = false;
  this.children = [];
  this.paths = nodeModulePaths(this.path);
  ObjectDefineProperty(this, "parent", {
    __proto__: null, value: parent, writable: true, enumerable: false, configurable: true,
  });
  if (parent?.children) ArrayPrototypePush(parent.children, this);
}

Module.Module = Module;
Module.builtinModules = builtinModules;
Module.isBuiltin = isBuiltin;
Module.createRequire = createRequire;
Module._cache = ObjectCreate(null);
Module._pathCache = ObjectCreate(null);
Module._extensions = ObjectCreate(null);
Module.globalPaths = [];
Module._nodeModulePaths = nodeModulePaths;
Module._initPaths = () => {};
Module._preloadModules = () => {};
Module.runMain = () => {};
Module.syncBuiltinESMExports = () => {};
Module.findSourceMap = () => undefined;
Module.enableCompileCache = () => ({ status: 3 });
Module.getCompileCacheDir = () => undefined;
Module.wrapper = ObjectFreeze([
  "(function (exports, require, module, __filename, __dirname) { ",
  "\n});",
]);
Module.wrap = (script) => Module.wrapper[0] + script + Module.wrapper[1];
Module._debug = () => {};

for (const name of new SafeArrayIterator(["register", "registerHooks", "stripTypeScriptTypes"])) {
  Module[name] = () => {
    throw failure(Error, "ERR_FEATURE_UNAVAILABLE_ON_PLATFORM", `module.${name}() is not available to a function`);
  };
}

function nodeModulePaths(from) {
  const paths = [];
  for (let folder = from;; folder = dirname(folder)) {
    if (folder === "/" || folder === "." || folder === "") {
      ArrayPrototypePush(paths, "/node_modules");
      return paths;
    }
    ArrayPrototypePush(paths, `${folder}/node_modules`);
  }
}

function referrerOf(parent) {
  return specifierOf(parent?.filename ?? parent?.id ?? "/");
}

/** `node:...` or the path of a module. */
Module._resolveFilename = function (request, parent, _isMain, options) {
  if (typeof request !== "string") {
    throw failure(TypeError, "ERR_INVALID_ARG_TYPE", 'The "id" argument must be of type string');
  }
  if (request === "") throw failure(TypeError, "ERR_INVALID_ARG_VALUE", "The argument 'id' must be a non-empty string");
  let found = null;
  if (options?.paths !== undefined) {
    for (const path of new SafeArrayIterator(options.paths)) {
      found ??= op_isobase_commonjs_resolve(request, specifierOf(`${path}/_`));
    }
  } else {
    found = op_isobase_commonjs_resolve(request, referrerOf(parent));
  }
  if (found === null || found === undefined) {
    const stack = [];
    for (let module = parent; module?.filename; module = module.parent) ArrayPrototypePush(stack, module.filename);
    const from = stack.length === 0 ? "" : `\nRequire stack:\n- ${ArrayPrototypeJoin(stack, "\n- ")}`;
    const error = failure(Error, "MODULE_NOT_FOUND", `Cannot find module '${request}'${from}`);
    error.requireStack = stack;
    throw error;
  }
  return StringPrototypeStartsWith(found, NODE) ? found : pathOf(found);
};

Module._load = function (request, parent, isMain) {
  const filename = Module._resolveFilename(request, parent, isMain);
  if (StringPrototypeStartsWith(filename, NODE)) return loadBuiltin(filename);
  return loadFile(filename, parent);
};

function loadFile(filename, parent) {
  const cached = Module._cache[filename];
  if (cached !== undefined) {
    if (parent?.children && ArrayPrototypeIndexOf(parent.children, cached) === -1) {
      ArrayPrototypePush(parent.children, cached);
    }
    return cached.exports;
  }
  const module = new Module(filename, parent);
  if (specifierOf(filename) === mainSpecifier()) {
    module.id = ".";
    main = module;
  }
  Module._cache[filename] = module;
  let isWell = false;
  try {
    module.load(filename);
    isWell = true;
  } finally {
    if (!isWell) {
      delete Module._cache[filename];
      const at = parent?.children ? ArrayPrototypeIndexOf(parent.children, module) : -1;
      if (at !== -1) ArrayPrototypeSplice(parent.children, at, 1);
    }
  }
  return module.exports;
}

let main;
let mainName;

function mainSpecifier() {
  mainName ??= op_isobase_commonjs_main();
  return mainName;
}

Module.prototype.load = function (filename) {
  this.filename = filename;
  this.paths = nodeModulePaths(dirname(filename));
  const specifier = specifierOf(filename);
  const kind = op_isobase_commonjs_kind(specifier);
  if (kind === COMMONJS) {
    // Whoever put another function in its place gets the text.
    if (this._compile !== compileText) this._compile(op_isobase_commonjs_text(specifier), filename);
    else run(this, op_isobase_commonjs_compile_module(specifier), filename);
  }
  else if (kind === JSON_FILE) this.exports = parse(op_isobase_commonjs_text(specifier), filename);
  else if (kind === SCRIPT || kind === WASM) this.exports = requireModule(specifier);
  else throw failure(Error, "MODULE_NOT_FOUND", `Cannot find module '${filename}'`);
  this.loaded = true;
};

function parse(text, filename) {
  try {
    return JSONParse(StringPrototypeCharCodeAt(text, 0) === 0xfeff ? StringPrototypeSlice(text, 1) : text);
  } catch (error) {
    throw new SyntaxError(`${filename}: ${error.message}`);
  }
}

/** An ES module that needs no waiting, as in Node since 22. */
function requireModule(specifier) {
  let namespace;
  try {
    namespace = op_import_sync(specifier);
  } catch (error) {
    if (StringPrototypeIncludes(String(error?.message), "op-level await")) {
      throw failure(
        Error,
        "ERR_REQUIRE_ASYNC_MODULE",
        `require() cannot be used on an ES module that awaits at its top level (${specifier}); use import() instead`,
      );
    }
    throw error;
  }
  return ObjectHasOwn(namespace, "module.exports") ? namespace["module.exports"] : namespace;
}

Module.prototype.require = function (id) {
  return Module._load(id, this, false);
};

function compileText(content, filename) {
  const text = StringPrototypeStartsWith(content, "#!") ? `//${content}` : String(content);
  return run(this, op_isobase_commonjs_compile_text(specifierOf(filename), text), filename);
}

Module.prototype._compile = compileText;

function run(module, compiled, filename) {
  const { exports } = module;
  return ReflectApply(compiled, exports, [exports, makeRequire(module), module, filename, dirname(filename)]);
}

Module._extensions[".js"] = (module, filename) => module.load(filename);
Module._extensions[".json"] = Module._extensions[".js"];
Module._extensions[".node"] = (_module, filename) => {
  throw failure(Error, "ERR_DLOPEN_FAILED", `native add-ons cannot be loaded by a function: ${filename}`);
};

function makeRequire(module) {
  function require(id) {
    return module.require(id);
  }
  require.resolve = (request, options) => {
    const found = Module._resolveFilename(request, module, false, options);
    return StringPrototypeStartsWith(found, NODE) && !StringPrototypeStartsWith(request, NODE) ? request : found;
  };
  require.resolve.paths = (request) => isBuiltin(request) ? null : nodeModulePaths(module.path);
  ObjectDefineProperty(require, "main", { __proto__: null, get: () => main, enumerable: true, configurable: true });
  require.extensions = Module._extensions;
  require.cache = Module._cache;
  return require;
}

/** `from` is the URL or the path of the module that requires. */
function createRequire(from) {
  const text = String(from?.href ?? from);
  const isUrl = StringPrototypeStartsWith(text, "file:");
  if (!isUrl && !StringPrototypeStartsWith(text, "/")) {
    throw failure(
      TypeError,
      "ERR_INVALID_ARG_VALUE",
      `The argument 'filename' must be a file URL object, file URL string, or absolute path string. Received '${text}'`,
    );
  }
  const path = isUrl ? pathOf(text) : text;
  const module = new Module(path);
  module.filename = path;
  return makeRequire(module);
}

/** What the ES module that stands for a CommonJS one is made of. */
function loadSpecifier(specifier) {
  return loadFile(pathOf(specifier), undefined);
}

function pick(exports, name) {
  return exports === null || exports === undefined ? undefined : exports[name];
}

return { Module, builtinModules, createRequire, getBuiltinModule, isBuiltin, loadSpecifier, pick };
})();
