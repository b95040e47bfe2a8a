// Says how often it was called before it answers.
import { answer } from "./kind.ts";

let calls = 0;
Deno.serve(() => {
  calls += 1;
  return new Response(`${calls} ${answer()}`);
});
