// node:sqlite can be imported, so that what only may use it loads; there are no files for a database.
(function () {
const { core } = __bootstrap;
const { errors } = core.loadExtScript("ext:isobase_runtime/errors.js");

function refuse() {
  throw new errors.NotSupported("node:sqlite is not available; use isobase:host/database");
}

class DatabaseSync {
  constructor() {
    refuse();
  }
}

class StatementSync {
  constructor() {
    refuse();
  }
}

return { backup: refuse, constants: { __proto__: null }, DatabaseSync, StatementSync };
})();
