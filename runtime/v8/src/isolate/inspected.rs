//! An isolate that a debugger may attach to. V8's inspector is made when the isolate is given its function,
//! so that those kept ready are the same with and without one.

use std::cell::RefCell;
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use deno_core::{InspectorMsg, InspectorSessionKind, JsRuntimeInspector};
use isobase_base::{Failure, FailureKind, limits};
use isobase_engine::Function;
use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedReceiver;

use super::{Command, Isolate};
use crate::inspect::{InspectMode, Inspector, Registration, Target};

impl Isolate {
    /// From now on debuggers find the isolate, and its scripts come with their source maps.
    pub(super) fn open_to(&mut self, inspector: &Inspector, function: &Function, main: &str) -> Registration {
        self.boot_cpu_max = limits::INSPECTED_CLOCK;
        self.loader.show_sources(inspector.folders().clone());
        self.runtime.maybe_init_inspector();
        let sessions = self.runtime.inspector().get_session_sender();
        let title = format!("{} {}", function.target.slug(), function.version);
        inspector.register(Target::new(title, main.to_owned(), inspector.mode(), sessions))
    }

    /// Until a debugger says that it is ready. Nobody is kept waiting longer than its worker lives.
    pub(super) async fn wait_for_debugger(
        &mut self,
        registration: &Registration,
        commands: &mut UnboundedReceiver<Command>,
    ) -> Result<(), Failure> {
        let target = registration.target();
        if target.mode == InspectMode::Run {
            return Ok(());
        }
        tracing::info!(function = target.title, "the function waits for a debugger");
        let mut released = pin!(target.released.cancelled());
        let mut stopping = pin!(registration.stopping().cancelled());
        std::future::poll_fn(|context| {
            let is_released = released.as_mut().poll(context).is_ready();
            // After the look: what the debugger said before it was ready is heard first.
            self.runtime.inspector().poll_sessions_from_event_loop(context);
            if is_released {
                return Poll::Ready(Ok(()));
            }
            let is_given_up = matches!(commands.poll_recv(context), Poll::Ready(None));
            if is_given_up || stopping.as_mut().poll(context).is_ready() {
                let text = "the wait for a debugger was given up";
                return Poll::Ready(Err(Failure::new(FailureKind::Cancelled, text)));
            }
            Poll::Pending
        })
        .await
    }

    /// Once all modules are loaded and before any is evaluated: has the debugger that released the isolate pause
    /// at the first statement of `main`. What `main` imports is evaluated before it, and is not what was asked for.
    pub(super) async fn break_at_first_statement(&mut self, registration: &Registration, main: &str) {
        let target = registration.target();
        if target.mode != InspectMode::Break {
            return;
        }
        target.break_at(first_statement(self.runtime.inspector(), main).as_ref());
        std::future::poll_fn(|context| {
            self.runtime.inspector().poll_sessions_from_event_loop(context);
            Poll::Ready(())
        })
        .await;
    }
}

/// Asks V8 as a debugger would, and hears the answer at once.
fn first_statement(inspector: Rc<JsRuntimeInspector>, url: &str) -> Option<Value> {
    let heard: Rc<RefCell<Vec<Value>>> = Rc::default();
    let ear = heard.clone();
    let hear = move |message: InspectorMsg| {
        ear.borrow_mut().extend(serde_json::from_str::<Value>(&message.content));
    };
    let kind = InspectorSessionKind::NonBlocking { wait_for_disconnect: false };
    let mut session = JsRuntimeInspector::create_local_session(inspector, Box::new(hear), kind);
    session.post_message(1, "Debugger.enable", None::<()>);
    let script = {
        let heard = heard.borrow();
        let scripts = heard.iter().filter(|message| message["method"] == "Debugger.scriptParsed");
        let mut ours = scripts.filter(|script| script["params"]["url"] == url);
        ours.next()?["params"]["scriptId"].clone()
    };
    let start = json!({ "scriptId": script, "lineNumber": 0, "columnNumber": 0 });
    // Of the module itself, not of functions in it.
    let asked = json!({ "start": start, "restrictToFunction": true });
    session.post_message(2, "Debugger.getPossibleBreakpoints", Some(asked));
    let heard = heard.borrow();
    let places = heard.iter().find(|message| message["id"] == 2)?["result"]["locations"].as_array()?;
    let place = places.first()?;
    Some(json!({
        "scriptId": place["scriptId"],
        "lineNumber": place["lineNumber"],
        "columnNumber": place["columnNumber"],
    }))
}
