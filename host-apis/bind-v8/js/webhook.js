// isobase:host/webhook: was this webhook sent by who it says, just now, with this body? The names and errors are those of
// the module `webhook` of the Rust SDK.
(function () {
const { core, primordials } = __bootstrap;
const { op_isobase_webhook_verify } = core.ops;
const {
  ArrayPrototypePush, Error, JSONParse, JSONStringify, ObjectDefineProperty, SafeArrayIterator, TypeError, Uint8Array,
} = primordials;

/**
 * Why a request is no genuine webhook. `code` is one of "missing-header", "malformed-header",
 * "bad-signature", "too-old", "too-new"; or "unusable-secret" and "wrong-options" for a mistake in
 * the call.
 */
class WebhookError extends Error {
  constructor(message, options) {
    super(message, options);
    this.name = "WebhookError";
  }
}
ObjectDefineProperty(WebhookError, "name", { __proto__: null, value: "WebhookError", configurable: true });
core.registerErrorClass("WebhookError", WebhookError);

/** A genuine webhook with the exact bytes that were signed. */
class Webhook {
  constructor(delivery, body) {
    this.id = delivery.id;
    this.signedAt = delivery.signedAt;
    this.body = body;
  }

  text() {
    return core.decode(this.body);
  }

  json() {
    return JSONParse(this.text());
  }
}

/** Reads the body of `request` and checks it at the present time. */
async function receive(request, options) {
  if (typeof options !== "object" || options === null) throw new TypeError("receive(request, { provider, secret })");
  const headers = [];
  for (const pair of new SafeArrayIterator([...request.headers])) ArrayPrototypePush(headers, [pair[0], pair[1]]);
  const { provider, secret, header, prefix, encoding, toleranceSeconds } = options;
  const body = new Uint8Array(await request.arrayBuffer());
  const question = JSONStringify({ provider, secret, header, prefix, encoding, toleranceSeconds, headers });
  return new Webhook(JSONParse(op_isobase_webhook_verify(question, body)), body);
}

return { receive, Webhook, WebhookError };
})();
