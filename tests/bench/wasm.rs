//! A WASM function that says hello, a fresh instance for every request on both sides; the very same
//! component under isobase and under `wasmtime serve`.

use anyhow::Context;

use crate::fixture::Workplace;
use crate::load::{Contender, Load, alternate, is_installed};
use crate::options::Options;
use crate::peers;
use crate::product::Product;
use crate::report::{Figure, Goal, Measured, Unit, progress};
use crate::token;
use crate::typescript::hello;

const PATH: &str = "/functions/v1/hello-wasm";
const COMPONENT: &str = ".isobase/wasm-target/wasm32-wasip2/release/hello_wasm.wasm";
const GOAL: f64 = 1.0;

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
    product.client(&token).expect("isobase", PATH, |body| body == "hello").await?;

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
        Contender { name: "isobase", load: Load::Wrk(hello(product.port, PATH, Some(&token))) },
        Contender { name: "wasmtime serve", load: Load::Wrk(hello(peer.port, "/", None)) },
    ];
    let speeds = alternate(&contenders, options).await?;
    measured.figures.push(Figure {
        name: "WASM hello, fresh instance".into(),
        ours: speeds[0],
        unit: Unit::RequestsPerSecond,
        peer: Some(("wasmtime serve", speeds[1])),
        goal: Goal::Ratio(GOAL),
        how: "wrk -t1 -c32; one component; isobase behind its gateway with a user's JWT, the peer bare"
            .into(),
    });
    Ok(measured)
}
