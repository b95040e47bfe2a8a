//! What takes more than one request to show: a page and the one after it, a version and its change.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use isobase_rest::{Catalog, Incoming, Settings, serve};

use crate::host::{Bench, Session};
use crate::scenario::Given;

/// Requests of one client, each seeing what those before it did.
pub(crate) struct Client<'c> {
    pub(crate) bench: &'c mut Bench,
    /// Somebody else's connection.
    pub(crate) other: &'c mut Option<Bench>,
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
        let mut session = Session::new(self.bench, "anon", r#"{"role":"anon"}"#, body.as_bytes());
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

    /// Runs `send`, and lets the other's transaction end as soon as somebody waits for it.
    fn while_waited_for(&mut self, send: impl FnOnce(&mut Client<'_>) -> Given) -> Given {
        let Client { bench, other, catalog, settings } = self;
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let other = other.as_mut().expect("a second connection");
                while other.first_text("select count(*)::text from pg_locks where not granted") == "0" {
                    std::thread::yield_now();
                }
                other.batch("commit");
            });
            // The other's connection is in use: whoever sends has none.
            let mut none = None;
            send(&mut Client { bench, other: &mut none, catalog, settings: settings.clone() })
        })
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
    large_batches_are_refused(client);
    items_use_what_earlier_ones_returned(client);
    a_nested_insert_that_fails_has_changed_nothing(client);
    pages_are_the_whole_in_order(client);
    pages_among_nulls_are_found_by_index(client);
    versions_follow_the_rows(client);
    versions_guard_writes(client);
    a_change_in_the_meantime_is_not_overwritten(client);
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

fn large_batches_are_refused(client: &mut Client<'_>) {
    let item = r#"{"method":"GET","path":"/labels?id=eq.1"}"#;
    let items = |count: usize| format!("[{}]", vec![item; count].join(","));
    assert_eq!(client.send("POST", "/", &[], &items(100)).status, 200);
    for body in [items(101), format!("[{}]", " ".repeat(5 << 20)), format!("[{}", items(200_000))] {
        let given = client.send("POST", "/", &[], &body);
        assert!(given.body.contains("ISB101") && given.status == 413, "{} {}", given.status, given.body);
    }
}

fn items_use_what_earlier_ones_returned(client: &mut Client<'_>) {
    let batch = r#"[
      {"method":"POST","path":"/orders?select=id","headers":{"Prefer":"return=representation"},"body":{"customer":"Eve"}},
      {"method":"POST","path":"/order_lines","with":{"order":"0/body/0/id"},"body":{"order_id":"${order}","position":1,"item":"${order}s"}},
      {"method":"GET","path":"/order_lines?order_id=eq.${order}&select=item","with":{"order":"0/body/0/id"}}
    ]"#;
    let given = client.send("POST", "/", &[], batch);
    assert_eq!(given.status, 200, "{}", given.body);
    let lines = client.get("/orders?customer=eq.Eve&select=order_lines(position,item)").body;
    assert_eq!(lines, r#"[{"order_lines":[{"item": "${order}s", "position": 1}]}]"#);
    assert!(given.body.contains(r#""body":[{"item":"${order}s"}]}]"#), "{}", given.body);
}

fn a_nested_insert_that_fails_has_changed_nothing(client: &mut Client<'_>) {
    let body = r#"{"id":9,"name":"Echo","labels":{"id":9,"name":"West"},
      "concerts":[{"id":9,"title":"One","starts_at":"2026-07-01"},{"id":1,"title":"Two","starts_at":"2026-07-01"}]}"#;
    let target = "/artists?select=labels(id),concerts(id)";
    let nested = ("Prefer", "nested=insert");
    assert_eq!(client.send("POST", target, &[nested], body).status, 409);
    for target in ["/artists?id=eq.9", "/labels?id=eq.9", "/concerts?id=eq.9"] {
        assert_eq!(client.get(target).body, "[]", "{target}");
    }
    assert_eq!(client.send("POST", target, &[nested], &body.replace(r#""id":1,"#, r#""id":8,"#)).status, 201);
    let shown = "select=label_id,concerts(id)";
    let whole = r#"[{"label_id":9,"concerts":[{"id": 8}, {"id": 9}]}]"#;
    assert_eq!(client.get(&format!("/artists?id=eq.9&{shown}&concerts.order=id")).body, whole);
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
        "concerts?select=*&order=price",
        "concerts?select=id,title,artists(name,labels(name)),stages!left(name)&order=stage_id&price=not.is.null",
        "concerts?order=stage_id.nullsfirst,price.desc&or=(price.is.null,price.gt.1)",
        "artists?select=name,age&order=founded",
        "artists?select=name,concerts(title)&order=founded&age=gt.1",
        "artists?select=id,concerts!inner(id)&order=label_id.desc.nullslast&concerts=not.is.null",
        "artists?select=id,profile->members&order=rating&profile->>members=neq.2",
        "artist_cards?select=card_name&order=label_id",
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

/// Of 6000 rows every tenth has no score: they come last, or first.
fn pages_among_nulls_are_found_by_index(client: &mut Client<'_>) {
    let settings = client.settings.clone();
    client.settings = Settings { plan_enabled: true, rows_max: None, ..settings.clone() };
    for (order, place, conditions) in [
        ("score", r#"["4974","17"]"#, ["(score >= 4974)", "(score IS NULL)"]),
        ("score", r#"[null,"3000"]"#, ["(score IS NULL)", "(id > 3000)"]),
        ("score.nullsfirst", r#"[null,"3000"]"#, ["(score IS NULL)", "(score IS NOT NULL)"]),
        ("score.nullsfirst", r#"["4974","17"]"#, ["(score >= 4974)", "(score >= 4974)"]),
    ] {
        let given = client.get(&format!("/tallies?select=id,score&order={order}&limit=2&after="));
        let link = header(&given, "link").expect("a link to the next page");
        let token =
            link.rsplit_once("after=").and_then(|(_, rest)| rest.split('>').next()).expect("a cursor");
        let decoded = URL_SAFE_NO_PAD.decode(token).expect("base64");
        let shown: serde_json::Value = serde_json::from_slice(&decoded).expect("JSON");
        let values: serde_json::Value = serde_json::from_str(place).expect("JSON");
        let cursor = serde_json::json!([shown[0], values]).to_string();
        let target = format!(
            "/tallies?select=id,score&order={order}&limit=5&after={}",
            URL_SAFE_NO_PAD.encode(cursor)
        );
        let whole = rows(&client.get(&format!("/tallies?select=id,score&order={order},id")).body);
        let after = |row: &serde_json::Value| {
            let text = |name: &str| row[name].as_i64().map(|number| number.to_string());
            serde_json::json!([text("score"), text("id")]) == values
        };
        let position = whole.iter().position(after).expect("the row of the cursor");
        let page = rows(&client.get(&target).body);
        assert_eq!(page, whole[position + 1..position + 6], "{target}");
        let plan = client.send("GET", &target, &[("Accept", "application/vnd.pgrst.plan+text")], "").body;
        assert!(!plan.contains("Seq Scan") && !plan.contains("Sort  ("), "{target}\n{plan}");
        for condition in conditions {
            let found = plan.lines().any(|line| line.contains("Index Cond:") && line.contains(condition));
            assert!(found, "{target}: no index finds {condition}\n{plan}");
        }
    }
    client.settings = settings;
}

const ASKED: (&str, &str) = ("Prefer", "etag");

fn tag(given: &Given) -> String {
    header(given, "etag").unwrap_or_else(|| panic!("no ETag: {} {}", given.status, given.body)).to_owned()
}

fn versions_follow_the_rows(client: &mut Client<'_>) {
    let targets = [
        "/stages?id=lte.2",
        "/stages?id=eq.1&select=name",
        "/artists?select=id,concerts(title)&order=id&limit=2",
        "/stages?select=capacity.sum()",
        "/stages?after=&limit=2",
    ];
    client.settings.aggregates_enabled = true;
    for target in targets {
        let first = tag(&client.send("GET", target, &[ASKED], ""));
        assert_eq!(tag(&client.send("GET", target, &[ASKED], "")), first, "{target}");
        let known = client.send("GET", target, &[("If-None-Match", &format!("\"x\", W/{first}"))], "");
        assert_eq!((known.status, known.body.as_str(), tag(&known)), (304, "", first.clone()), "{target}");
        assert_eq!(client.send("GET", target, &[("If-Match", &first)], "").status, 200, "{target}");
        client.send("PATCH", "/stages?id=eq.1", &[], r#"{"capacity":1,"name":"Changed"}"#);
        client.send("PATCH", "/concerts?id=eq.1", &[], r#"{"title":"Changed"}"#);
        let changed = client.send("GET", target, &[("If-None-Match", &first)], "");
        assert_eq!(changed.status, 200, "{target}");
        assert_ne!(tag(&changed), first, "{target}");
        assert_eq!(client.send("GET", target, &[("If-Match", &first)], "").status, 412, "{target}");
        client.reset();
    }
}

fn versions_guard_writes(client: &mut Client<'_>) {
    let body = r#"{"capacity":7}"#;
    // Another selection, another form: the rows are the same.
    let seen = tag(&client.send("GET", "/stages?id=eq.1&select=name", &[ASKED, ("Accept", "text/csv")], ""));
    let written = client.send("PATCH", "/stages?id=eq.1", &[("If-Match", &seen), ASKED], body);
    assert_eq!(written.status, 204, "{}", written.body);
    let stale = client.send("PATCH", "/stages?id=eq.1", &[("If-Match", &seen)], r#"{"capacity":8}"#);
    assert_eq!(stale.status, 412);
    assert_eq!(client.get("/stages?id=eq.1&select=capacity").body, r#"[{"capacity":7}]"#);
    // A write tells the version it made, and the next one goes from there.
    let new = tag(&written);
    let again = client.send("PATCH", "/stages?id=eq.1", &[("If-Match", &new)], r#"{"name":"Again"}"#);
    assert_eq!(again.status, 204, "{}", again.body);
    let read = tag(&client.send("GET", "/stages?id=eq.1", &[ASKED], ""));
    let put = r#"{"id":1,"name":"Put","capacity":5}"#;
    assert_eq!(client.send("PUT", "/stages?id=eq.1", &[("If-Match", &read)], put).status, 204);
    assert_eq!(client.send("PUT", "/stages?id=eq.1", &[("If-Match", &read)], put).status, 412);
    let several = tag(&client.send("GET", "/tickets?visitor_id=eq.1", &[ASKED], ""));
    client.send("PATCH", "/tickets?visitor_id=eq.1&concert_id=eq.2", &[], r#"{"seat":"Z9"}"#);
    let deletion = "/tickets?visitor_id=eq.1";
    assert_eq!(client.send("DELETE", deletion, &[("If-Match", &several)], "").status, 412);
    let several = tag(&client.send("GET", deletion, &[ASKED], ""));
    assert_eq!(client.send("DELETE", deletion, &[("If-Match", &several)], "").status, 204);
    let inserted = client.send("POST", "/labels", &[ASKED], r#"{"id":9,"name":"West"}"#);
    let insert_tag = tag(&inserted);
    assert_eq!(client.send("DELETE", "/labels?id=eq.9", &[("If-Match", &insert_tag)], "").status, 204);
    client.reset();
}

/// Somebody else has changed a row, but not committed, when the write begins: it sees the old version
/// and waits. The new one is what it must be held against.
fn a_change_in_the_meantime_is_not_overwritten(client: &mut Client<'_>) {
    let targets = [
        ("PATCH", "/stages?id=eq.1", r#"{"capacity":7}"#),
        ("PATCH", "/stages?id=lte.2", r#"{"capacity":7}"#),
        ("DELETE", "/stages?id=eq.1", ""),
        ("PUT", "/stages?id=eq.1", r#"{"id":1,"name":"Put","capacity":5}"#),
    ];
    client.bench.batch("truncate public.concerts cascade");
    for (method, target, body) in targets {
        let seen = tag(&client.send("GET", target, &[ASKED], ""));
        client
            .other
            .as_mut()
            .expect("a second connection")
            .batch("begin; update public.stages set name = 'Other' where id = 1");
        let given =
            client.while_waited_for(|client| client.send(method, target, &[("If-Match", &seen)], body));
        assert_eq!(given.status, 412, "{method} {target}: {}", given.body);
        assert!(client.get("/stages?id=eq.1").body.contains("Other"), "{method} {target}");
        client.bench.batch("update public.stages set name = 'Main' where id = 1");
    }
    client.reset();
}

fn rows(body: &str) -> Vec<serde_json::Value> {
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}"))
}
