// isobase:host/caller: who asks, and under which names this request is known elsewhere.
(function () {
const { core, internals, primordials } = __bootstrap;
const { op_isobase_caller_claims, op_isobase_caller_role, op_isobase_request_id, op_isobase_traceparent } = core.ops;
const { JSONParse, TypeError } = primordials;

/** The invocation that the running code belongs to. */
function invocation() {
  const id = internals.currentInvocation();
  if (id === undefined) throw new TypeError("there is no request here; call this while one is being handled");
  return id;
}

/** The caller of the current request: the Postgres role and the verified token's claims. */
function current() {
  const id = invocation();
  return { role: op_isobase_caller_role(id), claims: JSONParse(op_isobase_caller_claims(id)) };
}

/** A UUID; the same in the access log, in this function's log and in SQL comments. */
function requestId() {
  return op_isobase_request_id(invocation());
}

/** W3C Trace Context, to hand to services that this function calls. */
function traceparent() {
  return op_isobase_traceparent(invocation());
}

return { current, requestId, traceparent };
})();
