import { createClient } from "npm:@supabase/supabase-js@2";

const client = createClient(Deno.env.get("SUPABASE_URL")!, Deno.env.get("SUPABASE_ANON_KEY")!);

export const answer = () => client.from("items") ? "hello" : "no client";
