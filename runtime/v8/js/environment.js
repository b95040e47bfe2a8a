// Deno.env: a private copy of the function's variables. Writing changes this isolate only, as a
// process's own environment would; nothing outside sees it.
(function () {
const { primordials } = __bootstrap;
const {
  MapPrototypeClear, MapPrototypeDelete, MapPrototypeForEach, MapPrototypeGet, MapPrototypeHas,
  MapPrototypeSet, ObjectEntries, SafeArrayIterator, SafeMap, String, StringPrototypeIncludes, TypeError,
} = primordials;

const variables = new SafeMap();

function nameOf(key) {
  const name = String(key);
  if (name === "" || StringPrototypeIncludes(name, "=") || StringPrototypeIncludes(name, "\0")) {
    throw new TypeError(`Key is not a valid environment variable name: ${name}`);
  }
  return name;
}

const env = {
  get(key) {
    return MapPrototypeGet(variables, String(key));
  },
  has(key) {
    return MapPrototypeHas(variables, String(key));
  },
  set(key, value) {
    MapPrototypeSet(variables, nameOf(key), String(value));
  },
  delete(key) {
    MapPrototypeDelete(variables, nameOf(key));
  },
  toObject() {
    const object = {};
    MapPrototypeForEach(variables, (value, key) => {
      object[key] = value;
    });
    return object;
  },
};

/** Replaces all variables with those of `object`. */
function setEnvironment(object) {
  MapPrototypeClear(variables);
  for (const { 0: key, 1: value } of new SafeArrayIterator(ObjectEntries(object))) {
    MapPrototypeSet(variables, key, value);
  }
}

return { env, setEnvironment };
})();
