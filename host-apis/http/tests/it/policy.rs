//! Hosts as they are written, judged.

use isobase_base::{Egress, EgressEntry};
use isobase_http::{Destination, EgressPolicy, Refusal, Surroundings};

fn listed(entries: &[&str]) -> Egress {
    Egress::Listed(entries.iter().map(|entry| entry.parse::<EgressEntry>().unwrap()).collect())
}

fn surroundings() -> Surroundings {
    Surroundings { gateway: Some("127.0.0.1:54321".parse().unwrap()), closed_ports: vec![54328] }
}

/// `.` open, `L` not listed, `P` private, `O` the host's own port.
fn judge(policy: &EgressPolicy, host: &str, port: u16) -> char {
    match policy.check_host(host, port) {
        Ok(_) => '.',
        Err(Refusal::NotListed { .. }) => 'L',
        Err(Refusal::Private { .. }) => 'P',
        Err(Refusal::OwnPort { .. }) => 'O',
        Err(Refusal::NoName(_)) => 'N',
    }
}

#[test]
fn hosts_under_each_policy() {
    let policies = [
        EgressPolicy::development(surroundings(), &Egress::Host),
        EgressPolicy::production(surroundings(), &Egress::Host),
        EgressPolicy::development(surroundings(), &listed(&["api.example.com:443", "10.0.0.0/8:5432"])),
        EgressPolicy::development(surroundings(), &listed(&[])),
    ];
    for (host, port, expected) in [
        ("api.example.com", 443, "...L"),
        ("API.EXAMPLE.COM.", 443, "...L"),
        ("api.example.com", 80, "..LL"),
        ("8.8.8.8", 53, "..LL"),
        ("10.1.2.3", 5432, ".P.P"),
        ("10.1.2.3", 80, ".PPP"),
        ("[::ffff:10.1.2.3]", 5432, ".P.P"),
        ("0x0a010203", 5432, ".P.P"),
        ("127.0.0.1", 80, ".PPP"),
        ("127.0.0.1", 54321, "...."),
        ("localhost", 54321, "...."),
        ("[::1]", 54321, "...."),
        ("kong", 8000, "...."),
        ("kong", 80, "..LL"),
        ("127.0.0.1", 54328, "OOOO"),
        ("0.0.0.0", 54328, "OOOO"),
        ("[::]", 54328, "OOOO"),
        ("[::ffff:127.0.0.1]", 54328, "OOOO"),
        ("127.1", 54328, "OOOO"),
        ("", 80, "NNNN"),
    ] {
        let judged: String = policies.iter().map(|policy| judge(policy, host, port)).collect();
        assert_eq!(judged, expected, "{host}:{port}");
    }
    assert_eq!(
        policies[0].check_host("API.api.supabase.internal.", 8000),
        Ok(Destination::Name("api.api.supabase.internal".into(), 8000))
    );
}

#[test]
fn a_listed_name_opens_no_private_address() {
    let policy = EgressPolicy::production(
        surroundings(),
        &listed(&["db.internal", "10.0.0.0/8:5432", "localhost:3000"]),
    );
    let admits = |name, address: &str| policy.admits(name, address.parse().unwrap()).is_ok();
    assert!(admits("db.internal", "10.1.2.3:5432") && admits("db.internal", "8.8.8.8:80"));
    assert!(!admits("db.internal", "10.1.2.3:80") && !admits("db.internal", "169.254.169.254:80"));
    assert!(admits("localhost", "127.0.0.1:3000") && !admits("localhost", "127.0.0.1:3001"));
    let at_any_port = |name| policy.admits_at_any_port(name, "10.1.2.3".parse().unwrap()).is_ok();
    assert!(!at_any_port("db.internal"), "the name has all ports, the address one");
    let exact = EgressPolicy::production(surroundings(), &listed(&["db.internal:5432", "10.0.0.0/8:5432"]));
    assert!(exact.admits_at_any_port("db.internal", "10.1.2.3".parse().unwrap()).is_ok());
    assert!(exact.admits_at_any_port("other.internal", "10.1.2.3".parse().unwrap()).is_err());
}

#[test]
fn refusals_say_what_to_do_and_nothing_else() {
    let policy = EgressPolicy::production(surroundings(), &listed(&["db.internal"]));
    let refusal = policy.admits("db.internal", "10.9.8.7:443".parse().unwrap()).unwrap_err().to_string();
    assert!(refusal.contains("db.internal:443") && refusal.contains("capabilities.egress"), "{refusal}");
    assert!(!refusal.contains("10.9.8.7"), "where the name leads is not the guest's to know: {refusal}");
}
