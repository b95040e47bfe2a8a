// node:http servers: `listen()` opens no port but registers the function's handler. Each request becomes
// a connection of its own, in HTTP/1.1, that only Node's server and this file ever see. The names that are
// exported are those that node:http imports.
import { core, primordials } from "ext:core/mod.js";
import { Buffer } from "node:buffer";
import { Duplex } from "node:stream";
import { setImmediate } from "node:timers";

const { serve } = core.loadExtScript("ext:isobase_runtime/serve.js");
const { Response } = core.loadExtScript("ext:deno_fetch/23_response.js");
const { ReadableStream } = core.loadExtScript("ext:deno_web/06_streams.js");
const { URL } = core.loadExtScript("ext:deno_web/00_url.js");
const {
  ArrayPrototypePush, Error, FunctionPrototypeCall, NumberParseInt, Promise,
  SafeArrayIterator, StringPrototypeIndexOf, StringPrototypeSlice, StringPrototypeSplit,
  StringPrototypeToLowerCase, StringPrototypeTrim,
} = primordials;

const PORT = 8000;
const END_OF_HEAD = "\r\n\r\n";
/** Statuses whose responses have no body, whatever their headers say. */
const WITHOUT_BODY = { __proto__: null, 204: true, 205: true, 304: true };
/** What concerns one connection only. */
const HOP_BY_HOP = { __proto__: null, connection: true, "keep-alive": true, "transfer-encoding": true };
/** How much is read at once of a connection that left HTTP. */
const READ_BYTES = 16 * 1024;
/** What Node would answer itself, or what is written anew. */
const NOT_PASSED_ON = { __proto__: null, ...HOP_BY_HOP, expect: true, upgrade: true };

let isTaken = false;

/** The first server that listens gets the requests; a second one would need a port. */
export function applyAddressOverride() {
  if (isTaken) return { mode: "none" };
  isTaken = true;
  return { mode: "override-only", override: {} };
}

export const SERVER_KIND_NODE_HTTP = 2;
export const SERVER_KIND_NODE_HTTP2 = 3;

export function notifyAddressOverrideServing() {}

export function startOverrideListener(server, _override, connectionListener) {
  if (server._handle) {
    server._handle.getsockname = (address) => {
      address.address = "0.0.0.0";
      address.family = "IPv4";
      address.port = PORT;
      return 0;
    };
  }
  serve((request, info) => {
    return new Promise((resolve, reject) => {
      const connection = new Connection(request, info.remoteAddr.hostname, resolve, reject);
      connection.server = server;
      FunctionPrototypeCall(connectionListener, server, connection);
      connection.send();
    });
  });
}

/** One request and its response, to Node's server a socket. */
class Connection extends Duplex {
  server = null;
  parser = null;
  _httpMessage = null;
  _paused = false;
  encrypted = false;
  /** For servers of node:http2, which choose by it; they serve HTTP/1 too if told to. */
  alpnProtocol = "http/1.1";
  connecting = false;
  remotePort = 0;
  localAddress = "127.0.0.1";
  localPort = PORT;
  timeout = 0;
  #request;
  #reader = null;
  #isChunked = false;
  #answer;
  /** The client's connection itself, or the promise of it, once the server answered 101. */
  #bare = null;
  #isReading = false;

  constructor(request, remoteAddress, resolve, reject) {
    super({ allowHalfOpen: true });
    this.#request = request;
    this.#answer = new Answer(request.method, resolve, reject, (headers, rest) => this.#leave(headers, rest, resolve));
    this.remoteAddress = remoteAddress;
    this.remoteFamily = StringPrototypeIndexOf(remoteAddress, ":") === -1 ? "IPv4" : "IPv6";
    request.signal.addEventListener("abort", () => this.destroy());
  }

  /** The head; the body follows as Node reads it. */
  send() {
    const request = this.#request;
    const url = new URL(request.url);
    let head = `${request.method} ${url.pathname}${url.search} HTTP/1.1\r\n`;
    const hasLength = request.headers.has("content-length");
    for (const { 0: name, 1: value } of new SafeArrayIterator([...request.headers])) {
      if (NOT_PASSED_ON[name] !== true) head += `${name}: ${value}\r\n`;
    }
    if (!request.headers.has("host")) head += `host: ${url.host}\r\n`;
    const upgrade = this.server.listenerCount("upgrade") > 0 ? request.headers.get("upgrade") : null;
    head += upgrade === null ? "connection: close\r\n" : `connection: upgrade\r\nupgrade: ${upgrade}\r\n`;
    if (request.body !== null) {
      this.#reader = request.body.getReader();
      this.#isChunked = !hasLength;
      if (this.#isChunked) head += "transfer-encoding: chunked\r\n";
    }
    this.push(Buffer.from(`${head}\r\n`, "latin1"));
  }

  /** The server leaves HTTP: from here on bytes go both ways as they are. */
  #leave(headers, rest, resolve) {
    const { connection, response } = core.loadExtScript("ext:isobase_runtime/websocket.js").takeOver(
      this.#request,
      headers,
    );
    const written = rest.length > 0 ? copy(rest) : null;
    this.#bare = (async () => {
      const rid = await connection;
      if (written !== null) await core.writeAll(rid, written);
      return rid;
    })();
    this.#bare.then(() => this.#readBare(), (error) => this.destroy(error));
    resolve(response);
  }

  async #readBare() {
    if (this.#isReading) return;
    this.#isReading = true;
    try {
      const bytes = new Uint8Array(READ_BYTES);
      const count = await core.read(await this.#bare, bytes);
      this.#isReading = false;
      if (!this.destroyed) this.push(count > 0 ? Buffer.from(bytes.subarray(0, count)) : null);
    } catch (error) {
      this.#isReading = false;
      if (!this.destroyed) this.destroy(error);
    }
  }

  async #writeBare(bytes, callback) {
    try {
      await core.writeAll(await this.#bare, copy(bytes));
      callback();
    } catch (error) {
      callback(error);
    }
  }

  async _read() {
    if (this.#bare !== null) return this.#readBare();
    const reader = this.#reader;
    if (reader === null) return;
    try {
      const { done, value } = await reader.read();
      // A handler that loads a module lets promises go on before it returns, and Node's parser cannot be
      // given more bytes while it works on some.
      setImmediate(() => this.#take(done, value));
    } catch (error) {
      this.destroy(error);
    }
  }

  #take(done, value) {
    if (this.destroyed) return;
    if (done) {
      this.#reader = null;
      if (this.#isChunked) this.push(Buffer.from("0\r\n\r\n", "latin1"));
    } else if (!this.#isChunked) {
      this.push(Buffer.from(value));
    } else if (value.byteLength > 0) {
      const size = Buffer.from(`${value.byteLength.toString(16)}\r\n`, "latin1");
      this.push(Buffer.concat([size, value, Buffer.from("\r\n", "latin1")]));
    } else {
      this._read();
    }
  }

  _write(chunk, encoding, callback) {
    const bytes = typeof chunk === "string" ? Buffer.from(chunk, encoding) : chunk;
    if (this.#bare !== null) {
      this.#writeBare(bytes, callback);
      return;
    }
    try {
      this.#answer.write(bytes, callback);
    } catch (error) {
      callback(error);
    }
  }

  _final(callback) {
    if (this.#bare !== null) {
      // The other side may have closed first.
      this.#bare.then((rid) => core.shutdown(rid)).then(() => callback(), () => callback());
      return;
    }
    this.#answer.end();
    callback();
    this.push(null);
  }

  _destroy(error, callback) {
    this.#answer.fail(error ?? new Error("the connection was closed before the response was complete"));
    this.#reader?.cancel().catch(() => {});
    this.#reader = null;
    this.#bare?.then((rid) => core.tryClose(rid), () => {});
    callback(error);
  }

  destroySoon() {
    if (this.writableFinished) this.destroy();
    else {
      this.once("finish", () => this.destroy());
      this.end();
    }
  }

  address() {
    return { address: this.localAddress, family: "IPv4", port: this.localPort };
  }

  // The function's own clocks bound a request.
  setTimeout(_milliseconds, callback) {
    if (callback) this.once("timeout", callback);
    return this;
  }
  setNoDelay() {
    return this;
  }
  setKeepAlive() {
    return this;
  }
  ref() {
    return this;
  }
  unref() {
    return this;
  }
}

/** Reads what the server writes and makes a Response of it. */
class Answer {
  #method;
  #resolve;
  #reject;
  /** What has come of the head, until it is complete. */
  #head = "";
  #hasHead = false;
  #chunks = null;
  #controller = null;
  #isDone = false;
  #waiting = null;
  /** `leave(headers, rest)` when the server switches protocols. */
  #leave;

  constructor(method, resolve, reject, leave) {
    this.#method = method;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#leave = leave;
  }

  write(bytes, callback) {
    let rest = bytes;
    while (!this.#hasHead) {
      const before = this.#head.length;
      this.#head += rest.toString("latin1");
      const end = StringPrototypeIndexOf(this.#head, END_OF_HEAD);
      if (end === -1) return callback();
      rest = rest.subarray(end + END_OF_HEAD.length - before);
      const head = StringPrototypeSlice(this.#head, 0, end);
      this.#head = "";
      // An interim response (1xx) is followed by another head.
      if (this.#begin(head, rest)) this.#hasHead = true;
      else if (rest.length === 0) return callback();
    }
    if (this.#controller === null || this.#isDone) return callback();
    this.#body(rest);
    if (this.#isDone || this.#controller.desiredSize > 0) callback();
    else this.#waiting = callback;
  }

  #begin(head, rest) {
    const lines = StringPrototypeSplit(head, "\r\n");
    const status = NumberParseInt(StringPrototypeSplit(lines[0], " ")[1], 10);
    const isSwitch = status === 101;
    if (status < 200 && !isSwitch) return false;
    const headers = [];
    let isChunked = false;
    for (let i = 1; i < lines.length; i++) {
      const colon = StringPrototypeIndexOf(lines[i], ":");
      const name = StringPrototypeToLowerCase(StringPrototypeSlice(lines[i], 0, colon));
      const value = StringPrototypeTrim(StringPrototypeSlice(lines[i], colon + 1));
      if (name === "transfer-encoding") isChunked = true;
      if (isSwitch || HOP_BY_HOP[name] !== true) ArrayPrototypePush(headers, [name, value]);
    }
    if (isSwitch) {
      this.#isDone = true;
      this.#leave(headers, rest);
      return true;
    }
    const hasBody = this.#method !== "HEAD" && WITHOUT_BODY[status] !== true;
    const body = hasBody
      ? new ReadableStream({
        start: (controller) => {
          this.#controller = controller;
        },
        pull: () => this.#resume(),
        cancel: () => {
          this.#isDone = true;
          this.#resume();
        },
      }, { highWaterMark: 4 })
      : null;
    if (isChunked) this.#chunks = new Chunks();
    this.#resolve(new Response(body, { status, headers }));
    this.#resolve = null;
    return true;
  }

  #resume() {
    const callback = this.#waiting;
    this.#waiting = null;
    callback?.();
  }

  #body(bytes) {
    if (this.#chunks === null) {
      if (bytes.length > 0) this.#controller.enqueue(copy(bytes));
      return;
    }
    this.#chunks.read(bytes, (data) => this.#controller.enqueue(copy(data)));
    if (this.#chunks.isLast) this.end();
  }

  end() {
    if (this.#isDone) return;
    this.#isDone = true;
    if (!this.#hasHead) this.#reject(new Error("the server closed the connection without an answer"));
    this.#controller?.close();
    this.#resume();
  }

  fail(error) {
    if (this.#isDone) return;
    this.#isDone = true;
    if (!this.#hasHead) this.#reject(error);
    this.#controller?.error(error);
    this.#resume();
  }
}

/** Node reuses its buffers. */
function copy(bytes) {
  return new Uint8Array(bytes);
}

/** RFC 9112, section 7.1. */
class Chunks {
  isLast = false;
  #line = "";
  #left = -1;

  read(bytes, take) {
    let at = 0;
    while (at < bytes.length && !this.isLast) {
      if (this.#left > 0) {
        const data = bytes.subarray(at, at + this.#left);
        take(data);
        at += data.length;
        this.#left -= data.length;
        continue;
      }
      // The line with a chunk's size, or the empty one behind its data.
      const character = bytes[at++];
      if (character !== 0x0a) {
        this.#line += character === 0x0d ? "" : Buffer.from([character]).toString("latin1");
        continue;
      }
      const line = this.#line;
      this.#line = "";
      if (line === "" && this.#left === 0) {
        this.#left = -1;
        continue;
      }
      this.#left = NumberParseInt(line, 16);
      if (this.#left === 0) this.isLast = true;
    }
  }
}
