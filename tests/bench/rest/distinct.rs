//! What caches are worth: requests that each bring a new token, and a thousand shapes of one request.

use std::fmt::Write;

use crate::fixture::Workplace;
use crate::load::{Contender, Load, Wrk, alternate};
use crate::options::Options;
use crate::product::Product;
use crate::report::{Figure, Goal, Measured, Unit, progress};
use crate::token;

use super::shapes::lua;

const CONNECTIONS: u32 = 16;
/// More than any run sends, so that none is met again before the cache has let go of it.
const TOKENS: usize = 50_000;

pub(super) async fn measure(
    product: &Product,
    workplace: &Workplace,
    options: &Options,
) -> anyhow::Result<Measured> {
    progress("new tokens and many shapes");
    let file = workplace.beside("tokens.txt");
    let secret = product.value("JWT_SECRET")?;
    let mut tokens = String::new();
    for number in 0..TOKENS {
        _ = writeln!(tokens, "{}", token::sign_numbered(secret, token::USER, number)?);
    }
    std::fs::write(&file, tokens)?;
    let load = |name, script| {
        let load = Load::Wrk(Wrk {
            port: product.port,
            path: "/".into(),
            connections: CONNECTIONS,
            token: Some(product.token(token::USER)?),
            script: Some(lua(script)),
            variables: vec![("TOKENS", file.clone())],
        });
        anyhow::Ok(Contender { name, load })
    };
    let contenders = [
        load("one token, one shape", "row.lua")?,
        load("new tokens", "tokens.lua")?,
        load("1,000 shapes", "distinct.lua")?,
    ];
    let speeds = alternate(&contenders, options).await?;
    let figures = ["REST: row by key, each request a new token", "REST: row by key, 1,000 shapes"];
    let figures = figures.into_iter().zip(&speeds[1..]).map(|(name, speed)| Figure {
        name: name.into(),
        ours: *speed,
        unit: Unit::RequestsPerSecond,
        peer: Some(("one token, one shape", speeds[0])),
        goal: Goal::Information,
        how: format!("wrk -t1 -c{CONNECTIONS} on both"),
    });
    Ok(Measured { figures: figures.collect(), left_out: Vec::new() })
}
