//! The modules a script imports have every function of the guest contract, `sdk/wit/host.wit`, under
//! the same name in camel case.

/// What TypeScript spells in its own way: the WIT name, and why it has no export of that name.
const SPELLED_OTHERWISE: &[(&str, &str)] = &[
    // Bodies are bytes, transactions and row streams are objects: their methods are tested at work.
    ("length", "document.body.length"),
    ("read", "document.body"),
    ("open", "stream()"),
    ("columns", "rows are objects by column"),
    ("next", "for await"),
    ("constructor", "transaction()"),
    ("commit", "Transaction.commit"),
    ("rollback", "Transaction.rollback"),
    ("%stream", "get() gives a body, put() takes a ReadableStream"),
    ("finish", "put() takes a ReadableStream"),
];

/// Names of the functions of `interface`, in the order of the contract.
fn contract(interface: &str) -> Vec<String> {
    let wit = include_str!("../../../sdk/wit/host.wit");
    let begin = wit.find(&format!("interface {interface} {{")).expect("the contract has the interface");
    let body = &wit[begin..];
    let body = &body[..body.find("\n}").expect("it ends")];
    let lines = body.lines().map(str::trim).filter(|line| !line.starts_with("//"));
    let functions = lines.filter_map(|line| match line.split_once(": ") {
        Some((name, rest)) if rest.starts_with("func(") || rest.starts_with("static func(") => {
            Some(name.to_owned())
        }
        _ => line.starts_with("constructor(").then(|| "constructor".to_owned()),
    });
    functions.collect()
}

fn camel_case(name: &str) -> String {
    let mut parts = name.split('-');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |name, part| name + &part[..1].to_uppercase() + &part[1..])
}

/// The names that the module returns, hence exports.
fn exports(script: &str) -> Vec<&str> {
    let begin = script.rfind("return {").expect("a module returns its exports") + "return {".len();
    let list = &script[begin..begin + script[begin..].find('}').expect("the list ends")];
    list.split(',').map(str::trim).filter(|name| !name.is_empty()).collect()
}

#[test]
fn every_function_of_the_contract_is_exported() {
    let modules = [
        ("caller", include_str!("../js/caller.js")),
        ("database", include_str!("../js/database.js")),
        ("queue", include_str!("../js/queue.js")),
        ("storage", include_str!("../js/storage.js")),
        ("realtime", include_str!("../js/realtime.js")),
    ];
    for (interface, script) in modules {
        let exports = exports(script);
        let functions = contract(interface);
        assert!(!functions.is_empty(), "{interface} has no functions");
        for function in functions {
            let is_spelled_otherwise = SPELLED_OTHERWISE.iter().any(|(name, _)| *name == function);
            let name = camel_case(&function);
            assert!(
                is_spelled_otherwise || exports.contains(&name.as_str()),
                "isobase:host/{interface} has no {name}; it exports {exports:?}"
            );
        }
    }
}

#[test]
fn the_types_declare_what_is_exported() {
    let types = include_str!("../../../sdk/typescript/isobase.d.ts");
    let scripts = [
        include_str!("../js/caller.js"),
        include_str!("../js/database.js"),
        include_str!("../js/queue.js"),
        include_str!("../js/storage.js"),
        include_str!("../js/realtime.js"),
        include_str!("../js/webhook.js"),
    ];
    for script in scripts {
        for name in exports(script) {
            let declared = [format!("export function {name}"), format!("export class {name} ")];
            assert!(declared.iter().any(|text| types.contains(text)), "isobase.d.ts does not declare {name}");
        }
    }
}
