//! A WASM function that says hello, a fresh instance for every request on both sides.
//!
//! `hello-wasi` is plain wasi:http, so the very same component runs under isobase and under
//! `wasmtime serve`; `hello-wasm` is what a user writes with isobase's SDK.

use anyhow::Context;

use crate::fixture::Workplace;
use crate::load::{Contender, Load, alternate, is_installed};
use crate::options::Options;
use crate::peers;
use crate::product::Product;
use crate::report::{Figure, Goal, Measured, Unit, progress};
use crate::token;
use crate::typescript::hello;

const PLAIN: &str = "/functions/v1/hello-wasi";
const WITH_SDK: &str = "/functions/v1/hello-wasm";
const COMPONENT: &str = ".isobase/wasm-target/wasm32-wasip2/release/hello_wasi.wasm";
const GOAL: f64 = 1.0;

/// Cargo builds both functions after the start; the host holds a request to either until it has.
pub(crate) async fn await_build(product: &Product) -> anyhow::Result<()> {
    progress("waiting until cargo has built the WASM functions");
    let client = product.client(&product.token(token::USER)?);
    for path in [PLAIN, WITH_SDK] {
        client.expect("isobase", path, |body| body == "hello").await?;
    }
    Ok(())
}

pub(crate) async fn measure(
    product: &Product,
    workplace: &Workplace,
    options: &Options,
) -> anyhow::Result<Measured> {
    progress("a WASM hello");
    let mut measured = Measured::default();
    if !is_installed("wrk") {
        measured.left_out.push("wasm: needs wrk; ./setup.sh bench installs it".into());
        return Ok(measured);
    }
    let token = product.token(token::USER)?;
    let component = workplace.project().join(COMPONENT);
    let component =
        component.canonicalize().with_context(|| format!("no component at {}", component.display()))?;
    let peer = match peers::wasmtime(workplace, &component).await? {
        Ok(peer) => peer,
        Err(missing) => {
            measured.left_out.push(missing);
            return Ok(measured);
        }
    };
    let contenders = [
        Contender { name: "isobase", load: Load::Wrk(hello(product.port, PLAIN, Some(&token))) },
        Contender { name: "isobase, SDK", load: Load::Wrk(hello(product.port, WITH_SDK, Some(&token))) },
        Contender { name: "wasmtime serve", load: Load::Wrk(hello(peer.port, "/", None)) },
    ];
    let speeds = alternate(&contenders, options).await?;
    let figure = |name: &str, ours, how: &str| Figure {
        name: name.into(),
        ours,
        unit: Unit::RequestsPerSecond,
        peer: Some(("wasmtime serve", speeds[2])),
        goal: Goal::Ratio(GOAL),
        how: format!("wrk -t1 -c32; {how}; isobase behind its gateway with a user's JWT, the peer bare"),
    };
    measured.figures.push(figure("WASM hello, plain wasi:http", speeds[0], "one component on both"));
    measured.figures.push(figure("WASM hello, isobase's SDK", speeds[1], "the peer runs plain wasi:http"));
    Ok(measured)
}
