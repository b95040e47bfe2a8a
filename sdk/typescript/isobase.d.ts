/**
 * Types of the modules that isobase gives to TypeScript functions. See README.md in this folder for
 * how an editor finds them.
 */

/** Who asks, and under which names the current request is known elsewhere. */
declare module "isobase:host/caller" {
  export interface Principal {
    /** The Postgres role the host acts as: `anon`, `authenticated`, `service_role`, … */
    role: string;
    /** The verified token's claims. Row level security reads the same ones. */
    claims: Record<string, unknown>;
  }

  /** The caller of the current request. Throws where there is no request. */
  export function current(): Principal;
  /** A UUID; the same in the access log, in this function's log and in SQL comments. */
  export function requestId(): string;
  /** W3C Trace Context, to hand to services this function calls. */
  export function traceparent(): string;
}

/**
 * SQL as the caller. Every statement runs in a transaction that has switched to the caller's role
 * and carries the claims in `request.jwt.claims`, so row level security decides.
 */
declare module "isobase:host/database" {
  /**
   * A value in a result row: bool is a boolean; int2, int4, float4 and float8 are numbers; int8 is a
   * number while it is a safe integer and a bigint beyond; json and jsonb are parsed; bytea is a
   * Uint8Array; every other type is a string in Postgres' output format.
   */
  // deno-lint-ignore no-explicit-any
  export type Value = any;

  /**
   * A value bound to `$n`. The server infers the type from where `$n` stands. Arrays become
   * Postgres arrays, plain objects become JSON, dates ISO 8601 text, `undefined` null.
   */
  export type Parameter =
    | null
    | undefined
    | boolean
    | number
    | bigint
    | string
    | Date
    | Uint8Array
    | ArrayBuffer
    | readonly Parameter[]
    | { readonly [key: string]: unknown };

  export interface Session {
    /** Whom the host acts as. `"service"` is `service_role`, where the manifest grants it. */
    identity?: "caller" | "service";
    /** With `"read-only"`, writes fail with SQLSTATE 25006. */
    accessMode?: "read-write" | "read-only";
    /**
     * Settings of the transaction, as by `set_config(name, value, true)`, in this order. `role`,
     * `session_authorization` and `request.jwt.*` are refused.
     */
    settings?: Record<string, string> | readonly (readonly [string, string])[];
    /** Longest run of one statement; the host's own bound applies too. */
    timeoutMs?: number;
  }

  export interface Options extends Session {
    /** Rows as arrays in column order, for results with several columns of one name. */
    rowsAsArrays?: boolean;
  }

  export interface Column {
    name: string;
    /** `int4`, `text`, `_uuid`, …: `pg_type.typname`. */
    typeName: string;
  }

  export interface Table<Row = Record<string, Value>> {
    columns: Column[];
    rows: Row[];
    /** Rows written, or rows returned when nothing was written. */
    affected: number;
  }

  export interface Document {
    /** All columns but the last. */
    head: Value[];
    /** The last column as bytes, ready to be a Response's body; null for SQL null. */
    body: Uint8Array | null;
  }

  /** Why a statement has no result. */
  export class DatabaseError extends Error {
    /**
     * `"sql"`: Postgres reported it. `"exhausted"`: no connection became free in time.
     * `"unavailable"`: the server cannot be reached. `"timed-out"`: the deadline or the statement's
     * timeout has passed. `"refused"`: the call itself is wrong.
     */
    readonly kind: "sql" | "exhausted" | "unavailable" | "timed-out" | "refused" | "body";
    /** Five characters, e.g. `42501`. */
    readonly sqlstate?: string;
    readonly detail?: string;
    readonly hint?: string;
    readonly constraint?: string;
    /** 1-based, in characters of the statement. */
    readonly position?: number;
  }

  /**
   * Runs one statement in its own transaction: begin, settings, statement and commit leave in one
   * network flush. Resolves after the commit.
   */
  export function query<Row = Record<string, Value>>(
    sql: string,
    parameters?: readonly Parameter[],
    options?: Options,
  ): Promise<Table<Row>>;

  /** Like `query`, for a statement of exactly one row; its last column comes as bytes. */
  export function queryDocument(
    sql: string,
    parameters?: readonly Parameter[],
    session?: Session,
  ): Promise<Document>;

  export interface Lines {
    /** All columns of the first row but the last; empty where there was no row. */
    head: Value[];
    /** The last columns of all rows, one after another; null where there was no row. */
    body: Uint8Array | null;
    /** Null for a result so long that it was handed on before all rows had come. */
    rows: number | null;
  }

  /** Like `queryDocument`, for a statement of any number of rows; all of them are held in memory. */
  export function queryLines(
    sql: string,
    parameters?: readonly Parameter[],
    session?: Session,
  ): Promise<Lines>;

  /** One SQL statement and the values of its `$1`, `$2`, …. */
  export interface Statement {
    sql: string;
    parameters?: readonly Parameter[];
  }

  /**
   * Several statements, one after another in one transaction, which leave in one network flush and are
   * committed by it. Each answers with a document of its first row, or an empty one where it has no
   * row. The first error undoes all.
   */
  export function queryDocuments(statements: readonly Statement[], session?: Session): Promise<Document[]>;

  /**
   * Rows as they arrive, with back-pressure to the server. Leaving the loop early cancels the
   * statement.
   */
  export function stream<Row = Record<string, Value>>(
    sql: string,
    parameters?: readonly Parameter[],
    options?: Options,
  ): AsyncGenerator<Row, void, void>;

  /**
   * Several statements, all or nothing. Nothing is sent before the first; what is still open when
   * the request ends is rolled back.
   */
  export class Transaction implements AsyncDisposable {
    constructor(session?: Session);
    query<Row = Record<string, Value>>(
      sql: string,
      parameters?: readonly Parameter[],
      options?: Pick<Options, "rowsAsArrays">,
    ): Promise<Table<Row>>;
    queryDocument(sql: string, parameters?: readonly Parameter[]): Promise<Document>;
    /** Resolves after Postgres has committed. */
    commit(): Promise<void>;
    /** Undoes everything. Harmless after the end. */
    rollback(): Promise<void>;
    [Symbol.asyncDispose](): Promise<void>;
  }

  /** Runs `work` and commits, or rolls back if it throws. */
  export function transaction<Result>(
    work: (tx: Transaction) => Result | Promise<Result>,
    session?: Session,
  ): Promise<Result>;
  /** A transaction to commit by hand. */
  export function transaction(session?: Session): Transaction;

  /**
   * How often `channel` was notified since the host began to listen, plus one for each time the
   * listening connection was made anew. A cheap call, for caches that NOTIFY invalidates.
   */
  export function generation(channel: string): number;

  /**
   * The first value of `sql`, read as `service_role` and kept by the host until `channel` is
   * notified. While a new one is being read the old one is served. Needs the service grant.
   */
  export function snapshot(channel: string, sql: string): Promise<{ generation: number; text: string }>;

  /** Like `snapshot`, for who has the text of generation `known`: null while the host has no other. */
  export function newerSnapshot(
    channel: string,
    sql: string,
    known: number,
  ): Promise<{ generation: number; text: string } | null>;
}

/**
 * Messages in queues, as the caller: grants and row level security on a queue's table decide. What
 * fails throws a `DatabaseError` of `isobase:host/database`.
 */
declare module "isobase:host/queue" {
  export interface As {
    /** Whom the host acts as. `"service"` is `service_role`, where the manifest grants it. */
    identity?: "caller" | "service";
  }

  export interface SendOptions {
    headers?: Record<string, unknown>;
    /** Hidden for so long. */
    delayMs?: number;
  }

  export interface Message<Body = unknown> {
    id: number;
    /** How often it was read, this time included. */
    attempts: number;
    /** RFC 3339, in UTC. */
    enqueuedAt: string;
    headers: Record<string, unknown> | null;
    message: Body;
  }

  export interface Metrics {
    /** All messages, hidden ones included. */
    length: number;
    /** Those that could be read now. */
    visible: number;
    /** Messages ever sent. */
    total: number;
    /** In seconds; null for an empty queue. */
    newestAge: number | null;
    oldestAge: number | null;
  }

  /**
   * Sends one message and resolves with its id after the commit. Messages that requests of the same
   * caller send at the same time share a commit.
   */
  export function send(queue: string, message: unknown, options?: SendOptions & As): Promise<number>;
  /** Sends several messages, all or none; resolves with their ids in order. */
  export function sendBatch(
    queue: string,
    messages: readonly ({ message: unknown } & SendOptions)[],
    options?: { delayMs?: number } & As,
  ): Promise<number[]>;
  /**
   * Up to `quantity` (1) visible messages, oldest first, hidden from everybody else for
   * `visibilityMs` (30,000).
   */
  export function read<Body = unknown>(
    queue: string,
    options?: { visibilityMs?: number; quantity?: number } & As,
  ): Promise<Message<Body>[]>;
  /** Deletes messages that are done with; resolves with the ids that were there. */
  export function ack(queue: string, ids: number | readonly number[], options?: As): Promise<number[]>;
  /** Moves messages to the queue's archive; resolves with the ids that were there. */
  export function archive(queue: string, ids: number | readonly number[], options?: As): Promise<number[]>;
  /** Hides messages for `visibilityMs` from now; zero shows them again. */
  export function extend(
    queue: string,
    ids: number | readonly number[],
    visibilityMs: number,
    options?: As,
  ): Promise<number[]>;
  /** Counts what the queue holds. */
  export function metrics(queue: string, options?: As): Promise<Metrics>;
}

/** What `export default { queue(batch, env, ctx) {} }` is called with. */
interface MessageBatch<Body = unknown> {
  readonly queue: string;
  readonly messages: readonly QueueMessage<Body>[];
  /** What is not told to be tried again is done with when the handler returns. */
  ackAll(): void;
  retryAll(options?: { delaySeconds?: number }): void;
}

interface QueueMessage<Body = unknown> {
  readonly id: string;
  readonly timestamp: Date;
  readonly body: Body;
  /** How often it was handed over, this time included. */
  readonly attempts: number;
  readonly headers: Record<string, unknown> | null;
  /** The same for every delivery of the message: `<queue>:<id>`. */
  readonly idempotencyKey: string;
  /** Done with, even if the handler throws afterwards. */
  ack(): void;
  /** Delivered again after `delaySeconds`, or after a pause that grows with its attempts. */
  retry(options?: { delaySeconds?: number }): void;
}

/**
 * Objects in buckets, as the caller. Row level security on `storage.objects` decides; what the policies
 * hide does not exist. Bodies that the host itself feeds never enter JavaScript.
 */
declare module "isobase:host/storage" {
  export interface As {
    /** Whom the host acts as. `"service"` is `service_role`, where the manifest grants it. */
    identity?: "caller" | "service";
  }

  /** Times are RFC 3339, UTC. */
  export interface StoredObject {
    id: string;
    bucket: string;
    name: string;
    /** Another one after each upload. */
    version: string;
    /** In bytes. */
    size: number;
    contentType: string;
    cacheControl: string;
    /** With its quotes. */
    etag: string;
    userMetadata: Record<string, unknown> | null;
    /** The `sub` of the uploader. */
    owner: string | null;
    createdAt: string;
    updatedAt: string;
    lastAccessedAt: string;
  }

  /** What an upload made. */
  export interface Stored {
    id: string;
    version: string;
    size: number;
    etag: string;
    contentType: string;
  }

  export interface PutOptions extends As {
    /** Whether an object of the same name is replaced. */
    upsert?: boolean;
    /** By default what the body says of itself; when copying, the source's. */
    contentType?: string;
    /** By default `no-cache`; when copying, the source's. */
    cacheControl?: string;
    userMetadata?: Record<string, unknown>;
  }

  export interface GetOptions extends As {
    /** Both ends count; without `first`, `last` bytes of the end. */
    range?: { first?: number; last?: number };
  }

  export interface Got {
    object: StoredObject;
    /** Of the whole object, in bytes. */
    size: number;
    /** Where the part begins that comes. */
    first: number;
    /** How much of it comes. */
    length: number;
    /** Answer with it (`new Response(body)`), store it again, or read it. */
    body: ReadableStream<Uint8Array>;
  }

  export interface ListOptions extends As {
    /** How names begin; for what is in a folder it ends in a slash. */
    prefix?: string;
    /** Whether all names with the prefix are told; otherwise folders instead of what is in them. */
    recursive?: boolean;
    /** 1 to 1,000; by default 100. */
    limit?: number;
    offset?: number;
    /** Of the page before; by name upwards only. */
    cursor?: string | null;
    sort?: "name" | "createdAt" | "updatedAt" | "lastAccessedAt";
    descending?: boolean;
  }

  /** A folder's whole name ends in a slash. */
  export type Entry = { folder: string; object?: undefined } | { object: StoredObject; folder?: undefined };

  export interface Page {
    entries: Entry[];
    /** Where the next page begins, if there is one. */
    cursor: string | null;
  }

  export interface Place {
    bucket: string;
    name: string;
  }

  /** Why a call has no result. */
  export class StorageError extends Error {
    /** A code of Supabase Storage: `"NoSuchKey"`, `"KeyAlreadyExists"`, `"AccessDenied"`, … */
    readonly code: string;
    /** The number that goes with it: 404, 409, 403, … */
    readonly status: number;
  }

  /** Stores an object whole; resolves when it is there for good. */
  export function put(
    bucket: string,
    name: string,
    body: BodyInit | Request | Response,
    options?: PutOptions,
  ): Promise<Stored>;
  /** An object or a part of it. */
  export function get(bucket: string, name: string, options?: GetOptions): Promise<Got>;
  /** What is known of an object. */
  export function head(bucket: string, name: string, options?: As): Promise<StoredObject>;
  /** A page of a bucket. */
  export function listObjects(bucket: string, options?: ListOptions): Promise<Page>;
  /** A second object of the same content. */
  export function copy(from: Place, to: Place, options?: PutOptions): Promise<Stored>;
  /** Another name for an object. Rejects where there is one of that name. */
  export function move(from: Place, to: Place, options?: As): Promise<void>;
  /** Deletes up to 1,000 objects and tells which; those that the caller may not delete are left out. */
  export function remove(bucket: string, names: readonly string[], options?: As): Promise<StoredObject[]>;
  /** An address, beneath `/storage/v1`, that opens the object for `expiresIn` seconds to whoever has it. */
  export function sign(
    bucket: string,
    name: string,
    expiresIn: number,
    options?: As,
  ): Promise<{ path: string; token: string }>;
  /** What a token of `sign` opens, if it is good. */
  export function verify(token: string): { bucket: string; name: string; expiresAt: number };
}

/** Messages to the sockets that have joined a topic. They reach who is there now; nothing is kept. */
declare module "isobase:host/realtime" {
  export interface PublishOptions {
    /**
     * `"private"` is for members of the private channel of that name: it needs the realtime grant
     * `service`, unless the caller is `service_role`. Public by default.
     */
    visibility?: "public" | "private";
  }

  /** Why a message was not published. */
  export class RealtimeError extends Error {
    /**
     * `"refused"`: the call itself is wrong or not granted. `"too-large"`, `"too-fast"`: a limit of
     * the host. `"unavailable"`: this host runs without realtime.
     */
    readonly kind: "refused" | "too-large" | "too-fast" | "unavailable";
  }

  /**
   * Hands a message to the sockets that have joined `topic` (without `realtime:`). `payload` is
   * anything that JSON can say, or bytes.
   */
  export function publish(topic: string, event: string, payload: unknown, options?: PublishOptions): void;
}

/** Was this webhook sent by who it says, just now, with this body? */
declare module "isobase:host/webhook" {
  export interface ReceiveOptions {
    /** Who sends: `"standard"` is Standard Webhooks and Svix. */
    provider: "stripe" | "github" | "slack" | "standard" | "hmac";
    /** As the sender shows it. Several, set off by spaces, for the time of a rotation. */
    secret: string;
    /** How old a signature may be. Default five minutes. */
    toleranceSeconds?: number;
    /** For `"hmac"`: where the signature is. Default `x-signature`. */
    header?: string;
    /** For `"hmac"`: what stands before the signature. */
    prefix?: string;
    /** For `"hmac"`: how the signature is written. Default `"hex"`. */
    encoding?: "hex" | "base64";
  }

  /** A genuine webhook with the exact bytes that were signed. */
  export class Webhook {
    /** The sender's name for the event, the same whenever it is sent again; null where it has none. */
    readonly id: string | null;
    /** When it was signed, in seconds since 1970; null where the scheme does not say. */
    readonly signedAt: number | null;
    readonly body: Uint8Array;
    text(): string;
    // deno-lint-ignore no-explicit-any
    json(): any;
  }

  /** Why a request is no genuine webhook. */
  export class WebhookError extends Error {
    readonly code:
      | "missing-header"
      | "malformed-header"
      | "bad-signature"
      | "too-old"
      | "too-new"
      | "unusable-secret"
      | "wrong-options";
  }

  /** Reads the body of `request` and checks it. Rejects with a WebhookError. */
  export function receive(request: Request, options: ReceiveOptions): Promise<Webhook>;
}

declare namespace EdgeRuntime {
  /**
   * Keeps the isolate, and the request's identity, until `promise` settles, also when the function is
   * replaced or the host stops. The work counts against the invocation's wall clock and CPU time.
   */
  function waitUntil<T>(promise: Promise<T>): Promise<T>;
}

/**
 * `detail.reason` of the event `beforeunload`: why an isolate takes no more requests. The first three
 * are told at 90 % of the limit. The order of an isolate's events is `load`, then `beforeunload` and
 * `drain`, and `unload` when all it had begun has ended.
 */
type UnloadReason = "cpu" | "memory" | "wall_clock" | "early_drop" | "termination";
