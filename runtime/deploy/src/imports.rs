//! The imports of a parsed module: static ones, re-exports, and `import("…")` of a literal.

use std::ops::Range;

use deno_ast::swc::ast::{
    CallExpr, Callee, ExportAll, Expr, ExprOrSpread, ImportDecl, ImportSpecifier, Lit, NamedExport,
    ObjectLit, Prop, PropName, PropOrSpread, Str,
};
use deno_ast::swc::common::Span;
use deno_ast::swc::ecma_visit::{Visit, VisitWith};
use deno_ast::{ParsedSource, ProgramRef, StartSourcePos};

/// One import, as written.
#[derive(Debug)]
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
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ImportKind {
    /// Loaded before the module runs: what it names must exist.
    Static,
    /// Loaded when the guest gets there: it may have a fallback.
    Dynamic,
}

pub(crate) fn imports(parsed: &ParsedSource) -> Vec<Import> {
    let mut collector = Collector { imports: Vec::new() };
    match parsed.program_ref() {
        ProgramRef::Module(module) => module.visit_with(&mut collector),
        ProgramRef::Script(script) => script.visit_with(&mut collector),
    }
    collector.imports
}

struct Collector {
    imports: Vec<Import>,
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
        });
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

    fn visit_call_expr(&mut self, call: &CallExpr) {
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
