// Deno.upgradeWebSocket: the handler answers 101 and keeps a WebSocket. The host sends the 101 and
// hands over the connection; from then on the sockets of the platform do the work.
(function () {
const { core, primordials } = __bootstrap;
const { op_isobase_upgrade, op_isobase_upgrade_bare, op_isobase_websocket_accept } = core.ops;
const {
  ArrayPrototypeIncludes, ArrayPrototypeMap, ArrayPrototypePush, PromisePrototypeThen, StringPrototypeSplit,
  StringPrototypeToLowerCase, StringPrototypeTrim, TypeError,
} = primordials;
const { toInnerRequest } = core.loadExtScript("ext:deno_fetch/23_request.js");
const { fromInnerResponse, newInnerResponse } = core.loadExtScript("ext:deno_fetch/23_response.js");
const { ErrorEvent, Event, setEventTargetData } = core.loadExtScript("ext:deno_web/02_event.js");
const loadWebSocket = core.createLazyLoader("ext:deno_websocket/01_websocket.js");

/** Without a frame for so long the peer is asked, and after as long again given up, in seconds. */
const IDLE_TIMEOUT = 30;

/** The members of a comma-separated header, trimmed. */
function list(request, name) {
  const value = request.headers.get(name);
  return value === null ? [] : ArrayPrototypeMap(
    StringPrototypeSplit(value, ","),
    (one) => StringPrototypeTrim(one),
  );
}

function demand(request, name, token) {
  const tokens = ArrayPrototypeMap(list(request, name), (one) => StringPrototypeToLowerCase(one));
  if (!ArrayPrototypeIncludes(tokens, token)) {
    throw new TypeError(`Invalid Header: '${name}' header must contain '${token}'`);
  }
}

/** RFC 6455, section 4.2.2. */
function handshake(request, options) {
  demand(request, "upgrade", "websocket");
  demand(request, "connection", "upgrade");
  const key = request.headers.get("sec-websocket-key");
  if (key === null) throw new TypeError("Invalid Header: 'sec-websocket-key' header must be set");
  const headers = [
    ["upgrade", "websocket"],
    ["connection", "Upgrade"],
    ["sec-websocket-accept", op_isobase_websocket_accept(key)],
  ];
  if (options.protocol) {
    if (!ArrayPrototypeIncludes(list(request, "sec-websocket-protocol"), options.protocol)) {
      throw new TypeError(`Protocol '${options.protocol}' not in the request's protocol list (non negotiable)`);
    }
    ArrayPrototypePush(headers, ["sec-websocket-protocol", options.protocol]);
  }
  return headers;
}

function upgradeWebSocket(request, options = { __proto__: null }) {
  const id = toInnerRequest(request).id;
  if (id === undefined) throw new TypeError("only the request of a handler can be upgraded");
  const inner = newInnerResponse(101);
  inner.headerList = handshake(request, options);
  const platform = loadWebSocket();
  const socket = platform.createWebSocketBranded(platform.WebSocket);
  setEventTargetData(socket);
  socket[platform._role] = platform.SERVER;
  socket[platform._idleTimeoutDuration] = options.idleTimeout ?? IDLE_TIMEOUT;
  socket[platform._idleTimeoutTimeout] = null;
  PromisePrototypeThen(
    op_isobase_upgrade(id),
    (rid) => open(platform, socket, rid),
    (error) => socket.dispatchEvent(new ErrorEvent("error", { error, message: error.message })),
  );
  return { response: fromInnerResponse(inner, "response"), socket };
}

/** For servers of Node: the 101 with these headers, and the connection itself once it was sent. */
function takeOver(request, headers) {
  const id = toInnerRequest(request).id;
  if (id === undefined) throw new TypeError("only the request of a handler can be upgraded");
  const inner = newInnerResponse(101);
  inner.headerList = headers;
  return { connection: op_isobase_upgrade_bare(id), response: fromInnerResponse(inner, "response") };
}

function open(platform, socket, rid) {
  socket[platform._rid] = rid;
  socket[platform._readyState] = platform.WebSocket.OPEN;
  socket.dispatchEvent(new Event("open"));
  socket[platform._eventLoop]();
  if (socket[platform._idleTimeoutDuration]) {
    socket.addEventListener("close", () => clearTimeout(socket[platform._idleTimeoutTimeout]));
  }
  socket[platform._serverHandleIdleTimeout]();
}

return { takeOver, upgradeWebSocket };
})();
