import { greeting } from "../_shared/greeting.ts";

Deno.serve(async (request: Request) => {
  const name = request.method === "POST" ? (await request.json()).name : "world";
  return Response.json({ message: greeting(name) });
});
