// `Deno.listen` and `Deno.serveHttp`: servers that were written before there was `Deno.serve`, those of the
// standard library of that time among them. Nobody listens: the only connection there ever is brings all the
// requests of the function.
(function () {
const { core, primordials } = __bootstrap;
const {
  ArrayPrototypePush, ArrayPrototypeShift, Promise, PromisePrototypeThen, PromiseReject, PromiseResolve,
  SymbolAsyncIterator, SymbolDispose,
} = primordials;
const { getAsyncContext, setAsyncContext } = core;

const { errors } = core.loadExtScript("ext:isobase_runtime/errors.js");
const { register } = core.loadExtScript("ext:isobase_runtime/serve.js");

/** A function has no resources that numbers name. */
const NO_RESOURCE = -1;

class Listener {
  rid = NO_RESOURCE;
  #accepted = false;
  #closed = false;
  /** Who waits for a second connection, which never comes. */
  #waiting = [];

  constructor(addr) {
    this.addr = addr;
  }

  accept() {
    if (this.#closed) return PromiseReject(new errors.BadResource("Listener has been closed"));
    if (this.#accepted) return new Promise((_, reject) => ArrayPrototypePush(this.#waiting, reject));
    this.#accepted = true;
    return PromiseResolve(new Connection(this.addr));
  }

  close() {
    this.#closed = true;
    let reject;
    while ((reject = ArrayPrototypeShift(this.#waiting)) !== undefined) {
      reject(new errors.BadResource("Listener has been closed"));
    }
  }

  ref() {}
  unref() {}

  async *[SymbolAsyncIterator]() {
    while (!this.#closed) yield await this.accept();
  }

  [SymbolDispose]() {
    this.close();
  }
}

class Connection {
  rid = NO_RESOURCE;
  remoteAddr = { transport: "tcp", hostname: "127.0.0.1", port: 0 };

  constructor(localAddr) {
    this.localAddr = localAddr;
  }

  close() {}
  closeWrite() {
    return PromiseResolve();
  }
  ref() {}
  unref() {}
}

/** One request, for the first who asks for it. */
class RequestEvent {
  #request;
  #context;
  #answer;

  constructor(request, answer) {
    this.#request = request;
    this.#context = getAsyncContext();
    this.#answer = answer;
  }

  /** Who looks at it works for it from there on: the loop that waited for it began with nobody's. */
  get request() {
    setAsyncContext(this.#context);
    return this.#request;
  }

  respondWith(response) {
    const answer = PromiseResolve(response);
    this.#answer(answer);
    return PromisePrototypeThen(answer, () => {});
  }
}

class HttpConn {
  rid = NO_RESOURCE;
  #closed = false;
  #requests = [];
  #waiting = [];

  constructor() {
    register((request) => new Promise((answer) => this.#offer(new RequestEvent(request, answer))));
  }

  #offer(event) {
    const waiting = ArrayPrototypeShift(this.#waiting);
    if (waiting === undefined) ArrayPrototypePush(this.#requests, event);
    else waiting(event);
  }

  nextRequest() {
    if (this.#closed) return PromiseResolve(null);
    const event = ArrayPrototypeShift(this.#requests);
    if (event !== undefined) return PromiseResolve(event);
    return new Promise((resolve) => ArrayPrototypePush(this.#waiting, resolve));
  }

  close() {
    this.#closed = true;
    let waiting;
    while ((waiting = ArrayPrototypeShift(this.#waiting)) !== undefined) waiting(null);
  }

  async *[SymbolAsyncIterator]() {
    let event;
    while ((event = await this.nextRequest()) !== null) yield event;
  }

  [SymbolDispose]() {
    this.close();
  }
}

/** Ports are accepted and have no effect, as with `Deno.serve`. */
function listen(options) {
  const transport = options?.transport ?? "tcp";
  if (transport !== "tcp") {
    throw new errors.NotSupported(`Deno.listen: transport "${transport}" is not available`);
  }
  return new Listener({ transport, hostname: options?.hostname ?? "0.0.0.0", port: options?.port ?? 8000 });
}

function serveHttp(_connection) {
  return new HttpConn();
}

return { listen, serveHttp };
})();
