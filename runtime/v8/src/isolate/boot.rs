//! Loading a function: evaluate its modules, find its handler.

use std::future::poll_fn;
use std::task::Poll;

use deno_core::{ModuleLoader, ModuleSpecifier, PollEventLoopOptions, v8};
use futures::FutureExt;
use isobase_base::{Failure, FailureKind};
use isobase_bind_v8::Callers;
use isobase_engine::{Artifact, Function};

use super::{Assignment, Isolate};
use crate::egress;
use crate::guest_log::GuestLog;
use crate::inspect::Registration;
use crate::node;
use crate::ops::lifecycle::HandlerRegistered;
use crate::script_error;

impl Isolate {
    /// Runs the function up to the point where it can take a request.
    pub(super) async fn boot(&mut self, assignment: &mut Assignment) -> Result<(), Failure> {
        let function = assignment.function.clone();
        let Artifact::Program(program) = &function.artifact else {
            return Err(boot_failure("this function is not made of JavaScript modules"));
        };
        let Some(main) = program.modules.first() else {
            return Err(boot_failure("the function has no modules"));
        };
        let main = ModuleSpecifier::parse(&main.specifier)
            .map_err(|error| boot_failure(format!("{}: {error}", main.specifier)))?;
        self.loader.modules.fill(program);
        self.disk.fill(program, &node::path_of(main.as_str()));
        {
            let state = self.runtime.op_state();
            let mut state = state.borrow_mut();
            state.put(GuestLog::new(assignment.status.observer.clone(), function.version));
            let wake = std::mem::replace(&mut assignment.wake, super::Wake::nowhere());
            state.put(wake);
            *state.borrow_mut::<Callers>() =
                Callers::new(std::mem::take(&mut assignment.apis), function.capabilities.clone());
            let policy = assignment.network.policy(&function.capabilities.egress);
            state.put(assignment.network.inward().clone());
            egress::apply(&mut state, &policy, assignment.network.resolver())
                .map_err(|error| Failure::new(FailureKind::Host, error))?;
        }
        let inspector = assignment.inspector.take();
        let registration = inspector.map(|inspector| self.open_to(&inspector, &function, main.as_str()));
        self.configure(&function, &main, registration.is_some());
        if let Some(registration) = &registration {
            self.wait_for_debugger(registration, &mut assignment.commands).await?;
        }
        self.evaluate(&main, registration.as_ref()).await?;
        self.registration = registration;
        Ok(())
    }

    /// Keeps what this isolate compiled for those after it: when it has booted, and with what requests call
    /// once the first ones are over. Not what a debugger has changed.
    pub(super) fn keep_compiled(&mut self) {
        if self.loader.fresh.is_empty() || self.registration.is_some() {
            return;
        }
        deno_core::scope!(scope, self.runtime);
        self.loader.fresh.keep(scope, self.scripts);
    }

    fn configure(&mut self, function: &Function, main: &ModuleSpecifier, is_inspected: bool) {
        let configure = self.hooks.configure.clone();
        deno_core::scope!(scope, self.runtime);
        let environment = v8::Object::new(scope);
        for (name, value) in &function.worker_environment() {
            if let (Some(name), Some(value)) = (v8::String::new(scope, name), v8::String::new(scope, value)) {
                environment.create_data_property(scope, name.into(), value.into());
            }
        }
        let main = v8::String::new(scope, main.as_str()).unwrap_or_else(|| v8::String::empty(scope));
        let is_inspected = v8::Boolean::new(scope, is_inspected).into();
        let receiver = v8::undefined(scope).into();
        let arguments = [environment.into(), main.into(), is_inspected];
        v8::Local::new(scope, configure).call(scope, receiver, &arguments);
    }

    async fn evaluate(
        &mut self,
        main: &ModuleSpecifier,
        registration: Option<&Registration>,
    ) -> Result<(), Failure> {
        self.turns.begin(self.boot_cpu_max);
        let loaded = self.runtime.load_main_es_module(main).await;
        self.turns.end(1);
        let id = loaded.map_err(|error| self.boot_error(&error))?;
        if let Some(registration) = registration {
            self.break_at_first_statement(registration, main.as_str()).await;
        }
        self.turns.begin(self.boot_cpu_max);
        let evaluated = self.runtime.mod_evaluate(id);
        self.turns.end(1);
        self.run_until_handler(evaluated).await?;
        if self.has_handler() {
            return Ok(());
        }
        self.adopt_default_export(id)?;
        if self.has_handler() {
            return Ok(());
        }
        Err(boot_failure(format!(
            "{main} registers no handler; call Deno.serve(handler) or export default {{ fetch(request) {{ … }} }}"
        )))
    }

    /// Until the modules are evaluated, and after that until a handler is registered or nothing is
    /// left that could register one. The caller bounds the time.
    async fn run_until_handler(
        &mut self,
        evaluated: impl Future<Output = Result<(), deno_core::error::CoreError>>,
    ) -> Result<(), Failure> {
        let mut evaluated = Box::pin(evaluated.fuse());
        let mut is_evaluated = false;
        poll_fn(|context| {
            self.turns.begin(self.boot_cpu_max);
            let ran = self.runtime.poll_event_loop(context, PollEventLoopOptions::default());
            self.turns.end(1);
            if let Poll::Ready(Err(error)) = &ran {
                // Its modules wait for the server that they have started: `await serve(handler)`.
                if !is_evaluated && self.has_handler() && script_error::is_stalled(error) {
                    self.runtime.op_state().borrow().external_ops_tracker.ref_op();
                    return Poll::Ready(Ok(()));
                }
                return Poll::Ready(Err(self.boot_error(error)));
            }
            if !is_evaluated && let Poll::Ready(result) = evaluated.as_mut().poll(context) {
                is_evaluated = true;
                if let Err(error) = result {
                    return Poll::Ready(Err(self.boot_error(&error)));
                }
            }
            if is_evaluated && (self.has_handler() || ran.is_ready()) {
                return Poll::Ready(Ok(()));
            }
            if ran.is_ready() {
                // Idle but not evaluated: an `await` at the top level that nothing can end.
                return Poll::Ready(Err(boot_failure("an await at the top level of a module can never end")));
            }
            Poll::Pending
        })
        .await
    }

    fn has_handler(&self) -> bool {
        self.runtime.op_state().borrow().borrow::<HandlerRegistered>().0
    }

    fn adopt_default_export(&mut self, id: deno_core::ModuleId) -> Result<(), Failure> {
        let namespace = self.runtime.get_module_namespace(id).map_err(|error| self.boot_error(&error))?;
        let adopt = self.hooks.adopt_default_export.clone();
        deno_core::scope!(scope, self.runtime);
        v8::tc_scope!(let scope, scope);
        let namespace = v8::Local::new(scope, namespace);
        let receiver = v8::undefined(scope).into();
        if v8::Local::new(scope, adopt).call(scope, receiver, &[namespace.into()]).is_some() {
            return Ok(());
        }
        let text = scope.exception().map_or_else(String::new, |error| script_error::describe(scope, error));
        Err(boot_failure(text))
    }

    fn boot_error(&self, error: &deno_core::error::CoreError) -> Failure {
        match self.verdict() {
            Some((FailureKind::CpuLimit, _)) => boot_failure(format!(
                "the function used more than {} s of CPU time before it could take a request",
                self.boot_cpu_max.as_secs()
            )),
            Some((kind, _)) => {
                Failure::new(FailureKind::Boot, format!("{} limit reached while starting", kind.reason()))
            }
            None => boot_failure(script_error::of_boot(error, |file, line| {
                self.loader.get_source_mapped_source_line(file, line)
            })),
        }
    }
}

fn boot_failure(detail: impl Into<String>) -> Failure {
    Failure::new(FailureKind::Boot, detail)
}
