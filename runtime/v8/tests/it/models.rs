//! `Supabase.ai` and `caches`: models behind HTTP, and polite refusals of what is not there.

use crate::outbound::server;
use crate::support::{context, function, get, read};

const OLLAMA: &str = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n\
    {\"response\":\"one \",\"done\":false}\n{\"response\":\"two\",\"done\":false}\n{\"response\":\"\",\"done\":true}\n";
const OPENAI: &str = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n\
    data: {\"choices\":[{\"delta\":{\"content\":\"hi\"}}]}\n\ndata: {\"choices\":[{\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
const WHOLE: &str = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{\"response\":\"all\",\"done\":true}";
const CUT: &str = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{\"response\":\"one\",\"done\":false}\n";
const MISSING: &str = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// What `expression` gives, with a host of models that answers with `answer`; and what that was asked.
async fn with_model(answer: &'static str, expression: &str) -> (String, String) {
    let (port, mut questions) = server(answer).await;
    let code = format!(
        "const session = new Supabase.ai.Session('llama');
         const collect = async (parts) => {{ const all = []; for await (const part of parts) all.push(part); return all; }};
         Deno.serve(async () => {{
            try {{ return Response.json(await ({expression})); }} catch (error) {{ return Response.json(`${{error}}`); }}
         }})"
    );
    let host = format!("http://127.0.0.1:{port}");
    let worker = function("models", &code).env("AI_INFERENCE_API_HOST", &host).boot().await.unwrap();
    let told = read(worker.invoke(get("/"), context()).await).await;
    (told, questions.recv().await.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn models_are_asked_in_both_dialects() {
    let (told, asked) = with_model(WHOLE, "session.run('why?')").await;
    assert_eq!(told, r#"200 {"response":"all","done":true}"#);
    assert!(asked.starts_with("POST /api/generate HTTP/1.1\r\n"), "{asked}");
    assert!(asked.ends_with(r#"{"model":"llama","prompt":"why?","stream":false}"#), "{asked}");

    let streamed = "(async () => (await collect(await session.run('why?', { stream: true }))).map((part) => part.response).join(''))()";
    assert_eq!(with_model(OLLAMA, streamed).await.0, r#"200 "one two""#);

    let chat = "(async () => (await collect(await session.run({ messages: [] }, { mode: 'openaicompatible', stream: true }))).length)()";
    let (told, asked) = with_model(OPENAI, chat).await;
    assert_eq!(told, "200 2");
    assert!(asked.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"), "{asked}");
    assert!(asked.ends_with(r#"{"model":"llama","stream":true,"messages":[]}"#), "{asked}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn failures_of_models_are_told() {
    let cut = "(async () => collect(await session.run('', { stream: true })))()";
    assert!(with_model(CUT, cut).await.0.contains("Did not receive done or success"));
    assert!(with_model(MISSING, "session.run('')").await.0.contains("Status 404"));
    let code = "Deno.serve(async () => {
        const said = async (work) => { try { return await work(); } catch (error) { return `${error.name}: ${error.message}`; } };
        return Response.json([
            await said(() => new Supabase.ai.Session('gte-small').run('')),
            await said(() => new Supabase.ai.Session('llama').run('')),
            await said(async () => (await (await caches.open('transformers-cache')).match('x')) === undefined),
            await said(() => caches.open('v1')),
        ]);
    })";
    let worker = function("nothing", code).boot().await.unwrap();
    let told = read(worker.invoke(get("/"), context()).await).await;
    for part in [
        "gte-small is not installed",
        "AI_INFERENCE_API_HOST is not set",
        "true",
        "NotSupported: caches.open",
    ] {
        assert!(told.contains(part), "{told}");
    }
}
