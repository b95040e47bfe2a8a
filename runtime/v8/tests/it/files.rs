//! The disk that a function sees.

use crate::support::{check_table, function, outcome_code, outcome_of};

const DENO: &[(&str, &str, &str, &str)] = &[
    (
        "text",
        "",
        "await Deno.writeTextFile('/tmp/f', 'one'); await Deno.writeTextFile('/tmp/f', ' two', { append: true }); return await Deno.readTextFile('/tmp/f');",
        "one two",
    ),
    (
        "sync",
        "",
        "Deno.writeFileSync('/tmp/f', new Uint8Array([1, 2])); Deno.copyFileSync('/tmp/f', '/tmp/g'); Deno.renameSync('/tmp/g', '/tmp/h');
         return Deno.readFileSync('/tmp/h').length + Deno.statSync('/tmp/h').size + [...Deno.readDirSync('/tmp')].map((one) => one.name).join();",
        "4f,h",
    ),
    (
        "folders",
        "",
        "const folder = await Deno.makeTempDir(); const file = await Deno.makeTempFile({ dir: folder, suffix: '.x' });
         const names = []; for await (const one of Deno.readDir(folder)) names.push(one.isFile);
         await Deno.remove(folder, { recursive: true });
         return [folder.startsWith('/tmp/'), file.endsWith('.x'), names.join(), await Deno.stat(folder).catch((error) => error instanceof Deno.errors.NotFound)].join();",
        "true,true,true,true",
    ),
    (
        "open",
        "",
        "using file = await Deno.open('/tmp/f', { create: true, read: true, write: true });
         await file.write(new TextEncoder().encode('hello')); await file.seek(1, Deno.SeekMode.Start);
         const buffer = new Uint8Array(2); await file.read(buffer); await file.truncate(3);
         return new TextDecoder().decode(buffer) + (await file.stat()).size + await Deno.readTextFile('/tmp/f');",
        "el3hel",
    ),
    (
        "stream",
        "",
        "await new Response('streamed').body.pipeTo((await Deno.create('/tmp/f')).writable);
         return await new Response((await Deno.open('/tmp/f')).readable).text();",
        "streamed",
    ),
    (
        "refusals",
        "",
        "const told = []; await Deno.writeTextFile('/tmp/f', '');
         for (const attempt of [() => Deno.chmod('/tmp/f', 0o777), () => Deno.symlink('/tmp/f', '/tmp/l'), () => Deno.link('/tmp/f', '/tmp/l'),
            () => Deno.writeTextFile('/elsewhere', ''), () => Deno.mkdir('/x'), () => Deno.remove('/tmp')]) {
            try { await attempt(); told.push('done'); } catch (error) { told.push(error.name); }
         } return [...new Set(told)].join();",
        "PermissionDenied",
    ),
    (
        "quota",
        "",
        "try { Deno.writeFileSync('/tmp/big', new Uint8Array(80 << 20)); for (let i = 0; i < 4; i++) Deno.copyFileSync('/tmp/big', '/tmp/' + i); return 'all'; }
         catch (error) { return error.message.includes('o space'); }",
        "true",
    ),
];

#[tokio::test]
async fn deno_reads_and_writes_in_tmp() {
    check_table("files", DENO).await;
}

#[tokio::test]
async fn a_functions_own_files_are_beside_it() {
    let body = "const told = [await Deno.readTextFile('./data/a.txt'), await Deno.readTextFile(new URL('./data/a.txt', import.meta.url)),
            (await import('node:fs')).readFileSync('/own/data/a.txt', 'utf8'), Deno.cwd(), [...Deno.readDirSync('/own')].map((one) => one.name).join('+')];
        for (const attempt of [() => Deno.writeTextFile('/own/data/a.txt', 'x'), () => Deno.remove('/own/data/a.txt'), () => Deno.truncate('/own/data/a.txt', 1)]) {
            told.push(await attempt().then(() => 'done', (error) => error.name));
        } return told.join();";
    let builder =
        function("own", &outcome_code("", body)).file("/own/data/a.txt", "given").file("/own/b.txt", "");
    let expected = "given,given,given,/own,b.txt+data,PermissionDenied,PermissionDenied,PermissionDenied";
    assert_eq!(outcome_of(builder).await, expected);
}

#[tokio::test]
async fn nobody_else_sees_a_functions_tmp() {
    let write = function(
        "private",
        &outcome_code("", "await Deno.writeTextFile('/tmp/secret', 's'); return 'kept';"),
    );
    assert_eq!(outcome_of(write).await, "kept");
    let read = function(
        "private",
        &outcome_code("", "return await Deno.readTextFile('/tmp/secret').catch((error) => error.name);"),
    );
    assert_eq!(outcome_of(read).await, "NotFound");
}
