// A request of fetch to the project's own API does not leave the process, and each request asks first whether
// the function may have one more. Loaded before fetch, which takes its operation from `core.ops` once.
(function () {
const { core, internals } = __bootstrap;
const { op_fetch, op_isobase_fetch_own, op_isobase_is_own, op_isobase_may_connect } = core.ops;

/** For others that open connections; throws when the function has too many. */
internals.mayConnect = (headers = 0) => op_isobase_may_connect(headers);

core.ops.op_fetch = (method, url, headers, client, hasBody, data, resource) => {
  op_isobase_may_connect(headers.length);
  // Who made a client of its own has a reason, such as a proxy or a certificate.
  if (client !== null || !op_isobase_is_own(url)) {
    return op_fetch(method, url, headers, client, hasBody, data, resource);
  }
  const id = internals.currentInvocation() ?? 0;
  const { 0: requestRid, 1: cancelHandleRid } = op_isobase_fetch_own(id, method, url, headers, data, resource);
  return { requestRid, cancelHandleRid };
};
})();
