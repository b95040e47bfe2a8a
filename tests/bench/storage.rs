//! Objects through a TypeScript function, with a user's token and under row level security: stored for
//! good, and read. Beside it the same bytes as plain files on the same disk.

use crate::fixture::{Workplace, source};
use crate::load::{Contender, Load, Wrk, alternate, is_installed};
use crate::options::Options;
use crate::plain_files::{Act, PlainFiles};
use crate::product::Product;
use crate::report::{Figure, Goal, Measured, Unit, progress};
use crate::token;

const CONNECTIONS: u32 = 8;
const SIZES: [(usize, &str); 2] = [(100 * 1024, "100 KiB"), (1024 * 1024, "1 MiB")];

pub(crate) async fn measure(
    product: &Product,
    workplace: &Workplace,
    options: &Options,
) -> anyhow::Result<Measured> {
    progress("objects through a function");
    let mut measured = Measured::default();
    if !is_installed("wrk") {
        measured.left_out.push("storage: needs wrk; ./setup.sh bench installs it".into());
        return Ok(measured);
    }
    let token = product.token(token::USER)?;
    for (bytes, size) in SIZES {
        let name = format!("bench-{bytes}");
        let path = format!("/functions/v1/files?name={name}");
        product.client(&token).post_bytes(&path, vec![b'x'; bytes]).await?;
        product.client(&token).expect("isobase", &path, |body| body.len() == bytes).await?;
        let put = script(&workplace.beside(&format!("put-{bytes}.lua")), bytes)?;
        for (what, act, script) in [("put", Act::Write, Some(put)), ("get", Act::Read, None)] {
            let wrk = Wrk {
                port: product.port,
                path: path.clone(),
                connections: CONNECTIONS,
                token: Some(token.clone()),
                script,
                variables: Vec::new(),
            };
            let folder = workplace.beside(&format!("plain-{bytes}"));
            let plain = PlainFiles { folder: folder.clone(), bytes, threads: CONNECTIONS as usize, act };
            let peer = match act {
                Act::Write => "plain files, write + fdatasync",
                Act::Read => "plain files, read",
            };
            let contenders = [
                Contender { name: "isobase", load: Load::Wrk(wrk) },
                Contender { name: peer, load: Load::PlainFiles(plain) },
            ];
            let speeds = alternate(&contenders, options).await?;
            // Thousands of files, on the disk that is measured next.
            std::fs::remove_dir_all(&folder)?;
            measured.figures.push(Figure {
                name: format!("Storage: {what} {size}, RLS, JWT"),
                ours: speeds[0],
                unit: Unit::RequestsPerSecond,
                peer: Some((peer, speeds[1])),
                goal: Goal::Information,
                how: format!(
                    "wrk -t1 -c{CONNECTIONS} through a TypeScript function; as many threads on files"
                ),
            });
        }
    }
    Ok(measured)
}

/// `put.lua` for objects of `bytes`.
fn script(path: &std::path::Path, bytes: usize) -> anyhow::Result<std::path::PathBuf> {
    let text = std::fs::read_to_string(source("put.lua"))?;
    std::fs::write(path, text.replace("BYTES", &bytes.to_string()))?;
    Ok(path.to_owned())
}
