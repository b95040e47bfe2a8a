// isobase:host/storage: objects in buckets, as the caller of the current request. The names are those of
// the WIT interface `isobase:host/storage`, in camel case. Bodies that the host itself feeds (the
// request's, a fetched response's, another object's) never enter JavaScript.
(function () {
const { core, internals, primordials } = __bootstrap;
const {
  op_isobase_storage_copy, op_isobase_storage_get, op_isobase_storage_head, op_isobase_storage_list,
  op_isobase_storage_move, op_isobase_storage_put_bytes, op_isobase_storage_put_stream,
  op_isobase_storage_remove, op_isobase_storage_sign, op_isobase_storage_verify,
} = core.ops;
const {
  ArrayPrototypeMap, Error, JSONParse, JSONStringify, Number, ObjectDefineProperty, ObjectPrototypeIsPrototypeOf,
  String, TypeError,
} = primordials;
const { extractBody } = core.loadExtScript("ext:deno_fetch/22_body.js");
const { ResponsePrototype } = core.loadExtScript("ext:deno_fetch/23_response.js");
const { RequestPrototype } = core.loadExtScript("ext:deno_fetch/23_request.js");
const {
  getReadableStreamResourceBacking, readableStreamForRid, ReadableStreamPrototype, resourceForReadableStream,
} = core.loadExtScript("ext:deno_web/06_streams.js");

const LIST_LIMIT = 100;

/**
 * Why a call has no result: `code` is one of Supabase Storage's ("NoSuchKey", "AccessDenied", ...),
 * `status` the number that goes with it.
 */
class StorageError extends Error {
  constructor(message, options) {
    super(message, options);
    this.name = "StorageError";
  }
}
ObjectDefineProperty(StorageError, "name", { __proto__: null, value: "StorageError", configurable: true });
core.registerErrorClass("StorageError", StorageError);

function invocation() {
  const id = internals.currentInvocation();
  if (id !== undefined) return id;
  const error = new StorageError("there is no request to act for; use the storage while one is being handled");
  error.code = "AccessDenied";
  error.status = 403;
  throw error;
}

function identity(options) {
  return String(options?.identity ?? "caller");
}

function optional(value) {
  return value === undefined || value === null ? null : String(value);
}

function putOptions(options, contentType) {
  const metadata = options?.userMetadata;
  return {
    identity: identity(options),
    upsert: options?.upsert === true,
    contentType: optional(options?.contentType ?? contentType),
    cacheControl: optional(options?.cacheControl),
    userMetadata: metadata === undefined || metadata === null ? null : JSONStringify(metadata),
  };
}

function place(value) {
  return { bucket: String(value.bucket), name: String(value.name) };
}

/** The row's user metadata is JSON text on its way here. */
function object(found) {
  found.userMetadata = found.userMetadata === null ? null : JSONParse(found.userMetadata);
  return found;
}

/** `[what to store, its type as far as it says one]`. */
function source(body) {
  if (ObjectPrototypeIsPrototypeOf(RequestPrototype, body) || ObjectPrototypeIsPrototypeOf(ResponsePrototype, body)) {
    return [body.body ?? "", body.headers.get("content-type")];
  }
  if (body === undefined || body === null) throw new TypeError("there is nothing to store");
  return [body, undefined];
}

/** Stores an object whole; resolves when it is there for good. */
async function put(bucket, name, body, options = undefined) {
  const id = invocation();
  const { 0: content, 1: declared } = source(body);
  const extracted = extractBody(content);
  const settings = putOptions(options, declared ?? extracted.contentType);
  const kept = extracted.body.streamOrStatic;
  if (!ObjectPrototypeIsPrototypeOf(ReadableStreamPrototype, kept)) {
    kept.consumed = true;
    const bytes = typeof kept.body === "string" ? core.encode(kept.body) : kept.body;
    return await op_isobase_storage_put_bytes(id, String(bucket), String(name), bytes, settings);
  }
  const backing = getReadableStreamResourceBacking(kept);
  const rid = backing ? backing.rid : resourceForReadableStream(kept);
  const autoClose = backing ? backing.autoClose : true;
  return await op_isobase_storage_put_stream(id, String(bucket), String(name), rid, autoClose, settings);
}

function range(options) {
  const wanted = options?.range;
  if (wanted === undefined || wanted === null) return null;
  const bound = (value) => value === undefined || value === null ? null : Number(value);
  return { first: bound(wanted.first), last: bound(wanted.last) };
}

/** An object, or with `options.range` a part of it; `body` is a ReadableStream that the host feeds. */
async function get(bucket, name, options = undefined) {
  const id = invocation();
  const got = await op_isobase_storage_get(id, identity(options), String(bucket), String(name), range(options));
  return {
    object: object(got.object),
    size: got.size,
    first: got.first,
    length: got.length,
    body: readableStreamForRid(got.rid, true),
  };
}

/** What is known of an object. */
async function head(bucket, name, options = undefined) {
  return object(await op_isobase_storage_head(invocation(), identity(options), String(bucket), String(name)));
}

/** A page of a bucket: objects, and folders unless `recursive`. */
async function listObjects(bucket, options = undefined) {
  const page = await op_isobase_storage_list(invocation(), String(bucket), {
    identity: identity(options),
    prefix: String(options?.prefix ?? ""),
    recursive: options?.recursive === true,
    limit: options?.limit ?? LIST_LIMIT,
    offset: options?.offset ?? 0,
    cursor: optional(options?.cursor),
    sort: String(options?.sort ?? "name"),
    descending: options?.descending === true,
  });
  const entries = ArrayPrototypeMap(page.entries, (entry) =>
    entry.object === undefined ? entry : { object: object(entry.object) });
  return { entries, cursor: page.cursor };
}

/** A second object of the same content. */
async function copy(from, to, options = undefined) {
  return await op_isobase_storage_copy(invocation(), place(from), place(to), putOptions(options));
}

/** Another name for an object. Rejects where there is one of that name. */
async function move(from, to, options = undefined) {
  await op_isobase_storage_move(invocation(), identity(options), place(from), place(to));
}

/** Deletes objects and tells which; those that the caller may not delete are left out. */
async function remove(bucket, names, options = undefined) {
  const list = ArrayPrototypeMap(names, String);
  const removed = await op_isobase_storage_remove(invocation(), identity(options), String(bucket), list);
  return ArrayPrototypeMap(removed, object);
}

/** An address that opens the object for `expiresIn` seconds to whoever has it. */
async function sign(bucket, name, expiresIn, options = undefined) {
  return await op_isobase_storage_sign(
    invocation(), identity(options), String(bucket), String(name), Number(expiresIn),
  );
}

/** What a token of `sign` opens, if it is good. */
function verify(token) {
  return op_isobase_storage_verify(invocation(), String(token));
}

return {
  copy,
  get,
  head,
  listObjects,
  move,
  put,
  remove,
  sign,
  StorageError,
  verify,
};
})();
