// `Supabase.ai.Session`: models behind HTTP. The host to ask is the variable AI_INFERENCE_API_HOST: Ollama, or
// one that speaks OpenAI's chat completions.
(function () {
const { core, primordials } = __bootstrap;
const {
  ArrayPrototypePush, Error, JSONParse, JSONStringify, ObjectPrototypeIsPrototypeOf, StringPrototypeIndexOf,
  StringPrototypeSlice, StringPrototypeStartsWith, StringPrototypeTrim, TypeError,
} = primordials;

const load = core.loadExtScript;
const { AbortSignal, AbortSignalPrototype } = load("ext:deno_web/03_abort_signal.js");
const { TextDecoderStream } = load("ext:deno_web/08_text_encoding.js");
const { URL } = load("ext:deno_web/00_url.js");
const { env } = load("ext:isobase_runtime/environment.js");
const fetching = () => load("ext:deno_fetch/26_fetch.js");

const LOCAL_MODEL = "gte-small";
const DEFAULT_TIMEOUT_SECONDS = 60;

/** How to ask each kind of host, and how its answer ends. */
const MODES = {
  __proto__: null,
  ollama: {
    path: "/api/generate",
    body: (model, prompt, stream) => ({ model, prompt, stream }),
    isLast: (message) => message.done === true,
  },
  openaicompatible: {
    path: "/v1/chat/completions",
    body: (model, prompt, stream) => ({ model, stream, ...prompt }),
    isLast: (message) => {
      const reason = message.choices?.[0]?.finish_reason;
      if (reason && reason !== "stop") throw new Error(`Expected a completed response, it ended with ${reason}.`);
      return reason === "stop";
    },
  },
};

class Session {
  #model;

  constructor(model) {
    this.#model = model;
  }

  get model() {
    return this.#model;
  }

  /** One answer, or with `stream` its parts as they come. */
  async run(prompt, options = {}) {
    if (this.#model === LOCAL_MODEL) {
      throw new Error(
        `The model ${LOCAL_MODEL} is not installed on this host. Use a model behind AI_INFERENCE_API_HOST, or a package.`,
      );
    }
    const host = env.get("AI_INFERENCE_API_HOST");
    if (!host) {
      throw new Error("AI_INFERENCE_API_HOST is not set: there is no host to ask for a model.");
    }
    const kind = options.mode ?? "ollama";
    const mode = MODES[kind];
    if (mode === undefined) throw new TypeError(`invalid mode: ${kind}`);
    const stream = options.stream ?? false;
    const signal = bound(options);
    const response = await fetching().fetch(new URL(mode.path, host), {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSONStringify(mode.body(this.#model, prompt, stream)),
      signal,
    });
    if (!response.ok) {
      await response.body?.cancel();
      throw new Error(`Failed to fetch inference API host. Status ${response.status}: ${response.statusText}`);
    }
    if (stream) return parts(response.body, mode);
    const message = checked(await response.json());
    if (!mode.isLast(message)) throw new Error("Expected a completed response.");
    return message;
  }
}

function bound({ signal, timeout }) {
  const seconds = typeof timeout === "number" ? timeout : DEFAULT_TIMEOUT_SECONDS;
  const signals = [AbortSignal.timeout(seconds * 1000)];
  if (ObjectPrototypeIsPrototypeOf(AbortSignalPrototype, signal)) ArrayPrototypePush(signals, signal);
  return AbortSignal.any(signals);
}

function checked(message) {
  const error = message?.error;
  if (error) throw new Error(typeof error === "string" ? error : error.message ?? JSONStringify(error));
  return message;
}

/** JSON by lines, or as the data of server-sent events. */
async function* parts(body, mode) {
  let text = "";
  for await (const chunk of body.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    for (let end = StringPrototypeIndexOf(text, "\n"); end !== -1; end = StringPrototypeIndexOf(text, "\n")) {
      const message = messageOf(StringPrototypeSlice(text, 0, end));
      text = StringPrototypeSlice(text, end + 1);
      if (message === undefined) continue;
      yield message;
      if (mode.isLast(message)) return;
    }
  }
  const last = messageOf(text);
  if (last !== undefined) {
    yield last;
    if (mode.isLast(last)) return;
  }
  throw new Error("Did not receive done or success response in stream.");
}

/** `undefined` for lines that carry none. */
function messageOf(line) {
  let text = StringPrototypeTrim(line);
  if (StringPrototypeStartsWith(text, "data:")) text = StringPrototypeTrim(StringPrototypeSlice(text, 5));
  else if (!StringPrototypeStartsWith(text, "{")) return undefined;
  return text === "" || text === "[DONE]" ? undefined : checked(JSONParse(text));
}

return { Session };
})();
