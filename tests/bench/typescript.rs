//! A TypeScript function that says hello, called with a user's token: the gateway's price beside
//! servers that only serve the function.

use crate::fixture::Workplace;
use crate::load::{Contender, Load, Wrk, alternate, is_installed};
use crate::options::Options;
use crate::peers;
use crate::product::Product;
use crate::report::{Figure, Goal, Measured, Unit, progress};
use crate::token;

const CONNECTIONS: u32 = 32;
const PATH: &str = "/functions/v1/hello";
/// Deno serves one program in its own process; it verifies nothing and isolates nobody.
const DENO_GOAL: f64 = 0.5;
/// workerd is the closest in kind: an isolate behind a server.
const WORKERD_GOAL: f64 = 3.0;

pub(crate) async fn measure(
    product: &Product,
    workplace: &Workplace,
    options: &Options,
) -> anyhow::Result<Measured> {
    progress("a TypeScript hello");
    let mut measured = Measured::default();
    if !is_installed("wrk") {
        measured.left_out.push("typescript: needs wrk; ./setup.sh bench installs it".into());
        return Ok(measured);
    }
    let token = product.token(token::USER)?;
    product.client(&token).expect("isobase", PATH, |body| body == "hello").await?;

    let found = [
        ("deno", DENO_GOAL, peers::deno(workplace).await),
        ("workerd", WORKERD_GOAL, peers::workerd(workplace).await),
    ];
    let mut contenders =
        vec![Contender { name: "isobase", load: Load::Wrk(hello(product.port, PATH, Some(&token))) }];
    let mut goals = Vec::new();
    for (name, goal, peer) in &found {
        match peer {
            Ok(Ok(peer)) => {
                contenders.push(Contender { name, load: Load::Wrk(hello(peer.port, "/", None)) });
                goals.push(*goal);
            }
            Ok(Err(missing)) => measured.left_out.push(missing.clone()),
            Err(error) => measured.left_out.push(format!("{name}: {error:#}")),
        }
    }
    let speeds = alternate(&contenders, options).await?;
    for ((contender, speed), goal) in contenders.iter().zip(&speeds).skip(1).zip(goals) {
        measured.figures.push(Figure {
            name: "TypeScript hello".into(),
            ours: speeds[0],
            unit: Unit::RequestsPerSecond,
            peer: Some((contender.name, *speed)),
            goal: Goal::Ratio(goal),
            how: format!(
                "wrk -t1 -c{CONNECTIONS}; isobase behind its gateway with a user's JWT, the peer bare"
            ),
        });
    }
    Ok(measured)
}

pub(crate) fn hello(port: u16, path: &str, token: Option<&str>) -> Wrk {
    Wrk {
        port,
        path: path.into(),
        connections: CONNECTIONS,
        token: token.map(str::to_owned),
        script: None,
        variables: Vec::new(),
    }
}
