//! What `/json/list` and `/json/version` answer: Node's documents, which Chrome and editors read.

use serde_json::{Value, json};

use super::targets::Target;

/// `host` is how the asker reaches this port.
pub(super) fn list<'a>(targets: impl IntoIterator<Item = &'a Target>, host: &str) -> Value {
    targets.into_iter().map(|target| describe(target, host)).collect()
}

fn describe(target: &Target, host: &str) -> Value {
    let socket = format!("{host}/{}", target.id);
    json!({
        "description": "isobase",
        "devtoolsFrontendUrl":
            format!("devtools://devtools/bundled/js_app.html?ws={socket}&experiments=true&v8only=true"),
        "id": target.id,
        "title": target.title,
        "type": "node",
        "url": target.url,
        "webSocketDebuggerUrl": format!("ws://{socket}"),
    })
}

pub(super) fn version() -> Value {
    json!({
        "Browser": concat!("isobase/", env!("CARGO_PKG_VERSION")),
        "Protocol-Version": "1.3",
        "V8-Version": deno_core::v8::VERSION_STRING,
    })
}

#[cfg(test)]
mod tests {
    use futures::channel::mpsc;
    use serde_json::json;

    use super::{Target, list};
    use crate::inspect::InspectMode;

    #[test]
    fn a_target_says_where_to_connect() {
        let (sessions, _inbox) = mpsc::unbounded();
        let mut target =
            Target::new("hello 3".into(), "file:///hello/index.ts".into(), InspectMode::Run, sessions);
        target.id = "8b1f".into();
        let expected = json!([{
            "description": "isobase",
            "devtoolsFrontendUrl":
                "devtools://devtools/bundled/js_app.html?ws=localhost:8083/8b1f&experiments=true&v8only=true",
            "id": "8b1f",
            "title": "hello 3",
            "type": "node",
            "url": "file:///hello/index.ts",
            "webSocketDebuggerUrl": "ws://localhost:8083/8b1f",
        }]);
        assert_eq!(list([&target], "localhost:8083"), expected);
    }
}
