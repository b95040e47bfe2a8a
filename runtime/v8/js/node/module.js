// node:module, over the function's own modules.
import { core } from "ext:core/mod.js";

const commonjs = core.loadExtScript("ext:isobase_runtime/commonjs.js");

export const { Module, builtinModules, createRequire, getBuiltinModule, isBuiltin } = commonjs;
export const {
  _cache,
  _extensions,
  _initPaths,
  _load,
  _nodeModulePaths,
  _pathCache,
  _preloadModules,
  _resolveFilename,
  enableCompileCache,
  findSourceMap,
  getCompileCacheDir,
  globalPaths,
  register,
  registerHooks,
  runMain,
  stripTypeScriptTypes,
  syncBuiltinESMExports,
  wrap,
} = Module;

export default Module;
