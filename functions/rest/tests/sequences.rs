//! What takes more than one request to show: a page and the one after it, a version and its change.

use isobase_rest::{Catalog, Incoming, Settings, serve};

use crate::host::{Bench, Session};
use crate::scenario::Given;

/// Requests of one client, each seeing what those before it did.
pub(crate) struct Client<'c> {
    pub(crate) bench: &'c mut Bench,
    pub(crate) catalog: &'c Catalog,
    pub(crate) settings: Settings,
}

impl Client<'_> {
    fn send(&mut self, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Given {
        let mut headers = headers
            .iter()
            .map(|(name, value)| (name.to_ascii_lowercase(), value.as_bytes().to_vec()))
            .collect::<Vec<_>>();
        if !body.is_empty() {
            headers.push(("content-type".into(), b"application/json".to_vec()));
        }
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let incoming = Incoming { method, path, query, headers: &headers };
        let mut session = Session::new(self.bench, "anon", r#"{"role":"anon"}"#, body);
        let answer = serve(&incoming, self.catalog, &self.settings, &mut session);
        session.given(answer)
    }

    fn get(&mut self, target: &str) -> Given {
        self.send("GET", target, &[], "")
    }

    /// All pages of `target`, by following links.
    fn pages(&mut self, target: &str) -> Vec<String> {
        let path = target.split('?').next().expect("a path").to_owned();
        let mut target = target.to_owned();
        let mut pages = Vec::new();
        while pages.len() < 20 {
            let given = self.get(&target);
            assert!(given.status < 300, "{target}: {} {}", given.status, given.body);
            let link = header(&given, "link").map(str::to_owned);
            pages.push(given.body);
            let Some(link) = link else { return pages };
            let query = link.strip_prefix("<?").and_then(|rest| rest.split('>').next()).expect("a query");
            target = format!("{path}?{query}");
        }
        panic!("the pages of {target} do not end: {pages:?}");
    }

    fn reset(&mut self) {
        self.bench.batch("select public.compat_reset()");
    }
}

fn header<'g>(given: &'g Given, name: &str) -> Option<&'g str> {
    given.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

/// # Panics
/// When one of them goes otherwise.
pub(crate) fn hold(client: &mut Client<'_>) {
    a_batch_that_fails_has_changed_nothing(client);
    pages_are_the_whole_in_order(client);
}

fn a_batch_that_fails_has_changed_nothing(client: &mut Client<'_>) {
    let batch = r#"[
      {"method":"DELETE","path":"/tickets"},
      {"method":"POST","path":"/stages","body":{"id":9,"name":"Cellar"}},
      {"method":"POST","path":"/stages","body":{"id":9,"name":"Cellar again"}}
    ]"#;
    let given = client.send("POST", "/", &[], batch);
    assert_eq!(given.status, 409, "{}", given.body);
    assert!(given.body.ends_with(r#","item":2}"#), "{}", given.body);
    assert_eq!(client.get("/stages?id=eq.9").body, "[]");
    assert_eq!(client.get("/tickets?select=count:visitor_id").body.matches("count").count(), 4);

    let rolled_back = r#"[{"method":"DELETE","path":"/tickets"}]"#;
    client.settings.transaction_end_allowed = true;
    assert_eq!(client.send("POST", "/", &[("Prefer", "tx=rollback")], rolled_back).status, 200);
    assert_ne!(client.get("/tickets").body, "[]");
    assert_eq!(client.send("POST", "/", &[], rolled_back).status, 200);
    assert_eq!(client.get("/tickets").body, "[]");
    client.reset();
}

/// Every order, with nulls among its values, in pages of every length.
fn pages_are_the_whole_in_order(client: &mut Client<'_>) {
    let orders = [
        "artists?select=id&order=rating",
        "artists?select=id&order=rating.desc",
        "artists?select=id&order=rating.nullsfirst",
        "artists?select=id&order=rating.desc.nullslast",
        "artists?select=id&order=active.desc,rating.asc,founded",
        "artists?select=id&order=country.desc.nullslast,active",
        "artists?select=id&order=id.desc",
        "artists?select=id&order=profile->home->>city.desc,profile->members",
        "artists?select=id",
        "concerts?select=id&order=starts_at.desc",
        "concerts?select=id&order=price,stage_id.desc",
        "concerts?select=id,artists(name)&order=artists(name).desc,price",
        "ratings?select=artist_id,critic&order=stars.desc",
        "ratings?select=artist_id,critic",
        "moods?select=id&order=mood.desc",
        "readings?select=id&order=level,period.desc",
        "Größe?select=id&order=wert.desc",
        "tickets?select=visitor_id,concert_id&order=seat.desc",
    ];
    for target in orders {
        let whole: Vec<serde_json::Value> = rows(&client.get(&format!("/{target}&after=")).body);
        assert_eq!(whole.len(), rows(&client.get(&format!("/{target}")).body).len(), "{target}");
        for length in 1..=3 {
            let pages = client.pages(&format!("/{target}&limit={length}&after="));
            let paged = pages.iter().flat_map(|page| rows(page)).collect::<Vec<_>>();
            assert_eq!(paged, whole, "{target} in pages of {length}");
        }
    }
}

fn rows(body: &str) -> Vec<serde_json::Value> {
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}"))
}
