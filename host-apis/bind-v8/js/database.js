// isobase:host/database: SQL as the caller of the current request. The names are those of the WIT
// interface `isobase:host/database`, in camel case.
//
// Values: bool is a boolean; int2, int4, float4 and float8 are numbers; int8 is a number while it is
// a safe integer and a BigInt beyond; json and jsonb are parsed; bytea is a Uint8Array; every other
// type is a string in Postgres' output format.
(function () {
const { core, internals, primordials } = __bootstrap;
const {
  op_isobase_db_begin, op_isobase_db_commit, op_isobase_db_generation, op_isobase_db_newer_snapshot,
  op_isobase_db_query, op_isobase_db_query_document, op_isobase_db_query_documents, op_isobase_db_query_lines,
  op_isobase_db_rollback, op_isobase_db_snapshot,
  op_isobase_db_stream_close, op_isobase_db_stream_next, op_isobase_db_stream_open,
  op_isobase_db_transaction_document, op_isobase_db_transaction_query,
} = core.ops;
const {
  ArrayIsArray, ArrayPrototypeJoin, ArrayPrototypeMap, ArrayPrototypePush, DatePrototype,
  DatePrototypeToISOString, Error, JSONStringify, ObjectDefineProperty, ObjectEntries,
  ObjectPrototypeIsPrototypeOf, SafeArrayIterator, SafeRegExp, String, StringPrototypeReplace, SymbolAsyncDispose,
  TypeError, TypedArrayPrototypeGetSymbolToStringTag, Uint8Array,
} = primordials;

/** Rows that one read of a stream asks for. */
const STREAM_BATCH_ROWS = 100;
const NEEDS_ESCAPE = new SafeRegExp(/["\\]/g);

/**
 * Why a statement has no result. `kind` is one of "sql", "exhausted", "unavailable", "timed-out",
 * "refused", "body"; the other fields are Postgres' and present for "sql".
 */
class DatabaseError extends Error {
  constructor(message, options) {
    super(message, options);
    this.name = "DatabaseError";
  }
}
ObjectDefineProperty(DatabaseError, "name", { __proto__: null, value: "DatabaseError", configurable: true });
core.registerErrorClass("DatabaseError", DatabaseError);

function invocation() {
  const id = internals.currentInvocation();
  if (id !== undefined) return id;
  const error = new DatabaseError("there is no request to act for; query while one is being handled");
  error.kind = "refused";
  throw error;
}

/** A value as the host takes it: null, boolean, number, bigint, string or Uint8Array. */
function parameter(value) {
  switch (typeof value) {
    case "undefined":
      return null;
    case "object":
      return value === null ? null : composite(value);
    case "function":
    case "symbol":
      throw new TypeError(`a ${typeof value} cannot be a parameter`);
    default:
      return value;
  }
}

function composite(value) {
  if (TypedArrayPrototypeGetSymbolToStringTag(value) === "Uint8Array") return value;
  if (core.isAnyArrayBuffer(value)) return new Uint8Array(value);
  if (ObjectPrototypeIsPrototypeOf(DatePrototype, value)) return DatePrototypeToISOString(value);
  return ArrayIsArray(value) ? arrayLiteral(value) : JSONStringify(value);
}

/** Postgres' array input format: https://www.postgresql.org/docs/15/arrays.html#ARRAYS-IO */
function arrayLiteral(array) {
  const elements = ArrayPrototypeMap(array, (element) => {
    if (element === null || element === undefined) return "NULL";
    if (ArrayIsArray(element)) return arrayLiteral(element);
    const value = parameter(element);
    if (typeof value === "object") throw new TypeError("bytes inside an array cannot be a parameter");
    return `"${StringPrototypeReplace(String(value), NEEDS_ESCAPE, "\\$&")}"`;
  });
  return `{${ArrayPrototypeJoin(elements, ",")}}`;
}

/** `[identity, access mode, timeout in ms or -1, setting, value, ...]`. */
function session(options) {
  const flat = [
    options?.identity ?? "caller",
    options?.accessMode ?? "read-write",
    options?.timeoutMs ?? -1,
  ];
  const settings = options?.settings ?? [];
  const pairs = ArrayIsArray(settings) ? settings : ObjectEntries(settings);
  for (const { 0: name, 1: value } of new SafeArrayIterator(pairs)) {
    ArrayPrototypePush(flat, String(name), String(value));
  }
  return flat;
}

/** Rows as objects by column name; a later column of the same name wins. */
function objects(columns, rows) {
  return ArrayPrototypeMap(rows, (row) => {
    const object = {};
    for (let i = 0; i < columns.length; i++) {
      object[columns[i].name] = row[i];
    }
    return object;
  });
}

function table(result, options) {
  const columns = ArrayPrototypeMap(result[0], columnOf);
  const rows = options?.rowsAsArrays ? result[1] : objects(columns, result[1]);
  return { columns, rows, affected: result[2] };
}

function columnOf(pair) {
  return { name: pair[0], typeName: pair[1] };
}

function document(result) {
  return { head: result[0], body: result[1] };
}

/** Runs one statement in its own transaction and resolves after the commit. */
async function query(sql, parameters = [], options = undefined) {
  const values = ArrayPrototypeMap(parameters, parameter);
  return table(await op_isobase_db_query(invocation(), String(sql), values, session(options)), options);
}

/** Like `query`, for a statement of exactly one row; its last column comes as bytes. */
async function queryDocument(sql, parameters = [], options = undefined) {
  const values = ArrayPrototypeMap(parameters, parameter);
  return document(await op_isobase_db_query_document(invocation(), String(sql), values, session(options)));
}

/** Like `queryDocument`, for any number of rows: the last columns of all, one after another, as bytes. */
async function queryLines(sql, parameters = [], options = undefined) {
  const values = ArrayPrototypeMap(parameters, parameter);
  const result = await op_isobase_db_query_lines(invocation(), String(sql), values, session(options));
  return { head: result[0], body: result[1], rows: result[2] };
}

/** Several statements in one transaction and one network flush; the first row of each. */
async function queryDocuments(statements, options = undefined) {
  const pairs = ArrayPrototypeMap(statements, (statement) => {
    return [String(statement.sql), ArrayPrototypeMap(statement.parameters ?? [], parameter)];
  });
  return ArrayPrototypeMap(await op_isobase_db_query_documents(invocation(), pairs, session(options)), document);
}

/** Rows as they arrive, with back-pressure to the server. Leaving the loop ends the statement. */
async function* stream(sql, parameters = [], options = undefined) {
  const id = invocation();
  const values = ArrayPrototypeMap(parameters, parameter);
  const { 0: handle, 1: pairs } = await op_isobase_db_stream_open(id, String(sql), values, session(options));
  const columns = ArrayPrototypeMap(pairs, columnOf);
  try {
    while (true) {
      const batch = await op_isobase_db_stream_next(id, handle, STREAM_BATCH_ROWS);
      if (batch.length === 0) return;
      const rows = options?.rowsAsArrays ? batch : objects(columns, batch);
      for (let i = 0; i < rows.length; i++) yield rows[i];
    }
  } finally {
    op_isobase_db_stream_close(id, handle);
  }
}

/** Several statements, all or nothing. Nothing is sent before the first. */
class Transaction {
  #id;
  #handle;

  constructor(options) {
    this.#id = invocation();
    this.#handle = op_isobase_db_begin(this.#id, session(options));
  }

  async query(sql, parameters = [], options = undefined) {
    const values = ArrayPrototypeMap(parameters, parameter);
    const result = await op_isobase_db_transaction_query(this.#id, this.#handle, String(sql), values);
    return table(result, options);
  }

  async queryDocument(sql, parameters = []) {
    const values = ArrayPrototypeMap(parameters, parameter);
    return document(await op_isobase_db_transaction_document(this.#id, this.#handle, String(sql), values));
  }

  /** Resolves after Postgres has committed. */
  commit() {
    return op_isobase_db_commit(this.#id, this.#handle);
  }

  /** Undoes everything. Harmless after the end. */
  rollback() {
    return op_isobase_db_rollback(this.#id, this.#handle);
  }

  [SymbolAsyncDispose]() {
    return this.rollback();
  }
}

/**
 * `transaction(work, options)`: runs `work(tx)` and commits, or rolls back if it throws.
 * `transaction(options)`: a Transaction to commit by hand.
 */
function transaction(first, second) {
  if (typeof first !== "function") return new Transaction(first);
  return within(new Transaction(second), first);
}

async function within(tx, work) {
  let result;
  try {
    result = await work(tx);
  } catch (error) {
    await tx.rollback();
    throw error;
  }
  await tx.commit();
  return result;
}

/** How often `channel` was notified since the host began to listen; for caches. */
function generation(channel) {
  return op_isobase_db_generation(invocation(), String(channel));
}

/** The first value of `sql`, read as service_role and kept by the host until `channel` is notified. */
async function snapshot(channel, sql) {
  const result = await op_isobase_db_snapshot(invocation(), String(channel), String(sql));
  return { generation: result[0], text: result[1] };
}

/** Like `snapshot`, for who has the text of generation `known`: null while the host has no other. */
async function newerSnapshot(channel, sql, known) {
  const result = await op_isobase_db_newer_snapshot(invocation(), String(channel), String(sql), known);
  return result === null ? null : { generation: result[0], text: result[1] };
}

return {
  DatabaseError,
  generation,
  newerSnapshot,
  query,
  queryDocument,
  queryDocuments,
  queryLines,
  snapshot,
  stream,
  Transaction,
  transaction,
};
})();
