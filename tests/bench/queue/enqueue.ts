// Sends a message per request; notes how long those of queue `timed` took to get here.
import { query } from "isobase:host/database";
import { send } from "isobase:host/queue";

const now = () => performance.timeOrigin + performance.now();

export default {
  async fetch(request: Request): Promise<Response> {
    const queue = new URL(request.url).searchParams.get("queue") ?? "plain";
    const id = await send(queue, { sent: now(), text: "a message as long as messages are" });
    return new Response(String(id));
  },
  async queue(batch: MessageBatch<{ sent: number }>): Promise<void> {
    const arrived = now();
    const times = batch.messages.map((message) => arrived - message.body.sent);
    await query("insert into handled select unnest($1::float8[])", [times]);
  },
};
