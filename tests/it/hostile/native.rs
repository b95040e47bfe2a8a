//! Native code at work for a function: its CPU time and its memory are the function's, and what one call may ask
//! for is bounded, since nothing ends it.

use isobase_base::FailureKind::{CpuLimit, Crashed, MemoryLimit};

use super::{End, Hostile, SHORT, SMALL, check, field, lines_about, resident, run, start};

const SPENT: End = End::Fails(&[CpuLimit]);

const fn spent(name: &'static str, attack: &'static str) -> Hostile {
    Hostile { name, attack, limits: SHORT, end: SPENT }
}

/// The call throws at once.
const fn refused(name: &'static str, attack: &'static str) -> Hostile {
    Hostile { name, attack, limits: SHORT, end: End::Answers("RangeError") }
}

const COMPUTATIONS: &[Hostile] = &[
    spent(
        "web-keys",
        "const key = await crypto.subtle.importKey('raw', new Uint8Array(8), 'PBKDF2', false, ['deriveBits']);
        const one = () => crypto.subtle.deriveBits({ name: 'PBKDF2', hash: 'SHA-512', salt: new Uint8Array(8), iterations: 1_000_000 }, key, 512);
        await Promise.all(Array.from({ length: 50 }, one));",
    ),
    spent(
        "node-keys",
        "const { pbkdf2 } = await import('node:crypto');
        for (let i = 0; i < 50; i++) pbkdf2('x', 'y', 1_000_000, 64, 'sha512', () => {});
        await new Promise(() => {});",
    ),
    spent(
        "node-keys-at-once",
        "const { pbkdf2Sync } = await import('node:crypto'); for (;;) pbkdf2Sync('x', 'y', 100_000, 64, 'sha512');",
    ),
    spent(
        "scrypt",
        "const { scrypt } = await import('node:crypto');
        for (let i = 0; i < 200; i++) scrypt('x', 'y', 64, () => {});
        await new Promise(() => {});",
    ),
    spent(
        "rsa-keys",
        "const algorithm = { name: 'RSA-OAEP', modulusLength: 4096, publicExponent: new Uint8Array([1, 0, 1]), hash: 'SHA-256' };
        for (;;) await crypto.subtle.generateKey(algorithm, true, ['encrypt', 'decrypt']);",
    ),
    refused(
        "endless-web-key",
        "const key = await crypto.subtle.importKey('raw', new Uint8Array(8), 'PBKDF2', false, ['deriveBits']);
        const algorithm = { name: 'PBKDF2', hash: 'SHA-256', salt: new Uint8Array(8), iterations: 4e9 };
        return new Response(await crypto.subtle.deriveBits(algorithm, key, 256).then(() => 'derived', (error) => error.name));",
    ),
    refused(
        "lying-web-key",
        "const key = await crypto.subtle.importKey('raw', new Uint8Array(8), 'PBKDF2', false, ['deriveBits']);
        let asked = 0;
        const algorithm = { name: 'PBKDF2', hash: 'SHA-256', salt: new Uint8Array(8), get iterations() { return asked++ === 0 ? 1 : 4e9; } };
        const bits = await crypto.subtle.deriveBits(algorithm, key, 256);
        return new Response(bits.byteLength === 32 && asked === 1 ? 'RangeError' : 'was read again');",
    ),
    refused(
        "long-derived-key",
        "const key = await crypto.subtle.importKey('raw', new Uint8Array(8), 'PBKDF2', false, ['deriveKey']);
        const algorithm = { name: 'PBKDF2', hash: 'SHA-256', salt: new Uint8Array(8), iterations: 100_000 };
        const long = { name: 'HMAC', hash: 'SHA-256', length: 2 ** 30 };
        return new Response(await crypto.subtle.deriveKey(algorithm, key, long, true, ['sign']).then(() => 'derived', (error) => error.name));",
    ),
    refused(
        "endless-node-key",
        "const { pbkdf2Sync } = await import('node:crypto');
        try { pbkdf2Sync('x', 'y', 2 ** 31 - 1, 64, 'sha512'); } catch (error) { return new Response(error.name); }",
    ),
    refused(
        "endless-node-key-beside",
        "const { pbkdf2 } = await import('node:crypto');
        try { pbkdf2('x', 'y', 2 ** 31 - 1, 64, 'sha512', () => {}); } catch (error) { return new Response(error.name); }",
    ),
    refused(
        "huge-scrypt",
        "const { scryptSync } = await import('node:crypto');
        try { scryptSync('x', 'y', 64, { N: 2 ** 24, maxmem: 2 ** 50 }); } catch (error) { return new Response(error.name); }",
    ),
    refused(
        "huge-prime",
        "const { generatePrimeSync } = await import('node:crypto');
        try { generatePrimeSync(16_384, { safe: true }); } catch (error) { return new Response(error.name); }",
    ),
    refused(
        "huge-rsa-key",
        "const { generateKeyPair } = await import('node:crypto');
        try { generateKeyPair('rsa', { modulusLength: 65_536 }, () => {}); } catch (error) { return new Response(error.name); }",
    ),
    refused(
        "huge-imported-key",
        "const n = 'f'.repeat(1_000_000);
        return new Response(await crypto.subtle.importKey('jwk', { kty: 'RSA', e: 'AQAB', n }, { name: 'RSA-OAEP', hash: 'SHA-256' }, false, ['encrypt']).catch((error) => error.name));",
    ),
    refused(
        "huge-power",
        "const { createDiffieHellman } = await import('node:crypto');
        const number = new Uint8Array(1 << 16).fill(255);
        try { const group = createDiffieHellman(number); group.setPrivateKey(number); group.computeSecret(number); } catch (error) { return new Response(error.name); }",
    ),
    // 8,388,607 iterations of a hash, chosen by who wrote the key.
    refused(
        "endless-passphrase",
        "const [{ createPrivateKey }, { Buffer }] = await Promise.all([import('node:crypto'), import('node:buffer')]);
        const key = Buffer.from('MIHtMFgGCSqGSIb3DQEFDTBLMCoGCSqGSIb3DQEFDDAdBAhJJ8CSFuZmlwIDf///MAwGCCqGSIb3DQIJBQAwHQYJYIZIAWUDBAEqBBDAWXpBnmeaZInqkW8BOJDQBIGQ+c1hyKsqHMKCPe9MGVAHpdhatAQimIyDU+ydvl/wDAx+yjxDN6mFOYY4sSpOWvvXg6tkuUp3jUclCx0ihDmh875B/KAuqm2B0ovBzd27MS1+sXZI5Tfr8y8/6pzVyr3/0if6VTNsKVDudu16WWxp/VyjihCpSH7t3rAsdp0TK3LWEESy3bSkrWOqYDCm8QFi', 'base64');
        try { createPrivateKey({ key, format: 'der', type: 'pkcs8', passphrase: 'x' }); } catch (error) { return new Response(error.name); }",
    ),
    // The same key as text, and by another way to read it.
    refused(
        "endless-passphrase-of-text",
        "const { createPublicKey } = await import('node:crypto');
        const lines = 'MIHtMFgGCSqGSIb3DQEFDTBLMCoGCSqGSIb3DQEFDDAdBAhJJ8CSFuZmlwIDf///MAwGCCqGSIb3DQIJBQAwHQYJYIZIAWUDBAEqBBDAWXpBnmeaZInqkW8BOJDQBIGQ+c1hyKsqHMKCPe9MGVAHpdhatAQimIyDU+ydvl/wDAx+yjxDN6mFOYY4sSpOWvvXg6tkuUp3jUclCx0ihDmh875B/KAuqm2B0ovBzd27MS1+sXZI5Tfr8y8/6pzVyr3/0if6VTNsKVDudu16WWxp/VyjihCpSH7t3rAsdp0TK3LWEESy3bSkrWOqYDCm8QFi'.match(/.{1,64}/g).join('\\n');
        const key = `-----BEGIN ENCRYPTED PRIVATE KEY-----\\n${lines}\\n-----END ENCRYPTED PRIVATE KEY-----\\n`;
        try { createPublicKey({ key, passphrase: 'x' }); } catch (error) { return new Response(error.name); }",
    ),
    // scrypt with a gibibyte and a half.
    refused(
        "huge-passphrase",
        "const [{ createPrivateKey }, { Buffer }] = await Promise.all([import('node:crypto'), import('node:buffer')]);
        const key = Buffer.from('MIHlMFAGCSqGSIb3DQEFDTBDMCIGCSsGAQQB2kcECzAVBAiYeutFXKpp6gIDQAAAAgEDAgEBMB0GCWCGSAFlAwQBKgQQM3ok1j93M7SrxQl1gwkJzwSBkNl7wJ6fRfocs9frDvkhwGKKkHjLFXTVrWfodLHg0FXFSrsStpWRkeiR7yQX3su0xTXVJTvtZCFOIhumqqjlbIcubjeQ8nMM6npShIvFAFD+bghjjm2Cl2UCEQ9oO2ExWAAkegyY1SYGEHNb/dRAuZu2efIPGWiMRHq67hLP+oj4OEDpkTwyeTyolrppAJvgUg==', 'base64');
        try { createPrivateKey({ key, format: 'der', type: 'pkcs8', passphrase: 'x' }); } catch (error) { return new Response(error.name); }",
    ),
    Hostile {
        name: "usual-passphrase",
        attack: "const [{ createPrivateKey }, { Buffer }] = await Promise.all([import('node:crypto'), import('node:buffer')]);
        const key = Buffer.from('MIHtMFgGCSqGSIb3DQEFDTBLMCoGCSqGSIb3DQEFDDAdBAhJJ8CSFuZmlwIDAYagMAwGCCqGSIb3DQIJBQAwHQYJYIZIAWUDBAEqBBDAWXpBnmeaZInqkW8BOJDQBIGQ+c1hyKsqHMKCPe9MGVAHpdhatAQimIyDU+ydvl/wDAx+yjxDN6mFOYY4sSpOWvvXg6tkuUp3jUclCx0ihDmh875B/KAuqm2B0ovBzd27MS1+sXZI5Tfr8y8/6pzVyr3/0if6VTNsKVDudu16WWxp/VyjihCpSH7t3rAsdp0TK3LWEESy3bSkrWOqYDCm8QFi', 'base64');
        return new Response(createPrivateKey({ key, format: 'der', type: 'pkcs8', passphrase: 'x' }).asymmetricKeyType);",
        limits: SHORT,
        end: End::Answers("ec"),
    },
];

#[tokio::test]
async fn computations_of_native_code() {
    check(COMPUTATIONS).await;
}

const FULL: End = End::Fails(&[MemoryLimit, Crashed]);

const fn full(name: &'static str, attack: &'static str) -> Hostile {
    Hostile { name, attack, limits: SMALL, end: FULL }
}

const HOARDS: &[Hostile] = &[
    full(
        "bomb",
        "const { constants, deflateRawSync } = await import('node:zlib');
        const block = deflateRawSync(new Uint8Array(1 << 20), { finishFlush: constants.Z_FULL_FLUSH });
        const bomb = new Uint8Array(block.length * 4000);
        for (let i = 0; i < 4000; i++) bomb.set(block, i * block.length);
        const stream = new DecompressionStream('deflate-raw');
        stream.writable.getWriter().write(bomb).catch(() => {});
        return new Response(String((await new Response(stream.readable).arrayBuffer()).byteLength));",
    ),
    full(
        "compressing-streams",
        "const all = []; for (;;) { const stream = new CompressionStream('gzip'); stream.writable.getWriter().write(new Uint8Array(8)); all.push(stream); }",
    ),
    full("deflate-streams", "const zlib = await import('node:zlib'); const all = []; for (;;) all.push(zlib.createDeflate());"),
    full(
        "brotli-streams",
        "const zlib = await import('node:zlib'); const all = [];
        for (;;) { const stream = zlib.createBrotliCompress(); stream.write('x'.repeat(100_000)); all.push(stream); }",
    ),
    full(
        "zstd-streams",
        "const zlib = await import('node:zlib'); const all = [];
        for (;;) all.push(zlib.createZstdCompress({ params: { [zlib.constants.ZSTD_c_compressionLevel]: 22 } }));",
    ),
    full(
        "web-keys-held",
        "const bytes = new Uint8Array(1 << 20); const all = [];
        for (;;) all.push(await crypto.subtle.importKey('raw', bytes, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']));",
    ),
    full(
        "keys",
        "const { createSecretKey } = await import('node:crypto'); const bytes = new Uint8Array(1 << 20); const all = [];
        for (;;) all.push(createSecretKey(bytes));",
    ),
];

#[tokio::test]
async fn hoards_of_native_code() {
    let app = start(HOARDS).await;
    let before = resident(&app);
    for case in HOARDS {
        if let Err(why) = run(&app, case).await {
            panic!("{}: {why}\n{:#?}", case.name, lines_about(&app, case.name));
        }
        let grown = resident(&app).saturating_sub(before);
        assert!(grown < 400, "{}: the host holds {grown} MiB more", case.name);
    }
}

/// What was begun for an answered request, or for nobody, ends the function too.
#[tokio::test]
async fn computations_that_go_on_after_the_response() {
    let cases = [Hostile {
        name: "keys-left",
        attack: "const { pbkdf2 } = await import('node:crypto');
            for (let i = 0; i < 50; i++) pbkdf2('x', 'y', 1_000_000, 64, 'sha512', () => {});
            return new Response('done');",
        limits: SHORT,
        end: End::Answers("done"),
    }];
    let app = start(&cases).await;
    run(&app, &cases[0]).await.unwrap_or_else(|why| panic!("{why}"));
    app.until("the function is ended for it", || async {
        let told = "more than 300 ms of CPU time";
        lines_about(&app, "keys-left").iter().any(|line| field(line, "message").contains(told))
    })
    .await;
    assert_eq!(app.call("GET", "/functions/v1/keys-left/again").send().await.text(), "well");
}
