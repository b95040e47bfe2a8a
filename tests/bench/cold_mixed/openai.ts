import OpenAI from "npm:openai@7";

const client = new OpenAI({ apiKey: "sk-of-nobody" });

export const answer = () => client.chat.completions ? "hello" : "no client";
