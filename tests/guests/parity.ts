// The behaviours of `src/sql.rs` and `src/behave.rs` that reach the host, in TypeScript: the same paths answer with
// the same JSON. `tests/it/parity.rs` compares.
import * as caller from "isobase:host/caller";
import * as database from "isobase:host/database";
import * as realtime from "isobase:host/realtime";
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
  generation: (query) => new Response(String(database.generation(query.get("channel") ?? ""))),
};

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
  if (kind === "refused") return json({ kind, message }, 400);
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
      throw error;
    }
  },
};
