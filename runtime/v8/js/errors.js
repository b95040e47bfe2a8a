// Deno.errors: the classes that failing operations throw. The names are Deno's and are part of the
// interface; the runtime looks the classes up by name.
(function () {
const { core, primordials } = __bootstrap;
const { Error, ObjectDefineProperty } = primordials;
const { DOMException, QuotaExceededError } = core.loadExtScript("ext:deno_web/01_dom_exception.js");

const NAMES = [
  "NotFound", "ConnectionRefused", "ConnectionReset", "ConnectionAborted", "NotConnected", "AddrInUse",
  "AddrNotAvailable", "BrokenPipe", "PermissionDenied", "AlreadyExists", "InvalidData", "TimedOut",
  "WriteZero", "WouldBlock", "UnexpectedEof", "Http", "Busy", "NotSupported", "FilesystemLoop",
  "IsADirectory", "NetworkUnreachable", "NotADirectory", "RateLimitError",
];

const errors = {
  BadResource: core.BadResource,
  Interrupted: core.Interrupted,
  NotCapable: core.NotCapable,
};
for (let i = 0; i < NAMES.length; i++) {
  const name = NAMES[i];
  const ErrorClass = class extends Error {
    constructor(message, options) {
      super(message, options);
      this.name = name;
    }
  };
  ObjectDefineProperty(ErrorClass, "name", { __proto__: null, value: name, configurable: true });
  errors[name] = ErrorClass;
  core.registerErrorClass(name, ErrorClass);
}

const DOM_EXCEPTIONS = [
  "OperationError", "NotSupportedError", "NetworkError", "AbortError", "InvalidCharacterError", "DataError",
  "InvalidStateError", "SyntaxError", "IndexSizeError", "TypeMismatchError", "InvalidAccessError",
];
for (let i = 0; i < DOM_EXCEPTIONS.length; i++) {
  const name = DOM_EXCEPTIONS[i];
  core.registerErrorBuilder(`DOMException${name}`, (message) => new DOMException(message, name));
}
core.registerErrorBuilder("DOMExceptionQuotaExceededError", (message) => new QuotaExceededError(message));

return { errors };
})();
