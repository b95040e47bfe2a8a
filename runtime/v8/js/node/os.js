// What Node's modules ask of the process they think they are in.
(function () {
const { primordials } = __bootstrap;
const { Error } = primordials;

const began = performance.now();

/** `process.exit()` is the only one that asks; in Node it does not return. */
function getExitCode() {
  throw new Error("process.exit() is not available: a function ends when its request does");
}

return {
  exit() {
    getExitCode();
  },
  getExitCode,
  osUptime: () => (performance.now() - began) / 1000,
  setExitCode() {},
};
})();
