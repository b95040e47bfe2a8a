// Evaluated once, while the image for packages is written: what of Node packages touch while they load. What
// is left out is evaluated when an isolate touches it; `node:crypto` holds objects of the host, which no
// image can have.
import { core } from "ext:core/mod.js";
import "node:process";
import "node:buffer";
import "node:events";
import "node:util";
import "node:stream";
import "node:timers";
import "node:url";
import "node:path";
import "node:async_hooks";
import "node:string_decoder";
import "node:net";
import "node:tls";
import "node:fs";
import "node:os";
import "node:http";
import "node:diagnostics_channel";
import "ext:deno_websocket/01_websocket.js";
import "node:_commonjs";

// What these load while they are evaluated in other ways than by imports: `snapshot.rs` tells of one that is missing.
import "ext:deno_node/_fs/_fs_copy.ts";
import "ext:deno_node/_fs/_fs_dir.ts";
import "ext:deno_node/_fs/_fs_exists.ts";
import "ext:deno_node/_fs/_fs_glob.ts";
import "ext:deno_node/_fs/_fs_lutimes.ts";
import "ext:deno_node/_fs/_fs_read.ts";
import "ext:deno_node/_fs/_fs_readdir.ts";
import "ext:deno_node/internal/event_target.mjs";
import "ext:deno_node/internal/fs/handle.ts";
import "ext:deno_node/internal/fs/promises.ts";
import "ext:deno_node/internal/fs/stat_utils.ts";
import "ext:deno_node/internal/fs/streams.mjs";
import "ext:deno_node/internal/fs/utils.mjs";
import "ext:deno_node/internal/http/address_override.js";
import "ext:deno_node/internal/streams/compose.js";
import "ext:deno_node/internal/streams/duplexpair.js";
import "ext:deno_node/internal/streams/fast-utf8-stream.js";
import "ext:deno_node/internal/streams/operators.js";
import "ext:deno_node/internal/streams/pipeline.js";
import "ext:deno_node/internal_binding/mod.ts";
import "node:_http_agent";
import "node:_http_client";
import "node:_http_common";
import "node:_http_incoming";
import "node:_http_outgoing";
import "node:_http_proxy";
import "node:_http_server";
import "node:_stream_duplex";
import "node:_stream_passthrough";
import "node:_stream_readable";
import "node:_stream_transform";
import "node:_stream_writable";
import "node:_tls_common";
import "node:_tls_wrap";
import "node:dns";
import "node:stream/promises";

// What Node's process asks for when it is told of its function.
core.loadExtScript("ext:deno_node/internal/console/constructor.mjs");
