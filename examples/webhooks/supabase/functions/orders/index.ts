// Standard Webhooks, out of the inbox. The first attempts of an order that is not paid yet fail.
import * as database from "isobase:host/database";

Deno.serve(async (request) => {
  const order = await request.json();
  const attempt = Number(request.headers.get("x-isobase-attempt"));
  if (attempt <= (order.failures ?? 0)) return new Response("not yet", { status: 503 });
  await database.query(
    "insert into events (key, source, attempt, payload) values ($1, 'standard', $2, $3) on conflict do nothing",
    [request.headers.get("idempotency-key"), attempt, order],
    { identity: "service" },
  );
  return new Response(null, { status: 204 });
});
