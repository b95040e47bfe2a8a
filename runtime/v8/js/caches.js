// `caches`: what libraries of models ask for before they download. Nothing is kept, and what would have to
// keep something says so.
(function () {
const { core, primordials } = __bootstrap;
const { PromiseReject, PromiseResolve } = primordials;
const { errors } = core.loadExtScript("ext:isobase_runtime/errors.js");

const MODELS = "transformers-cache";

const unsupported = (what) => PromiseReject(new errors.NotSupported(`${what} is not supported`));

class Cache {
  #name;

  constructor(name) {
    this.#name = name;
  }

  match() {
    return this.#name === MODELS ? PromiseResolve(undefined) : unsupported("Cache.match()");
  }

  put() {
    return unsupported("Cache.put()");
  }

  delete() {
    return unsupported("Cache.delete()");
  }
}

const caches = {
  open(name) {
    return name === MODELS ? PromiseResolve(new Cache(name)) : unsupported(`caches.open(${name})`);
  },
  has: () => unsupported("caches.has()"),
  delete: () => unsupported("caches.delete()"),
};

return { caches };
})();
