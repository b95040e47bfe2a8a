// Served at /functions/v1/{{slug}}. Save this file and the next request runs the new code.
Deno.serve(async (request) => {
  const { name } = request.method === "POST" ? await request.json() : { name: "world" };
  return Response.json({ message: `Hello ${name}!` });
});
