// Stripe's events, out of the inbox. Throwing, or any answer but 2xx, means: once more, later.
import * as database from "isobase:host/database";

Deno.serve(async (request) => {
  const event = await request.json();
  await database.query(
    "insert into events (key, source, attempt, payload) values ($1, 'stripe', $2, $3) on conflict do nothing",
    [event.id, Number(request.headers.get("x-isobase-attempt")), event],
    { identity: "service" },
  );
  return new Response(null, { status: 204 });
});
