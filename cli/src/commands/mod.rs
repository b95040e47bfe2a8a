//! One file per command.

pub(crate) mod functions_deploy;
pub(crate) mod functions_invoke;
pub(crate) mod functions_list;
pub(crate) mod functions_logs;
pub(crate) mod functions_new;
pub(crate) mod functions_stats;
pub(crate) mod functions_traffic;
pub(crate) mod init;
pub(crate) mod secrets;
pub(crate) mod start;
pub(crate) mod status;
pub(crate) mod stop;
pub(crate) mod webhooks;
