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

use super::ops;

/// Operations that do what they say.
pub(super) const ALLOWED: &[&str] = &[
    "op_blocklist_add_address",
    "op_blocklist_add_range",
    "op_blocklist_add_subnet",
    "op_blocklist_check",
    "op_blocklist_new",
    "op_get_root_certificates",
    "op_http2_callbacks",
    "op_http2_error_string",
    "op_http2_http_state",
    "op_is_ascii",
    "op_is_utf8",
    "op_mark_as_untransferable",
    "op_node_buffer_compare",
    "op_node_buffer_compare_offset",
    "op_node_build_os",
    "op_node_cp_check_paths_recursive",
    "op_node_cp_fast",
    "op_node_cp_on_file",
    "op_node_cp_on_link",
    "op_node_cp_sync",
    "op_node_cp_validate_and_prepare",
    "op_node_encoding_slice",
    "op_node_fs_close",
    "op_node_fs_constants",
    "op_node_fs_exists",
    "op_node_fs_exists_sync",
    "op_node_fs_fchmod",
    "op_node_fs_fchmod_sync",
    "op_node_fs_fchown",
    "op_node_fs_fchown_sync",
    "op_node_fs_fdatasync",
    "op_node_fs_fdatasync_sync",
    "op_node_fs_fstat",
    "op_node_fs_fstat_sync",
    "op_node_fs_fsync",
    "op_node_fs_fsync_sync",
    "op_node_fs_ftruncate",
    "op_node_fs_ftruncate_sync",
    "op_node_fs_futimes",
    "op_node_fs_futimes_sync",
    "op_node_fs_read_deferred",
    "op_node_fs_read_file",
    "op_node_fs_read_file_sync",
    "op_node_fs_read_sync",
    "op_node_fs_seek",
    "op_node_fs_seek_sync",
    "op_node_fs_write_deferred",
    "op_node_fs_write_sync",
    "op_node_get_first_expression",
    "op_node_get_own_non_index_properties",
    "op_node_getaddrinfo",
    "op_node_http_check_proxy_net",
    "op_node_idna_domain_to_ascii",
    "op_node_idna_domain_to_unicode",
    "op_node_idna_punycode_decode",
    "op_node_idna_punycode_encode",
    "op_node_idna_punycode_to_ascii",
    "op_node_idna_punycode_to_unicode",
    "op_node_idna_to_ascii",
    "op_node_lchmod",
    "op_node_lchmod_sync",
    "op_node_lchown",
    "op_node_lchown_sync",
    "op_node_lutimes",
    "op_node_lutimes_sync",
    "op_node_mkdtemp",
    "op_node_mkdtemp_sync",
    "op_node_new_async_id",
    "op_node_open",
    "op_node_open_sync",
    "op_node_parse_env",
    "op_node_rmdir",
    "op_node_rmdir_sync",
    "op_node_sys_to_uv_error",
    "op_node_tls_handshake",
    "op_node_tls_start",
    "op_node_view_has_buffer",
    "op_set_default_ca_certificates",
    "op_socket_address_get_serialization",
    "op_socket_address_parse",
    "op_stream_base_register_state",
    "op_tls_canonicalize_ipv4_address",
    "op_tls_peer_certificate",
    "op_transcode",
    "op_v8_cached_data_version_tag",
    "op_v8_get_heap_code_statistics",
    "op_v8_get_heap_statistics",
    "op_v8_get_wire_format_version",
    "op_v8_new_deserializer",
    "op_v8_new_serializer",
    "op_v8_number_of_heap_spaces",
    "op_v8_read_double",
    "op_v8_read_header",
    "op_v8_read_raw_bytes",
    "op_v8_read_uint32",
    "op_v8_read_uint64",
    "op_v8_read_value",
    "op_v8_release_buffer",
    "op_v8_set_treat_array_buffer_views_as_host_objects",
    "op_v8_transfer_array_buffer",
    "op_v8_transfer_array_buffer_de",
    "op_v8_update_heap_space_statistics",
    "op_v8_write_double",
    "op_v8_write_header",
    "op_v8_write_raw_bytes",
    "op_v8_write_uint32",
    "op_v8_write_uint64",
    "op_v8_write_value",
    "op_vm_compile_function",
    "op_vm_create_context",
    "op_vm_create_context_without_contextify",
    "op_vm_create_script",
    "op_vm_dynamic_import_callback_register",
    "op_vm_is_context",
    "op_vm_module_create_source_text_module",
    "op_vm_module_create_synthetic_module",
    "op_vm_module_evaluate",
    "op_vm_module_get_exception",
    "op_vm_module_get_identifier",
    "op_vm_module_get_module_requests",
    "op_vm_module_get_namespace",
    "op_vm_module_get_status",
    "op_vm_module_instantiate",
    "op_vm_module_link",
    "op_vm_module_set_synthetic_export",
    "op_vm_script_create_cached_data",
    "op_vm_script_get_source_map_url",
    "op_vm_script_run_in_context",
    "op_zlib_crc32",
    "op_zlib_crc32_string",
];

/// Of `deno_node_crypto`: pure computation, on the isolate's thread or one of its few others.
pub(super) const ALLOWED_CRYPTO: &[&str] = &[
    "op_node_aes_unwrap_key",
    "op_node_aes_wrap_key",
    "op_node_cert_export_challenge",
    "op_node_cert_export_public_key",
    "op_node_check_prime",
    "op_node_check_prime_async",
    "op_node_check_prime_bytes",
    "op_node_check_prime_bytes_async",
    "op_node_cipheriv_encrypt",
    "op_node_cipheriv_final",
    "op_node_cipheriv_set_aad",
    "op_node_cipheriv_take",
    "op_node_create_cipheriv",
    "op_node_create_decipheriv",
    "op_node_create_ec_jwk",
    "op_node_create_ed_raw",
    "op_node_create_hash",
    "op_node_create_private_key",
    "op_node_create_public_key",
    "op_node_create_rsa_jwk",
    "op_node_create_secret_key",
    "op_node_decipheriv_auth_tag",
    "op_node_decipheriv_decrypt",
    "op_node_decipheriv_final",
    "op_node_decipheriv_set_aad",
    "op_node_derive_public_key_from_private_key",
    "op_node_dh_check",
    "op_node_dh_compute_secret",
    "op_node_dh_keys_generate_and_export",
    "op_node_diffie_hellman",
    "op_node_ecdh_compute_public_key",
    "op_node_ecdh_compute_secret",
    "op_node_ecdh_encode_pubkey",
    "op_node_ecdh_generate_keys",
    "op_node_ecdh_validate_private_key",
    "op_node_ecdh_validate_public_key",
    "op_node_export_private_key_der",
    "op_node_export_private_key_jwk",
    "op_node_export_private_key_pem",
    "op_node_export_public_key_der",
    "op_node_export_public_key_jwk",
    "op_node_export_public_key_pem",
    "op_node_export_secret_key",
    "op_node_export_secret_key_b64url",
    "op_node_fill_random",
    "op_node_fill_random_async",
    "op_node_gen_prime",
    "op_node_gen_prime_async",
    "op_node_generate_dh_group_key",
    "op_node_generate_dh_group_key_async",
    "op_node_generate_dh_key",
    "op_node_generate_dh_key_async",
    "op_node_generate_dsa_key",
    "op_node_generate_dsa_key_async",
    "op_node_generate_ec_key",
    "op_node_generate_ec_key_async",
    "op_node_generate_ed25519_key",
    "op_node_generate_ed25519_key_async",
    "op_node_generate_ed448_key",
    "op_node_generate_ed448_key_async",
    "op_node_generate_rsa_key",
    "op_node_generate_rsa_key_async",
    "op_node_generate_rsa_pss_key",
    "op_node_generate_rsa_pss_key_async",
    "op_node_generate_secret_key",
    "op_node_generate_secret_key_async",
    "op_node_generate_x25519_key",
    "op_node_generate_x25519_key_async",
    "op_node_generate_x448_key",
    "op_node_generate_x448_key_async",
    "op_node_get_asymmetric_key_details",
    "op_node_get_asymmetric_key_type",
    "op_node_get_hash_size",
    "op_node_get_hashes",
    "op_node_get_private_key_from_pair",
    "op_node_get_public_key_from_pair",
    "op_node_get_symmetric_key_size",
    "op_node_hash_clone",
    "op_node_hash_digest",
    "op_node_hash_digest_hex",
    "op_node_hash_update",
    "op_node_hash_update_str",
    "op_node_hkdf",
    "op_node_hkdf_async",
    "op_node_key_equals",
    "op_node_key_type",
    "op_node_load_pfx",
    "op_node_pbkdf2",
    "op_node_pbkdf2_async",
    "op_node_pbkdf2_validate",
    "op_node_private_decrypt",
    "op_node_private_encrypt",
    "op_node_public_decrypt",
    "op_node_public_encrypt",
    "op_node_random_int",
    "op_node_scrypt_async",
    "op_node_scrypt_sync",
    "op_node_sign",
    "op_node_sign_ed25519",
    "op_node_sign_ed448",
    "op_node_validate_crl",
    "op_node_validate_oaep_hash",
    "op_node_verify",
    "op_node_verify_ed25519",
    "op_node_verify_ed448",
    "op_node_verify_spkac",
    "op_node_x509_ca",
    "op_node_x509_check_email",
    "op_node_x509_check_host",
    "op_node_x509_check_ip",
    "op_node_x509_check_issued",
    "op_node_x509_check_private_key",
    "op_node_x509_fingerprint",
    "op_node_x509_fingerprint256",
    "op_node_x509_fingerprint512",
    "op_node_x509_get_info_access",
    "op_node_x509_get_issuer",
    "op_node_x509_get_raw",
    "op_node_x509_get_serial_number",
    "op_node_x509_get_signature_algorithm_name",
    "op_node_x509_get_signature_algorithm_oid",
    "op_node_x509_get_subject",
    "op_node_x509_get_subject_alt_name",
    "op_node_x509_get_valid_from",
    "op_node_x509_get_valid_to",
    "op_node_x509_key_usage",
    "op_node_x509_parse",
    "op_node_x509_public_key",
    "op_node_x509_to_legacy_object",
    "op_node_x509_to_string",
    "op_node_x509_verify",
];

/// Of `deno_fs`: each asks the isolate's own file system.
pub(super) const ALLOWED_FILES: &[&str] = &[
    "op_fs_chdir",
    "op_fs_chmod_async",
    "op_fs_chmod_sync",
    "op_fs_chown_async",
    "op_fs_chown_sync",
    "op_fs_copy_file_async",
    "op_fs_copy_file_sync",
    "op_fs_cwd",
    "op_fs_fchmod_async",
    "op_fs_fchmod_sync",
    "op_fs_fchown_async",
    "op_fs_fchown_sync",
    "op_fs_file_stat_async",
    "op_fs_file_stat_sync",
    "op_fs_file_sync_async",
    "op_fs_file_sync_data_async",
    "op_fs_file_sync_data_sync",
    "op_fs_file_sync_sync",
    "op_fs_file_truncate_async",
    "op_fs_flock_async",
    "op_fs_flock_sync",
    "op_fs_flock_try_async",
    "op_fs_flock_try_sync",
    "op_fs_ftruncate_sync",
    "op_fs_funlock_async",
    "op_fs_funlock_sync",
    "op_fs_futime_async",
    "op_fs_futime_sync",
    "op_fs_link_async",
    "op_fs_link_sync",
    "op_fs_lstat_async",
    "op_fs_lstat_sync",
    "op_fs_make_temp_dir_async",
    "op_fs_make_temp_dir_sync",
    "op_fs_make_temp_file_async",
    "op_fs_make_temp_file_sync",
    "op_fs_mkdir_async",
    "op_fs_mkdir_sync",
    "op_fs_open_async",
    "op_fs_open_sync",
    "op_fs_read_dir_async",
    "op_fs_read_dir_async_next",
    "op_fs_read_dir_sync",
    "op_fs_read_file_async",
    "op_fs_read_file_sync",
    "op_fs_read_file_text_async",
    "op_fs_read_file_text_sync",
    "op_fs_read_link_async",
    "op_fs_read_link_sync",
    "op_fs_realpath_async",
    "op_fs_realpath_sync",
    "op_fs_remove_async",
    "op_fs_remove_sync",
    "op_fs_rename_async",
    "op_fs_rename_sync",
    "op_fs_seek_async",
    "op_fs_seek_sync",
    "op_fs_stat_async",
    "op_fs_stat_sync",
    "op_fs_symlink_async",
    "op_fs_symlink_sync",
    "op_fs_truncate_async",
    "op_fs_truncate_sync",
    "op_fs_umask",
    "op_fs_utime_async",
    "op_fs_utime_sync",
    "op_fs_write_file_async",
    "op_fs_write_file_sync",
];

/// Judged, and refused.
#[cfg(test)]
pub(super) const REFUSED: &[&str] = &[
    "op_inspector_close",
    "op_inspector_connect",
    "op_inspector_disconnect",
    "op_inspector_dispatch",
    "op_inspector_emit_protocol_event",
    "op_inspector_open",
    "op_inspector_port",
    "op_inspector_url",
    "op_inspector_wait",
    "op_module_default_resolve",
    "op_module_hooks_poll_load",
    "op_module_hooks_register",
    "op_module_hooks_respond_load",
    "op_node_child_ipc_pipe",
    "op_node_create_pipe",
    "op_node_fd_set_blocking",
    "op_node_get_ca_certificates",
    "op_node_getnameinfo",
    "op_node_ipc_buffer_constructor",
    "op_node_ipc_read_advanced",
    "op_node_ipc_read_json",
    "op_node_ipc_ref",
    "op_node_ipc_unref",
    "op_node_ipc_write_advanced",
    "op_node_ipc_write_json",
    "op_node_load_env_file",
    "op_node_os_get_priority",
    "op_node_os_set_priority",
    "op_node_parse_shell_args",
    "op_node_process_constrained_memory",
    "op_node_process_kill",
    "op_node_process_resource_usage",
    "op_node_process_set_title",
    "op_node_process_setegid",
    "op_node_process_seteuid",
    "op_node_process_setgid",
    "op_node_process_setuid",
    "op_node_repl_inspector_connect",
    "op_node_statfs",
    "op_node_statfs_sync",
    "op_node_strip_typescript_types",
    "op_node_translate_cli_args",
    "op_node_udp_bind",
    "op_node_udp_fd_for_ipc",
    "op_node_udp_join_multi_v4",
    "op_node_udp_join_multi_v6",
    "op_node_udp_join_source_specific",
    "op_node_udp_leave_multi_v4",
    "op_node_udp_leave_multi_v6",
    "op_node_udp_leave_source_specific",
    "op_node_udp_open",
    "op_node_udp_recv",
    "op_node_udp_send",
    "op_node_udp_set_broadcast",
    "op_node_udp_set_multicast_interface",
    "op_node_udp_set_multicast_loopback",
    "op_node_udp_set_multicast_ttl",
    "op_node_udp_set_ttl",
    "op_process_abort",
    "op_require_as_file_path",
    "op_require_break_on_next_statement",
    "op_require_can_parse_as_esm",
    "op_require_init_paths",
    "op_require_is_deno_dir_package",
    "op_require_is_maybe_cjs",
    "op_require_is_request_relative",
    "op_require_node_module_paths",
    "op_require_package_imports_resolve",
    "op_require_path_basename",
    "op_require_path_dirname",
    "op_require_path_is_absolute",
    "op_require_path_resolve",
    "op_require_proxy_path",
    "op_require_read_file",
    "op_require_read_package_scope",
    "op_require_real_path",
    "op_require_resolve_deno_dir",
    "op_require_resolve_exports",
    "op_require_resolve_lookup_paths",
    "op_require_stat",
    "op_require_try_self",
    "op_tty_check_fd_permission",
    "op_v8_gc_profiler_new",
    "op_v8_gc_profiler_start",
    "op_v8_gc_profiler_stop",
    "op_v8_query_objects_count",
    "op_v8_set_flags_from_string",
    "op_v8_set_heap_snapshot_near_heap_limit",
    "op_v8_take_heap_snapshot",
    "op_worker_get_resource_limits",
    "op_worker_threads_filename",
];

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

/// Makes of `extension`'s operations what is allowed of them.
pub(super) fn restrict(extension: Extension, allowed: &[&str], tables: &'static Tables) -> Extension {
    replace(extension, tables, |op| {
        if let Some((_, ours)) = REPLACED.iter().find(|(name, _)| *name == op.name) {
            return op.with_implementation_from(&ours());
        }
        if allowed.contains(&op.name) { *op } else { refused(op) }
    })
}

/// Of the platform's network, everything that listens or is no TCP.
pub(crate) fn restrict_network(extension: Extension) -> Extension {
    let parts = ["listen", "unix", "vsock", "tunnel", "quic", "udp", "webtransport"];
    replace(extension, &NETWORK, |op| {
        if parts.iter().any(|part| op.name.contains(part)) { refused(op) } else { *op }
    })
}

fn replace(
    mut extension: Extension,
    tables: &'static Tables,
    judge: impl Fn(&OpDecl) -> OpDecl,
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
