// Answers once; then what is left behind throws where nobody catches, and the isolate ends.
Deno.serve(() => {
  setTimeout(() => {
    throw new Error("the end");
  });
  return new Response("hello");
});
