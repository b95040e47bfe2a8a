//! What an isolate compiled itself, kept so that others need not.
//!
//! V8 compiles a function when it is first called, so what it gives for a script that has not run yet lacks nearly
//! all of it. That is why scripts are noted here when they are compiled, and kept once they have run: compiling the
//! same text under the same origin again gives what the isolate has already, from V8's own table of texts, with every
//! function that was called.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use deno_core::v8;
use v8::script_compiler::{CompileOptions, NoCacheReason, Source};

use crate::compiled::{CompiledModules, CompiledScripts};
use crate::scripts::Scripts;
use crate::sources;

/// The only parameter of the platform's classic scripts, which are bodies of functions.
const BOOTSTRAP: &str = "__bootstrap";

/// Shared by the loader and the operations of `require`.
pub(crate) type SharedFresh = Rc<Fresh>;

/// The scripts that are still to be kept. What comes after the end is kept at once, as it is.
pub(crate) struct Fresh(RefCell<Option<Vec<Script>>>);

enum Script {
    /// A CommonJS module of the function.
    CommonJs { text: Arc<str>, function: v8::Global<v8::Function> },
    /// An ES module of the function.
    Module { specifier: String, text: Arc<str> },
    /// A script of the platform, and the hash of its text.
    Platform { specifier: String, hash: u64 },
}

impl Default for Fresh {
    fn default() -> Self {
        Self(RefCell::new(Some(Vec::new())))
    }
}

impl Fresh {
    pub(crate) fn note_commonjs(
        &self,
        scope: &v8::Isolate,
        text: Arc<str>,
        function: v8::Local<'_, v8::Function>,
    ) {
        match &mut *self.0.borrow_mut() {
            Some(scripts) => {
                scripts.push(Script::CommonJs { text, function: v8::Global::new(scope, function) })
            }
            None => keep_commonjs(function, &text),
        }
    }

    pub(crate) fn note_module(&self, specifier: &str, text: &Arc<str>) {
        self.note(|| Script::Module { specifier: specifier.to_owned(), text: text.clone() });
    }

    pub(crate) fn note_platform(&self, specifier: &str, hash: u64) {
        self.note(|| Script::Platform { specifier: specifier.to_owned(), hash });
    }

    fn note(&self, script: impl FnOnce() -> Script) {
        if let Some(scripts) = &mut *self.0.borrow_mut() {
            scripts.push(script());
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.borrow().as_ref().is_none_or(Vec::is_empty)
    }

    /// Keeps the code of all that was noted, of every function that was called until now.
    pub(crate) fn keep(&self, scope: &mut v8::PinScope<'_, '_>, platform: Scripts) {
        let scripts = self.0.borrow();
        for script in scripts.iter().flatten() {
            v8::scope!(let scope, scope);
            // A script that V8 does not compile again stays as it was kept before.
            let _ = script.keep(scope, platform);
        }
    }

    /// Nothing is noted from here on.
    pub(crate) fn end(&self) {
        self.0.take();
    }
}

impl Script {
    fn keep(&self, scope: &mut v8::PinScope<'_, '_>, platform: Scripts) -> Option<()> {
        match self {
            Self::CommonJs { text, function } => keep_commonjs(v8::Local::new(scope, function), text),
            Self::Module { specifier, text } => {
                CompiledModules::of_process().keep(text, &code_of_module(scope, specifier, text)?);
            }
            Self::Platform { specifier, hash } => {
                let code = match sources::find(platform.classic, specifier) {
                    Some(text) => code_of_classic(scope, specifier, text)?,
                    None => code_of_module(scope, specifier, sources::find(platform.modules, specifier)?)?,
                };
                CompiledScripts::of_process().keep(specifier, *hash, &code);
            }
        }
        Some(())
    }
}

fn keep_commonjs(function: v8::Local<'_, v8::Function>, text: &Arc<str>) {
    if let Some(code) = function.create_code_cache() {
        CompiledModules::of_process().keep(text, &code);
    }
}

/// The origin must be the one that `deno_core` gives: V8 takes texts of different origins for different scripts.
fn source(scope: &mut v8::PinScope<'_, '_>, name: &str, text: &str, is_module: bool) -> Option<Source> {
    let name = v8::String::new(scope, name)?.into();
    let origin = v8::ScriptOrigin::new(scope, name, 0, 0, false, 0, None, false, false, is_module, None);
    Some(Source::new(v8::String::new(scope, text)?, Some(&origin)))
}

type Code = v8::UniqueRef<v8::CachedData<'static>>;

fn code_of_module(scope: &mut v8::PinScope<'_, '_>, specifier: &str, text: &str) -> Option<Code> {
    let mut source = source(scope, specifier, text, true)?;
    let options = CompileOptions::NoCompileOptions;
    let module = v8::script_compiler::compile_module2(scope, &mut source, options, NoCacheReason::NoReason)?;
    module.get_unbound_module_script(scope).create_code_cache()
}

fn code_of_classic(scope: &mut v8::PinScope<'_, '_>, specifier: &str, text: &str) -> Option<Code> {
    let mut source = source(scope, specifier, text, false)?;
    let parameter = v8::String::new(scope, BOOTSTRAP)?;
    let options = CompileOptions::NoCompileOptions;
    let reason = NoCacheReason::NoReason;
    let compiled =
        v8::script_compiler::compile_function(scope, &mut source, &[parameter], &[], options, reason)?;
    compiled.create_code_cache()
}
