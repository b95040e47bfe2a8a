// A function starts no programs.
(function () {
const { core, primordials } = __bootstrap;
const { Symbol } = primordials;
const { errors } = core.loadExtScript("ext:isobase_runtime/errors.js");

function refuse() {
  throw new errors.NotSupported("a function cannot start a program");
}

return {
  kNeedsNpmProcessState: Symbol("needs npm process state"),
  nodeSpawnChild: refuse,
  nodeSpawnSyncChild: refuse,
};
})();
