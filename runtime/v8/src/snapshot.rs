//! Writing the startup images: the evaluated platform as snapshots of memory.
//!
//! An isolate that starts from one skips parsing and running a megabyte or two of JavaScript. There are
//! two: one of the web platform, which is small, and one in which the modules of Node that packages touch
//! while they load are evaluated too.
//!
//! All isolates of a process share V8's read-only heap: it is made by the first, and each image refers to
//! the one it was written with. So both images are written on top of a third that has the operations and no
//! script, and the second while an isolate of the first lives, whose read-only heap it then takes as it is.

use std::cell::RefCell;
use std::rc::Rc;

use deno_core::{
    JsRuntime, JsRuntimeForSnapshot, ModuleLoadOptions, ModuleLoadReferrer, ModuleLoadResponse, ModuleLoader,
    ModuleResolveResponse, ModuleSpecifier, PollEventLoopOptions, ResolutionKind, RuntimeOptions,
    SourceCodeCacheInfo, v8,
};
use deno_error::JsErrorBox;
use tokio::runtime::Runtime;

use crate::scripts::{Scripts, Table};
use crate::{exercise, extensions, sources};

/// Both images, which belong together.
pub(crate) struct Snapshots {
    pub(crate) web: Box<[u8]>,
    pub(crate) node: Box<[u8]>,
}

/// Evaluates the platform: about a second. What fails does so in every isolate, so the text of the error is
/// all there is to tell.
pub(crate) fn create(scripts: Scripts) -> Result<Snapshots, String> {
    // A runtime's timers need a reactor to be in scope even though nothing waits here.
    let reactor = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let reactor = reactor.map_err(|error| error.to_string())?;
    let _entered = reactor.enter();
    let nothing = || extensions::for_snapshot(Scripts::default());
    let base = runtime(RuntimeOptions { extensions: nothing(), ..Default::default() })?.snapshot();
    // V8 wants its image to last for ever, and this happens once per build.
    let base: &'static [u8] = Box::leak(base);
    let web = evaluate(&reactor, base, scripts, "")?;
    let web: &'static [u8] = Box::leak(web);
    let alive = JsRuntime::try_new(RuntimeOptions {
        extensions: nothing(),
        startup_snapshot: Some(web),
        skip_op_registration: true,
        ..Default::default()
    });
    let alive = alive.map_err(|error| error.print_with_cause())?;
    let node = evaluate(&reactor, base, scripts, sources::NODE_WARM)?;
    drop(alive);
    Ok(Snapshots { web: web.into(), node })
}

/// An image on top of `base`, after the bootstrap and the modules that `warm` imports.
fn evaluate(
    reactor: &Runtime,
    base: &'static [u8],
    scripts: Scripts,
    warm: &'static str,
) -> Result<Box<[u8]>, String> {
    let watching = Rc::new(Watching { modules: scripts.modules, forgotten: RefCell::default() });
    let mut runtime = runtime(RuntimeOptions {
        extensions: extensions::for_snapshot(scripts),
        startup_snapshot: Some(base),
        module_loader: Some(watching.clone()),
        skip_op_registration: true,
        ..Default::default()
    })?;
    let ran = runtime.execute_script("ext:isobase_runtime/bootstrap.js", sources::BOOTSTRAP);
    ran.map_err(|error| error.to_string())?;
    exercise::run(&mut runtime, reactor)?;
    import(&mut runtime, warm)?;
    add_vm_context(&mut runtime)?;
    let image = runtime.snapshot();
    let forgotten = watching.forgotten.take();
    if forgotten.is_empty() {
        return Ok(image);
    }
    Err(format!("warm.js must import what its modules load in other ways: {}", forgotten.join(" ")))
}

/// Notes the modules that were loaded other than by imports. The image would not have their texts, and V8
/// would read something else when it compiles one of their functions.
struct Watching {
    modules: Table,
    forgotten: RefCell<Vec<String>>,
}

impl ModuleLoader for Watching {
    fn resolve(&self, specifier: &str, referrer: &str, _kind: ResolutionKind) -> ModuleResolveResponse {
        deno_core::resolve_import(specifier, referrer).map_err(JsErrorBox::from_err)
    }

    fn load(
        &self,
        specifier: &ModuleSpecifier,
        _referrer: Option<&ModuleLoadReferrer>,
        _options: ModuleLoadOptions,
    ) -> ModuleLoadResponse {
        let missing = JsErrorBox::type_error(format!("the platform has no module {specifier}"));
        ModuleLoadResponse::Sync(Err(missing))
    }

    /// Asked for modules that `createLazyLoader` loads, and for scripts.
    fn get_code_cache(&self, specifier: &ModuleSpecifier, _source: &str) -> Option<SourceCodeCacheInfo> {
        if sources::find(self.modules, specifier.as_str()).is_some() {
            self.forgotten.borrow_mut().push(specifier.to_string());
        }
        None
    }
}

fn runtime(options: RuntimeOptions) -> Result<JsRuntimeForSnapshot, String> {
    JsRuntimeForSnapshot::try_new(options).map_err(|error| error.print_with_cause())
}

/// Evaluates what `code` imports. The image has the texts only of modules that were imported: V8 would look
/// for those of others, which `createLazyLoader` evaluates, where nothing is.
fn import(runtime: &mut JsRuntimeForSnapshot, code: &'static str) -> Result<(), String> {
    let specifier =
        ModuleSpecifier::parse("ext:isobase_runtime/warm.js").map_err(|error| error.to_string())?;
    futures::executor::block_on(async {
        let loaded = runtime.load_side_es_module_from_code(&specifier, code).await;
        let evaluated = runtime.mod_evaluate(loaded.map_err(|error| error.to_string())?);
        let ran = runtime.run_event_loop(PollEventLoopOptions::default()).await;
        ran.map_err(|error| error.to_string())?;
        evaluated.await.map_err(|error| error.to_string())
    })
}

/// What `node:vm` makes contexts from. Without one it would take the first context there is: the
/// platform's own.
fn add_vm_context(runtime: &mut JsRuntimeForSnapshot) -> Result<(), String> {
    let mode = || deno_node::ContextInitMode::ForSnapshot;
    v8::scope!(scope, runtime.v8_isolate());
    let template = deno_node::init_global_template(scope, mode());
    let context = deno_node::create_v8_context(scope, template, mode(), std::ptr::null_mut());
    if scope.add_context(context) == deno_node::VM_CONTEXT_INDEX {
        return Ok(());
    }
    Err("the context of node:vm is not where it is looked for".to_owned())
}
