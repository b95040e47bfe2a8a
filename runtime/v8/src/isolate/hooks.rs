//! The functions of `js/bootstrap.js` that the host calls.

use deno_core::{JsRuntime, v8};

/// Taken once from `globalThis.__isobase`, which no function ever sees.
pub(crate) struct Hooks {
    pub(crate) adopt_default_export: v8::Global<v8::Function>,
    pub(crate) cancel: v8::Global<v8::Function>,
    pub(crate) configure: v8::Global<v8::Function>,
    pub(crate) dispatch: v8::Global<v8::Function>,
    pub(crate) forget: v8::Global<v8::Function>,
    pub(crate) lifecycle: v8::Global<v8::Function>,
    pub(crate) start: v8::Global<v8::Function>,
}

impl Hooks {
    pub(crate) fn take(runtime: &mut JsRuntime) -> Self {
        deno_core::scope!(scope, runtime);
        let global = scope.get_current_context().global(scope);
        let holder = get(scope, global, "__isobase").and_then(|value| value.to_object(scope));
        let holder = holder.expect("the snapshot has the host's functions");
        let mut function = |name: &str| {
            let value = get(scope, holder, name).expect("every hook is there");
            let function = v8::Local::<v8::Function>::try_from(value).expect("every hook is a function");
            v8::Global::new(scope, function)
        };
        Self {
            adopt_default_export: function("adoptDefaultExport"),
            cancel: function("cancel"),
            configure: function("configure"),
            dispatch: function("dispatch"),
            forget: function("forget"),
            lifecycle: function("lifecycle"),
            start: function("start"),
        }
    }
}

fn get<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    object: v8::Local<'s, v8::Object>,
    name: &str,
) -> Option<v8::Local<'s, v8::Value>> {
    let key = v8::String::new(scope, name)?;
    object.get(scope, key.into())
}
