//! TEMP
use crate::script::{config, function, limits, target, theatre};
use isobase_base::*;
use std::time::Instant;
#[tokio::test]
async fn hot() {
    let theatre = theatre(config());
    theatre.publish("f", 1, limits(100));
    theatre.pool.prewarm(&target("f")).await.unwrap();
    let worker = isobase_engine::Engine::boot(&crate::script::Scripted(theatre.stage.clone()), function("f", 1, limits(100))).await.unwrap();
    let context = Context { request_id: RequestId::generate(), trace: TraceContext::generate(), principal: Principal::anon(),
        deadline: Instant::now() + std::time::Duration::from_secs(60), client: Client { address: [127,0,0,1].into() } };
    let target = target("f");
    for _ in 0..3 {
        let n = 200_000u32;
        let began = Instant::now();
        for _ in 0..n { let r = http::Request::builder().uri("/ok").body(Body::Empty).unwrap(); std::hint::black_box(worker.invoke(r, context.clone()).await.unwrap()); }
        let bare = began.elapsed() / n;
        let began = Instant::now();
        for _ in 0..n { let r = http::Request::builder().uri("/ok").body(Body::Empty).unwrap(); std::hint::black_box(theatre.pool.invoke(target.clone(), r, context.clone()).await.unwrap()); }
        let pooled = began.elapsed() / n;
        let began = Instant::now();
        let id = context.request_id;
        for _ in 0..n { theatre.observer.record(isobase_base::observe::Observation::Invocation { target: &target, request_id: id, failure: None, queue_wait: std::time::Duration::ZERO, duration: std::time::Duration::ZERO }); }
        eprintln!("TEMP bare {bare:?} pooled {pooled:?} record {:?}", began.elapsed() / n);
    }
}
