// isobase:host/realtime: messages to the sockets that have joined a topic. The names are those of the
// WIT interface `isobase:host/realtime`, in camel case.
(function () {
const { core, internals, primordials } = __bootstrap;
const { op_isobase_realtime_publish_bytes, op_isobase_realtime_publish_json } = core.ops;
const {
  Error, JSONStringify, ObjectDefineProperty, String, TypeError, TypedArrayPrototypeGetSymbolToStringTag, Uint8Array,
} = primordials;

/** Why a message was not published. `kind` is one of "refused", "too-large", "too-fast", "unavailable". */
class RealtimeError extends Error {
  constructor(message, options) {
    super(message, options);
    this.name = "RealtimeError";
  }
}
ObjectDefineProperty(RealtimeError, "name", { __proto__: null, value: "RealtimeError", configurable: true });
core.registerErrorClass("RealtimeError", RealtimeError);

function invocation() {
  const id = internals.currentInvocation();
  if (id !== undefined) return id;
  const error = new RealtimeError("there is no request to act for; publish while one is being handled");
  error.kind = "refused";
  throw error;
}

/**
 * Hands a message to the sockets that have joined `topic` now. `payload` is anything that JSON can say,
 * or bytes.
 */
function publish(topic, event, payload, options = undefined) {
  const id = invocation();
  const isPrivate = options?.visibility === "private";
  if (core.isAnyArrayBuffer(payload)) payload = new Uint8Array(payload);
  if (TypedArrayPrototypeGetSymbolToStringTag(payload) === "Uint8Array") {
    op_isobase_realtime_publish_bytes(id, String(topic), String(event), payload, isPrivate);
    return;
  }
  const json = JSONStringify(payload);
  if (json === undefined) throw new TypeError(`a ${typeof payload} cannot be a payload`);
  op_isobase_realtime_publish_json(id, String(topic), String(event), json, isPrivate);
}

return { publish, RealtimeError };
})();
