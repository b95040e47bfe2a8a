// isobase:host/queue: messages in queues, as the caller of the current request. The names are those of
// the WIT interface `isobase:host/queue`, in camel case. Messages and headers are values here, JSON there.
//
// What fails throws a DatabaseError of `isobase:host/database`, for queues are tables.
(function () {
const { core, internals, primordials } = __bootstrap;
const {
  op_isobase_queue_metrics, op_isobase_queue_read, op_isobase_queue_send, op_isobase_queue_send_batch,
  op_isobase_queue_settle,
} = core.ops;
const { ArrayIsArray, ArrayPrototypeMap, ArrayPrototypePush, JSONStringify, String, TypeError } = primordials;
const { DatabaseError } = core.loadExtScript("ext:isobase_host/database.js");

/** What `read` does where nothing else is said. */
const VISIBILITY_MS = 30_000;
const QUANTITY = 1;

function invocation() {
  const id = internals.currentInvocation();
  if (id !== undefined) return id;
  const error = new DatabaseError("there is no request to act for; use a queue while one is being handled");
  error.kind = "refused";
  throw error;
}

function isService(options) {
  const identity = options?.identity ?? "caller";
  if (identity === "service") return true;
  if (identity === "caller") return false;
  throw new TypeError(`identity is "caller" or "service", not "${identity}"`);
}

/** Adds `[message, headers or null, delay in ms]`. */
function addMessage(flat, message, options) {
  const json = JSONStringify(message);
  if (json === undefined) throw new TypeError(`a ${typeof message} cannot be a message`);
  const headers = options?.headers;
  const headersJson = headers === undefined || headers === null ? null : JSONStringify(headers);
  ArrayPrototypePush(flat, json, headersJson, options?.delayMs ?? 0);
  return flat;
}

function first(row) {
  return row[0];
}

/** Sends one message and resolves with its id after the commit. */
async function send(queue, message, options = undefined) {
  const flat = addMessage([], message, options);
  const rows = await op_isobase_queue_send(invocation(), String(queue), isService(options), flat);
  return rows[0][0];
}

/** Sends several messages, all or none; resolves with their ids in order. */
async function sendBatch(queue, messages, options = undefined) {
  const flat = [];
  for (let i = 0; i < messages.length; i++) {
    const { message, headers, delayMs } = messages[i];
    addMessage(flat, message, { headers, delayMs: delayMs ?? options?.delayMs });
  }
  const rows = await op_isobase_queue_send_batch(invocation(), String(queue), isService(options), flat);
  return ArrayPrototypeMap(rows, first);
}

/** Visible messages, oldest first, hidden from everybody else for `visibilityMs`. */
async function read(queue, options = undefined) {
  const visibility = options?.visibilityMs ?? VISIBILITY_MS;
  const quantity = options?.quantity ?? QUANTITY;
  const rows = await op_isobase_queue_read(invocation(), String(queue), isService(options), visibility, quantity);
  return ArrayPrototypeMap(rows, (row) => ({
    id: row[0],
    attempts: row[1],
    enqueuedAt: row[2],
    headers: row[3],
    message: row[4],
  }));
}

async function settle(queue, how, ids, visibilityMs, options) {
  const list = ArrayIsArray(ids) ? ids : [ids];
  const rows = await op_isobase_queue_settle(
    invocation(), String(queue), isService(options), how, list, visibilityMs,
  );
  return ArrayPrototypeMap(rows, first);
}

/** Deletes messages that are done with; resolves with the ids that were there. */
function ack(queue, ids, options = undefined) {
  return settle(queue, "ack", ids, 0, options);
}

/** Moves messages to the queue's archive; resolves with the ids that were there. */
function archive(queue, ids, options = undefined) {
  return settle(queue, "archive", ids, 0, options);
}

/** Hides messages for `visibilityMs` from now; zero shows them again. */
function extend(queue, ids, visibilityMs, options = undefined) {
  return settle(queue, "extend", ids, visibilityMs, options);
}

/** Counts what the queue holds. */
async function metrics(queue, options = undefined) {
  const rows = await op_isobase_queue_metrics(invocation(), String(queue), isService(options));
  const { 0: length, 1: visible, 2: total, 3: newestAge, 4: oldestAge } = rows[0];
  return { length, visible, total, newestAge, oldestAge };
}

return { ack, archive, extend, metrics, read, send, sendBatch };
})();
