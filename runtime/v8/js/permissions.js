// `Deno.permissions`: libraries ask before they use what may be missing. Everything is granted; what a
// function cannot do fails where it is tried.
(function () {
const { core, primordials } = __bootstrap;
const { TypeError } = primordials;
const { EventTarget } = core.loadExtScript("ext:deno_web/02_event.js");

class PermissionStatus extends EventTarget {
  onchange = null;

  get state() {
    return "granted";
  }

  get partial() {
    return false;
  }
}

function granted(descriptor) {
  if (typeof descriptor?.name !== "string") {
    throw new TypeError('A permission is asked for with its name, as in { name: "net" }');
  }
  return new PermissionStatus();
}

const permissions = {
  query: async (descriptor) => granted(descriptor),
  querySync: granted,
  request: async (descriptor) => granted(descriptor),
  requestSync: granted,
  revoke: async (descriptor) => granted(descriptor),
  revokeSync: granted,
};

return { PermissionStatus, permissions };
})();
