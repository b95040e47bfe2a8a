// Reads todos as the caller: the same SQL gives every user their own rows.
import * as caller from "isobase:host/caller";
import * as database from "isobase:host/database";

export default {
  async fetch(_request: Request): Promise<Response> {
    const { rows } = await database.query("select id, title, done from todos order by id");
    return Response.json({ role: caller.current().role, todos: rows });
  },
};
