//! Which of the operations that Node's modules ask for an isolate has.
//!
//! They were written for a process that belongs to one program. Here many functions share it, so each
//! operation was read and judged: what could reach the host's descriptors, signals, environment, users,
//! disk or flags, listen on a port, or speak to a Unix socket, is refused where it would run, whoever
//! calls it. What nobody has judged is refused too; a test tells of it.
//!
//! An isolate's permissions let every path through because none of what is allowed here reaches the
//! host's disk: the file operations go to [`crate::files`], the only file system there is.

use std::borrow::Cow;
use std::sync::OnceLock;

use deno_core::_ops::OpMethodDecl;
use deno_core::{Extension, OpDecl};

#[cfg(test)]
pub(super) use super::operations::REFUSED;
pub(super) use super::operations::{ALLOWED, ALLOWED_CRYPTO, ALLOWED_FILES};
use super::ops;

/// Makes an operation of ours.
type Ours = fn() -> OpDecl;

/// Answered by operations of ours, which tell nothing of the host.
pub(super) const REPLACED: &[(&str, Ours)] = &[
    ("op_cpus", ops::op_isobase_node_cpus),
    ("op_getegid", ops::op_isobase_node_zero),
    ("op_geteuid", ops::op_isobase_node_zero),
    ("op_getgroups", ops::op_isobase_node_groups),
    ("op_homedir", ops::op_isobase_node_home),
    ("op_inspector_enabled", ops::op_isobase_node_false),
    ("op_node_call_is_from_dependency", ops::op_isobase_node_true),
    ("op_node_guess_handle_type", ops::op_isobase_node_handle_type),
    ("op_node_has_child_ipc_pipe", ops::op_isobase_node_false),
    ("op_node_in_npm_package", ops::op_isobase_node_false),
    ("op_node_os_user_info", ops::op_isobase_node_user),
];

/// Classes of the runtime and what of them is refused. Where Node's modules expect a number, it is the one
/// for "not permitted", so that they make an error of the usual shape of it.
pub(super) const CLASSES: &[(&str, Judgement)] = &[
    ("AsyncWrap", Judgement::Allowed),
    ("BaseHistogram", Judgement::Allowed),
    ("BrotliDecoder", Judgement::Allowed),
    ("BrotliEncoder", Judgement::Allowed),
    ("EldHistogram", Judgement::Allowed),
    ("HTTPParser", Judgement::Allowed),
    ("HandleWrap", Judgement::Allowed),
    ("Hasher", Judgement::Allowed),
    ("Http2Session", Judgement::Allowed),
    ("Http2Stream", Judgement::Allowed),
    ("LibUvStreamWrap", Judgement::Allowed),
    ("PipeWrap", Judgement::Without(&["bind", "connect", "fchmod", "fdForIpc", "listen", "open"])),
    (
        "TCPWrap",
        Judgement::Without(&["bind", "bind6", "bindWithFlags", "fdForIpc", "listen", "open", "openFromRid"]),
    ),
    ("TLSWrap", Judgement::Allowed),
    ("TTY", Judgement::Refused),
    ("WasiContext", Judgement::Refused),
    ("Zlib", Judgement::Allowed),
    ("ZstdCompress", Judgement::Allowed),
    ("ZstdDecompress", Judgement::Allowed),
];

#[derive(Clone, Copy)]
pub(super) enum Judgement {
    Allowed,
    /// Its constructor throws, and so does every method; nothing is a terminal.
    Refused,
    Without(&'static [&'static str]),
}

/// What of an extension's operations and classes an isolate has: made once, and the same for all.
struct Kept {
    ops: &'static [OpDecl],
    classes: &'static [OpMethodDecl],
}

// SAFETY: these are tables of functions and of constants that describe them. Nothing writes to them once they
// are made, and the functions are those that every isolate's thread calls anyway.
unsafe impl Send for Kept {}
// SAFETY: as above.
unsafe impl Sync for Kept {}

/// Where the tables of one extension are kept.
pub(super) struct Tables(OnceLock<Kept>);

pub(super) static FILES: Tables = Tables(OnceLock::new());
pub(super) static CRYPTO: Tables = Tables(OnceLock::new());
pub(super) static NODE: Tables = Tables(OnceLock::new());
static NETWORK: Tables = Tables(OnceLock::new());
static PLATFORM: Tables = Tables(OnceLock::new());

/// Makes of `extension`'s operations what is allowed of them.
pub(super) fn restrict(extension: Extension, allowed: &[&str], tables: &'static Tables) -> Extension {
    let judge = |op: &OpDecl| {
        if let Some((_, ours)) = REPLACED.iter().find(|(name, _)| *name == op.name) {
            return op.with_implementation_from(&ours());
        }
        if allowed.contains(&op.name) { *op } else { refused(op) }
    };
    replace(extension, tables, judge, judge_class)
}

/// Of the platform's network, everything that listens or is no TCP.
pub(crate) fn restrict_network(extension: Extension) -> Extension {
    let parts = ["listen", "unix", "vsock", "tunnel", "quic", "udp", "webtransport"];
    let judge = |op: &OpDecl| {
        if parts.iter().any(|part| op.name.contains(part)) { refused(op) } else { *op }
    };
    replace(extension, &NETWORK, judge, judge_class)
}

/// Some of the web platform's operations by ours; its classes stay.
pub(crate) fn replace_operations(extension: Extension, judge: impl Fn(&OpDecl) -> OpDecl) -> Extension {
    replace(extension, &PLATFORM, judge, |class| *class)
}

fn replace(
    mut extension: Extension,
    tables: &'static Tables,
    judge: impl Fn(&OpDecl) -> OpDecl,
    judge_class: impl Fn(&OpMethodDecl) -> OpMethodDecl,
) -> Extension {
    let kept = tables.0.get_or_init(|| Kept {
        ops: extension.ops.iter().map(judge).collect::<Vec<_>>().leak(),
        classes: extension.objects.iter().map(judge_class).collect::<Vec<_>>().leak(),
    });
    extension.ops = Cow::Borrowed(kept.ops);
    extension.objects = Cow::Borrowed(kept.classes);
    extension
}

fn refused(op: &OpDecl) -> OpDecl {
    op.with_implementation_from(&ops::op_isobase_refused())
}

fn judge_class(class: &OpMethodDecl) -> OpMethodDecl {
    let judgement = CLASSES.iter().find(|(name, _)| *name == class.name.0).map(|(_, judgement)| *judgement);
    match judgement {
        Some(Judgement::Allowed) => *class,
        Some(Judgement::Without(names)) => {
            let methods = class.methods.iter().map(|method| {
                let is_refused = names.contains(&method.name);
                if is_refused {
                    method.with_implementation_from(&ops::op_isobase_not_permitted())
                } else {
                    *method
                }
            });
            OpMethodDecl { methods: methods.collect::<Vec<_>>().leak(), ..*class }
        }
        None | Some(Judgement::Refused) => {
            let judge = |method: &OpDecl| match method.name {
                "isTTY" => method.with_implementation_from(&ops::op_isobase_node_false()),
                _ => refused(method),
            };
            let all = |methods: &[OpDecl]| methods.iter().map(judge).collect::<Vec<_>>().leak();
            OpMethodDecl {
                constructor: class.constructor.as_ref().map(refused),
                methods: all(class.methods),
                static_methods: all(class.static_methods),
                ..*class
            }
        }
    }
}
