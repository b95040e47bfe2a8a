//! Compiling CommonJS modules as the functions that Node makes of them.

use std::cell::RefCell;
use std::rc::Rc;

use deno_core::{OpState, op2, v8};
use v8::script_compiler::{CachedData, CompileOptions, NoCacheReason, Source};

use super::resolve::{ModuleText, SharedModules};
use crate::compiled::CompiledModules;
use crate::fresh::SharedFresh;

const PARAMETERS: [&str; 5] = ["exports", "require", "module", "__filename", "__dirname"];
/// The first line of a script for a shell.
const SHEBANG: &str = "#!";

/// A module of the function.
#[op2(reentrant)]
pub(super) fn op_isobase_commonjs_compile_module<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    state: Rc<RefCell<OpState>>,
    #[string] specifier: &str,
) -> Option<v8::Local<'s, v8::Function>> {
    let modules = state.borrow().borrow::<SharedModules>().clone();
    let text = modules.text(specifier)?;
    let source = source_of(scope, &text)?;
    let code = CompiledModules::of_process().look_up(&text.shared);
    let (function, is_fresh) = compile(scope, specifier, source, code.as_deref())?;
    if is_fresh {
        state.borrow().borrow::<SharedFresh>().note_commonjs(scope, text.shared, function);
    }
    Some(function)
}

/// A text that the function brings itself.
#[op2(reentrant)]
pub(super) fn op_isobase_commonjs_compile_text<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    #[string] specifier: &str,
    text: v8::Local<'s, v8::String>,
) -> Option<v8::Local<'s, v8::Function>> {
    Some(compile(scope, specifier, text, None)?.0)
}

/// V8 reads 7-bit text where it lies, as long as it lies there.
fn source_of<'s>(scope: &mut v8::PinScope<'s, '_>, text: &ModuleText) -> Option<v8::Local<'s, v8::String>> {
    match text.lasting {
        _ if text.shared.starts_with(SHEBANG) => v8::String::new(scope, &format!("//{}", text.shared)),
        Some(lasting) if lasting.is_ascii() => {
            v8::String::new_external_onebyte_static(scope, lasting.as_bytes())
        }
        _ => v8::String::new(scope, &text.shared),
    }
}

/// The function, and whether V8 compiled it now. `None` with an exception when it is no JavaScript.
fn compile<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    specifier: &str,
    text: v8::Local<'s, v8::String>,
    code: Option<&[u8]>,
) -> Option<(v8::Local<'s, v8::Function>, bool)> {
    let name = v8::String::new(scope, specifier)?;
    let origin = v8::ScriptOrigin::new(scope, name.into(), 0, 0, false, -1, None, false, false, false, None);
    let mut names = Vec::with_capacity(PARAMETERS.len());
    for parameter in PARAMETERS {
        names.push(v8::String::new(scope, parameter)?);
    }
    let (mut source, options) = match code {
        Some(code) => (
            Source::new_with_cached_data(text, Some(&origin), CachedData::new(code)),
            CompileOptions::ConsumeCodeCache,
        ),
        None => (Source::new(text, Some(&origin)), CompileOptions::NoCompileOptions),
    };
    let function = v8::script_compiler::compile_function(
        scope,
        &mut source,
        &names,
        &[],
        options,
        NoCacheReason::NoReason,
    )?;
    let is_fresh = source.get_cached_data().is_none_or(CachedData::rejected);
    Some((function, is_fresh))
}
