// The tracing interface that fetch asks for, with tracing off: no span is ever recorded and no
// header is injected. Trace context reaches other services through `isobase:host/caller`.
(function () {
const { internals, primordials } = __bootstrap;
const { ArrayPrototypeSlice, ObjectFreeze, Symbol } = primordials;

const DID_NOT_ENTER = Symbol("did not enter");

const noopSpan = ObjectFreeze({
  __proto__: null,
  isRecording: () => false,
  updateName() {},
  setAttribute() {},
  setStatus() {},
  end() {},
});

const otelState = ObjectFreeze({
  __proto__: null,
  TRACING_ENABLED: false,
  METRICS_ENABLED: false,
  PROPAGATORS: ArrayPrototypeSlice([]),
});

internals.__telemetry = {
  ...otelState,
  __proto__: null,
  otelState,
  SPAN_KEY: Symbol("span"),
  ContextManager: { __proto__: null, active: () => undefined },
  DID_NOT_ENTER,
  builtinTracer: () => ({ __proto__: null, startSpan: () => noopSpan }),
  enterSpan: () => DID_NOT_ENTER,
  exitSpan() {},
};
return internals.__telemetry;
})();
