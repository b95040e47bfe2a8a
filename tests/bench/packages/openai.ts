import OpenAI from "npm:openai@7";

const client = new OpenAI({ apiKey: "sk-of-nobody" });

Deno.serve(() => new Response(client.chat.completions ? "hello" : "no client"));
