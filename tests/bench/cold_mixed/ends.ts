// Answers; then what is left behind throws where nobody catches, and the isolate ends.
import { answer } from "./kind.ts";

let calls = 0;
Deno.serve(() => {
  calls += 1;
  setTimeout(() => {
    throw new Error("the end");
  });
  return new Response(`${calls} ${answer()}`);
});
