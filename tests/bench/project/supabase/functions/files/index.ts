import * as storage from "isobase:host/storage";

Deno.serve(async (request) => {
  const name = new URL(request.url).searchParams.get("name") ?? "";
  if (request.method === "POST") {
    const { etag } = await storage.put("files", name, request, { upsert: true });
    return new Response(etag);
  }
  const { body } = await storage.get("files", name);
  return new Response(body);
});
