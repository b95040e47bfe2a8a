//! Reads, writes and calls through the data API, beside pgbench with the four statements that each needs,
//! on the same tables of the same Postgres with as many connections; near, and half a millisecond away.
//!
//! Near, a request saves processor time and little else; far, it saves round trips.

mod cpu;
mod delay;
mod distinct;
mod large;
mod schema;
mod shapes;

use std::path::Path;
use std::time::Duration;

use anyhow::Context;

use crate::fixture::Workplace;
use crate::load::{Load, is_installed, median};
use crate::options::Options;
use crate::product::Product;
use crate::report::{Figure, Goal, Measured, Unit, progress};
use crate::token;
use cpu::spent;
use shapes::{SHAPES, Shape};

/// One way between the host and its distant database.
const DELAY: Duration = Duration::from_micros(500);
/// Before the first run that counts.
const WARM_UP: Duration = Duration::from_secs(1);
/// Latency is that of a quarter of the connections. With all of them two cores have no time left, and what is
/// measured is whom the kernel lets wait: of a distant Postgres, single backends were seen to wait 100 ms for a
/// processor while no thread of the host waited 6.
const CALM_PARTS: u32 = 4;

pub(crate) async fn measure(
    product: &Product,
    binary: &Path,
    workplace: &Workplace,
    options: &Options,
) -> anyhow::Result<Measured> {
    let mut measured = Measured::default();
    if !is_installed("wrk") || !is_installed("pgbench") {
        measured.left_out.push("rest: needs wrk and pgbench; ./setup.sh bench installs them".into());
        return Ok(measured);
    }
    let near = Place { product, owner: product, url: product.value("DB_URL")?.into(), away: None };
    near.measure(workplace, options, &mut measured).await?;
    measured.add(distinct::measure(product, workplace, options).await?);
    measured.add(large::measure(product).await?);
    measured.add(schema::measure(product).await?);

    // The host prepares a database as its superuser; pgbench needs no more than the project's owner.
    let owner_url = product.value("DB_URL")?;
    let port = delay::start(port_of(owner_url)?, DELAY)?;
    let url = at_port(owner_url, port)?;
    let far_workplace = Workplace::fixture()?;
    let superuser_url = at_port(&workplace.host_database_url()?, port)?;
    let far_product = Product::start_on(binary, &far_workplace, &superuser_url).await?;
    let far = Place { product: &far_product, owner: product, url, away: Some(DELAY) };
    far.measure(&far_workplace, options, &mut measured).await?;
    far_product.stop().await?;
    Ok(measured)
}

/// `…@host:port/database`: who, the port, the database.
fn parts(url: &str) -> Option<(&str, &str, &str)> {
    let (who, place) = url.rsplit_once('@')?;
    let (host, database) = place.rsplit_once('/')?;
    let (_, port) = host.rsplit_once(':')?;
    Some((who, port, database))
}

fn port_of(url: &str) -> anyhow::Result<u16> {
    let (_, port, _) = parts(url).context("the database's URL names no port")?;
    port.parse().context("the port of the database's URL is no number")
}

/// The same log-in and database by TCP; the host's own way is a socket.
fn at_port(url: &str, port: u16) -> anyhow::Result<String> {
    let (who, _, database) = parts(url).context("the database's URL names no port")?;
    Ok(format!("{who}@127.0.0.1:{port}/{database}"))
}

/// A host and a way to its Postgres.
struct Place<'p> {
    product: &'p Product,
    /// Whose child Postgres is.
    owner: &'p Product,
    url: String,
    away: Option<Duration>,
}

/// One round: speed, latency at ease, and microseconds of processor time for each request.
#[derive(Clone, Copy, Debug)]
struct Sample {
    per_second: f64,
    calm_p99: f64,
    host: f64,
    postgres: f64,
}

impl Place<'_> {
    async fn measure(
        &self,
        workplace: &Workplace,
        options: &Options,
        measured: &mut Measured,
    ) -> anyhow::Result<()> {
        let token = self.product.token(token::USER)?;
        for shape in &SHAPES {
            progress(&format!("data API: {}{}", shape.name, self.place()));
            let ours = shape.requests(self.product.port, &token);
            let peer = shape.transactions(workplace, &self.url)?;
            let (mut our_runs, mut peer_runs) = (Vec::new(), Vec::new());
            for load in [ours(shape.connections), peer(shape.connections)] {
                load.timed(WARM_UP).await?;
            }
            for round in 1..=options.rounds {
                our_runs.push(self.run(shape, &ours, options.run_length()).await?);
                peer_runs.push(self.run(shape, &peer, options.run_length()).await?);
                let speed = |runs: &[Sample]| runs.last().map_or(0.0, |run| run.per_second);
                progress(&format!(
                    "  round {round}/{}: isobase {:.0}/s, pgbench {:.0}/s",
                    options.rounds,
                    speed(&our_runs),
                    speed(&peer_runs)
                ));
            }
            measured.figures.extend(self.figures(shape, &middle(&our_runs), &middle(&peer_runs)));
        }
        Ok(())
    }

    /// `load` makes what loads with so many connections.
    async fn run(
        &self,
        shape: &Shape,
        load: &impl Fn(u32) -> Load,
        length: Duration,
    ) -> anyhow::Result<Sample> {
        let (host, owner) = (self.product.process_id()?, self.owner.process_id()?);
        let before = spent(host, owner)?;
        let run = load(shape.connections).timed(length).await?;
        let after = spent(host, owner)?;
        let requests = run.per_second * length.as_secs_f64();
        Ok(Sample {
            per_second: run.per_second,
            calm_p99: load(shape.connections / CALM_PARTS).timed(length).await?.p99,
            host: (after.host - before.host) / requests,
            postgres: (after.postgres - before.postgres) / requests,
        })
    }

    fn place(&self) -> String {
        self.away.map_or(String::new(), |away| format!(", {} ms away", away.as_secs_f64() * 1000.0))
    }

    fn figures(&self, shape: &Shape, ours: &Sample, peer: &Sample) -> Vec<Figure> {
        let place = self.place();
        let figure = |what: &str, connections, ours, unit, peer: Option<f64>, goal| Figure {
            name: format!("REST: {}{place}{what}", shape.name),
            ours,
            unit,
            peer: peer.map(|peer| ("pgbench -M extended", peer)),
            goal,
            how: format!("wrk -t1 -c{connections} against -c{connections} -j2, RLS, JWT"),
        };
        let goal = shape.goals[usize::from(self.away.is_some())];
        let (all, calm) = (shape.connections, shape.connections / CALM_PARTS);
        let (speed, information) = (Unit::RequestsPerSecond, Goal::Information);
        let mut figures = vec![
            figure("", all, ours.per_second, speed, Some(peer.per_second), goal),
            figure(", p99", calm, ours.calm_p99, Unit::Milliseconds, Some(peer.calm_p99), information),
        ];
        if self.away.is_none() {
            let micros = Unit::Microseconds;
            figures.push(figure(", CPU of the host", all, ours.host, micros, None, information));
            let postgres = Some(peer.postgres);
            figures.push(figure(", CPU of Postgres", all, ours.postgres, micros, postgres, information));
        }
        figures
    }
}

fn middle(samples: &[Sample]) -> Sample {
    let of = |value: fn(&Sample) -> f64| median(samples.iter().map(value).collect());
    Sample {
        per_second: of(|sample| sample.per_second),
        calm_p99: of(|sample| sample.calm_p99),
        host: of(|sample| sample.host),
        postgres: of(|sample| sample.postgres),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_reached_through_another_port() {
        let socket = "postgresql://supabase_admin:s%40cret@%2Ftmp%2Fpg:5432/postgres";
        assert_eq!(port_of(socket).unwrap(), 5432);
        let near = at_port(socket, 6000).unwrap();
        assert_eq!(near, "postgresql://supabase_admin:s%40cret@127.0.0.1:6000/postgres");
        assert!(at_port("postgresql://nowhere", 1).is_err());
    }
}
