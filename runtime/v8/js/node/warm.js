// Evaluated once, while the image for packages is written: what of Node packages touch while they load. What
// is left out is evaluated when an isolate touches it; `node:crypto` holds objects of the host, which no
// image can have.
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
import "node:_commonjs";
