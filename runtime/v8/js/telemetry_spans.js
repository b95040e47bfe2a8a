// What fetch writes into its spans. There are none (see telemetry.js), so there is nothing to write.
(function () {
const { internals } = __bootstrap;

function ignore(_span, _about) {}

internals.__telemetryUtil = {
  __proto__: null,
  updateSpanFromClientResponse: ignore,
  updateSpanFromError: ignore,
  updateSpanFromRequest: ignore,
  updateSpanFromServerResponse: ignore,
};
return internals.__telemetryUtil;
})();
