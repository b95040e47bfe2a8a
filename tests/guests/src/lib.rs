//! Tiny functions, one behaviour each, chosen by the path: `/hello`, `/echo`, `/spin`, ….
//!
//! Compiled for the host, this crate only embeds the component ([`COMPONENT`]).

mod behave;
mod files;
mod misbehave;
mod queue;
mod realtime;
mod sql;
mod webhook;

use isobase_sdk::{Request, Response, handler};

/// This crate as a component.
#[cfg(not(target_family = "wasm"))]
pub const COMPONENT: &[u8] = include_bytes!(env!("ISOBASE_GUESTS"));

/// Answers with what the first segment of the path names.
pub fn serve(request: Request) -> Response {
    if request.header("x-isobase-trigger").is_some() {
        return queue::consume(request);
    }
    // A function deployed as `guests` sees its own name first.
    let named = |segment: &&str| !segment.is_empty() && *segment != "guests";
    let behaviour = request.path().split('/').find(named).unwrap_or("hello");
    match behaviour {
        "hello" => behave::hello(),
        "head" => behave::head(&request),
        "echo" => behave::echo(request),
        "echo-by-hand" => behave::echo_by_hand(request),
        "upper" => behave::upper(request),
        "count" => behave::count(),
        "environment" => behave::environment(),
        "caller" => behave::caller(),
        "big" => behave::big(&request),
        "slow-stream" => behave::slow_stream(&request),
        "log" => behave::log(&request),
        "fetch" => behave::fetch(&request),
        "sleep" => behave::sleep(&request),
        "random" => behave::random(),
        "keep" => behave::keep(&request),
        "spin" => misbehave::spin(),
        "spin-after-head" => misbehave::spin_after_head(),
        "hoard" => misbehave::hoard(),
        "hoard-politely" => misbehave::hoard_politely(),
        "panic" => misbehave::panic(),
        "panic-after-head" => misbehave::panic_after_head(),
        "trap" => misbehave::trap(),
        "exit" => misbehave::exit(),
        "overflow" => misbehave::overflow(),
        "deadlock" => misbehave::deadlock(),
        "invalid-status" => Response::new(42),
        "invalid-header" => Response::new(200).with_header("bad header", "x"),
        "sql" => sql::query(&request),
        "sql-document" => sql::document(&request),
        "sql-documents" => sql::documents(&request),
        "sql-lines" => sql::lines(&request),
        "sql-body" => sql::body(request),
        "sql-stream" => sql::stream(&request),
        "sql-transaction" => sql::transaction(&request),
        "sql-service" => sql::service(&request),
        "generation" => sql::generation(&request),
        "queue-send" => queue::send(&request),
        "queue-send-batch" => queue::send_batch(&request),
        "queue-read" => queue::read(&request),
        "queue-settle" => queue::settle(&request),
        "queue-metrics" => queue::metrics(&request),
        "queue-consume" => queue::consume(request),
        "publish" => realtime::publish(&request),
        "file-put" => files::put(request),
        "file-put-text" => files::put_text(&request),
        "file-upload" => files::upload(&request),
        "file-get" => files::get(&request),
        "file-read" => files::read(&request),
        "file-store-again" => files::store_again(&request),
        "file-head" => files::head(&request),
        "file-list" => files::list(&request),
        "file-copy" => files::copy(&request),
        "file-move" => files::rename(&request),
        "file-remove" => files::remove(&request),
        "file-sign" => files::sign(&request),
        "file-verify" => files::verify(&request),
        "webhook" => webhook::receive(request),
        _ => Response::text(format!("no behaviour is called {behaviour}")).with_status(404),
    }
}

handler!(serve);
