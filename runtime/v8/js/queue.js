// `export default { queue(batch, env, ctx) }`: the shape of Cloudflare Queues, over the request that the
// host delivers messages with. https://developers.cloudflare.com/queues/configuration/javascript-apis/
(function () {
const { core, primordials } = __bootstrap;
const { op_isobase_log_error } = core.ops;
const {
  ArrayPrototypeMap, ArrayPrototypePush, Date, JSONParse, JSONStringify, ObjectFreeze, String,
} = primordials;
const { Response } = core.loadExtScript("ext:deno_fetch/23_response.js");
const { env } = core.loadExtScript("ext:isobase_runtime/environment.js");

/** What the handler said of a message; the first word counts. */
const UNDECIDED = 0;
const DONE = 1;
const AGAIN = 2;

/** Set by the host alone: the gateway takes it off what clients send. */
const TRIGGER_HEADER = "x-isobase-trigger";

class QueueMessage {
  #decision = UNDECIDED;
  #delaySeconds;

  constructor(entry) {
    this.id = String(entry.id);
    this.timestamp = new Date(entry.enqueued_at);
    this.body = entry.body;
    this.attempts = entry.attempts;
    this.headers = entry.headers;
    this.idempotencyKey = entry.idempotency_key;
  }

  ack() {
    if (this.#decision === UNDECIDED) this.#decision = DONE;
  }

  retry(options = undefined) {
    if (this.#decision !== UNDECIDED) return;
    this.#decision = AGAIN;
    this.#delaySeconds = options?.delaySeconds;
  }

  /** An entry of the answer, or `undefined` when the message is done with. */
  static answer(message, reason) {
    if (message.#decision !== AGAIN) return undefined;
    return { id: message.id, delay_seconds: message.#delaySeconds, reason };
  }
}

class MessageBatch {
  constructor(queue, messages) {
    this.queue = queue;
    this.messages = ObjectFreeze(messages);
  }

  ackAll() {
    for (let i = 0; i < this.messages.length; i++) this.messages[i].ack();
  }

  retryAll(options = undefined) {
    for (let i = 0; i < this.messages.length; i++) this.messages[i].retry(options);
  }
}

function isDelivery(request) {
  return request.headers.get(TRIGGER_HEADER) === "queue";
}

/** Calls `handler` with the messages of `request`; the response says which to deliver again. */
async function deliver(handler, request, id, waitUntil) {
  const { queue, messages } = JSONParse(await request.text());
  const batch = new MessageBatch(queue, ArrayPrototypeMap(messages, (entry) => new QueueMessage(entry)));
  const ctx = { waitUntil, passThroughOnException() {} };
  let reason;
  try {
    await handler(batch, env.toObject(), ctx);
  } catch (error) {
    op_isobase_log_error(id, error);
    reason = String(error);
    batch.retryAll();
  }
  const retry = [];
  for (let i = 0; i < batch.messages.length; i++) {
    const entry = QueueMessage.answer(batch.messages[i], reason);
    if (entry !== undefined) ArrayPrototypePush(retry, entry);
  }
  return new Response(JSONStringify({ retry }), { headers: { "content-type": "application/json" } });
}

return { deliver, isDelivery };
})();
