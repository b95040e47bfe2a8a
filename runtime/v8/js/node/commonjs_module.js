// What an ES module that stands for a CommonJS one imports; `loader.rs` writes those.
import { core } from "ext:core/mod.js";

export const { loadSpecifier, pick } = core.loadExtScript("ext:isobase_runtime/commonjs.js");
