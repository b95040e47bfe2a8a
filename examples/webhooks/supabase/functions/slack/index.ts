// A function that checks by itself, because it also answers requests that Slack did not send.
import { receive, WebhookError } from "isobase:host/webhook";

const secret = Deno.env.get("SLACK_SIGNING_SECRET") ?? "";
// A recorded request is older than Slack's five minutes; a real application leaves this out.
const toleranceSeconds = Number(Deno.env.get("SLACK_TOLERANCE_SECONDS") ?? 300);

Deno.serve(async (request) => {
  try {
    const webhook = await receive(request, { provider: "slack", secret, toleranceSeconds });
    return Response.json({ command: new URLSearchParams(webhook.text()).get("command") });
  } catch (error) {
    if (error instanceof WebhookError) return Response.json({ code: error.code }, { status: 401 });
    throw error;
  }
});
