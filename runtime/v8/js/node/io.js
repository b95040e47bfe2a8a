// Standard output and error of a function are its log; its standard input has ended.
(function () {
const { core, internals, primordials } = __bootstrap;
const { op_isobase_log } = core.ops;
const {
  PromiseResolve, StringPrototypeIndexOf, StringPrototypeSlice, Symbol,
  TypedArrayPrototypeGetByteLength,
} = primordials;
const { TextDecoder } = core.loadExtScript("ext:deno_web/08_text_encoding.js");
const { ReadableStream, WritableStream } = core.loadExtScript("ext:deno_web/06_streams.js");

const INFO = 1;
const ERROR = 3;
/** No more is kept of a line that does not end. */
const LINE_LENGTH_MAX = 10_000;
const REF = Symbol("REF");
const UNREF = Symbol("UNREF");

class Output {
  #level;
  #decoder = new TextDecoder();
  #line = "";
  #writable;

  constructor(level) {
    this.#level = level;
  }

  /** Whole lines go to the log, under the request whose code runs. */
  writeSync(bytes) {
    let text = this.#line + this.#decoder.decode(bytes, { stream: true });
    for (let end; (end = StringPrototypeIndexOf(text, "\n")) !== -1;) {
      this.#log(StringPrototypeSlice(text, 0, end));
      text = StringPrototypeSlice(text, end + 1);
    }
    if (text.length > LINE_LENGTH_MAX) {
      this.#log(text);
      text = "";
    }
    this.#line = text;
    return TypedArrayPrototypeGetByteLength(bytes);
  }

  #log(line) {
    op_isobase_log(internals.currentInvocation() ?? 0, this.#level, StringPrototypeSlice(line, 0, LINE_LENGTH_MAX));
  }

  write(bytes) {
    return PromiseResolve(this.writeSync(bytes));
  }

  get writable() {
    this.#writable ??= new WritableStream({ write: (bytes) => void this.writeSync(bytes) });
    return this.#writable;
  }

  close() {}

  isTerminal() {
    return false;
  }
}

class Stdout extends Output {
  constructor() {
    super(INFO);
  }
}

class Stderr extends Output {
  constructor() {
    super(ERROR);
  }
}

class Stdin {
  #readable;

  read() {
    return PromiseResolve(null);
  }
  readSync() {
    return null;
  }
  get readable() {
    this.#readable ??= new ReadableStream({ start: (controller) => controller.close() });
    return this.#readable;
  }
  setRaw() {}
  isTerminal() {
    return false;
  }
  close() {}
  [REF]() {}
  [UNREF]() {}
}

/** Of a resource, an open file for one; `null` at its end. */
function readSync(rid, buffer) {
  if (TypedArrayPrototypeGetByteLength(buffer) === 0) return 0;
  const count = core.readSync(rid, buffer);
  return count === 0 ? null : count;
}

async function read(rid, buffer) {
  if (TypedArrayPrototypeGetByteLength(buffer) === 0) return 0;
  const count = await core.read(rid, buffer);
  return count === 0 ? null : count;
}

return {
  read,
  readSync,
  REF,
  SeekMode: { __proto__: null, 0: "Start", 1: "Current", 2: "End", Start: 0, Current: 1, End: 2 },
  Stderr,
  stderr: new Stderr(),
  STDERR_RID: 2,
  stdin: new Stdin(),
  STDIN_RID: 0,
  Stdout,
  stdout: new Stdout(),
  STDOUT_RID: 1,
  UNREF,
  write: core.write,
  writeSync: core.writeSync,
};
})();
