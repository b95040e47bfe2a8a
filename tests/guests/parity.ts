// The behaviours of `src/sql.rs`, `src/files.rs` and `src/behave.rs` that reach the host, in TypeScript: the same paths answer with
// the same JSON. `tests/it/parity.rs` compares.
import * as caller from "isobase:host/caller";
import * as database from "isobase:host/database";
import * as queue from "isobase:host/queue";
import * as realtime from "isobase:host/realtime";
import * as storage from "isobase:host/storage";
import * as webhook from "isobase:host/webhook";

type Behaviour = (query: URLSearchParams, request: Request) => Response | Promise<Response>;

const behaviours: Record<string, Behaviour> = {
  caller() {
    const { role, claims } = caller.current();
    return json({ role, claims, request_id: caller.requestId(), traceparent: caller.traceparent() });
  },
  sql: async (query) => answer(await database.query(sql(query), parameters(query), { ...session(query), rowsAsArrays: true })),
  "sql-service": async (query) =>
    answer(await database.query(sql(query), parameters(query), { identity: "service", rowsAsArrays: true })),
  async "sql-document"(query) {
    const { head, body } = await database.queryDocument(sql(query), parameters(query));
    if (body === null) return new Response(null, { status: 204 });
    return new Response(body, { headers: { "content-type": "application/json", "x-head": String(head.length) } });
  },
  async "sql-lines"(query) {
    const { head, body, rows } = await database.queryLines(sql(query), parameters(query));
    return new Response(body, { headers: { "content-type": "text/plain", "x-head": `${head.length} ${rows ?? 0}` } });
  },
  async "sql-documents"(query) {
    const statements = query.getAll("q").map((sql) => ({ sql, parameters: parameters(query) }));
    const documents = await database.queryDocuments(statements);
    const bodies = documents.map(({ head, body }) => [head.length, body === null ? null : new TextDecoder().decode(body)]);
    return json(bodies);
  },
  "sql-body": async (query, request) =>
    answer(await database.query(sql(query), [await request.text()], { rowsAsArrays: true })),
  async "sql-stream"(query) {
    const rows = database.stream(sql(query), parameters(query), { rowsAsArrays: true });
    // Errors of the statement itself are told before the head of the answer.
    let next = await rows.next();
    const lines = new ReadableStream({
      async pull(controller) {
        if (next.done) return controller.close();
        controller.enqueue(text(next.value) + "\n");
        next = await rows.next();
      },
    });
    return new Response(lines.pipeThrough(new TextEncoderStream()));
  },
  async "sql-transaction"(query) {
    const transaction = database.transaction();
    let last: database.Table = { columns: [], rows: [], affected: 0 };
    let failure: unknown;
    try {
      for (const statement of query.getAll("q")) last = await transaction.query(statement, [], { rowsAsArrays: true });
    } catch (error) {
      failure = error;
    }
    const end = query.get("end");
    if (end === "commit") await transaction.commit().catch((error) => failure ??= error);
    else await transaction.rollback();
    if (failure) throw failure;
    return answer(last);
  },
  async "queue-send"(query) {
    const headers = query.has("h") ? JSON.parse(query.get("h")!) : undefined;
    const options = { headers, delayMs: number(query, "delay"), ...as(query) };
    return json(await queue.send(queueName(query), JSON.parse(query.get("m")!), options));
  },
  async "queue-send-batch"(query) {
    const messages = query.getAll("m").map((text) => ({ message: JSON.parse(text) }));
    return json(await queue.sendBatch(queueName(query), messages, as(query)));
  },
  async "queue-read"(query) {
    const options = { visibilityMs: number(query, "visibility"), quantity: number(query, "quantity"), ...as(query) };
    const messages = await queue.read(queueName(query), options);
    return json(messages.map(({ id, attempts, headers, message, enqueuedAt }) => (
      { id, attempts, headers, message, dated: enqueuedAt.length }
    )));
  },
  async "queue-settle"(query) {
    const ids = query.getAll("id").map(Number);
    const name = queueName(query);
    switch (query.get("how")) {
      case "archive":
        return json(await queue.archive(name, ids, as(query)));
      case "extend":
        return json(await queue.extend(name, ids, number(query, "visibility"), as(query)));
      default:
        return json(await queue.ack(name, ids, as(query)));
    }
  },
  async "queue-metrics"(query) {
    const { length, visible, total, newestAge, oldestAge } = await queue.metrics(queueName(query), as(query));
    return json({ length, visible, total, empty: newestAge === null && oldestAge === null });
  },
  async webhook(query, request) {
    const [provider, secret] = [query.get("provider") ?? "", query.get("secret") ?? ""];
    const toleranceSeconds = Number(query.get("tolerance") ?? 300);
    // deno-lint-ignore no-explicit-any
    const received = await webhook.receive(request, { provider: provider as any, secret, toleranceSeconds });
    return json({ id: received.id, signedAt: received.signedAt, body: received.text() });
  },
  publish(query) {
    const value = (name: string) => query.get(name) ?? "";
    const bytes = query.get("bytes");
    const payload = bytes === null ? JSON.parse(value("payload") || "null") : new TextEncoder().encode(bytes);
    const visibility = query.has("private") ? "private" : "public";
    realtime.publish(value("topic"), value("event"), payload, { visibility });
    return json({ published: true });
  },
  "file-put": async (query, request) =>
    json(stored(await storage.put(bucket(query), name(query), request.body ?? "", putOptions(query)))),
  "file-put-text": async (query) => {
    // A Blob without a type, so that only the query says one.
    const text = new TextEncoder().encode(query.get("text") ?? "");
    return json(stored(await storage.put(bucket(query), name(query), text, putOptions(query))));
  },
  async "file-upload"(query) {
    const piece = new Uint8Array(64 * 1024).fill("p".charCodeAt(0));
    let left = Number(query.get("pieces") ?? 1);
    const pieces = new ReadableStream({
      pull(controller) {
        if (left-- > 0) controller.enqueue(piece);
        else if (query.has("abandon")) controller.error(new Error("given up"));
        else controller.close();
      },
    });
    const put = storage.put(bucket(query), name(query), pieces, putOptions(query));
    if (!query.has("abandon")) return json(stored(await put));
    await put.catch(() => {});
    return json({ abandoned: true });
  },
  async "file-get"(query) {
    const { object, size, first, length, body } = await storage.get(bucket(query), name(query), getOptions(query));
    const head = `${first}+${length}/${size} ${object.etag}`;
    return new Response(body, { headers: { "content-type": object.contentType, "x-head": head } });
  },
  async "file-read"(query) {
    const { body } = await storage.get(bucket(query), name(query), getOptions(query));
    let length = 0;
    let sum = 0;
    const chunks = query.has("whole") ? [new Uint8Array(await new Response(body).arrayBuffer())] : body;
    for await (const chunk of chunks) {
      length += chunk.length;
      for (const byte of chunk) sum += byte;
    }
    return json({ length, sum });
  },
  async "file-store-again"(query) {
    const { body } = await storage.get(bucket(query), name(query), getOptions(query));
    return json(stored(await storage.put(bucket(query), query.get("to") ?? "", body, putOptions(query))));
  },
  "file-head": async (query) => json(object(await storage.head(bucket(query), name(query), as(query)))),
  async "file-list"(query) {
    const page = await storage.listObjects(bucket(query), {
      ...as(query),
      prefix: query.get("prefix") ?? "",
      recursive: query.has("recursive"),
      limit: Number(query.get("limit") ?? 100),
      offset: Number(query.get("offset") ?? 0),
      cursor: query.get("cursor"),
      sort: (query.get("sort") ?? "name") as "name",
      descending: query.has("descending"),
    });
    const entries = page.entries.map((entry) => entry.object ? { object: object(entry.object) } : entry);
    return json({ entries, cursor: page.cursor });
  },
  "file-copy": async (query) => json(stored(await storage.copy(from(query), to(query), putOptions(query)))),
  async "file-move"(query) {
    await storage.move(from(query), to(query), as(query));
    return json({ moved: true });
  },
  async "file-remove"(query) {
    const removed = await storage.remove(bucket(query), query.getAll("name"), as(query));
    return json(removed.map(object));
  },
  async "file-sign"(query) {
    const { path, token } = await storage.sign(bucket(query), name(query), Number(query.get("seconds") ?? 60), as(query));
    const says = storage.verify(token);
    return json({ path: path.slice(0, path.indexOf(token)), bucket: says.bucket, name: says.name });
  },
  "file-verify"(query) {
    const says = storage.verify(query.get("token") ?? "");
    return json({ bucket: says.bucket, name: says.name });
  },
  generation: (query) => new Response(String(database.generation(query.get("channel") ?? ""))),
};

function queueName(query: URLSearchParams): string {
  return query.get("queue") ?? "todos";
}

function number(query: URLSearchParams, name: string): number {
  return Number(query.get(name) ?? 0);
}

function sql(query: URLSearchParams): string {
  return query.get("q") ?? "select current_user";
}

function parameters(query: URLSearchParams): string[] {
  return query.getAll("p");
}

function session(query: URLSearchParams): database.Session {
  const settings = query.getAll("setting").map((text) => {
    const at = text.indexOf("=");
    return [text.slice(0, at), text.slice(at + 1)] as const;
  });
  const timeout = query.get("timeout");
  return {
    accessMode: query.get("mode") === "read-only" ? "read-only" : "read-write",
    timeoutMs: timeout === null ? undefined : Number(timeout),
    settings,
  };
}

const bucket = (query: URLSearchParams) => query.get("bucket") ?? "";
const name = (query: URLSearchParams) => query.get("name") ?? "";
const as = (query: URLSearchParams): queue.As & storage.As => ({ identity: query.get("as") === "service" ? "service" : "caller" });
const from = (query: URLSearchParams) => ({ bucket: bucket(query), name: name(query) });
const to = (query: URLSearchParams) => ({ bucket: query.get("to_bucket") ?? bucket(query), name: query.get("to") ?? "" });

function putOptions(query: URLSearchParams): storage.PutOptions {
  const metadata = query.get("metadata");
  return {
    ...as(query),
    upsert: query.has("upsert"),
    contentType: query.get("type") ?? undefined,
    cacheControl: query.get("cache") ?? undefined,
    userMetadata: metadata === null ? undefined : JSON.parse(metadata),
  };
}

function getOptions(query: URLSearchParams): storage.GetOptions {
  const bound = (name: string) => query.has(name) ? Number(query.get(name)) : undefined;
  if (!query.has("first") && !query.has("last")) return as(query);
  return { ...as(query), range: { first: bound("first"), last: bound("last") } };
}

/** Without what differs from call to call. */
function stored({ id, version, size, etag, contentType }: storage.Stored) {
  return { id: id.length, version: version.length, size, etag, contentType };
}

function object(object: storage.StoredObject) {
  const { id, version, bucket, name, size, contentType, cacheControl, etag, userMetadata, owner } = object;
  return {
    id: id.length, version: version.length, bucket, name, size, contentType, cacheControl, etag, userMetadata, owner,
    createdAt: object.createdAt.length, updatedAt: object.updatedAt.length,
    lastAccessedAt: object.lastAccessedAt.length,
  };
}

function answer({ columns, rows, affected }: database.Table): Response {
  return json({ columns: columns.map((column) => column.name), rows, affected });
}

/** As serde writes it: all digits of a bigint, bytes as a list of numbers. */
function text(value: unknown): string {
  return JSON.stringify(value, (_, value) => {
    if (typeof value === "bigint") return JSON.rawJSON(value.toString());
    return value instanceof Uint8Array ? [...value] : value;
  });
}

function json(value: unknown, status = 200): Response {
  return new Response(text(value), { status, headers: { "content-type": "application/json" } });
}

function failed(error: database.DatabaseError): Response {
  const { kind, message } = error;
  if (kind === "refused" || kind === "unavailable") return json({ kind, message }, 400);
  if (kind !== "sql") return json({ kind }, 400);
  const { sqlstate, detail = null, hint = null, constraint = null, position = null } = error;
  return json({ kind, sqlstate, message, detail, hint, constraint, position }, 400);
}

export default {
  async fetch(request: Request): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    const behaviour = behaviours[pathname.split("/").at(-1) ?? ""];
    try {
      return await behaviour(searchParams, request);
    } catch (error) {
      if (error instanceof database.DatabaseError) return failed(error);
      if (error instanceof webhook.WebhookError) return json({ code: error.code }, 401);
      if (error instanceof realtime.RealtimeError) {
        const { kind, message } = error;
        return json(kind === "refused" ? { kind, message } : { kind }, 400);
      }
      if (error instanceof storage.StorageError) {
        return json({ code: error.code, status: error.status, message: error.message }, 400);
      }
      throw error;
    }
  },
};
