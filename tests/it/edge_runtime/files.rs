//! The disk that a function sees: its own sources to read, a private `/tmp` to write.

use super::{Row, check, check_in};
use crate::app::Project;

const TMP: &str = "
const notes = await Deno.create('/tmp/notes.txt');
const there = async (path) => (await Deno.stat(path).catch(() => null))?.size ?? 'gone';
Deno.serve(async () => {
  await notes.write(new TextEncoder().encode('one two'));
  const before = [await Deno.readTextFile('/tmp/notes.txt'), await there('/tmp/../tmp/notes.txt'), await Deno.realPath('/tmp/./notes.txt')];
  await Deno.remove('/tmp/../tmp/notes.txt');
  return Response.json([...before, await there('/tmp/notes.txt')]);
});";

/// Function, source, requests.
const FILES: &[Row<'_>] = &[
    ("tmp", TMP, &[("GET /tmp", "200 [\"one two\",7,\"/tmp/notes.txt\",\"gone\"]")]),
    (
        "while-loading",
        "Deno.writeTextFileSync('/tmp/a', 'sync'); const text = Deno.readTextFileSync('/tmp/a');\nDeno.serve(() => new Response(text))",
        &[("GET /while-loading", "200 sync")],
    ),
    (
        "while-serving",
        "Deno.serve(() => { Deno.writeTextFileSync('/tmp/a', 'any time'); return new Response(Deno.readTextFileSync('/tmp/a')); })",
        &[("GET /while-serving", "200 any time")],
    ),
    (
        "piped",
        "Deno.serve(async (request) => { const file = await Deno.create('/tmp/piped'); await request.body.pipeTo(file.writable);\n\
           return new Response((await Deno.open('/tmp/piped')).readable); })",
        &[("POST /piped\nthrough a file", "200 through a file")],
    ),
    // Another function's files are not there, nor are those of the isolate before.
    (
        "private",
        "Deno.serve(() => Response.json([...Deno.readDirSync('/tmp')]))",
        &[("GET /private", "200 []")],
    ),
    (
        "no-code-from-tmp",
        "await Deno.writeTextFile('/tmp/made.ts', 'export const made = 1;');\n\
         Deno.serve(() => import('/tmp/made.ts').then(() => new Response('ran'), (error) => new Response(error.name)))",
        &[("GET /no-code-from-tmp", "200 TypeError")],
    ),
    (
        "over-quota",
        "Deno.serve(async () => { const part = new Uint8Array(40 << 20); let parts = 0;\n\
           try { for (; parts < 10; parts++) await Deno.writeFile(`/tmp/${parts}`, part); } catch (error) { return new Response(`${parts > 1} ${/no space/i.test(error.message)}`); }\n\
           return new Response('no bound'); })",
        &[("GET /over-quota", "200 true true")],
    ),
    (
        "read-only",
        "const own = new URL('./index.ts', import.meta.url);\n\
         Deno.serve(async () => Response.json(await Promise.all([() => Deno.writeTextFile(own, ''), () => Deno.mkdir('/elsewhere'), () => Deno.readTextFile('/etc/passwd')]\n\
           .map((attempt) => attempt().then(() => 'done', (error) => error.name)))))",
        &[("GET /read-only", "200 [\"PermissionDenied\",\"PermissionDenied\",\"NotFound\"]")],
    ),
];

#[tokio::test]
async fn files_are_private_and_bounded() {
    check(FILES).await;
}

#[tokio::test]
async fn static_files_are_read_beside_the_sources() {
    let project = Project::empty();
    project.configure(
        "[functions.site]\nstatic_files = [\"./functions/site/*.html\", \"./functions/site/data/*\"]",
    );
    project.write("supabase/functions/site/page.html", "<p>hello</p>");
    project.write("supabase/functions/site/data/one.bin", [0, 159, 146, 150]);
    project.write("supabase/functions/site/secret.txt", "not listed");
    let source = "import { readFileSync } from 'node:fs';\n\
         const page = await Deno.readTextFile(new URL('./page.html', import.meta.url));\n\
         Deno.serve(async () => Response.json([page, readFileSync(new URL('./data/one.bin', import.meta.url)).length,\n\
           await (await fetch(new URL('./page.html', import.meta.url))).text(),\n\
           await fetch('file:///etc/passwd').catch((error) => error.name),\n\
           await Deno.remove(new URL('./page.html', import.meta.url)).catch((error) => error.name),\n\
           await Deno.readTextFile(new URL('./secret.txt', import.meta.url)).catch((error) => error.name)]))";
    let requests = [(
        "GET /site",
        "200 [\"<p>hello</p>\",4,\"<p>hello</p>\",\"TypeError\",\"PermissionDenied\",\"NotFound\"]",
    )];
    check_in(project, &[("site", source, &requests)]).await;
}
