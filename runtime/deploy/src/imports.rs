//! The imports of a parsed module: static ones, re-exports, `import("…")` and `require("…")` of a literal.

use std::ops::Range;

use deno_ast::swc::ast::{
    ArrowExpr, CallExpr, Callee, ExportAll, Expr, ExprOrSpread, Function, ImportDecl, ImportSpecifier, Lit,
    MemberProp, NamedExport, ObjectLit, Prop, PropName, PropOrSpread, Str, TryStmt,
};
use deno_ast::swc::common::Span;
use deno_ast::swc::ecma_visit::{Visit, VisitWith};
use deno_ast::{ParsedSource, ProgramRef, StartSourcePos};
use serde::{Deserialize, Serialize};

/// One import, as written.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Import {
    pub(crate) specifier: String,
    pub(crate) kind: ImportKind,
    /// The `type` of `with { type: "…" }`.
    pub(crate) media: Option<String>,
    /// Bytes of the specifier in the text, quotes included.
    pub(crate) range: Range<usize>,
    /// Bytes from the specifier's end to the end of the attributes.
    pub(crate) attributes: Option<Range<usize>>,
    pub(crate) type_only: bool,
    /// Inside of a `try` block or a function: the author expects that it may be missing, or asks for it
    /// only when it is needed.
    pub(crate) guarded: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ImportKind {
    /// Loaded before the module runs: what it names must exist.
    Static,
    /// Loaded when the guest gets there: it may have a fallback.
    Dynamic,
    /// `require("…")` or `require.resolve("…")`.
    Require,
}

/// What a module asks for.
pub(crate) struct Imports {
    pub(crate) imports: Vec<Import>,
    /// Whether it requires something whose name is not written in it.
    pub(crate) computed: bool,
}

/// Imports and requires; where `require` is no function, its calls are to be left out.
pub(crate) fn all_imports(parsed: &ParsedSource) -> Imports {
    let mut collector = Collector { imports: Vec::new(), computed: false, guards: 0 };
    match parsed.program_ref() {
        ProgramRef::Module(module) => module.visit_with(&mut collector),
        ProgramRef::Script(script) => script.visit_with(&mut collector),
    }
    Imports { imports: collector.imports, computed: collector.computed }
}

/// The imports of an ES module.
pub(crate) fn imports(parsed: &ParsedSource) -> Vec<Import> {
    let mut imports = all_imports(parsed).imports;
    imports.retain(|import| import.kind != ImportKind::Require);
    imports
}

struct Collector {
    imports: Vec<Import>,
    computed: bool,
    /// Blocks of `try` and functions around what is looked at.
    guards: usize,
}

impl Collector {
    fn add(&mut self, kind: ImportKind, specifier: &Str, with: Option<&ObjectLit>, type_only: bool) {
        let range = bytes(specifier.span);
        let attributes = with.map(|with| range.end..bytes(with.span).end);
        self.imports.push(Import {
            specifier: specifier.value.to_string_lossy().into_owned(),
            kind,
            media: with.and_then(|with| text_of(with, "type")),
            range,
            attributes,
            type_only,
            guarded: self.guards > 0,
        });
    }

    fn require(&mut self, call: &CallExpr) {
        match call.args.first().and_then(literal) {
            Some(specifier) => self.add(ImportKind::Require, specifier, None, false),
            None => self.computed = true,
        }
    }
}

impl Visit for Collector {
    fn visit_import_decl(&mut self, import: &ImportDecl) {
        let only_types = |specifier: &ImportSpecifier| match specifier {
            ImportSpecifier::Named(named) => named.is_type_only,
            ImportSpecifier::Default(_) | ImportSpecifier::Namespace(_) => false,
        };
        let no_values = !import.specifiers.is_empty() && import.specifiers.iter().all(only_types);
        self.add(ImportKind::Static, &import.src, import.with.as_deref(), import.type_only || no_values);
    }

    fn visit_named_export(&mut self, export: &NamedExport) {
        if let Some(specifier) = &export.src {
            self.add(ImportKind::Static, specifier, export.with.as_deref(), export.type_only);
        }
    }

    fn visit_export_all(&mut self, export: &ExportAll) {
        self.add(ImportKind::Static, &export.src, export.with.as_deref(), export.type_only);
    }

    fn visit_try_stmt(&mut self, statement: &TryStmt) {
        self.guards += 1;
        statement.block.visit_with(self);
        self.guards -= 1;
        statement.handler.visit_with(self);
        statement.finalizer.visit_with(self);
    }

    fn visit_function(&mut self, function: &Function) {
        self.guards += 1;
        function.visit_children_with(self);
        self.guards -= 1;
    }

    fn visit_arrow_expr(&mut self, function: &ArrowExpr) {
        self.guards += 1;
        function.visit_children_with(self);
        self.guards -= 1;
    }

    fn visit_call_expr(&mut self, call: &CallExpr) {
        if is_require(call) {
            self.require(call);
        }
        if let (Callee::Import(_), Some(specifier)) = (&call.callee, call.args.first().and_then(literal)) {
            let with = call.args.get(1).and_then(|options| match &*options.expr {
                Expr::Object(options) => Some(options),
                _ => None,
            });
            self.add(ImportKind::Dynamic, specifier, None, false);
            if let (Some(options), Some(import)) = (with, self.imports.last_mut()) {
                import.media = inner(options, "with").and_then(|with| text_of(with, "type"));
                import.attributes = import.media.is_some().then(|| import.range.end..bytes(options.span).end);
            }
        }
        call.visit_children_with(self);
    }
}

/// `require(…)` or `require.resolve(…)`.
fn is_require(call: &CallExpr) -> bool {
    let Callee::Expr(callee) = &call.callee else { return false };
    let is_name = |expression: &Expr| matches!(expression, Expr::Ident(name) if &*name.sym == "require");
    match &**callee {
        Expr::Member(member) => {
            let resolves = matches!(&member.prop, MemberProp::Ident(name) if &*name.sym == "resolve");
            resolves && is_name(&member.obj)
        }
        callee => is_name(callee),
    }
}

fn literal(argument: &ExprOrSpread) -> Option<&Str> {
    match &*argument.expr {
        Expr::Lit(Lit::Str(text)) => Some(text),
        _ => None,
    }
}

fn property<'a>(object: &'a ObjectLit, name: &str) -> Option<&'a Expr> {
    object.props.iter().find_map(|property| {
        let PropOrSpread::Prop(property) = property else { return None };
        let Prop::KeyValue(pair) = &**property else { return None };
        let is_it = match &pair.key {
            PropName::Ident(key) => &*key.sym == name,
            PropName::Str(key) => key.value.as_str() == Some(name),
            _ => false,
        };
        is_it.then_some(&*pair.value)
    })
}

fn text_of(object: &ObjectLit, name: &str) -> Option<String> {
    match property(object, name)? {
        Expr::Lit(Lit::Str(text)) => Some(text.value.to_string_lossy().into_owned()),
        _ => None,
    }
}

fn inner<'a>(object: &'a ObjectLit, name: &str) -> Option<&'a ObjectLit> {
    match property(object, name)? {
        Expr::Object(inner) => Some(inner),
        _ => None,
    }
}

/// Positions of the parser start above zero.
fn bytes(span: Span) -> Range<usize> {
    let start = StartSourcePos::START_SOURCE_POS.as_byte_pos().0;
    (span.lo.0.saturating_sub(start) as usize)..(span.hi.0.saturating_sub(start) as usize)
}
