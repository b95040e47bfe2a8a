// Messages on their way from one port of the isolate to another lie outside of its heap, so they have a bound of
// their own. Loaded before the platform's ports, which take their operations from `core.ops` once.
(function () {
const { core, primordials } = __bootstrap;
const { isArrayBuffer } = core;
const {
  op_isobase_messages_max, op_message_port_post_message, op_message_port_post_message_raw,
  op_message_port_recv_message, op_message_port_recv_message_sync,
} = core.ops;
const {
  ArrayBufferIsView, ArrayBufferPrototypeGetByteLength, PromisePrototypeThen, RangeError,
  TypedArrayPrototypeGetByteLength,
} = primordials;

/** What each message takes beside its content, in bytes. */
const MESSAGE_BYTES = 256;

/** Bytes that were sent and not received. What was sent to a port that is closed counts on. */
let waiting = 0;

function bytesOf(data) {
  const bytes = ArrayBufferIsView(data) ? TypedArrayPrototypeGetByteLength(data) : ArrayBufferPrototypeGetByteLength(data);
  return bytes + MESSAGE_BYTES;
}

function hold(data) {
  const bytes = bytesOf(data);
  if (waiting + bytes > op_isobase_messages_max()) throw new RangeError("too many messages wait to be received");
  waiting += bytes;
}

/** `received` is the content alone, or has it beside what was transferred; `null` at the end. */
function letGo(received) {
  if (received === null || received === undefined) return;
  waiting -= bytesOf(ArrayBufferIsView(received) || isArrayBuffer(received) ? received : received.data);
}

core.ops.op_message_port_post_message = (port, message) => {
  hold(message.data);
  return op_message_port_post_message(port, message);
};
core.ops.op_message_port_post_message_raw = (port, data) => {
  hold(data);
  return op_message_port_post_message_raw(port, data);
};
core.ops.op_message_port_recv_message = (port) => {
  // The promise itself is what ports hold and let go of.
  const received = op_message_port_recv_message(port);
  PromisePrototypeThen(received, letGo, () => {});
  return received;
};
core.ops.op_message_port_recv_message_sync = (port) => {
  const received = op_message_port_recv_message_sync(port);
  letGo(received);
  return received;
};
})();
