// The Deno namespace, as far as an edge function has use for it. The file system is the function's own;
// there is no process and no listening socket; `Deno.serve` registers the function's handler, and so does who
// listens by hand.
(function () {
const { core, internals, primordials } = __bootstrap;
const { ObjectDefineProperty, ObjectFreeze, PromiseReject, SafeArrayIterator, SymbolFor } = primordials;

const load = core.loadExtScript;
const consoleModule = load("ext:deno_web/01_console.js");
const { env } = load("ext:isobase_runtime/environment.js");
const { errors } = load("ext:isobase_runtime/errors.js");
const { PermissionStatus, permissions } = load("ext:isobase_runtime/permissions.js");
const { serve } = load("ext:isobase_runtime/serve.js");
const { refTimer, unrefTimer } = load("ext:deno_web/02_timers.js");
const files = () => load("ext:deno_fs/30_fs.js");
const httpClient = () => load("ext:deno_fetch/22_http_client.js");
const net = () => load("ext:deno_net/01_net.js");
const standard = () => load("ext:deno_io/12_io.js");
const tls = () => load("ext:deno_net/02_tls.js");

/** The runtime's own versions; filled in when an isolate starts. */
const version = { deno: "", v8: "", typescript: "" };

const Deno = {
  args: ObjectFreeze([]),
  build: ObjectFreeze({
    target: "x86_64-unknown-linux-gnu",
    arch: "x86_64",
    os: "linux",
    vendor: "unknown",
    env: "gnu",
    standalone: false,
  }),
  customInspect: SymbolFor("Deno.customInspect"),
  env,
  errors,
  inspect: consoleModule.inspect,
  mainModule: "",
  memoryUsage: () => core.memoryUsage(),
  noColor: true,
  PermissionStatus,
  permissions,
  pid: 1,
  refTimer,
  serve,
  unrefTimer,
  version,
  consoleSize: () => ({ columns: 80, rows: 24 }),
  execPath: () => "/bin/isobase",
  gid: () => 0,
  hostname: () => "localhost",
  loadavg: () => [0, 0, 0],
  networkInterfaces: () => [],
  osRelease: () => "",
  osUptime: () => load("ext:deno_os/30_os.js").osUptime(),
  ppid: 0,
  systemMemoryInfo() {
    const { heapTotal, heapUsed } = core.memoryUsage();
    const free = heapTotal - heapUsed;
    return { total: heapTotal, free, available: free, buffers: 0, cached: 0, swapTotal: 0, swapFree: 0 };
  },
  uid: () => 0,
  // Asking is fine, ending the process is not: a function ends when its request does.
  exit() {},
  kill() {},
  addSignalListener() {},
  removeSignalListener() {},
};

/** Names of the network modules, loaded at first call. */
function lazily(loader, ...names) {
  for (const name of new SafeArrayIterator(names)) {
    Deno[name] = (...args) => loader()[name](...new SafeArrayIterator(args));
  }
}

Deno.upgradeWebSocket = (request, options) => {
  return load("ext:isobase_runtime/websocket.js").upgradeWebSocket(request, options);
};

/** What servers were written with before there was `Deno.serve`. */
const listening = () => load("ext:isobase_runtime/listening.js");
lazily(listening, "listen", "serveHttp");

/** It belongs to a process. */
Deno.umask = () => {
  throw new errors.PermissionDenied("Deno.umask is not available to a function");
};

/** Names whose values are made when one of them is first read. */
function whenRead(loader, ...names) {
  for (const name of new SafeArrayIterator(names)) {
    const define = (value) => {
      ObjectDefineProperty(Deno, name, { __proto__: null, value, writable: true, enumerable: true, configurable: true });
      return value;
    };
    ObjectDefineProperty(Deno, name, {
      __proto__: null,
      get: () => define(loader()[name]),
      set: define,
      enumerable: true,
      configurable: true,
    });
  }
}

for (const name of new SafeArrayIterator(["Command", "listenDatagram", "listenTls", "watchFs"])) {
  Deno[name] = function () {
    throw new errors.NotSupported(`Deno.${name} is not available to a function`);
  };
}

lazily(
  files,
  "chdir", "chmod", "chmodSync", "chown", "chownSync", "copyFile", "copyFileSync", "create", "createSync", "cwd",
  "link", "linkSync", "lstat", "lstatSync", "makeTempDir", "makeTempDirSync", "makeTempFile",
  "makeTempFileSync", "mkdir", "mkdirSync", "open", "openSync", "readDir", "readDirSync", "readFile",
  "readFileSync", "readLink", "readLinkSync", "readTextFile", "readTextFileSync", "realPath", "realPathSync",
  "remove", "removeSync", "rename", "renameSync", "stat", "statSync", "symlink", "symlinkSync", "truncate",
  "truncateSync", "utime", "utimeSync", "writeFile", "writeFileSync", "writeTextFile",
  "writeTextFileSync",
);
whenRead(files, "FsFile");
whenRead(standard, "SeekMode", "stderr", "stdin", "stdout");
lazily(net, "resolveDns");
lazily(tls, "startTls");

// A proxy would connect on the function's behalf, past its egress policy.
Deno.createHttpClient = (options) => {
  const chosen = { __proto__: null, ...options };
  if (chosen.proxy !== undefined && chosen.proxy !== null) {
    throw new errors.NotSupported("Deno.createHttpClient: proxies are not available");
  }
  internals.mayConnect();
  // It keeps connections like any other client.
  chosen.poolMaxIdlePerHost = undefined;
  chosen.poolIdleTimeout = undefined;
  return httpClient().createHttpClient(chosen);
};

Deno.connect = (options) => {
  const transport = options?.transport ?? "tcp";
  if (transport !== "tcp") {
    return PromiseReject(new errors.NotSupported(`Deno.connect: transport "${transport}" is not available`));
  }
  return connecting(() => net().connect(options));
};

Deno.connectTls = (options) => connecting(() => tls().connectTls(options));

/** A function has a bound on its connections. */
function connecting(connect) {
  try {
    internals.mayConnect();
  } catch (error) {
    return PromiseReject(error);
  }
  return connect();
}

return { Deno, version };
})();
