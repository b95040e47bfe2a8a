// node:console looks here for the console.
export const windowOrWorkerGlobalScope = {
  __proto__: null,
  console: { __proto__: null, value: globalThis.console },
};
