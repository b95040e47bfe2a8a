//! One file per command.

pub(crate) mod functions_new;
pub(crate) mod init;
pub(crate) mod start;
pub(crate) mod status;
pub(crate) mod stop;
pub(crate) mod webhooks;
