import { drizzle } from "npm:drizzle-orm@0.45/postgres-js";
import { pgTable, serial, text } from "npm:drizzle-orm@0.45/pg-core";
import postgres from "npm:postgres@3";

const items = pgTable("items", { id: serial("id").primaryKey(), name: text("name") });
// Connects with the first query.
const database = drizzle(postgres("postgres://nobody@127.0.0.1:1/none"));

export const answer = () => {
  const { sql } = database.select().from(items).toSQL();
  return sql.startsWith("select") ? "hello" : sql;
};
